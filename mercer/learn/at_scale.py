"""Kernel, scale and regularisation by held-out error of small Nyström models, for many rows."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mercer.kernels import Kernel
from mercer.learn.families import family, is_l1
from mercer.learn.selection import GIVEN, Selection, unit_lengthscale

ENOUGH = 20_000  # rows from which a thousand of them say too little about scale and noise
TRAINED, HELD_OUT, CENTERS = 16_000, 8_000, 600
NAMES = ("rbf", "matern12", "laplace")
SCALES = (0.6, 1.2, 2.4, 4.8)  # in units of standard deviation times sqrt(d), or times d for L1
REGULARISATIONS = tuple(10.0 ** (k / 2) for k in range(-6, 5))  # 1e-3 to 1e2


@torch.no_grad()
def select_at_scale(
    X: Tensor,
    Y: Tensor,
    weights: Tensor,
    first: Selection,
    *,
    kernel: str | Kernel | None,
    regularisation: float | None,
    seed: int,
) -> Selection:
    """Improve on a choice made from a thousand rows; what is given is kept.

    Each candidate is a Nyström model of 600 centres fitted to 16,000 rows, and its error that on
    8,000 others; one eigendecomposition gives all regularisations. What was chosen first competes.

    Parameters
    ----------
    X : Tensor, shape (n, d)
        Points, at least ``ENOUGH``.
    Y : Tensor, shape (n, c)
        Centred targets.
    weights : Tensor, shape (n,)
        Positive.
    first : Selection
        What is to be improved.
    kernel, regularisation
        The caller's; None for what is open.
    seed : int
        Of the subsample.

    Returns
    -------
    Selection
    """
    generator = torch.Generator().manual_seed(seed + 3)
    rows = torch.randperm(len(X), generator=generator)[: TRAINED + HELD_OUT].to(X.device)
    lambdas = REGULARISATIONS if regularisation is None else (float(regularisation),)
    trial = _Trial(X[rows], Y[rows], weights[rows], lambdas)
    found = [(*trial.error(first.make(kernel)), first.kernel, first.lengthscale)]
    for name in NAMES if kernel is None else (kernel,):
        make = family(name)
        unit = unit_lengthscale(trial.X.double(), is_l1(make))
        label = name if isinstance(name, str) else GIVEN
        for scale in SCALES:
            length = unit * scale
            found.append((*trial.error(make(length)), label, length.tolist()))
    error, value, name, length = min(found, key=lambda item: item[0])
    why = (
        f"kernel {name}: best of {len(found)} kernels and scales by the error of Nyström models of "
        f"{CENTERS} centres on {HELD_OUT:,} rows held out from {TRAINED:,}; regularisation "
        f"{value:.3g}: mean squared error {error:.4g} (first choice, from few rows: "
        f"{found[0][0]:.4g})"
    )
    return Selection(name, length, value, error, why)


class _Trial:
    """Fits small Nyström models to some rows and scores them on others."""

    def __init__(self, X: Tensor, Y: Tensor, weights: Tensor, lambdas: tuple[float, ...]) -> None:
        cut = len(X) - min(HELD_OUT, len(X) // 3)
        self.X, self.held_X = X[:cut], X[cut:]
        self.Y, self.held_Y = Y[:cut], Y[cut:]
        self.weights, self.held_weights = weights[:cut], weights[cut:]
        self.lambdas = lambdas

    def error(self, kernel: Kernel) -> tuple[float, float]:
        """The least held-out mean squared error, and the regularisation that has it."""
        Z = self.X[:CENTERS]
        K = kernel(Z.double()).dense().clone()  # [m, m]
        K.diagonal().add_(torch.finfo(Z.dtype).eps * float(K.diagonal().sum()))
        R = torch.linalg.cholesky(K, upper=True)

        def features(points: Tensor) -> Tensor:
            return torch.linalg.solve_triangular(
                R.to(points), kernel(points, Z).dense(), upper=True, left=False
            )

        root = self.weights[:, None].sqrt().to(Z)
        phi = features(self.X) * root  # [n, m]
        e, Q = torch.linalg.eigh((phi.mT @ phi).double())
        b = Q.mT @ (phi.mT @ (root * self.Y)).double()  # [m, c]
        held = features(self.held_X).double() @ Q
        share = (self.held_weights / self.held_weights.sum()).double()
        errors = [
            (
                float(
                    share
                    @ (held @ (b / (e.clamp_min(0) + x)[:, None]) - self.held_Y).square().sum(1)
                ),
                x,
            )
            for x in self.lambdas
        ]
        return min(errors)


def worth_while(n: int, lengthscale: Any, method: str) -> bool:
    """Whether there are rows enough, a scale to choose, and a model that can use it."""
    return n >= ENOUGH and lengthscale is None and method in ("nystrom", "eigenpro")
