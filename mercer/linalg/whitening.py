"""A preconditioner split in two, and the operator between the halves."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from mercer.linalg.preconditioner import FactorPlusDiagonal
from mercer.operators.base import Operator


class Whitening(Protocol):
    """``M`` with ``M Mᵀ ≈ K``."""

    def multiply(self, V: Tensor) -> Tensor:
        """Return ``M V``."""
        ...

    def solve(self, V: Tensor) -> Tensor:
        """Return ``M^{-1} V``."""
        ...

    def solve_transpose(self, V: Tensor) -> Tensor:
        """Return ``M^{-T} V``."""
        ...

    def logdet(self) -> Tensor | float:
        """``log det M Mᵀ``."""
        ...


class NoWhitening:
    """``M = I``."""

    def multiply(self, V: Tensor) -> Tensor:
        """Return ``V``."""
        return V

    solve = solve_transpose = multiply

    def logdet(self) -> float:
        """Zero."""
        return 0.0


class FactorWhitening:
    r""":math:`M = D^{1/2} (I + U S^2 U^T)^{1/2}` for ``P = F Fᵀ + D``.

    Parameters
    ----------
    preconditioner : FactorPlusDiagonal
        ``P = M Mᵀ``.
    """

    def __init__(self, preconditioner: FactorPlusDiagonal) -> None:
        self.root, self.U = preconditioner.root, preconditioner.U
        self._split = preconditioner.split
        self.stretch = (1 + preconditioner.spectrum).sqrt()[:, None]
        self._logdet = preconditioner.logdet()

    def multiply(self, V: Tensor) -> Tensor:
        """Return ``M V``."""
        return self.root * (V + self.U @ ((self.stretch - 1) * (self.U.mT @ V)))

    def solve(self, V: Tensor) -> Tensor:
        """Return ``M^{-1} V``."""
        return self._shrink(V / self.root)

    def solve_transpose(self, V: Tensor) -> Tensor:
        """Return ``M^{-T} V``."""
        return self._shrink(V) / self.root

    def logdet(self) -> Tensor:
        """``log det P``."""
        return self._logdet

    def _shrink(self, V: Tensor) -> Tensor:
        inside, outside = self._split(V)
        return outside + self.U @ (inside / self.stretch)


class Whitened(Operator):
    """``M^{-1} K M^{-T}``, whose spectrum is near one where ``M Mᵀ`` is near ``K``.

    Parameters
    ----------
    operator : Operator, shape (*batch, n, n)
        ``K``, positive semidefinite.
    whitening : Whitening
        ``M``.
    """

    def __init__(self, operator: Operator, whitening: Whitening) -> None:
        super().__init__(operator.shape, operator.dtype, operator.device, {"symmetric", "psd"})
        self.operator, self.whitening = operator, whitening

    def _matmul(self, V: Tensor) -> Tensor:
        return self.whitening.solve(self.operator @ self.whitening.solve_transpose(V))

    def _adjoint(self) -> Operator:
        return self

    def _entries(self, i: Tensor, j: Tensor) -> Tensor:
        columns, place = torch.unique(j, return_inverse=True)
        unit = torch.zeros(self.m, len(columns), dtype=self.dtype, device=self.device)
        unit[columns, torch.arange(len(columns), device=self.device)] = 1
        return self._matmul(unit)[..., i, place]
