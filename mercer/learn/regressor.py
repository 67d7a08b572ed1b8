"""Kernel ridge regression as a scikit-learn estimator."""

from __future__ import annotations

from typing import Any

from mercer.learn import containers
from mercer.learn.machine import KernelMachine
from mercer.learn.regression import RegressionEstimator


class KernelRegressor(RegressionEstimator, KernelMachine):
    r"""Kernel ridge regression: minimise :math:`\sum_i w_i (y_i - f(x_i))^2 + \lambda \|f\|_k^2`.

    The mean of the targets is taken off first. What is left at None is chosen by ``fit`` from the
    data, and ``explain_`` says what and why.

    Parameters
    ----------
    kernel : Kernel or str, optional
        ``"rbf"``, ``"matern12"``, ``"matern32"``, ``"matern52"``, ``"laplace"``, whose lengthscale
        is chosen unless it is given; or a kernel, used as it is. Default: the best of ``rbf``,
        ``matern52`` and ``matern12`` by leave-one-out error.
    method : {"auto", "exact", "cg", "askotch", "nystrom", "eigenpro"}
        ``auto``: ``exact`` up to 4,000 rows, else ``nystrom``. A named method is used or refused.
    lengthscale : float, array of shape (d,) or "auto", optional
        In the units of ``X``, positive. ``"auto"`` chooses it for a given kernel too.
    regularisation : float, at least 0, optional
        :math:`\lambda`, the noise variance in units of the kernel's; the same for all methods.
    centers : int or array of shape (m, d), optional
        How many rows, drawn at random, or which points span ``f``, for ``nystrom``, ``eigenpro``.
    precision : {"highest", "high", "medium"}
        Of the kernel's entries, see :func:`mercer.engine.reduce`.
    tolerance : float, optional
        Relative residual at which an iterative solver stops.
    max_iterations : int, optional
        Most steps of an iterative solver.
    epochs : int, optional
        Passes of ``eigenpro``; default up to 20, stopped early by validation rows.
    validation_fraction : float, in (0, 1)
        Share of the rows, at most 10,000, that an iterative method compares by where it has to.
    memory_budget : float, optional
        Bytes on the device; default half of what is free there.
    random_state : int, RandomState or None
        Of subsamples, centres and solvers.
    verbose : bool
        Whether to show progress on stderr.
    checkpoint : path, optional
        File that a long fit keeps its state in and goes on from; removed at the end.
    checkpoint_every : float, seconds
        Least time between two writes.
    device : device, optional
        Where to compute; by default where ``X`` is. Rows that do not fit in ``memory_budget`` there
        stay where they are: ``nystrom`` and ``eigenpro`` bring them by blocks, from the memory of
        the host to a GPU while it is at work on the block before.
    distributed : bool
        Whether all processes of ``torch.distributed`` fit this model together, each given the same
        table. ``cg`` and ``nystrom`` divide its rows; the first process chooses, writes the
        checkpoint and shows progress, and all end with its coefficients. Predictions need no other
        process. See :mod:`mercer.distributed`.

    Attributes
    ----------
    kernel_, lengthscale_, regularisation_, method_
        What was used.
    centers_, coefficients_, intercept_ : Tensor, shapes (p, d), (p, c), (c,)
        ``f(x) = intercept + sum_j k(x, center_j) coefficient_j``.
    explain_ : str
        What was chosen and why.
    history_ : list of dict
        One record a step: ``iteration``, ``seconds`` and what the solver measures.
    n_iter_, n_features_in_, feature_names_in_
        As in scikit-learn.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.linspace(0, 6, 50)[:, None]
    >>> model = KernelRegressor(random_state=0).fit(X, np.sin(X[:, 0]))
    >>> bool(abs(model.predict(np.array([[1.0]]))[0] - np.sin(1.0)) < 1e-3)
    True

    References
    ----------
    C. E. Rasmussen, C. K. I. Williams, Gaussian Processes for Machine Learning.
    https://gaussianprocess.org/gpml/
    A. Rudi, L. Carratino, L. Rosasco, "FALKON: An Optimal Large Scale Kernel Method".
    https://arxiv.org/abs/1705.10958
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> KernelRegressor:
        """Fit to a table.

        Parameters
        ----------
        X : array, DataFrame or Tensor, shape (n, d)
            Features; float32 stays float32, all other types become float64.
        y : array, Series, DataFrame or Tensor, shape (n,) or (n, c)
            Targets.
        sample_weight : array, shape (n,), optional
            At least 0; a whole weight is the same as copies of the row.

        Returns
        -------
        KernelRegressor
            The estimator itself.
        """
        points, Y = self._read(X, y)
        weights = containers.weights(sample_weight, points)
        held = self._fit_function(points, Y, weights, calibrate=False)
        if held is not None:
            predictions, truth, weights, how = held
            squared = (truth - predictions).double().square().sum(dim=1)
            error = float((weights * squared).sum() / weights.sum())
            self.explain_ += f"\nmean squared error {error:.4g}: {how}."
        return self
