"""The laws of transforms of kernels: gradients, second gradients, ``vmap`` and ``compile``."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.autograd.gradcheck import GradcheckError, gradcheck, gradgradcheck
from torch.func import functional_call, vmap

from mercer.kernels import Kernel
from mercer.operators import KernelOperator
from mercer.testing.kernel_comparison import agree, broken, points
from mercer.testing.kernel_paths import tile_product

STEP = 1e-6  # of finite differences


def check_kernel_gradients(kernel: Kernel, d: int, generator: torch.Generator) -> None:
    """Demand first and second gradients in points, right-hand side and parameters.

    Parameters
    ----------
    kernel : Kernel
        The kernel to judge; all of its parameters are differentiated.
    d : int
        Coordinates of a point.
    generator : torch.Generator
        Where points come from.
    """
    X, Y, V = points(2, d, generator), points(3, d, generator), points(3, 1, generator)
    if kernel.smoothness > 1:
        Y[0], Y[2] = X[1], X[0]
    _check_gradient(kernel, (X, Y, V))
    _check_symmetric_gradient(kernel, Y, V)


def _check_gradient(kernel: Kernel, inputs: tuple[Tensor, Tensor, Tensor]) -> None:
    """The gradient of ``k(X, Y)``, by the formed matrix and by tiles."""
    names = [name for name, _ in kernel.named_parameters()]
    values = [p.detach().double() for _, p in kernel.named_parameters()]

    def product(X: Tensor, Y: Tensor, V: Tensor, *values: Tensor) -> Tensor:
        K = functional_call(kernel, dict(zip(names, values)), (X, Y))
        return K @ V

    def by_tiles(X: Tensor, Y: Tensor, V: Tensor, *values: Tensor) -> Tensor:
        K = functional_call(kernel, dict(zip(names, values)), (X, Y))
        return tile_product(K, V)

    every = [*inputs, *values]
    second = kernel.smoothness > 2 or kernel.smoothness <= 1
    _finite_differences("gradient", kernel, product, every, second)
    if isinstance(kernel(inputs[0], inputs[1]), KernelOperator):
        _finite_differences("gradient by tiles", kernel, by_tiles, every, second)


def _check_symmetric_gradient(kernel: Kernel, X: Tensor, V: Tensor) -> None:
    """The gradient of ``k(X)``, where one tensor stands on both sides."""
    names = [name for name, _ in kernel.named_parameters()]
    values = [p.detach().double() for _, p in kernel.named_parameters()]

    def product(X: Tensor, V: Tensor, *values: Tensor) -> Tensor:
        return functional_call(kernel, dict(zip(names, values)), (X,)) @ V

    _finite_differences("gradient of k(X)", kernel, product, [X, V, *values], second=True)


def _finite_differences(
    law: str,
    kernel: Kernel,
    function: Callable[..., Tensor],
    values: list[Tensor],
    second: bool,
) -> None:
    inputs = tuple(v.clone().requires_grad_() for v in values)
    # Beside |h|^a, differences of gradients over a step are right to order step^(a - 2).
    rough = 20 * STEP ** (kernel.smoothness - 2) if 2 < kernel.smoothness < 4 else 0.0
    try:
        gradcheck(function, inputs, eps=STEP, atol=1e-6, rtol=1e-5)
        if second:
            gradgradcheck(
                function, inputs, eps=STEP, atol=1e-6 + rough, rtol=1e-5, fast_mode=True
            )  # along random directions, from a seed of its own
    except (GradcheckError, RuntimeError) as error:
        raise broken(law, kernel, str(error)) from error


def check_kernel_vmap(kernel: Kernel, d: int, generator: torch.Generator) -> None:
    """Demand that ``vmap`` over points and over parameters gives the products one by one.

    Parameters
    ----------
    kernel : Kernel
        The kernel to judge.
    d : int
        Coordinates of a point.
    generator : torch.Generator
        Where points come from.
    """
    Xs = torch.stack([points(4, d, generator) for _ in range(3)])  # [3, 4, d]
    Y, V = points(5, d, generator), points(5, 2, generator)
    U = points(4, 2, generator)
    expected = torch.stack([kernel(X, Y) @ V for X in Xs])
    agree("vmap over points", kernel, lambda: vmap(lambda X: kernel(X, Y) @ V)(Xs), expected)
    expected = torch.stack([kernel(X) @ U for X in Xs])
    agree("vmap over k(X)", kernel, lambda: vmap(lambda X: kernel(X) @ U)(Xs), expected)

    values = {name: p.detach() for name, p in kernel.named_parameters()}
    if not values:
        return
    shifts = torch.tensor([0.0, 0.1, -0.2], dtype=torch.float64)
    many = {name: torch.stack([p + s for s in shifts]) for name, p in values.items()}

    def product(values: dict[str, Tensor]) -> Tensor:
        return functional_call(kernel, values, (Xs[0],)) @ U

    single = [{name: p[k] for name, p in many.items()} for k in range(len(shifts))]
    expected = torch.stack([product(one) for one in single])
    agree("vmap over parameters", kernel, lambda: vmap(product)(many), expected)


def check_kernel_compile(kernel: Kernel, d: int, generator: torch.Generator) -> None:
    """Demand that ``torch.compile``, graph breaks allowed, does not change ``k(X, Y) @ V``.

    Parameters
    ----------
    kernel : Kernel
        The kernel to judge.
    d : int
        Coordinates of a point.
    generator : torch.Generator
        Where points come from.
    """
    X, Y, V = points(4, d, generator), points(5, d, generator), points(5, 2, generator)
    torch.compiler.reset()
    compiled = torch.compile(lambda X, Y, V: kernel(X, Y) @ V, backend="eager", fullgraph=False)
    agree("compile", kernel, lambda: compiled(X, Y, V), kernel(X, Y) @ V)
