"""The contract of kernels as a public function."""

from __future__ import annotations

import torch

from mercer import checks
from mercer.kernels import Kernel
from mercer.testing.kernel_laws import check_laws, check_spectral_law
from mercer.testing.kernel_paths import check_paths
from mercer.testing.kernel_round_trips import check_round_trips
from mercer.testing.kernel_transforms import (
    check_kernel_compile,
    check_kernel_gradients,
    check_kernel_vmap,
)
from mercer.testing.operator import check_operator


def check_kernel(
    kernel: Kernel,
    *,
    dimension: int = 3,
    gradients: bool = True,
    compiled: bool = True,
    operator: bool = True,
    draws: int = 20_000,
    generator: torch.Generator | None = None,
) -> None:
    """Check that a kernel is one: positive definite, and the same by every path.

    The laws are symmetry, ``k(X) = k(X, X)``, the diagonal, positive definiteness, scaling, sums,
    invariance under shifts where the kernel is ``stationary``, and its spectral law, where it has
    one, by Monte Carlo. The paths are the engine's definition, the formed matrix, the tiles, the
    entries, both precisions, batches, strided, empty and repeated points. Then come first and
    second gradients in the points and in every parameter by finite differences, at coincident
    points as far as ``smoothness`` goes; ``vmap`` over points and parameters; ``compile``;
    ``state_dict`` and config round trips; refusals; and :func:`check_operator`.

    Parameters
    ----------
    kernel : Kernel
        Its parameters on the CPU, without a batch.
    dimension : int
        Coordinates of the points that it is tried on.
    gradients, compiled, operator : bool
        Whether to check gradients, ``torch.compile`` and the operators that the kernel returns.
    draws : int
        Frequencies drawn for the spectral law.
    generator : torch.Generator, optional
        Where points come from; seeded with 0 by default.

    Raises
    ------
    AssertionError
        At the first law that is broken; the message names the law and the kernel.

    Examples
    --------
    >>> from mercer.kernels import RBF
    >>> check_kernel(RBF(lengthscale=0.7), dimension=2, operator=False, compiled=False)
    """
    if not isinstance(kernel, Kernel):
        raise TypeError(f"kernel must be a Kernel, got {type(kernel).__name__}")
    d = checks.count("dimension", dimension)
    generator = torch.Generator().manual_seed(0) if generator is None else generator
    check_laws(kernel, d, generator)
    check_spectral_law(kernel, d, draws, generator)
    check_paths(kernel, d, generator)
    check_round_trips(kernel, d, generator)
    check_kernel_vmap(kernel, d, generator)
    if gradients:
        check_kernel_gradients(kernel, d, generator)
    if compiled:
        check_kernel_compile(kernel, d, generator)
    if operator:
        X = torch.randn(4, d, generator=generator, dtype=torch.float64)
        Y = torch.randn(3, d, generator=generator, dtype=torch.float64)
        check_operator(lambda X: kernel(X), X, gradients=gradients, compiled=False)
        check_operator(lambda X, Y: kernel(X, Y), X, Y, gradients=gradients, compiled=False)
