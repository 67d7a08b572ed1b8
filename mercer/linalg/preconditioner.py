"""What a preconditioner is, and the factored form that the low-rank ones share."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor


class Preconditioner(Protocol):
    """A symmetric positive definite approximation ``P`` of an operator, known by its inverse."""

    def apply(self, R: Tensor) -> Tensor:
        """Return ``P^{-1} R`` for ``R`` of shape ``[*batch, n, c]``."""
        ...


class FactorPlusDiagonal:
    r"""``P = F Fᵀ + D`` with a positive diagonal, inverted through the spectrum of ``D^{-1/2} F``.

    With :math:`D^{-1/2} F = U S V^T`,
    :math:`P^{-1} = D^{-1/2}(I - U \frac{S^2}{1 + S^2} U^T)D^{-1/2}`.

    Parameters
    ----------
    factor : Tensor, shape (n, k)
        ``F``.
    diagonal : Tensor, shape () or (n,), above 0
        ``D``.
    """

    def __init__(self, factor: Tensor, diagonal: Tensor) -> None:
        self.root = diagonal.expand(factor.shape[0]).sqrt()[:, None]  # [n, 1]
        self.U, S, _ = torch.linalg.svd(factor / self.root, full_matrices=False)  # [n, k], [k]
        self.spectrum = S.square()

    def apply(self, R: Tensor) -> Tensor:
        """Return ``P^{-1} R``."""
        inside, outside = self.split(R / self.root)
        return (outside + self.U @ (inside / (1 + self.spectrum)[:, None])) / self.root

    def split(self, V: Tensor) -> tuple[Tensor, Tensor]:
        """Return ``Uᵀ V`` and what of ``V`` is orthogonal to ``U``."""
        inside = self.U.mT @ V
        outside = V - self.U @ inside
        # Once more: what rounding leaves of V inside U may exceed what shrinking leaves of it.
        return inside, outside - self.U @ (self.U.mT @ outside)

    def logdet(self) -> Tensor:
        """``log det P``."""
        return torch.log1p(self.spectrum).sum() + 2 * self.root.log().sum()
