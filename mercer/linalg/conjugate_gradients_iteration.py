"""Conjugate gradients one step at a time, so that a run can be watched, stopped and gone on with.

J. R. Shewchuk, "An introduction to the conjugate gradient method without the agonizing pain",
https://www.cs.cmu.edu/~quake-papers/painless-conjugate-gradient.pdf
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

Map = Callable[[Tensor], Tensor]
PATIENCE = 10  # steps without a better residual after which precision is taken to be exhausted


class ConjugateGradients:
    """Preconditioned conjugate gradients on the columns of ``A X = B``, each on its own.

    :meth:`step` is all that most callers need; it is :meth:`advance` and then :meth:`turn`, for
    callers that have something to decide in between.

    Parameters
    ----------
    A : callable
        ``[*batch, n, c] -> [*batch, n, c]``, symmetric positive definite in each column.
    P : callable
        The inverse of an approximation of ``A``, likewise.
    B : Tensor, shape (*batch, n, c)
        Right-hand sides.
    X : Tensor, shape (*batch, n, c), optional
        Where to start; zero by default.
    state : mapping of str to Tensor, optional
        Where another run stopped; goes on exactly as that one would have.

    Examples
    --------
    >>> cg = ConjugateGradients(lambda V: 2 * V, lambda R: R, torch.ones(2, 1))
    >>> cg.step()
    >>> cg.X.flatten()
    tensor([0.5000, 0.5000])
    """

    def __init__(
        self,
        A: Map,
        P: Map,
        B: Tensor,
        X: Tensor | None = None,
        state: Mapping[str, Tensor] | None = None,
    ) -> None:
        self.A, self.P = A, P
        # One memory layout throughout: sums in another order would not resume to the same bits.
        self.B = B = B.contiguous()
        if state is not None:
            self.X, self.R, self.D = state["X"], state["R"], state["D"]
            self.rz, self.scale = state["rz"], state["scale"]
            self.iteration, self.best = int(state["iteration"]), float(state["best"])
            self.stale = int(state["stale"])
            return
        self.X = torch.zeros_like(B) if X is None else X.contiguous()
        self.R = B if X is None else self.true_residual()
        self.turn()
        scale = self.rz if X is None else _dot(B, P(B).contiguous())
        self.scale = torch.where(scale > 0, scale, torch.ones_like(scale))
        self.iteration, self.best, self.stale = 0, float("inf"), 0

    def step(self) -> None:
        """One step; columns that are solved stay."""
        self.turn(self.advance())
        residual = self.residual
        self.stale = 0 if residual < 0.999 * self.best else self.stale + 1
        self.best = min(self.best, residual)

    def advance(self, active: Tensor | None = None) -> Tensor:
        """Move ``X`` along the directions, and the recursive residual ``R`` with it.

        Parameters
        ----------
        active : Tensor of bool, shape (*batch, 1, c), optional
            The columns that may move; all by default.

        Returns
        -------
        Tensor of bool, shape (*batch, 1, c)
            The columns that did. Where the curvature is not positive, precision is lost or the
            operator is not definite.
        """
        AD = self.A(self.D).contiguous()
        curvature = _dot(self.D, AD)
        moved = (curvature > 0) & (self.rz > 0)
        moved = moved if active is None else moved & active
        alpha = torch.where(moved, self.rz / curvature, torch.zeros_like(curvature))
        self.X = self.X + alpha * self.D
        self.R = self.R - alpha * AD
        self.iteration += 1
        return moved

    def turn(self, active: Tensor | None = None) -> None:
        """Set the next directions from ``R``: conjugate to the last in the columns ``active``."""
        Z = self.P(self.R).contiguous()
        rz = _dot(self.R, Z)  # [*batch, 1, c]
        if active is None:
            self.D = Z
        else:
            beta = torch.where(active, rz / self.rz, torch.zeros_like(rz))
            self.D = Z + beta * self.D
        self.rz = rz

    def true_residual(self) -> Tensor:
        """``B - A X``, from which the recursive residual drifts away in finite precision."""
        return self.B - self.A(self.X).contiguous()

    @property
    def residual(self) -> float:
        """The largest relative residual over columns, in the norm of the preconditioner."""
        return float((self.rz.clamp_min(0) / self.scale).sqrt().max())

    @property
    def stalled(self) -> bool:
        """Whether the residual has stopped falling."""
        return self.stale >= PATIENCE

    def state(self) -> dict[str, Tensor]:
        """Tensors to go on from; later steps do not change them."""
        return {
            "X": self.X,
            "R": self.R,
            "D": self.D,
            "rz": self.rz,
            "scale": self.scale,
            "iteration": torch.tensor(self.iteration),
            "best": torch.tensor(self.best, dtype=torch.float64),
            "stale": torch.tensor(self.stale),
        }


def _dot(U: Tensor, V: Tensor) -> Tensor:
    return (U * V).sum(dim=-2, keepdim=True)
