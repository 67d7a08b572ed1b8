"""Regression functions of known smoothness, and labels drawn from them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from mercer import checks
from mercer.kernels import Kernel
from mercer.learn.smoothness.eigenpairs import Eigenpairs
from mercer.learn.smoothness.rate import OptimalRate, eigenvalue_decay

GRID = 2000  # points that a supremum is taken over
TERMS = 400
DRAWS = 256  # of signs


@dataclass(frozen=True)
class Series:
    """The function with given coefficients along the eigenfunctions of a kernel over [0, 1].

    Parameters
    ----------
    pairs : Eigenpairs
    coefficients : Tensor, shape (count,)

    Examples
    --------
    >>> from mercer.kernels import ShiftInvariant
    >>> constant = Series(Eigenpairs(ShiftInvariant(1), 3), torch.tensor([0.5, 0.0, 0.0]))
    >>> constant(torch.tensor([[0.1], [0.7]]))
    tensor([0.5000, 0.5000])
    """

    pairs: Eigenpairs
    coefficients: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        """Values ``[n]`` at points ``[n, 1]``."""
        return self.pairs.functions(x) @ self.coefficients.to(x)


def source_target(kernel: Kernel, smoothness: float) -> Series:
    r"""A function in [-1, 1] at the edge of :math:`[H]^s`.

    Its coefficients are multiples of :math:`\pm \lambda_j^{s/2} j^{-1/2}`. Of 256 draws of the
    signs, always the same ones, those are taken that give the lowest peak, so that the function is
    large.

    Parameters
    ----------
    kernel : Brownian or ShiftInvariant
        See :class:`Eigenpairs`.
    smoothness : float
        ``s``, positive.

    Returns
    -------
    Series

    Examples
    --------
    >>> from mercer.kernels.brownian import Brownian
    >>> f = source_target(Brownian(), 1.0)
    >>> bool(f(torch.linspace(0, 1, 99)[:, None]).abs().max() <= 1)
    True
    """
    pairs = Eigenpairs(kernel, TERMS)
    checks.positive("smoothness", smoothness)
    j = torch.arange(1, TERMS + 1, dtype=torch.float64)
    c = pairs.values ** (smoothness / 2) / j.sqrt()
    grid = torch.linspace(0, 1, GRID + 1, dtype=torch.float64)
    signs = torch.randint(2, (TERMS, DRAWS), generator=torch.Generator().manual_seed(0)) * 2 - 1
    drawn = c[:, None] * signs  # [TERMS, DRAWS]
    peak, best = (pairs.functions(grid) @ drawn).abs().amax(dim=0).min(dim=0)
    return Series(pairs, drawn[:, best] / peak)


def hardest_target(
    kernel: Kernel, smoothness: float, n: int, *, generator: torch.Generator | None = None
) -> Series:
    r"""A function of norm at most one in :math:`[H]^s` that ``n`` labels just resolve.

    The ``m`` components after the first :math:`m = n^{1/(s\beta + 1)}` have the same share of the
    norm and random signs. Its size is that of the error of the best estimate, so that no classifier
    finds its sign but on a fixed share of the interval.

    Parameters
    ----------
    kernel : Brownian or ShiftInvariant
        See :class:`Eigenpairs`.
    smoothness : float
        ``s``, positive.
    n : int
        How many labels there will be.
    generator : torch.Generator, optional
        Of the signs.

    Returns
    -------
    Series

    Examples
    --------
    >>> from mercer.kernels.brownian import Brownian
    >>> int((hardest_target(Brownian(), 0.5, 100).coefficients != 0).sum())
    10
    """
    rate = OptimalRate(eigenvalue_decay(kernel, 1), smoothness)
    m = round(checks.count("n", n) ** (1 / (smoothness * rate.decay + 1)))
    pairs = Eigenpairs(kernel, 2 * m)
    c = pairs.values ** (smoothness / 2) / math.sqrt(m)
    c[:m] = 0
    return Series(pairs, c * (torch.randint(2, (2 * m,), generator=generator) * 2 - 1))


def draw_labels(f: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Labels -1 and 1 of mean ``f``, which is clipped to [-1, 1].

    Parameters
    ----------
    f : Tensor, shape (n,)
    generator : torch.Generator, optional

    Returns
    -------
    Tensor, shape (n,)

    Examples
    --------
    >>> draw_labels(torch.tensor([1.0, -1.0]))
    tensor([ 1., -1.])
    """
    u = torch.rand(f.shape, generator=generator, dtype=torch.float64, device=f.device)
    return torch.where(u < (1 + f) / 2, 1.0, -1.0).to(f)
