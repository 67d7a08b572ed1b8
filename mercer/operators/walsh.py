"""A matrix of the exclusive or of its indices."""

from __future__ import annotations

import math
from collections.abc import Iterable

from torch import Tensor

from mercer.operators.spectral import Spectral, working
from mercer.operators.walsh_hadamard import binary_digits, walsh_hadamard


class Walsh(Spectral):
    """The matrix ``W[i, j] = column[i XOR j]``, multiplied by fast Walsh–Hadamard transform.

    Symmetric, with the columns of the Hadamard matrix as eigenvectors; a product costs
    ``O(n log n)``. The Gram matrix of a digitally shift-invariant kernel on a digital net in base 2
    is one. bfloat16 and float16 are transformed in float32 and the product is rounded back.

    Parameters
    ----------
    column : Tensor, shape (*batch, n)
        The first column; ``n`` a power of two, any floating-point dtype.
    tags : iterable of str
        What is known besides ``symmetric``, see :class:`Operator`.

    Raises
    ------
    ValueError
        If ``n`` is no power of two.

    References
    ----------
    J. Dick, F. Pillichshammer, Digital Nets and Sequences, Cambridge University Press (2010),
    appendix A. https://doi.org/10.1017/CBO9780511761188

    Examples
    --------
    >>> import torch
    >>> Walsh(torch.tensor([1.0, 2.0, 3.0, 4.0])).dense()
    tensor([[1., 2., 3., 4.],
            [2., 1., 4., 3.],
            [3., 4., 1., 2.],
            [4., 3., 2., 1.]])
    """

    name = "Walsh–Hadamard"

    def __init__(self, column: Tensor, tags: Iterable[str] = ()) -> None:
        super().__init__(column, {*tags, "symmetric"})
        binary_digits("column", column)

    def transform(self, V: Tensor) -> Tensor:
        """``H V`` with the orthogonal Hadamard matrix."""
        return walsh_hadamard(working(V), dim=-2)

    def inverse_transform(self, C: Tensor) -> Tensor:
        """``H C``: the transform is its own inverse."""
        return walsh_hadamard(C, dim=-2)

    def spectrum(self) -> Tensor:
        """The transform of the first column, ``[*batch, n]``."""
        return math.sqrt(self.n) * walsh_hadamard(working(self.column))

    def with_spectrum(self, values: Tensor, tags: Iterable[str] = ()) -> Walsh:
        """The operator with these eigenvalues."""
        return Walsh(walsh_hadamard(values) / math.sqrt(self.n), tags)

    def _matmul(self, V: Tensor) -> Tensor:
        return self.inverse_transform(self.spectrum()[..., None] * self.transform(V)).to(V.dtype)

    def _adjoint(self) -> Walsh:
        return self

    def _entries(self, i: Tensor, j: Tensor) -> Tensor:
        return self.column[..., i ^ j]
