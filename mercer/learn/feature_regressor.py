"""Ridge regression on random features as a scikit-learn estimator."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from sklearn.utils import check_random_state
from torch import Tensor

from mercer import checks
from mercer.features.base import FeatureMap
from mercer.features.random.positive import PositiveRandomFeatures
from mercer.features.random.random_fourier import RandomFourierFeatures
from mercer.kernels import RBF, Kernel, median_distance
from mercer.learn import containers
from mercer.learn.families import family, is_l1
from mercer.learn.merge import Merged, merge_repeated
from mercer.learn.progress import Progress
from mercer.learn.regression import RegressionEstimator
from mercer.linalg import solve
from mercer.operators import Dense, Identity

FEATURES = ("fourier", "positive")
SUBSAMPLE = 1000  # rows whose distances give the lengthscale
GRID = torch.logspace(2, -10, 49, dtype=torch.float64)  # regularisations by the largest eigenvalue


class FeatureRegressor(RegressionEstimator):
    r"""Minimise :math:`\sum_i w_i (y_i - \phi(x_i) \cdot \beta)^2 + \lambda \|\beta\|^2`.

    As the number of features grows this is :class:`KernelRegressor` with the same kernel and
    :math:`\lambda`. The features of a block of rows are made, added to the ``D x D`` normal
    equations in float64 and forgotten. Points and targets are taken relative to their means first.

    Parameters
    ----------
    features : {"fourier", "positive"}
        Cosines and sines, or exponentials (for the Gaussian kernel).
    count : int
        ``D``, the number of features; even for ``"fourier"``.
    coupling : {"independent", "orthogonal", "simplex", "simplex+"}
        Of the projections, see :func:`mercer.features.gaussian_projections`; ``"independent"`` for
        a kernel whose spectral law is not isotropic, such as ``"laplace"``.
    kernel : str or Kernel
        ``"rbf"``, ``"matern12"``, ``"matern32"``, ``"matern52"``, ``"laplace"``; or a stationary
        kernel with a spectral law.
    lengthscale : float or array of shape (d,), optional
        In the units of ``X``, positive. Default: that of a given kernel; for a name the median
        distance of up to 1000 rows, or 1 where they are all equal.
    regularisation : float, optional
        :math:`\lambda`, positive. Default: chosen by generalised cross-validation.
    block : int
        Rows whose features are held at a time.
    random_state : int, RandomState or None
        Of the features, and of the rows that the lengthscale is taken from.
    verbose : bool
        Whether to show progress on stderr.

    Attributes
    ----------
    kernel_, regularisation_
        What was used.
    projections_ : Tensor, shape (D / 2, d) or (D, d)
        Frequencies of ``kernel_``, or standard normal projections.
    coefficients_, intercept_, center_ : Tensor, shapes (D, c), (c,), (d,)
        ``f(x) = intercept + phi(x - center) coefficients``.
    explain_ : str
        What was chosen and why.
    n_features_in_, feature_names_in_
        As in scikit-learn.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.linspace(0, 6, 50)[:, None]
    >>> model = FeatureRegressor(count=64, random_state=0).fit(X, np.sin(X[:, 0]))
    >>> bool(abs(model.predict(np.array([[1.0]]))[0] - np.sin(1.0)) < 1e-3)
    True

    References
    ----------
    A. Rahimi, B. Recht, "Random Features for Large-Scale Kernel Machines".
    https://papers.nips.cc/paper/3182-random-features-for-large-scale-kernel-machines
    G. H. Golub, M. Heath, G. Wahba, "Generalized Cross-Validation as a Method for Choosing a Good
    Ridge Parameter". https://doi.org/10.1080/00401706.1979.10489751
    """

    def __init__(
        self,
        features: str = "fourier",
        *,
        count: int = 512,
        coupling: str = "orthogonal",
        kernel: Kernel | str = "rbf",
        lengthscale: Any = None,
        regularisation: float | None = None,
        block: int = 4096,
        random_state: Any = None,
        verbose: bool = False,
    ) -> None:
        self.features = features
        self.count = count
        self.coupling = coupling
        self.kernel = kernel
        self.lengthscale = lengthscale
        self.regularisation = regularisation
        self.block = block
        self.random_state = random_state
        self.verbose = verbose

    @torch.no_grad()
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> FeatureRegressor:
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
        FeatureRegressor
            The estimator itself.
        """
        self._check_arguments()
        points, Y = self._read(X, y)
        rows = merge_repeated(points, Y, containers.weights(sample_weight, points))
        shares = (rows.weights / rows.weights.sum())[:, None]
        self.intercept_ = (shares * rows.Y.double()).sum(dim=0)  # [c]
        self.center_ = (shares * rows.X.double()).sum(dim=0)  # [d]
        seed = int(check_random_state(self.random_state).randint(2**31 - 2))
        generator = torch.Generator().manual_seed(seed)
        self.kernel_, why = self._choose_kernel(rows.X, generator)
        phi = self._map(generator=generator)
        self.projections_: Tensor = (
            phi.frequencies if isinstance(phi, RandomFourierFeatures) else phi.projections
        )
        G, B, total = self._normal_equations(phi, rows)
        self.regularisation_, how = self._choose_regularisation(G, B, total, len(rows.X))
        D = Dense(G, tags={"psd"}) + self.regularisation_ * Identity(len(G), G.dtype, G.device)
        self.coefficients_ = solve(D, B, method="cholesky").x  # [D, c]
        self.explain_ = f"kernel {self.kernel_!r}: {why}.\n"
        self.explain_ += f"regularisation {self.regularisation_:.4g}: {how}."
        return self

    def _evaluate(self, points: Tensor) -> Tensor:
        phi, coefficients = self._map(self.projections_), self.coefficients_.to(points)
        F = torch.cat([f @ coefficients for f, _ in self._blocks(phi, points)])
        return F + self.intercept_.to(F)

    def _check_arguments(self) -> None:
        if self.features not in FEATURES:
            raise ValueError(f"features must be one of {FEATURES}, got {self.features!r}")
        if checks.count("count", self.count) % 2 and self.features == "fourier":
            raise ValueError(f'count must be even with features="fourier", got {self.count}')
        checks.count("block", self.block)
        if self.regularisation is not None:
            checks.positive("regularisation", self.regularisation)

    def _map(
        self, projections: Tensor | None = None, generator: torch.Generator | None = None
    ) -> RandomFourierFeatures | PositiveRandomFeatures:
        """The feature map with the given projections, or with new ones."""
        d = len(self.center_)
        drawn: dict[str, Any] = {"coupling": self.coupling, "generator": generator}
        if self.features == "fourier":
            pairs = self.count // 2
            return RandomFourierFeatures(self.kernel_, d, pairs, frequencies=projections, **drawn)
        if not isinstance(self.kernel_, RBF) or self.kernel_.active_dimensions:
            raise ValueError(
                'kernel must be "rbf" or an RBF over all columns with features="positive", got '
                f"{self.kernel_!r}"
            )
        scale = self.kernel_.lengthscale.detach()
        return PositiveRandomFeatures(
            d, self.count, kernel="gaussian", lengthscale=scale, projections=projections, **drawn
        )

    def _choose_kernel(self, X: Tensor, generator: torch.Generator) -> tuple[Kernel, str]:
        if self.lengthscale is not None:
            return family(self.kernel)(torch.as_tensor(self.lengthscale)), "lengthscale given"
        if isinstance(self.kernel, Kernel):
            return self.kernel, "given"
        make = family(self.kernel)
        p = 1.0 if is_l1(make) else 2.0
        scale = median_distance(X.double(), maximum=SUBSAMPLE, generator=generator, p=p)
        count = min(len(X), SUBSAMPLE)
        return make(scale.cpu()), f"lengthscale is the median distance of {count} rows"

    def _blocks(self, phi: FeatureMap, X: Tensor) -> Iterator[tuple[Tensor, slice]]:
        """Features ``[b, D]`` of each block of rows, and which rows they are."""
        for start in range(0, len(X), self.block):
            rows = slice(start, start + self.block)
            yield phi(X[rows] - self.center_.to(X)), rows

    def _normal_equations(self, phi: FeatureMap, table: Merged) -> tuple[Tensor, Tensor, Tensor]:
        """``F^T W F`` ``[D, D]``, ``F^T W Y`` ``[D, c]`` and ``tr(Y^T W Y)``, in float64."""
        Y = table.Y.double() - self.intercept_
        G = Y.new_zeros(phi.dimension, phi.dimension)
        B = Y.new_zeros(phi.dimension, Y.shape[1])
        steps = -(-len(Y) // self.block)
        with Progress(self.verbose, "fit") as progress:
            for step, (F, rows) in enumerate(self._blocks(phi, table.X), start=1):
                F = F.double()
                weighted = F * table.weights[rows, None]
                G += F.mT @ weighted
                B += weighted.mT @ Y[rows]
                progress({"iteration": step, "of": steps})
        return (G + G.mT) / 2, B, (table.weights[:, None] * Y.square()).sum()

    def _choose_regularisation(
        self, G: Tensor, B: Tensor, total: Tensor, n: int
    ) -> tuple[float, str]:
        if self.regularisation is not None:
            return float(self.regularisation), "given"
        s, U = torch.linalg.eigh(G)
        s, p2 = s.clamp_min(0), (U.mT @ B).square().sum(dim=1)  # [D]
        candidates = (GRID.to(s) * s[-1])[:, None]  # [g, 1]
        shrunk = s + candidates  # [g, D]
        # |y - F b|^2 = y.y - 2 b.F^T y + b.G b for the solution b of each candidate
        residual = total - ((2 * candidates + s) * p2 / shrunk.square()).sum(dim=1)
        freedom = (s / shrunk).sum(dim=1)
        scores = residual.clamp_min(0) / (1 - freedom / n).square()
        scores[freedom >= n * (1 - 1e-9)] = torch.inf
        best = int(scores.argmin())
        return float(candidates[best]), "the least generalised cross-validation score"
