"""The circulant preconditioner of a symmetric Toeplitz operator.

T. F. Chan, "An Optimal Circulant Preconditioner for Toeplitz Systems",
https://doi.org/10.1137/0909051
"""

from __future__ import annotations

import torch
from torch import Tensor

from mercer.linalg.shifted import split_shift
from mercer.operators.base import Operator


class CirculantPreconditioner:
    r"""The circulant nearest to a symmetric Toeplitz operator in the Frobenius norm.

    Its first column is :math:`c_j = ((n - j) t_j + j\, t_{n-j}) / n`, and it is positive
    definite where the Toeplitz matrix is.

    Parameters
    ----------
    K : Operator, shape (n, n)
        Symmetric positive definite Toeplitz, with or without a multiple of the identity added.

    Raises
    ------
    ValueError
        If the diagonal that is added is not constant.

    Examples
    --------
    >>> from mercer.operators.toeplitz import Toeplitz
    >>> K = Toeplitz(torch.tensor([2.0, 1.0]))
    >>> CirculantPreconditioner(K).apply(torch.tensor([[3.0], [3.0]])).squeeze()
    tensor([1., 1.])
    """

    def __init__(self, K: Operator) -> None:
        A, shift = split_shift(K)
        if shift is not None and shift.ndim:
            raise ValueError(
                "the circulant preconditioner needs one noise for all rows, got a diagonal; "
                "use JacobiPreconditioner"
            )
        n = K.n
        i = torch.arange(n, device=K.device)
        t = A._entries(i, torch.zeros_like(i)).detach()  # [n], the first column
        j = i.to(t.dtype)
        mirrored = torch.cat([t[:1], t[1:].flip(0)])  # t_{n-j}, at j = 0 it has weight zero
        c = ((n - j) * t + j * mirrored) / n
        if shift is not None:
            c[0] += shift.detach()
        spectrum = torch.fft.rfft(c).real
        # Rounding may push an eigenvalue of a singular circulant to zero or below.
        floor = n * torch.finfo(t.dtype).eps * spectrum.abs().max()
        self.spectrum = spectrum.clamp_min(float(floor))[:, None]  # [n // 2 + 1, 1]
        self.n = n

    def apply(self, R: Tensor) -> Tensor:
        """Return ``P^{-1} R``."""
        return torch.fft.irfft(torch.fft.rfft(R, dim=-2) / self.spectrum, n=self.n, dim=-2)
