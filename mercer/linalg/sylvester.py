"""The dense square root and its derivative, which solves a Sylvester equation."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mercer import checks
from mercer.linalg.errors import LinAlgError


class Sylvester(torch.autograd.Function):
    """``X`` with ``S X + X S = G`` for a symmetric positive definite ``S`` and symmetric ``G``."""

    @staticmethod
    def forward(ctx: Any, S: Tensor, G: Tensor) -> Tensor:
        """Divide by sums of eigenvalues in the eigenbasis of ``S``."""
        values, V = torch.linalg.eigh(S)
        sums = values[..., :, None] + values[..., None, :]
        X = V @ ((V.mT @ G @ V) / sums) @ V.mT
        ctx.save_for_backward(S, X)
        return X

    @staticmethod
    def backward(ctx: Any, X_bar: Tensor) -> tuple[Tensor, Tensor]:
        """The equation is its own adjoint in ``G``."""
        S, X = ctx.saved_tensors
        G_bar = Sylvester.apply(S, _symmetrised(X_bar))
        return -(G_bar @ X + X @ G_bar), G_bar


class DenseSqrt(torch.autograd.Function):
    """``S`` with ``S S = A``; its derivative, unlike that of eigenvectors, knows no degeneracy."""

    @staticmethod
    def forward(ctx: Any, A: Tensor) -> Tensor:
        """Take roots of the eigenvalues."""
        values, V = torch.linalg.eigh(A)
        _refuse_negative(values)
        S = (V * values.clamp_min(0).sqrt()[..., None, :]) @ V.mT
        ctx.save_for_backward(S)
        return S

    @staticmethod
    def backward(ctx: Any, S_bar: Tensor) -> Tensor:
        """``S dS + dS S = dA`` is its own adjoint."""
        (S,) = ctx.saved_tensors
        return Sylvester.apply(S, _symmetrised(S_bar))


def dense_sqrt(A: Tensor) -> Tensor:
    """Return the symmetric root of ``A``, twice differentiable where ``A`` is positive definite.

    Raises
    ------
    torch.linalg.LinAlgError
        If an eigenvalue is below zero by more than rounding.

    Examples
    --------
    >>> dense_sqrt(torch.tensor([[4.0]]))
    tensor([[2.]])
    """
    return DenseSqrt.apply(A)


def _refuse_negative(values: Tensor) -> None:
    if not checks.concrete(values) or values.numel() == 0:
        return
    rounding = values.shape[-1] * torch.finfo(values.dtype).eps * values.abs().amax(-1)
    if bool((values[..., 0] < -10 * rounding).any()):
        raise LinAlgError(
            "the matrix is not positive semidefinite: its smallest eigenvalue is "
            f"{float(values[..., 0].min()):.3g}"
        )


def _symmetrised(A: Tensor) -> Tensor:
    return 0.5 * (A + A.mT)
