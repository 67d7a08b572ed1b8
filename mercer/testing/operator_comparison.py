"""How an operator is compared with a matrix, and what is said when they differ."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from mercer.operators.base import Operator

# Error allowed beside the sum of the absolute terms, a few roundings of each dtype; float32 leaves
# room for the Fourier transform.
TOLERANCES = {
    torch.float64: 1e-11,
    torch.float32: 1e-5,
    torch.bfloat16: 4e-2,
    torch.float16: 5e-3,
}


def broken(law: str, K: Operator, what: str) -> AssertionError:
    """Return the error that says which law ``K`` broke, and how."""
    return AssertionError(f"law '{law}' is broken by {K!r}: {what}")


def evaluated(law: str, K: Operator, compute: Callable[[], Any]) -> Any:
    """Return ``compute()``; an exception in it breaks the law."""
    try:
        return compute()
    except Exception as error:
        raise broken(law, K, f"it raised {type(error).__name__}: {error}") from error


def close(
    law: str,
    K: Operator,
    compute: Callable[[], Tensor],
    expected: Tensor,
    scale: Tensor,
    rtol: float,
) -> None:
    """Demand that ``compute()`` has the shape, dtype, device and values that ``K`` owes.

    Parameters
    ----------
    law : str
        What is being demanded, for the message.
    K : Operator
        Whose dtype and device the result must have.
    compute : callable
        Returns the tensor to judge.
    expected : Tensor
        The values, in float64.
    scale : Tensor
        Sums of absolute terms, in float64; the largest is what ``rtol`` refers to.
    rtol : float
        Allowed error beside the scale.

    Raises
    ------
    AssertionError
        If anything differs; the message names the law and the largest difference.
    """
    found = evaluated(law, K, compute)
    if not isinstance(found, Tensor):
        raise broken(law, K, f"expected a torch.Tensor, got {type(found).__name__}")
    if found.shape != expected.shape:
        raise broken(law, K, f"expected shape {tuple(expected.shape)}, got {tuple(found.shape)}")
    if found.dtype != K.dtype or found.device != K.device:
        raise broken(
            law, K, f"expected {K.dtype} on {K.device}, got {found.dtype} on {found.device}"
        )
    if found.numel() == 0:
        return
    error = (found.detach().double() - expected).abs()
    allowed = rtol * float(scale.max()) if scale.numel() else 0.0
    if not bool((error <= allowed).all()):
        worst = int(torch.where(error.isnan(), torch.inf, error).argmax())
        place = tuple(int(k) for k in torch.unravel_index(torch.tensor(worst), error.shape))
        raise broken(
            law,
            K,
            f"at {place} expected {expected[place]:.6g}, got {found[place]:.6g} "
            f"(error {float(error[place]):.2g}, allowed {allowed:.2g})",
        )


def grid(K: Operator) -> Tensor:
    """Return every entry of ``K`` through ``_entries``, ``[*batch, n, m]``."""
    i = torch.arange(K.n, device=K.device)[:, None]
    j = torch.arange(K.m, device=K.device)
    return K._entries(*torch.broadcast_tensors(i, j))


def random_like(K: Operator, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Return a standard normal tensor in the dtype and on the device of ``K``."""
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(K.device, K.dtype)


def check_matrix(
    law: str, K: Operator, D: Tensor, S: Tensor, rtol: float, generator: torch.Generator
) -> None:
    """Demand that ``K`` is the matrix ``D``: entries, dense, diagonal, products and tags.

    Parameters
    ----------
    law : str
        What is being demanded, for the message.
    K : Operator, shape (*batch, n, m)
        The operator to judge.
    D : Tensor, shape (*batch, n, m)
        The matrix, in float64.
    S : Tensor, shape (*batch, n, m)
        Sums of absolute terms behind each entry, in float64.
    rtol : float
        Allowed error beside ``S``.
    generator : torch.Generator
        Where right-hand sides come from.
    """
    if not isinstance(K, Operator):
        raise AssertionError(f"law '{law}': expected an operator, got {type(K).__name__}")
    if K.shape != D.shape:
        raise broken(law, K, f"expected shape {tuple(D.shape)}")
    k = min(K.n, K.m)
    close(f"{law}: entries", K, lambda: grid(K), D, S, rtol)
    close(f"{law}: dense", K, K.dense, D, S, rtol)
    diagonal = torch.diagonal(D, dim1=-2, dim2=-1)
    close(f"{law}: diagonal", K, K.diagonal, diagonal, S, rtol)
    V = random_like(K, (K.m, 2), generator)
    U = random_like(K, (K.n, 2), generator)
    check_product(f"{law}: product", K, V, D, S, rtol)
    transposed = evaluated(f"{law}: transpose", K, lambda: K.mT)
    check_product(f"{law}: transposed product", transposed, U, D.mT, S.mT, rtol)
    check_tags(law, K, D, rtol * max(1, k) * (float(S.max()) if S.numel() else 0.0))


def check_product(law: str, K: Operator, V: Tensor, D: Tensor, S: Tensor, rtol: float) -> None:
    """Demand that ``K @ V`` is ``D @ V``."""
    exact = V.detach().double()
    close(law, K, lambda: K @ V, D @ exact, S @ exact.abs(), rtol)


def check_tags(law: str, K: Operator, D: Tensor, atol: float) -> None:
    """Demand that every tag of ``K`` is true of ``D``, up to ``atol``."""
    slack = atol + 1e-300
    wrong = {
        "symmetric": lambda: K.n != K.m or _exceeds(D - D.mT, slack),
        "psd": lambda: K.n != K.m or _exceeds(-torch.linalg.eigvalsh((D + D.mT) / 2), slack, True),
        "stochastic": lambda: _exceeds(-D, slack, True) or _exceeds(D.sum(-1) - 1, slack),
        "lower_triangular": lambda: _exceeds(D.triu(1), slack),
        "upper_triangular": lambda: _exceeds(D.tril(-1), slack),
    }
    for tag in sorted(K.tags):
        if wrong[tag]():
            raise broken(f"{law}: tag {tag}", K, f"its matrix is not {tag}")


def _exceeds(values: Tensor, bound: float, signed: bool = False) -> bool:
    values = values if signed else values.abs()
    return values.numel() > 0 and not bool((values <= bound).all())
