"""A circulant matrix."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from mercer.operators.bit_reversed_fft import bit_reversed, reversal
from mercer.operators.selection import transposed_tags
from mercer.operators.spectral import Spectral, working
from mercer.operators.walsh_hadamard import binary_digits

ORDERS = ("natural", "bit reversed")


class Circulant(Spectral):
    """The square matrix ``C[i, j] = column[(i - j) mod n]``, multiplied by fast Fourier transform.

    A product costs ``O(n log n)``. bfloat16 and float16, which have no Fourier transform, are
    transformed in float32 and the product is rounded back.

    In bit-reversed order rows and columns are those of a circulant matrix visited in the order
    ``rev(0), rev(1), ...`` that reads binary digits backwards; ``column`` is still the first column
    of the matrix as it stands. The Gram matrix of a shift-invariant kernel on a lattice in
    radical-inverse order is one.

    Parameters
    ----------
    column : Tensor, shape (*batch, n)
        The first column; real, any floating-point dtype.
    tags : iterable of str
        What is known besides, see :class:`Operator`.
    order : {"natural", "bit reversed"}
        Of rows and columns; ``bit reversed`` needs ``n`` to be a power of two.

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

    name = "Fourier"

    def __init__(self, column: Tensor, tags: Iterable[str] = (), *, order: str = "natural") -> None:
        super().__init__(column, tags)
        if order not in ORDERS:
            raise ValueError(f"order must be one of {', '.join(ORDERS)}, got {order!r}")
        if order == "bit reversed":
            binary_digits("column", column)
        self.order = order

    def transform(self, V: Tensor) -> Tensor:
        """The half of the Fourier transform that determines a real signal: ``k = n // 2 + 1``."""
        return torch.fft.rfft(self.reordered(working(V)), dim=-2)

    def inverse_transform(self, C: Tensor) -> Tensor:
        """The real signals of these coefficients."""
        return self.reordered(torch.fft.irfft(C, n=self.n, dim=-2))

    def spectrum(self) -> Tensor:
        """The transform of the first column, ``[*batch, n // 2 + 1]``."""
        return self.transform(self.column[..., None]).squeeze(-1)

    def with_spectrum(self, values: Tensor, tags: Iterable[str] = ()) -> Circulant:
        """The operator with these eigenvalues."""
        return self.with_column(self.inverse_transform(values[..., None]).squeeze(-1), tags)

    def multiplicity(self) -> Tensor:
        """Two but for the first frequency and the middle one of an even ``n``."""
        k = torch.arange(self.n // 2 + 1, device=self.device)
        return torch.where((k == 0) | (2 * k == self.n), 1, 2)

    def with_column(self, column: Tensor, tags: Iterable[str] = ()) -> Circulant:
        """The circulant in this order with another first column."""
        return Circulant(column, tags, order=self.order)

    def reordered(self, V: Tensor, dim: int = -2) -> Tensor:
        """From the order of the matrix to the natural one, or back."""
        return V if self.order == "natural" else bit_reversed(V, dim)

    def _matmul(self, V: Tensor) -> Tensor:
        column = self.reordered(self.column, -1)
        return self.reordered(circular_convolution(column, self.reordered(V)))

    def _adjoint(self) -> Circulant:
        j = torch.arange(self.n, device=self.device)
        first_row = self._entries(torch.zeros_like(j), j)
        return self.with_column(first_row, transposed_tags(self.tags))

    def _entries(self, i: Tensor, j: Tensor) -> Tensor:
        if self.order == "natural":
            return self.column[..., (i - j) % max(self.n, 1)]
        rev = reversal(binary_digits("column", self.column), self.device)
        return self.column[..., rev[(rev[i] - rev[j]) % self.n]]


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
    spectrum = torch.fft.rfft(working(column))  # [*batch, L // 2 + 1]
    signal = torch.fft.rfft(working(V), n=L, dim=-2)  # [*batch, L // 2 + 1, c]
    out = torch.fft.irfft(spectrum[..., None] * signal, n=L, dim=-2)  # [*batch, L, c]
    return out.to(V.dtype)
