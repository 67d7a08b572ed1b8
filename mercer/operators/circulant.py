"""A circulant matrix."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from mercer import checks
from mercer.operators.base import Operator
from mercer.operators.batch import Keys, take_batch
from mercer.operators.selection import transposed_tags


class Circulant(Operator):
    """The square matrix ``C[i, j] = column[(i - j) mod n]``, multiplied by fast Fourier transform.

    A product costs ``O(n log n)``. bfloat16 and float16, which have no Fourier transform, are
    transformed in float32 and the product is rounded back.

    Parameters
    ----------
    column : Tensor, shape (*batch, n)
        The first column; real, any floating-point dtype.
    tags : iterable of str
        What is known besides, see :class:`Operator`.

    Examples
    --------
    >>> Circulant(torch.tensor([1.0, 2.0, 3.0])).dense()
    tensor([[1., 3., 2.],
            [2., 1., 3.],
            [3., 2., 1.]])

    References
    ----------
    Robert M. Gray, "Toeplitz and Circulant Matrices: A Review",
    https://ee.stanford.edu/~gray/toeplitz.pdf
    """

    def __init__(self, column: Tensor, tags: Iterable[str] = ()) -> None:
        checks.floating("column", column)
        if column.ndim == 0:
            raise ValueError("column must have shape (*batch, n), got a single number")
        n = column.shape[-1]
        super().__init__((*column.shape, n), column.dtype, column.device, tags)
        self.column = column

    def _matmul(self, V: Tensor) -> Tensor:
        return circular_convolution(self.column, V)

    def _adjoint(self) -> Circulant:
        lag = torch.arange(self.n, device=self.device)
        column = self.column[..., -lag % max(self.n, 1)]
        return Circulant(column, transposed_tags(self.tags))

    def _entries(self, i: Tensor, j: Tensor) -> Tensor:
        return self.column[..., (i - j) % max(self.n, 1)]

    def _take_batch(self, keys: Keys) -> Circulant:
        return Circulant(take_batch(self.column, 1, self.batch, keys), self.tags)

    def dense(self) -> Tensor:
        """The matrix, read from its first column."""
        i = torch.arange(self.n, device=self.device)
        return self._entries(*torch.broadcast_tensors(i[:, None], i))

    def diagonal(self) -> Tensor:
        """The first entry of the column, ``n`` times."""
        return self.column[..., :1].expand(self.column.shape)


def circular_convolution(column: Tensor, V: Tensor) -> Tensor:
    """Convolve every column of ``V`` with ``column`` on a circle of length ``L``.

    Parameters
    ----------
    column : Tensor, shape (*batch, L)
        The filter.
    V : Tensor, shape (*batch, m, c)
        Signals of length ``m <= L``, taken as zero beyond ``m``.

    Returns
    -------
    Tensor, shape (*batch, L, c)
        In the dtype of ``V``; the transform of a half-precision signal is taken in float32.

    Examples
    --------
    >>> delay = torch.tensor([0.0, 1.0, 0.0])
    >>> circular_convolution(delay, torch.tensor([[5.0], [6.0]])).round().abs().mT
    tensor([[0., 5., 6.]])
    """
    L = column.shape[-1]
    if column.numel() == 0 or V.numel() == 0:
        # The transform refuses empty signals; a sum over no terms has the right shape and graph.
        batch = torch.broadcast_shapes(column.shape[:-1], V.shape[:-2])
        return V.new_zeros(*batch, L, 0) @ V.expand(*batch, *V.shape[-2:])[..., :0, :]
    half = V.dtype in (torch.bfloat16, torch.float16)
    work = torch.float32 if half else V.dtype
    spectrum = torch.fft.rfft(column.to(work))  # [*batch, L // 2 + 1]
    signal = torch.fft.rfft(V.to(work), n=L, dim=-2)  # [*batch, L // 2 + 1, c]
    out = torch.fft.irfft(spectrum[..., None] * signal, n=L, dim=-2)  # [*batch, L, c]
    return out.to(V.dtype)
