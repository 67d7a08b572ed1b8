"""The laws of transforms: gradients, second gradients, ``vmap`` and ``compile``."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.autograd.gradcheck import GradcheckError, gradcheck, gradgradcheck

from mercer.operators.base import Operator
from mercer.testing.operator_comparison import broken, close, evaluated, grid, random_like


def check_gradients(
    make: Callable[..., Operator], tensors: Sequence[Tensor], generator: torch.Generator
) -> None:
    """Demand first and second gradients in the right-hand side and in ``tensors``.

    Products are judged by finite differences; entries, dense and diagonal must then have the
    gradients of products.

    Parameters
    ----------
    make : callable
        ``make(*tensors)`` returns the operator.
    tensors : sequence of Tensor
        Those in float64 are differentiated.
    generator : torch.Generator
        Where right-hand sides come from.
    """
    tensors = [t.detach().clone().requires_grad_(t.dtype == torch.float64) for t in tensors]
    K = make(*tensors)
    V = random_like(K, (K.m, 2), generator).requires_grad_()
    U = random_like(K, (K.n, 2), generator).requires_grad_()

    def products(V: Tensor, U: Tensor, *tensors: Tensor) -> tuple[Tensor, Tensor]:
        K = make(*tensors)
        return K @ V, K.mT @ U

    inputs = (V, U, *tensors)
    directions = [
        random_like(K, tuple(out.shape), generator).requires_grad_() for out in products(*inputs)
    ]
    try:
        gradcheck(products, inputs, atol=1e-6, rtol=1e-5)
    except (GradcheckError, RuntimeError) as error:
        raise broken("gradient of K @ V", K, str(error)) from error
    try:
        gradgradcheck(products, inputs, directions, atol=1e-6, rtol=1e-5)
    except (GradcheckError, RuntimeError) as error:
        raise broken("second gradient of K @ V", K, str(error)) from error
    _check_entry_gradients(make, [t for t in tensors if t.requires_grad], tensors, generator)


def _check_entry_gradients(
    make: Callable[..., Operator],
    leaves: Sequence[Tensor],
    tensors: Sequence[Tensor],
    generator: torch.Generator,
) -> None:
    K = make(*tensors)
    product = K @ torch.eye(K.m, dtype=K.dtype, device=K.device)
    W = random_like(K, tuple(K.shape), generator)
    ways: dict[str, tuple[Callable[[], Tensor], Tensor, Tensor]] = {
        "entries": (lambda: grid(K), product, W),
        "dense": (K.dense, product, W),
        "diagonal": (K.diagonal, _diagonal(product), _diagonal(W)),
    }
    for name, (read, values, weight) in ways.items():
        law = f"gradient of {name}"
        expected = _gradients((weight * values).sum(), leaves)
        found = evaluated(
            law, K, lambda read=read, w=weight: _gradients((w * read()).sum(), leaves)
        )
        for gradient, target in zip(found, expected):
            scale = 1 + target.abs()
            close(law, K, lambda gradient=gradient: gradient, target, scale, 1e-9)


def check_vmap(K: Operator, D: Tensor, rtol: float, generator: torch.Generator) -> None:
    """Demand that ``torch.func.vmap`` over right-hand sides gives the products one by one."""
    for law, A, M in (("vmap of K @ v", K, D), ("vmap of Kᵀ @ v", K.mT, D.mT)):
        vs = random_like(K, (3, A.m), generator)
        exact = vs.double().reshape(3, *(1 for _ in K.batch), A.m, 1)
        expected = (M @ exact).squeeze(-1)  # [3, *batch, n]
        scale = (M.abs() @ exact.abs()).squeeze(-1)
        mapped = torch.func.vmap(lambda v, A=A: A @ v)
        close(law, K, lambda f=mapped, vs=vs: f(vs), expected, scale, rtol)


def check_compile(K: Operator, D: Tensor, rtol: float, generator: torch.Generator) -> None:
    """Demand that ``torch.compile``, graph breaks allowed, does not change ``K @ V``."""
    V = random_like(K, (K.m, 2), generator)
    torch.compiler.reset()
    compiled = torch.compile(lambda V: K @ V, backend="eager", fullgraph=False)
    exact = V.double()
    close("compile", K, lambda: compiled(V), D @ exact, D.abs() @ exact.abs(), rtol)


def _diagonal(matrix: Tensor) -> Tensor:
    return torch.diagonal(matrix, dim1=-2, dim2=-1)


def _gradients(loss: Tensor, leaves: Sequence[Tensor]) -> list[Tensor]:
    """Gradients of ``loss``, zeros where it does not depend on a leaf."""
    if not leaves or not loss.requires_grad:
        return [torch.zeros_like(leaf) for leaf in leaves]
    found = torch.autograd.grad(loss, leaves, retain_graph=True, allow_unused=True)
    return [torch.zeros_like(t) if d is None else d for t, d in zip(leaves, found)]
