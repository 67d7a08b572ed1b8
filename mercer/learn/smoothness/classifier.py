"""The classifier of the optimal rate in Sobolev spaces."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mercer import checks
from mercer.kernels import Kernel, Matern
from mercer.learn import containers
from mercer.learn.classification import ClassificationEstimator
from mercer.learn.smoothness.rate import OptimalRate, eigenvalue_decay
from mercer.learn.spectral.regressor import SpectralRegressor
from mercer.linalg import nearest_distribution


class SobolevClassifier(ClassificationEstimator):
    r"""The sign of gradient flow on labels -1 and 1, stopped early; the largest of several.

    The regression function :math:`f^* = 2\eta - 1` of each class against the rest is learnt in the
    Sobolev space of a Matérn kernel. Stopped at :math:`t = n^{\beta/(s\beta+1)}`, which needs the
    smoothness ``s`` of :math:`f^*`, the excess risk falls at the best possible rate
    :math:`n^{-s\beta/(2(s\beta+1))}`; without ``s`` the time is chosen by leave-one-out error.

    Parameters
    ----------
    order : float, optional
        The order ``m`` of the Sobolev space, above ``d / 2``: the Matérn kernel has
        :math:`\nu = m - d/2`, and :math:`\beta = 2m/d`. Default ``(d + 1) / 2``.
    kernel : Kernel, optional
        In place of the Matérn kernel.
    smoothness : float, optional
        ``s``, positive; :func:`interpolation_smoothness` estimates it.
    time : float, optional
        ``t``, positive, in place of what follows from ``s``, in units of one over an eigenvalue of
        ``K / n``.
    decay : float, optional
        :math:`\beta`, above 1; default :func:`eigenvalue_decay` of the kernel.
    profile : str
        As in :class:`mercer.learn.spectral.SpectralRegressor`, its strength ``1 / t``. Ridge
        regression is optimal up to ``s = 2`` only.
    lengthscale : float, array of shape (d,) or "auto", optional
        In the units of ``X``, positive. Default ``"auto"`` for the Matérn kernel; a kernel that is
        given is used as it is.
    method : str, optional
        Of :func:`mercer.learn.spectral.spectral_filter`.
    random_state : int, RandomState or None
        Of the rows on which lengthscale and time are chosen.
    verbose : bool
        Whether to show progress on stderr.

    Attributes
    ----------
    classes_ : array, shape (C,)
        The labels, sorted.
    kernel_, time_ :
        What was used.
    points_, coefficients_, intercept_ : Tensor, shapes (u, d), (u, c), (c,)
        ``f(x) = intercept + sum_j k(x, point_j) coefficient_j``, ``c = 1`` for two classes.
    explain_, n_iter_, n_features_in_, feature_names_in_
        As in :class:`mercer.learn.spectral.SpectralRegressor`.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.linspace(-1, 1, 40)[:, None]
    >>> y = np.where(abs(X[:, 0]) < 0.5, "in", "out")
    >>> model = SobolevClassifier(smoothness=0.5, random_state=0).fit(X, y)
    >>> model.predict(np.array([[0.0], [0.9]])).tolist()
    ['in', 'out']

    References
    ----------
    J. Lai, Z. Li, D. Huang, Q. Lin, "The Optimality of Kernel Classifiers in Sobolev Space", ICLR
    2024. https://arxiv.org/abs/2402.01148
    """

    def __init__(
        self,
        order: float | None = None,
        *,
        kernel: Kernel | None = None,
        smoothness: float | None = None,
        time: float | None = None,
        decay: float | None = None,
        profile: str = "gradient flow",
        lengthscale: Any = None,
        method: str | None = None,
        random_state: Any = None,
        verbose: bool = False,
    ) -> None:
        self.order = order
        self.kernel = kernel
        self.smoothness = smoothness
        self.time = time
        self.decay = decay
        self.profile = profile
        self.lengthscale = lengthscale
        self.method = method
        self.random_state = random_state
        self.verbose = verbose

    @torch.no_grad()
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> SobolevClassifier:
        """Fit to a table.

        Parameters
        ----------
        X : array, DataFrame or Tensor, shape (n, d)
            Features; float32 stays float32, all other types become float64.
        y : array, Series or Tensor, shape (n,)
            Labels: numbers or strings, at least two different ones.
        sample_weight : array, shape (n,), optional
            At least 0; a whole weight is the same as copies of the row.

        Returns
        -------
        SobolevClassifier
            The estimator itself.
        """
        points, index, weights = self._read(X, y, sample_weight)
        Y = 2 * torch.nn.functional.one_hot(index, len(self.classes_)).to(points) - 1  # [n, C]
        if len(self.classes_) == 2:
            Y = Y[:, 1:]
        kernel, lengthscale = self._kernel(points.shape[1])
        time = self._time(kernel, points, float(weights.sum()))
        flow = SpectralRegressor(
            kernel,
            self.profile,
            None if time is None else 1 / time,
            lengthscale=lengthscale,
            method=self.method,
            random_state=self.random_state,
            verbose=self.verbose,
        ).fit(points, Y, weights)
        assert flow.strength_ is not None  # the profile is a name, so that it has one
        self.kernel_, self.time_ = flow.kernel_, 1 / flow.strength_
        self.points_, self.coefficients_ = flow.points_, flow.coefficients_
        self.intercept_, self.n_iter_, self.explain_ = flow.intercept_, flow.n_iter_, flow.explain_
        return self

    @torch.no_grad()
    def decision_function(self, X: Any) -> Any:
        r"""Estimates of :math:`2\eta - 1`: ``[n]`` for two classes, else ``[n, C]``."""
        F = self._scores_of(X)
        out = F[:, 1] if len(self.classes_) == 2 else F
        return containers.give_back(out, containers.container_of(X), None)

    @torch.no_grad()
    def predict_proba(self, X: Any) -> Any:
        r"""Estimates of :math:`\eta`, ``[n, C]``: distributions nearest to :math:`(1 + f)/2`."""
        return self._give_probabilities(nearest_distribution((1 + self._scores_of(X)) / 2), X)

    def _scores(self, points: Tensor) -> Tensor:
        points = points.to(self.points_)
        F = self.kernel_(points, self.points_) @ self.coefficients_ + self.intercept_
        return torch.cat([-F, F], dim=1) if F.shape[1] == 1 else F

    def _kernel(self, d: int) -> tuple[Kernel, Any]:
        if self.kernel is not None:
            if not isinstance(self.kernel, Kernel):
                raise TypeError(f"kernel must be a Kernel, got {type(self.kernel).__name__}")
            if self.order is not None:
                raise ValueError("give order or kernel, not both")
            return self.kernel, self.lengthscale
        order = (d + 1) / 2 if self.order is None else float(self.order)
        if not order > d / 2:
            raise ValueError(f"order must be above d / 2 = {d / 2:g}, got {order:g}")
        return Matern(nu=order - d / 2), "auto" if self.lengthscale is None else self.lengthscale

    def _time(self, kernel: Kernel, points: Tensor, n: float) -> float | None:
        if self.time is not None:
            if self.smoothness is not None:
                raise ValueError("give smoothness or time, not both")
            return float(checks.positive("time", float(self.time)))
        if self.smoothness is None:
            return None
        decay = self.decay
        if decay is None:
            decay = eigenvalue_decay(kernel, points.shape[1])
        # The theory leaves the factor open; this one makes a multiple of the kernel the same.
        size = float(kernel(points).diagonal().mean())
        return OptimalRate(float(decay), float(self.smoothness)).time(n) / size
