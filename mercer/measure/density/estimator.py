"""Kernel density estimation with scikit-learn's interface."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.base import DensityMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from mercer import checks
from mercer.learn import containers
from mercer.learn.estimator import Estimator
from mercer.measure.density.bandwidth_choice import check_bandwidth, choose_bandwidth
from mercer.measure.density.coordinates import covariance_factor, log_volume, whitened
from mercer.measure.density.mixture import METHODS, KernelMixture, check_method
from mercer.measure.density.smoothing_kernel import SmoothingKernel, smoothing_kernel


class KernelDensity(DensityMixin, Estimator):
    r"""The density of which a table is a sample, as a sum of kernels.

    .. math:: \hat\rho(x) = \frac{1}{W h^d |L|} \sum_i w_i K\big(L^{-1} (x - y_i) / h\big),
        \qquad W = \sum_i w_i,

    with ``L`` the identity, the standard deviations or the Cholesky factor of the covariance.

    Parameters
    ----------
    bandwidth : float, positive, or {"scott", "silverman", "likelihood"}
        ``h``. The two rules know n, d and the spread of the data. ``likelihood`` maximises the mean
        of :math:`\log \hat\rho_{-i}(y_i)`, each point being left out of its own estimate: that
        minimises an unbiased estimate of the Kullback–Leibler divergence, at some twenty sums over
        all pairs.
    kernel : {"gaussian", "exponential", "tophat", "epanechnikov", "biweight", "linear"}
        ``K``, a function of the distance. The rules give each the bandwidth that smooths as much as
        theirs does a Gaussian.
    covariance : {"spherical", "diagonal", "full"}
        ``L``. With ``spherical`` the bandwidth has the units of the columns, otherwise it is a
        multiple of their spread.
    method : {"engine", "tree"}
        ``engine`` sums all pairs in tiles, in any dimension, to rounding. ``tree`` is
        scikit-learn's ball tree or k-d tree, to the relative error ``rtol``: fast in three
        dimensions or fewer if the bandwidth is small beside the spread.
    rtol : float, at least 0
        Largest relative error of the density by ``method="tree"``.
    tolerance : float, positive
        Relative error of the bandwidth by likelihood.
    precision : {"highest", "high", "medium"}
        See :func:`mercer.engine.reduce`.
    device : device, optional
        Where to compute; by default where the table is.
    verbose : bool
        Whether to show the progress of the search for a bandwidth.

    Attributes
    ----------
    bandwidth_ : float
        ``h``.
    points_ : Tensor, shape (n, d)
        :math:`L^{-1} y_i`, of the rows with positive weight.
    weights_ : Tensor, shape (n,)
        Their weights, in float64.
    cholesky_ : Tensor, shape (d, d), or None
        ``L``, in float64; None for the identity.
    log_likelihood_ : float
        The mean leave-one-out log density at the bandwidth, where it was sought; NaN elsewhere.
    explain_ : str
        How densities are evaluated and where the bandwidth comes from.
    n_features_in_ : int
        How many features.
    feature_names_in_ : array of str
        Their names, if the table had any.

    Examples
    --------
    >>> X = [[0.0], [1.0], [1.5], [4.0]]
    >>> KernelDensity(bandwidth=1.0).fit(X).score_samples([[1.0], [40.0]]).round(4).tolist()
    [-1.3889, -650.3052]
    >>> round(KernelDensity("likelihood").fit(X).bandwidth_, 3)
    1.944

    References
    ----------
    B. W. Silverman, "Density Estimation for Statistics and Data Analysis", 1986.
    https://doi.org/10.1201/9781315140919

    G. Biroli, M. Mézard, "Kernel Density Estimators in Large Dimensions".
    https://arxiv.org/abs/2408.05807
    """

    def __init__(
        self,
        bandwidth: float | str = "scott",
        *,
        kernel: str = "gaussian",
        covariance: str = "spherical",
        method: str = "engine",
        rtol: float = 1e-6,
        tolerance: float = 1e-4,
        precision: str = "highest",
        device: Any = None,
        verbose: bool = False,
    ) -> None:
        self.bandwidth = bandwidth
        self.kernel = kernel
        self.covariance = covariance
        self.method = method
        self.rtol = rtol
        self.tolerance = tolerance
        self.precision = precision
        self.device = device
        self.verbose = verbose

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> KernelDensity:
        """Keep the sample and settle the bandwidth.

        Parameters
        ----------
        X : array, DataFrame or Tensor, shape (n, d)
            The sample.
        y : None
            Ignored.
        sample_weight : array or Tensor, shape (n,), optional
            Not negative. For the rules the sample is worth :math:`(\\sum w)^2 / \\sum w^2` points.

        Returns
        -------
        KernelDensity
            The estimator itself.

        Raises
        ------
        ValueError
            If a parameter is not as said, or the data do not settle what they should.
        """
        kernel = self._checked()
        points = containers.points(self, X, reset=True, device=self.device)
        weights = containers.weights(sample_weight, points)
        points, weights = points[weights > 0], weights[weights > 0]
        if len(points) < 2 and (self.covariance != "spherical" or isinstance(self.bandwidth, str)):
            raise ValueError(
                f"n_samples={len(points)} (of positive weight): bandwidth={self.bandwidth!r} with "
                f"covariance={self.covariance!r} needs at least 2"
            )
        self.cholesky_ = covariance_factor(points, weights, self.covariance)
        self.points_ = whitened(points, self.cholesky_).contiguous()
        self.weights_ = weights
        self.bandwidth_, self.log_likelihood_, why = choose_bandwidth(
            self.bandwidth,
            kernel,
            self.points_,
            weights,
            log_volume=log_volume(self.cholesky_),
            tolerance=self.tolerance,
            precision=self.precision,
            verbose=self.verbose,
        )
        self.explain_ = f"{why} {METHODS[self.method].format(rtol=self.rtol)}"
        return self

    def score_samples(self, X: Any) -> Any:
        """Evaluate the logarithm of the density.

        Parameters
        ----------
        X : array, DataFrame or Tensor, shape (m, d)
            Points.

        Returns
        -------
        array, Series or Tensor, shape (m,)
            Of the kind of ``X``; minus infinity beyond the reach of a compact kernel.
        """
        check_is_fitted(self)
        points = containers.points(self, X, reset=False, device=self.points_.device)
        with torch.no_grad():
            if self.method == "engine":
                logs = self.log_density(points)
            else:
                logs = self._mixture().log_density_by_tree(points, rtol=self.rtol)
        return containers.give_back(logs, containers.container_of(X), ["log_density"])

    def score(self, X: Any, y: Any = None) -> float:
        """The sum of the log densities of the rows, as in scikit-learn."""
        return float(np.sum(np.asarray(self.score_samples(X))))

    def log_density(self, X: Tensor) -> Tensor:
        """The logarithm of the density by the engine, differentiable in the points.

        Parameters
        ----------
        X : Tensor, shape (m, d)
            Points.

        Returns
        -------
        Tensor, shape (m,)
        """
        check_is_fitted(self)
        return self._mixture().log_density(X, precision=self.precision)

    def gradient(self, X: Any) -> Any:
        r"""Evaluate :math:`\nabla \log \hat\rho`.

        Parameters
        ----------
        X : array, DataFrame or Tensor, shape (m, d)
            Points.

        Returns
        -------
        array, DataFrame or Tensor, shape (m, d)
            Of the kind of ``X``.

        Raises
        ------
        ValueError
            If the density is zero at a row.
        """
        check_is_fitted(self)
        points = containers.points(self, X, reset=False, device=self.points_.device)
        names = list(getattr(self, "feature_names_in_", [])) or None
        found = self._mixture().score(points, precision=self.precision)
        return containers.give_back(found, containers.container_of(X), names)

    def sample(self, n_samples: int = 1, random_state: Any = None) -> np.ndarray:
        """Draw from the density.

        Parameters
        ----------
        n_samples : int
            How many, at least 1.
        random_state : int, RandomState or None
            Where the draws come from.

        Returns
        -------
        array, shape (n_samples, d)
        """
        check_is_fitted(self)
        n = checks.count("n_samples", n_samples)
        return self._mixture().draw(check_random_state(random_state), n)

    def _checked(self) -> SmoothingKernel:
        """The kernel, once the parameters are found to be as said."""
        kernel = smoothing_kernel(self.kernel)
        check_method(self.method, self.kernel)
        check_bandwidth(self.bandwidth)
        checks.interval("rtol", self.rtol, 0.0, 1.0)
        checks.positive("tolerance", self.tolerance)
        return kernel

    def _mixture(self) -> KernelMixture:
        return KernelMixture(
            self.kernel, self.bandwidth_, self.points_, self.weights_, self.cholesky_
        )
