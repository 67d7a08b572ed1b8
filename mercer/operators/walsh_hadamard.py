"""The fast Walsh–Hadamard transform."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from mercer import checks

RADIX = 4  # bits that one matrix product transforms: H_16 stays in registers, and few passes remain


def walsh_hadamard(x: Tensor, dim: int = -1) -> Tensor:
    r"""Multiply by the Hadamard matrix :math:`H_{kj} = (-1)^{k \cdot j} / \sqrt n` along one axis.

    :math:`k \cdot j` counts the binary digits that are one in both; the transform is its own
    inverse. It costs ``O(n log n)``: :math:`H_n` is a Kronecker power of :math:`H_2`, taken four
    digits at a time by small matrix products.

    Parameters
    ----------
    x : Tensor, shape (..., n, ...)
        float32 or float64, ``n`` a power of two along ``dim``.
    dim : int
        The axis.

    Returns
    -------
    Tensor
        Of the shape of ``x``; differentiable.

    Raises
    ------
    ValueError
        If ``n`` is no power of two.

    References
    ----------
    B. J. Fino, V. R. Algazi, Unified matrix treatment of the fast Walsh–Hadamard transform, IEEE
    Transactions on Computers C-25 (1976). https://doi.org/10.1109/TC.1976.1674569

    Examples
    --------
    >>> walsh_hadamard(torch.tensor([1.0, 0.0, 0.0, 1.0]))
    tensor([1., 0., 0., 1.])
    """
    digits = binary_digits("x", checks.floating("x", x), dim)
    shape = x.shape
    S = shape[dim:].numel()  # n times the axes that follow
    passes = -(-digits // RADIX)
    for k in range(passes):
        bits = digits // passes + (k < digits % passes)
        S >>= bits
        H = hadamard(bits, x.dtype, x.device)  # [r, r]
        # An axis of r of the Kronecker product, everything after it in S: [L, r, S].
        x = torch.matmul(H, x.reshape(-1, 1 << bits, S)) if S > 1 else x.reshape(-1, 1 << bits) @ H
    return x.reshape(shape)


@functools.cache
def hadamard(digits: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """The symmetric orthogonal matrix ``[2^digits, 2^digits]`` of entries of one size."""
    H = torch.ones(1, 1, dtype=dtype, device=device)
    for _ in range(digits):
        H = torch.cat([torch.cat([H, H], 1), torch.cat([H, -H], 1)], 0)
    return H / 2 ** (digits / 2)


def binary_digits(name: str, x: Tensor, dim: int = -1) -> int:
    """Return ``log2 n`` for an axis of length ``n``, or raise ``ValueError``."""
    if x.ndim == 0:
        raise ValueError(f"{name} must have an axis, got a single number")
    n = x.shape[dim]
    if n < 1 or n & (n - 1):
        raise ValueError(f"{name} must have a power of two entries along its axis, got {n}")
    return n.bit_length() - 1
