"""The square root of a large operator, known by its products.

E. Chow, Y. Saad, "Preconditioned Krylov subspace methods for sampling multivariate Gaussian
distributions", https://doi.org/10.1137/130920587
"""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor

from mercer import checks
from mercer.linalg.lanczos import lanczos
from mercer.linalg.solution import ConvergenceWarning
from mercer.linalg.tensors import tensors_of
from mercer.operators.base import Operator

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}


class LanczosSqrt(Operator):
    r"""``K^{1/2}``: a product is :math:`\|v\|\, Q\, T^{1/2} e_1` from a Lanczos run on each column.

    The number of steps doubles until the product no longer changes.

    Parameters
    ----------
    operator : Operator, shape (*batch, n, n)
        ``K``, positive semidefinite; must need no gradient.
    tol : float, above 0, optional
        Relative change at which a product is done; 1e-5 in float32, 1e-10 in float64.
    max_steps : int, at least 1
        Most Lanczos steps.

    Raises
    ------
    ValueError
        If ``K`` needs a gradient.

    Examples
    --------
    >>> from mercer.operators import Dense
    >>> K = Dense(torch.diag(torch.tensor([4.0, 9.0])), tags={"symmetric", "psd"})
    >>> LanczosSqrt(K) @ torch.ones(2)
    tensor([2.0000, 3.0000])
    """

    def __init__(
        self, operator: Operator, *, tol: float | None = None, max_steps: int = 1000
    ) -> None:
        if torch.is_grad_enabled() and tensors_of(operator):
            raise ValueError(
                "method='lanczos' has no derivative and K needs a gradient; detach its tensors or "
                "use method='dense'"
            )
        super().__init__(operator.shape, operator.dtype, operator.device, {"symmetric", "psd"})
        self.operator = operator
        self.tol = TOLERANCE[operator.dtype] if tol is None else float(checks.positive("tol", tol))
        self.max_steps = checks.count("max_steps", max_steps)

    def _matmul(self, V: Tensor) -> Tensor:
        if V.requires_grad and torch.is_grad_enabled():
            return _SelfAdjoint.apply(self, V)
        if 0 in V.shape:
            return self.operator._matmul(V)
        limit = min(self.max_steps, self.n)
        steps = min(16, limit)
        X = self._product(V, steps)
        change = float("inf")
        while steps < limit and change > self.tol:
            steps = min(2 * steps, limit)
            X, before = self._product(V, steps), X
            change = float(
                (
                    torch.linalg.vector_norm(X - before, dim=-2)
                    / torch.linalg.vector_norm(X, dim=-2).clamp_min(torch.finfo(X.dtype).tiny)
                ).max()
            )
        if change > self.tol and steps < self.n:
            warnings.warn(
                f"the square root stopped after {steps} Lanczos steps at relative change "
                f"{change:.2g}, above tol={self.tol:.2g}",
                ConvergenceWarning,
                stacklevel=3,
            )
        return X

    def _product(self, V: Tensor, steps: int) -> Tensor:
        size = torch.linalg.vector_norm(V, dim=-2, keepdim=True)  # [*batch, 1, c]
        start = torch.where(size > 0, V, torch.ones_like(V))
        Q, T = lanczos(self.operator, start, steps=steps)
        values, U = torch.linalg.eigh(T)
        weights = values.clamp_min(0).sqrt() * U[..., 0, :]  # [*batch, c, k]
        column = Q @ (U @ weights[..., None])  # [*batch, c, n, 1]
        return size * column.squeeze(-1).mT

    def _adjoint(self) -> Operator:
        return self

    def _entries(self, i: Tensor, j: Tensor) -> Tensor:
        columns, place = torch.unique(j, return_inverse=True)
        unit = torch.zeros(self.m, len(columns), dtype=self.dtype, device=self.device)
        unit[columns, torch.arange(len(columns), device=self.device)] = 1
        return self._matmul(unit)[..., i, place]


class _SelfAdjoint(torch.autograd.Function):
    """A product with a constant symmetric operator, differentiable any number of times."""

    @staticmethod
    def forward(ctx: Any, operator: Operator, V: Tensor) -> Tensor:
        ctx.operator, ctx.shape = operator, V.shape
        return operator._matmul(V.detach())

    @staticmethod
    def backward(ctx: Any, X_bar: Tensor) -> tuple[None, Tensor]:
        operator, shape = ctx.operator, ctx.shape
        return None, operator._matmul(X_bar).sum_to_size(shape)
