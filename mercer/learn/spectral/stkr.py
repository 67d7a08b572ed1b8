"""Spectrally transformed kernel regression as a scikit-learn estimator."""

from __future__ import annotations

from typing import Any

import torch

from mercer.learn.regression import RegressionEstimator
from mercer.learn.spectral.stkr_machine import TransformedMachine, stacked


class SpectrallyTransformedRegressor(RegressionEstimator, TransformedMachine):
    r"""Kernel ridge regression with the kernel :math:`K_s`, whose spectrum unlabelled points shape.

    The base kernel says which points are alike; over all ``N`` points, labelled or not, it has the
    eigenvalues :math:`\lambda_i` and eigenfunctions :math:`\psi_i`. The kernel
    :math:`K_s = \sum_i s(\lambda_i) \psi_i \psi_i` counts functions as smooth that are so along
    the data. :math:`f` minimises :math:`\tfrac1n \sum_i (y_i - f(x_i))^2 + \beta \|f\|_{K_s}^2`
    over the labelled rows; it is a function of any point, not of the sample only. The mean of the
    targets is taken off first.

    All is done by products with the base kernel's matrix; only ``"kpca"`` computes eigenvectors.
    What is left at None is chosen by leave-one-out error, and ``explain_`` says what and why.

    Parameters
    ----------
    kernel : Kernel or str
        ``"neighbours"``: how many of their nearest points two points share. Or a name as in
        :class:`mercer.learn.KernelRegressor`, or a kernel.
    transformation : str or sequence of float
        ``"inverse laplacian"``: :math:`s^{-1}(\lambda) = \lambda^{-1} - \eta`. Coefficients
        :math:`\pi_1, \pi_2, \dots`: :math:`s(\lambda) = \sum_p \pi_p \lambda^p`. ``"kpca"``, for a
        transformation that is not known: regression on kernel principal components.
    eta : float, in [0, 1)
        Of the inverse Laplacian, over the largest eigenvalue.
    rank : int, optional
        Number of components of ``"kpca"``; chosen among powers of two by default.
    neighbours : int, at least 1
        Of the kernel ``"neighbours"``.
    lengthscale : float, optional
        Of a kernel given by name, positive, in the units of ``X``.
    regularisation : float, optional
        :math:`\beta`, positive.
    normalised : bool
        Whether to divide the kernel by the roots of its means over the points, as label propagation
        does. Its largest eigenvalue is then 1.
    tolerance : float, optional
        Relative, of conjugate gradients; 1e-5 in float32, 1e-10 in float64.
    random_state : int, RandomState or None
        Of the subsample of labelled rows, if there are more than 1,000, and of start vectors.
    verbose : bool
        Whether to show progress on stderr.

    Attributes
    ----------
    transduction_ : Tensor, shape (N,) or (N, c)
        Predictions at all points of ``fit``: the labelled ones, then the unlabelled ones.
    kernel_, regularisation_
        What was used.
    points_, coefficients_, intercept_ : Tensor, shapes (N, d), (N, c), (c,)
        ``f(x) = intercept + sum_j k(x, point_j) coefficient_j``.
    explain_ : str
        What was chosen and why.
    n_iter_, n_features_in_, feature_names_in_
        As in scikit-learn.

    Examples
    --------
    >>> import numpy as np
    >>> angle = np.linspace(0, 6, 200)
    >>> X = np.c_[np.cos(angle), np.sin(angle)] * (1 + angle)[:, None]  # a spiral
    >>> labelled = np.arange(5, 200, 21)
    >>> model = SpectrallyTransformedRegressor(random_state=0)
    >>> model = model.fit(X[labelled], angle[labelled], unlabelled=X)
    >>> bool(abs(model.predict(X) - angle).mean() < 0.2)
    True

    References
    ----------
    R. Zhai, R. Pukdee, R. Jin, M.-F. Balcan, P. Ravikumar, "Spectrally Transformed Kernel
    Regression", ICLR 2024. https://arxiv.org/abs/2402.00645
    """

    def fit(self, X: Any, y: Any, unlabelled: Any = None) -> SpectrallyTransformedRegressor:
        """Fit to labelled rows and to points without labels.

        Parameters
        ----------
        X : array, DataFrame or Tensor, shape (n, d)
            Labelled points; float32 stays float32, all other types become float64.
        y : array, Series, DataFrame or Tensor, shape (n,) or (n, c)
            Their targets.
        unlabelled : array, DataFrame or Tensor, shape (m, d), optional
            Points without targets.

        Returns
        -------
        SpectrallyTransformedRegressor
            The estimator itself.
        """
        points, Y = self._read(X, y)
        rows = torch.arange(len(points), device=points.device)
        F = self._fit_function(stacked(points, unlabelled), Y, rows, centre=True)
        self.transduction_ = F[:, 0] if self._single else F
        return self
