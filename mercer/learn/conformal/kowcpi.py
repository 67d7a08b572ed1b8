"""Conformal prediction intervals for series, weighted by a kernel."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.base import RegressorMixin
from sklearn.exceptions import DataConversionWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from mercer import checks
from mercer.kernels import RBF, Kernel
from mercer.learn import containers
from mercer.learn.conformal.bandwidth import select_bandwidth
from mercer.learn.conformal.out_of_sample import bootstrap, split
from mercer.learn.conformal.recalibration import alphas_near, calibrated_level, least_levels
from mercer.learn.conformal.residual_intervals import (
    ResidualIntervals,
    residual_intervals,
    windows,
)
from mercer.learn.estimator import Estimator

WINDOWS = (1, 2, 3, 5)


class KernelWeightedConformal(RegressorMixin, Estimator):
    r"""Prediction intervals for a series: a regressor, and the distribution of its next residual.

    With residuals :math:`\varepsilon_t = y_t - f(x_t)` of rows that the regressor did not see, the
    next one given the last w is estimated by :class:`NadarayaWatson`, reweighted. The interval

    .. math:: [f(x_t) + Q_{\beta}(\varepsilon_{t-1}, ..., \varepsilon_{t-w}),
               f(x_t) + Q_{1 - \alpha + \beta}(\varepsilon_{t-1}, ..., \varepsilon_{t-w})]

    has the :math:`\beta` of the least width. As time goes on the newest residual takes the place of
    the oldest; the regressor is not fitted again.

    Parameters
    ----------
    estimator : regressor
        Any of scikit-learn's kind; it is cloned.
    alpha : float
        One minus the coverage, between 0 and 1.
    window : int, optional
        ``w``, how many residuals the next one is predicted from. Default: that of 1, 2, 3 and 5 of
        the least criterion of :func:`select_bandwidth`.
    kernel : Kernel, optional
        Stationary and nowhere negative, of windows divided by the bandwidth. Default: ``RBF()``.
    bandwidth : float, optional
        In the units of the target; positive. Default: by :func:`select_bandwidth`.
    residuals : {"bootstrap", "split"}
        ``bootstrap``: the mean of ``n_estimators`` members, each row's residual from those that did
        not see it. ``split``: fitted to the first half, residuals on the second.
    n_estimators : int
        Members of the bootstrap, at least 2.
    recalibration : int
        Most steps, the latest, over which the level is calibrated: a local estimate from few
        windows is too sure of itself, and the level that held with frequency ``1 - alpha`` takes
        the place of ``1 - alpha``. At most half of the residuals; 0 is the publication's method.
    reweighted : bool
        Whether weights are optimal, or those of the kernel alone.
    random_state : int, RandomState or None
        Of the bootstrap and, where they leave it open, of its members.
    verbose : bool
        Whether to show progress on stderr.

    Attributes
    ----------
    estimators_ : list
        The fitted members.
    residuals_ : Tensor
        The latest, in order of time.
    levels_ : Tensor
        The least level that covered each of the latest residuals; empty without recalibration.
    window_, bandwidth_
        Used.
    n_features_in_, feature_names_in_
        As in scikit-learn.

    References
    ----------
    J. Lee, C. Xu, Y. Xie, Kernel-based Optimally Weighted Conformal Time-Series Prediction.
    https://arxiv.org/abs/2405.16828

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression
    >>> rng = np.random.default_rng(0)
    >>> X, noise = rng.standard_normal((600, 2)), rng.standard_normal(600)
    >>> for t in range(1, 600):
    ...     noise[t] += 0.9 * noise[t - 1]
    >>> y = X[:, 0] + noise
    >>> model = KernelWeightedConformal(LinearRegression(), window=1, random_state=0)
    >>> interval = model.fit(X[:400], y[:400]).predict_interval(X[400:], y[400:])
    >>> bool(((interval[:, 0] <= y[400:]) & (y[400:] <= interval[:, 1])).mean() > 0.85)
    True
    """

    estimators_: list[Any]
    residuals_: Tensor
    levels_: Tensor
    window_: int
    bandwidth_: float

    def __init__(
        self,
        estimator: Any,
        alpha: float = 0.1,
        window: int | None = None,
        kernel: Kernel | None = None,
        bandwidth: float | None = None,
        *,
        residuals: str = "bootstrap",
        n_estimators: int = 20,
        recalibration: int = 250,
        reweighted: bool = True,
        random_state: Any = None,
        verbose: bool = False,
    ) -> None:
        self.estimator = estimator
        self.alpha = alpha
        self.window = window
        self.kernel = kernel
        self.bandwidth = bandwidth
        self.residuals = residuals
        self.n_estimators = n_estimators
        self.recalibration = recalibration
        self.reweighted = reweighted
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any) -> KernelWeightedConformal:
        """Fit the members, and estimate what follows a window of their residuals.

        Parameters
        ----------
        X : array, DataFrame or Tensor, shape (n, d)
            Features, in order of time.
        y : array, Series or Tensor, shape (n,)
            Targets.

        Returns
        -------
        KernelWeightedConformal
            The estimator itself.
        """
        if y is None:
            raise ValueError("requires y to be passed, but the target y is None")
        self._check_parameters()
        points = containers.points(self, X, reset=True)
        self._check_rows(len(points))
        target = _target(y, points)
        self._target_names = containers.target_names(y)
        table, truth = points.cpu().numpy(), target.cpu().numpy()
        random = check_random_state(self.random_state)
        if self.residuals == "split":
            self.estimators_, prediction = split(self.estimator, table, truth, random)
        else:
            self.estimators_, prediction = bootstrap(
                self.estimator, table, truth, self.n_estimators, random, verbose=self.verbose
            )
        held = torch.from_numpy(truth[-len(prediction) :] - prediction).double()
        self._calibrate(checks.finite("residual", held))
        return self

    def predict(self, X: Any) -> Any:
        """Predict by the mean of the members.

        Parameters
        ----------
        X : array, DataFrame or Tensor, shape (m, d)

        Returns
        -------
        array, Series or Tensor, shape (m,)
            In the library that ``X`` came in.
        """
        check_is_fitted(self)
        prediction = self._predicted(containers.points(self, X, reset=False))
        return containers.give_back(prediction, containers.container_of(X), self._target_names)

    def predict_interval(self, X: Any, y: Any = None) -> Any:
        """Intervals for the rows that follow those seen last; what was seen stays as it is.

        Parameters
        ----------
        X : array, DataFrame or Tensor, shape (m, d)
            In order of time.
        y : array, Series or Tensor, shape (m,), optional
            Targets, revealed one by one: the interval of a row is from the rows before it. Without
            them, that of the next residual is taken for all rows.

        Returns
        -------
        array, DataFrame or Tensor, shape (m, 2)
            Lower and upper ends, in the library that ``X`` came in.
        """
        check_is_fitted(self)
        points = containers.points(self, X, reset=False)
        prediction = self._predicted(points)
        known = prediction[:0] if y is None else (_target(y, points) - prediction)[:-1]
        intervals, used, _ = self._walk(known)
        ends = [end.gather(0, used[None])[0] for end in (intervals.lower, intervals.upper)]
        both = torch.stack([prediction + end for end in ends], dim=1)  # [m, 2]
        return containers.give_back(both, containers.container_of(X), ["lower", "upper"])

    def update(self, X: Any, y: Any) -> KernelWeightedConformal:
        """Take in the targets of the rows that follow those seen last.

        Parameters
        ----------
        X : array, DataFrame or Tensor, shape (m, d)
        y : array, Series or Tensor, shape (m,)

        Returns
        -------
        KernelWeightedConformal
            The estimator itself.
        """
        check_is_fitted(self)
        points = containers.points(self, X, reset=False)
        new = _target(y, points) - self._predicted(points)
        intervals, _, alphas = self._walk(new[:-1])
        if len(self.levels_):
            levels = torch.cat((self.levels_, least_levels(intervals, new, alphas)))
            self.levels_ = levels[-len(self.levels_) :]
        self.residuals_ = torch.cat((self.residuals_, new))[-len(self.residuals_) :]
        return self

    def save(self, directory: str | Path) -> None:
        """Refused: regressors of other libraries are kept only by pickling."""
        raise TypeError(
            f"{type(self).__name__} cannot be saved: its members are any regressors, and nothing "
            "is pickled here; fit it again from the series"
        )

    def _calibrate(self, residuals: Tensor) -> None:
        """Choose the bandwidth and, by a walk over the latest residuals, set the levels."""
        self._kernel = RBF() if self.kernel is None else self.kernel
        sizes: tuple[int, ...] = WINDOWS if self.window is None else (self.window,)
        sizes = tuple(w for w in sizes if len(residuals) >= _least_rows(w))
        choices = [
            select_bandwidth(
                self._kernel,
                *windows(residuals, w),
                candidates=None if self.bandwidth is None else [self.bandwidth],
                reweighted=self.reweighted,
            )
            for w in sizes
        ]
        best = min(range(len(sizes)), key=lambda k: min(choices[k].criteria))
        self.window_, self.bandwidth_ = sizes[best], choices[best].bandwidth
        steps = min(self.recalibration, len(residuals) // 2)
        self.residuals_, later = residuals[: len(residuals) - steps], residuals[-steps:]
        self.levels_ = residuals[:0]
        if steps:
            alphas = alphas_near(self.alpha)
            self.levels_ = least_levels(self._intervals(later[:-1], alphas), later, alphas)
            self.residuals_ = residuals[steps:]

    def _walk(self, known: Tensor) -> tuple[ResidualIntervals, Tensor, list[float]]:
        """Intervals of the next ``len(known) + 1`` residuals, and the level to use at each."""
        steps = len(known) + 1
        if not len(self.levels_):
            alphas = [self.alpha]
            used = torch.zeros(steps, dtype=torch.long)
            return self._intervals(known, alphas), used, alphas
        alphas = alphas_near(self.alpha)
        intervals = self._intervals(known, alphas)
        before = ResidualIntervals(*(part[..., :-1] for part in intervals))
        levels = torch.cat((self.levels_, least_levels(before, known, alphas)))
        return intervals, calibrated_level(levels, steps, alphas, self.alpha), alphas

    def _intervals(self, known: Tensor, alphas: list[float]) -> ResidualIntervals:
        return residual_intervals(
            torch.cat((self.residuals_, known)),
            len(known) + 1,
            alphas,
            kernel=self._kernel,
            bandwidth=self.bandwidth_,
            window=self.window_,
            memory=len(self.residuals_),
            reweighted=self.reweighted,
        )

    def _predicted(self, points: Tensor) -> Tensor:
        """The mean of the members' predictions, ``[m]`` in float64."""
        table = points.cpu().numpy()
        mean = np.mean([member.predict(table) for member in self.estimators_], axis=0)
        return torch.from_numpy(np.asarray(mean, dtype=np.float64))

    def _check_parameters(self) -> None:
        if not 0 < self.alpha < 1:
            raise ValueError(f"alpha must be between 0 and 1, got {self.alpha!r}")
        if self.window is not None:
            checks.count("window", self.window)
        checks.count("n_estimators", self.n_estimators, least=2)
        checks.count("recalibration", self.recalibration, least=0)
        if self.bandwidth is not None:
            checks.positive("bandwidth", self.bandwidth)
        if self.residuals not in ("bootstrap", "split"):
            raise ValueError(f"residuals must be bootstrap or split, got {self.residuals!r}")

    def _check_rows(self, n: int) -> None:
        window = min(WINDOWS) if self.window is None else self.window
        least = _least_rows(window) * (2 if self.residuals == "split" else 1)
        if n < least:
            raise ValueError(
                f"X must have at least {least} rows for a window of {window}, got n_samples = {n}"
            )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags


def _least_rows(window: int) -> int:
    """Residuals that a window asks for: half may go to recalibration, two windows must be left."""
    return 2 * (window + 2)


def _target(y: Any, points: Tensor) -> Tensor:
    """One target a row, float64 on the CPU."""
    target = containers.targets(y, points)
    if target.ndim == 2:
        if target.shape[1] != 1:
            raise ValueError(f"y must have one column, got {target.shape[1]}")
        message = "A column-vector y was passed when a 1d array was expected."
        warnings.warn(message, DataConversionWarning, stacklevel=3)
        target = target[:, 0]
    return target.cpu().double()
