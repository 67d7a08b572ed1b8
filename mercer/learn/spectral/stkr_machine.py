"""What the spectrally transformed regressor and classifier share."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.utils import check_random_state
from torch import Tensor

from mercer import checks
from mercer.kernels import Kernel
from mercer.learn.estimator import Estimator
from mercer.learn.families import family, is_l1
from mercer.learn.leave_one_out import LeaveOneOut
from mercer.learn.progress import Progress
from mercer.learn.selection import SCALES, SOME, unit_lengthscale
from mercer.learn.spectral.filter import largest_eigenvalue
from mercer.learn.spectral.similarity import Similarity
from mercer.learn.spectral.transform import (
    InversePolynomial,
    Polynomial,
    TopComponents,
    Transform,
    spread,
)
from mercer.linalg.solution import ConvergenceWarning
from mercer.linalg.solve import TOLERANCE
from mercer.operators.base import Operator

NAMES = ("inverse laplacian", "kpca")
NEIGHBOURS = "neighbours"
REGULARISATIONS = tuple(10.0**k for k in range(-5, 2))  # of the mean of the kernel's diagonal
MOST_COMPONENTS = 256


class _Choice(NamedTuple):
    """A kernel, a transformation and a regularisation, and what is said of them."""

    kernel: Kernel | None
    G: Operator
    transform: Transform
    regularisation: float
    why: str


class TransformedMachine(Estimator):
    """Fits ``f(x) = intercept + k(x, X) w``; see its two subclasses."""

    def __init__(
        self,
        kernel: Kernel | str = NEIGHBOURS,
        transformation: str | Sequence[float] = "inverse laplacian",
        *,
        eta: float = 0.99,
        rank: int | None = None,
        neighbours: int = 10,
        lengthscale: float | None = None,
        regularisation: float | None = None,
        normalised: bool = True,
        tolerance: float | None = None,
        random_state: Any = None,
        verbose: bool = False,
    ) -> None:
        self.kernel = kernel
        self.transformation = transformation
        self.eta = eta
        self.rank = rank
        self.neighbours = neighbours
        self.lengthscale = lengthscale
        self.regularisation = regularisation
        self.normalised = normalised
        self.tolerance = tolerance
        self.random_state = random_state
        self.verbose = verbose

    @torch.no_grad()
    def _fit_function(self, X: Tensor, Y: Tensor, rows: Tensor, *, centre: bool) -> Tensor:
        """Fit to all points ``[N, d]`` and the targets ``[n, c]`` of some rows; ``f`` at all."""
        self._check()
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        self.intercept_ = Y.mean(dim=0) if centre else torch.zeros_like(Y[0])  # [c]
        Y = Y - self.intercept_
        with Progress(self.verbose, "choose") as progress:
            chosen = self._choose(X, Y, rows, seed, progress)
        tol = TOLERANCE[X.dtype] if self.tolerance is None else float(self.tolerance)
        shift = len(rows) * chosen.regularisation
        found = chosen.transform.fit(chosen.G, rows, Y, shift, tol)
        self.points_ = X.contiguous()
        self.kernel_ = NEIGHBOURS if chosen.kernel is None else chosen.kernel
        self.coefficients_ = found.coefficients.contiguous()
        self.regularisation_ = chosen.regularisation
        self.n_iter_ = max(found.iterations, 1)
        self.explain_ = (
            f"{len(rows)} of {len(X)} points are labelled.\n{chosen.why}.\n"
            f"solver: conjugate gradients, {found.iterations} iterations to {tol:g}."
        )
        if not found.converged:
            warnings.warn(
                f"conjugate gradients stopped short of tolerance {tol:g} after "
                f"{found.iterations} iterations; allow a larger one or more regularisation",
                ConvergenceWarning,
                stacklevel=3,
            )
        return chosen.G @ found.coefficients * len(X) + self.intercept_

    @torch.no_grad()
    def _evaluate(self, points: Tensor) -> Tensor:
        """``f`` at new points, ``[n, c]``."""
        kernel = None if isinstance(self.kernel_, str) else self.kernel_
        similarity = self._similarity(self.points_, kernel)
        return similarity.cross(points.to(self.points_)) @ self.coefficients_ + self.intercept_

    def _similarity(self, X: Tensor, kernel: Kernel | None) -> Similarity:
        return Similarity(X, kernel, neighbours=self.neighbours, normalised=self.normalised)

    def _choose(self, X: Tensor, Y: Tensor, rows: Tensor, seed: int, progress: Progress) -> _Choice:
        """What is left open, by the leave-one-out error of the labelled rows, at most 1,000."""
        generator = torch.Generator().manual_seed(seed)
        part = torch.randperm(len(rows), generator=generator)[:SOME].to(rows.device)
        few, tol = rows[part], 1e-6
        tried: list[tuple[float, _Choice]] = []
        kernels = self._kernels(X)
        for k, (kernel, how) in enumerate(kernels):
            G = self._similarity(X, kernel).operator() / len(X)
            transforms = self._transforms(G, seed)
            for transform, what in transforms:
                text = f"kernel {how}; transform {what}"
                if self.regularisation is not None and len(kernels) == len(transforms) == 1:
                    value = float(self.regularisation)
                    return _Choice(kernel, G, transform, value, f"{text}; regularisation given")
                S = _labelled_gram(G, transform, few, tol)
                value, error = self._regularisation(S, Y[part])
                why = f"{text}; regularisation {value:.3g}: leave-one-out error {error:.4g}"
                tried.append((error, _Choice(kernel, G, transform, value, why)))
            progress({"iteration": k + 1, "of": len(kernels), "error": tried[-1][0]})
        best = min(tried, key=lambda pair: pair[0])[1]
        return best._replace(why=f"{best.why} on {len(few)} rows, best of {len(tried)}")

    def _regularisation(self, S: Tensor, Y: Tensor) -> tuple[float, float]:
        n = len(Y)
        scale = float(S.diagonal().mean()) / n
        given = self.regularisation
        values = [r * scale for r in REGULARISATIONS] if given is None else [float(given)]
        path = LeaveOneOut(S.double(), Y.double(), torch.ones(n, dtype=torch.float64).to(S.device))
        shift, error = path.best([n * value for value in values])
        return shift / n, error

    def _kernels(self, X: Tensor) -> list[tuple[Kernel | None, str]]:
        if isinstance(self.kernel, Kernel):
            return [(self.kernel, f"{type(self.kernel).__name__}, given")]
        if self.kernel == NEIGHBOURS:
            return [(None, f"shared neighbours, of {min(self.neighbours, len(X))}")]
        make = family(self.kernel)
        if self.lengthscale is not None:
            length = torch.tensor(float(self.lengthscale), dtype=torch.float64)
            return [(make(length), f"{self.kernel} of the given lengthscale")]
        unit = float(unit_lengthscale(X.double(), is_l1(make)).square().mean().sqrt())
        return [
            (make(torch.tensor(unit * scale)), f"{self.kernel} of lengthscale {unit * scale:.3g}")
            for scale in SCALES
        ]

    def _transforms(self, G: Operator, seed: int) -> list[tuple[Transform, str]]:
        if not isinstance(self.transformation, str):
            return [
                (Polynomial(list(self.transformation)), f"polynomial {list(self.transformation)}")
            ]
        generator = torch.Generator(G.device).manual_seed(seed)
        if self.transformation == "inverse laplacian":
            largest = 1.0 if self.normalised else largest_eigenvalue(G, generator)
            name = f"inverse Laplacian, eta {self.eta:g}"
            return [(InversePolynomial((1.0, -self.eta / largest)), name)]
        most = MOST_COMPONENTS if self.rank is None else self.rank
        whole = TopComponents.of(G, most, generator)
        held = len(whole.values)
        ranks = [2**k for k in range(1, 9) if 2**k < held] if self.rank is None else []
        return [(whole.largest(r), f"{r} kernel principal components") for r in [*ranks, held]]

    def _check(self) -> None:
        if isinstance(self.kernel, str):
            if self.kernel != NEIGHBOURS:
                family(self.kernel)
        elif not isinstance(self.kernel, Kernel):
            raise TypeError(f"kernel must be a name or a Kernel, got {type(self.kernel).__name__}")
        if isinstance(self.transformation, str) and self.transformation not in NAMES:
            raise ValueError(
                f"transformation must be one of {', '.join(NAMES)} or the coefficients of a "
                f"polynomial, got {self.transformation!r}"
            )
        if not 0 <= self.eta < 1:
            raise ValueError(f"eta must be at least 0 and below 1, got {self.eta:g}")
        checks.count("neighbours", self.neighbours)
        if self.rank is not None:
            checks.count("rank", self.rank)
        for name in ("lengthscale", "regularisation", "tolerance"):
            value = getattr(self, name)
            if value is not None:
                checks.positive(name, float(value))


def _labelled_gram(G: Operator, transform: Transform, rows: Tensor, tol: float) -> Tensor:
    """``N s(G)`` on labelled rows, ``[n, n]``."""
    units = spread(torch.eye(len(rows), dtype=G.dtype, device=G.device), rows, G.n)
    S = G.n * (G @ transform.apply(G, units, tol))[rows]
    return 0.5 * (S + S.mT)


def stacked(X: Tensor, unlabelled: Any) -> Tensor:
    """Return labelled and unlabelled points, ``[N, d]``; the first are the labelled ones."""
    if unlabelled is None:
        return X
    if not isinstance(unlabelled, Tensor):
        unlabelled = torch.from_numpy(np.array(unlabelled, dtype=np.float64))
    extra = unlabelled.detach().to(X)
    if extra.ndim != 2 or extra.shape[1] != X.shape[1]:
        raise ValueError(f"unlabelled must have shape (m, {X.shape[1]}), got {tuple(extra.shape)}")
    return torch.cat([X, checks.finite("unlabelled", extra)])
