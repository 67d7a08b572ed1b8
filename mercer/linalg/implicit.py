"""The derivative of a solution without the derivative of the solver."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from mercer.linalg.tensors import detached, product_gradients, replace_tensors, tensors_of
from mercer.operators.base import Operator

Solver = Callable[[Operator, Tensor], Tensor]


class ImplicitSolve(torch.autograd.Function):
    r""":math:`x = K^{-1} b` with :math:`\bar b = \lambda = K^{-T} \bar x`.

    :math:`\bar K = -\lambda x^T` is never formed: it is contracted with the derivative of
    ``K`` by differentiating :math:`-\lambda^T (K x)` in the tensors that ``K`` is made of.
    """

    @staticmethod
    def forward(
        ctx: Any, solver: Solver, adjoint_solver: Solver, K: Operator, B: Tensor, *tensors: Tensor
    ) -> Tensor:
        """Run the solver on constants."""
        X = solver(detached(K), B.detach())
        ctx.K, ctx.adjoint_solver = K, adjoint_solver
        ctx.tensors = tensors
        ctx.save_for_backward(X, B, *tensors)
        return X

    @staticmethod
    def backward(ctx: Any, X_bar: Tensor) -> tuple[Tensor | None, ...]:
        """Solve the adjoint system, which is differentiable in its turn."""
        X, B, *tensors = ctx.saved_tensors
        K = replace_tensors(ctx.K, ctx.tensors, tensors)
        L = ctx.adjoint_solver(K if "psd" in K.tags else K.mT, X_bar)  # [*batch, n, c]
        B_bar = L.sum_to_size(B.shape) if ctx.needs_input_grad[3] else None
        K_bar = product_gradients(K, tensors, -L, X) if tensors else []
        return (None, None, None, B_bar, *K_bar)


def implicit_solve(K: Operator, B: Tensor, solver: Solver, adjoint_solver: Solver) -> Tensor:
    """Return ``solver(K, B)``, differentiable in ``B`` and in everything inside ``K``.

    Parameters
    ----------
    K : Operator, shape (*batch, n, n)
        Its tensors are found by :func:`mercer.linalg.tensors.tensors_of`.
    B : Tensor, shape (*batch, n, c)
        Right-hand sides.
    solver : callable
        ``(K, B) -> X``; it sees no graph.
    adjoint_solver : callable
        ``(K.mT, X_bar) -> L``; must be differentiable if second derivatives are wanted.

    Returns
    -------
    Tensor, shape (*batch, n, c)
        The solution.

    Raises
    ------
    TypeError
        If ``K`` depends on a tensor that it does not keep in its attributes.
    """
    if not torch.is_grad_enabled():
        return solver(K, B)
    tensors = tensors_of(K)
    _refuse_hidden(K)
    if not tensors and not B.requires_grad:
        return solver(K, B)
    return ImplicitSolve.apply(solver, adjoint_solver, K, B, *tensors)


def _refuse_hidden(K: Operator) -> None:
    """Raise if ``K`` has a derivative in a tensor out of sight, which would be lost silently."""
    if 0 in K.shape:
        return
    corner = torch.zeros(1, dtype=torch.long, device=K.device)
    if detached(K)._entries(corner, corner).requires_grad:
        raise TypeError(
            f"{type(K).__name__} depends on a tensor that requires a gradient but is not kept in "
            "an attribute of an operator, module or dataclass; keep it in one"
        )
