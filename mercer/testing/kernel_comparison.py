"""How kernels are compared, and what is said when a law is broken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from mercer.kernels import Kernel

EXACT = 1e-12  # a few roundings of float64, beside the largest entry


def broken(law: str, kernel: Kernel, what: str) -> AssertionError:
    """Return the error that says which law the kernel broke, and how."""
    return AssertionError(f"law '{law}' is broken by {kernel!r}: {what}")


def attempt(law: str, kernel: Kernel, compute: Callable[[], Any]) -> Any:
    """Return ``compute()``; an exception in it breaks the law."""
    try:
        return compute()
    except Exception as error:
        raise broken(law, kernel, f"it raised {type(error).__name__}: {error}") from error


def agree(
    law: str,
    kernel: Kernel,
    compute: Callable[[], Tensor],
    expected: Tensor,
    rtol: float = EXACT,
    scale: Tensor | None = None,
) -> None:
    """Demand that ``compute()`` is ``expected`` up to ``rtol`` beside the largest of ``scale``.

    Parameters
    ----------
    law : str
        What is being demanded, for the message.
    kernel : Kernel
        The kernel to judge.
    compute : callable
        Returns the tensor to judge.
    expected : Tensor
        What it must be.
    rtol : float
        Allowed error beside the scale.
    scale : Tensor, optional
        ``expected`` by default.
    """
    found = attempt(law, kernel, compute)
    if found.shape != expected.shape:
        shapes = f"{tuple(expected.shape)}, got {tuple(found.shape)}"
        raise broken(law, kernel, f"expected shape {shapes}")
    if not expected.numel():
        return
    largest = (expected if scale is None else scale).detach().abs().max().double()
    difference = (found.detach().double() - expected.detach().double()).abs()
    if not bool((difference <= rtol * largest + 1e-300).all()):  # NaN must not pass
        worst = difference.nan_to_num(torch.inf).argmax()
        place = tuple(int(k) for k in torch.unravel_index(worst, difference.shape))
        raise broken(
            law,
            kernel,
            f"at {place} expected {expected[place].item():.9g}, got {found[place].item():.9g} "
            f"(allowed error {float(rtol * largest):.2g})",
        )


def points(n: int, d: int, generator: torch.Generator) -> Tensor:
    """Return standard normal points, ``[n, d]`` in float64."""
    return torch.randn(n, d, generator=generator, dtype=torch.float64)
