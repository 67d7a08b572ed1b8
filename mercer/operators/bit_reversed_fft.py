r"""Fourier transforms of sequences in bit-reversed order.

Entry ``i`` of such a sequence is entry ``rev(i)`` of the natural one, where ``rev`` reads the
binary digits of ``i`` backwards: the order in which a lattice in radical-inverse order visits its
points.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from mercer.operators.walsh_hadamard import binary_digits


def bit_reversed_fft(x: Tensor, dim: int = -1) -> Tensor:
    """The unitary Fourier transform, in natural order, of a sequence in bit-reversed order.

    Parameters
    ----------
    x : Tensor, shape (..., n, ...)
        Real or complex, in bit-reversed order along ``dim``, ``n`` a power of two.
    dim : int
        The axis.

    Returns
    -------
    Tensor
        Complex, of the shape of ``x``; differentiable.

    Raises
    ------
    ValueError
        If ``n`` is no power of two.

    References
    ----------
    J. W. Cooley, J. W. Tukey, An algorithm for the machine calculation of complex Fourier series,
    Mathematics of Computation 19 (1965). https://doi.org/10.2307/2003354

    Examples
    --------
    >>> bit_reversed_fft(torch.tensor([1.0, 1.0, -1.0, -1.0])).abs()  # 1, -1, 1, -1 in order
    tensor([0., 0., 2., 0.])
    """
    return torch.fft.fft(bit_reversed(x, dim), dim=dim, norm="ortho")


def bit_reversed_ifft(x: Tensor, dim: int = -1) -> Tensor:
    """The inverse of :func:`bit_reversed_fft`: from natural order to bit-reversed order.

    Parameters
    ----------
    x : Tensor, shape (..., n, ...)
        Real or complex, in natural order along ``dim``, ``n`` a power of two.
    dim : int
        The axis.

    Returns
    -------
    Tensor
        Complex, of the shape of ``x``; differentiable.

    Raises
    ------
    ValueError
        If ``n`` is no power of two.

    Examples
    --------
    >>> x = torch.tensor([1.0, 2.0, 3.0, 4.0])
    >>> bit_reversed_ifft(bit_reversed_fft(x)).real
    tensor([1., 2., 3., 4.])
    """
    return bit_reversed(torch.fft.ifft(x, dim=dim, norm="ortho"), dim)


def bit_reversed(x: Tensor, dim: int = -1) -> Tensor:
    """Exchange natural and bit-reversed order along an axis whose length is a power of two.

    Examples
    --------
    >>> bit_reversed(torch.arange(8))
    tensor([0, 4, 2, 6, 1, 5, 3, 7])
    """
    index = reversal(binary_digits("x", x, dim), x.device)
    if x.shape[dim:].numel() == len(index):  # entries that follow each other are taken faster
        return x.flatten(dim).index_select(-1, index).reshape(x.shape)
    return x.index_select(dim, index)


@functools.lru_cache(maxsize=8)
def reversal(digits: int, device: torch.device) -> Tensor:
    """``rev(i)`` for every ``i`` of so many binary digits, ``[2^digits]``."""
    index = torch.zeros(1, dtype=torch.long, device=device)
    for _ in range(digits):
        index = torch.cat([2 * index, 2 * index + 1])
    return index
