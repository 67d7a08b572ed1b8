"""Functions of the instruments, and coordinates of a reproducing kernel Hilbert space."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from mercer import checks
from mercer.features import FeatureMap
from mercer.kernels import RBF, Kernel, median_distance
from mercer.linalg.randomly_pivoted_cholesky import partial_cholesky

Instruments = Kernel | FeatureMap | Callable[[Tensor], Tensor] | None
SUBSAMPLE = 1000  # rows whose distances give a lengthscale
NEGLIGIBLE = 1e-12  # share of the trace that coordinates may leave out


def median_kernel(points: Tensor) -> RBF:
    r"""The Gaussian kernel at the median distance of columns in units of their deviation.

    :math:`\ell^2` is half the median of squared distances of pairs of rows that differ, at most the
    first 1,000, times each column's variance; a variance of zero counts as 1.

    Parameters
    ----------
    points : Tensor, shape (n, d)
        At least two.

    Examples
    --------
    >>> median_kernel(torch.tensor([[0.0], [2.0]]).double()).lengthscale
    tensor([1.4142], dtype=torch.float64)
    """
    if len(points) < 2:
        raise ValueError(f"a median distance needs at least 2 points, got {len(points)}")
    deviation = points.std(dim=0, correction=0)
    deviation = torch.where(deviation > 0, deviation, 1.0)
    return RBF(lengthscale=deviation * median_distance(points[:SUBSAMPLE] / deviation) / 2**0.5)


def coordinates(
    kernel: Kernel | FeatureMap,
    points: Tensor,
    *,
    rank: int,
    generator: torch.Generator | None = None,
) -> Tensor:
    r"""Values at the points of an orthonormal basis of functions of a kernel's space.

    With coordinates :math:`\Phi` the function :math:`f = \Phi a` has norm :math:`|a|`. They are the
    features of a feature map, or of a kernel the factor of a randomly pivoted Cholesky
    decomposition: the span of the kernel at ``rank`` of the points.

    Parameters
    ----------
    kernel : Kernel or FeatureMap
        Of the space.
    points : Tensor, shape (n, d)
        Where.
    rank : int
        Most coordinates of a kernel's space; not read for a feature map.
    generator : torch.Generator, optional
        Of the pivots.

    Returns
    -------
    Tensor, shape (n, k)

    Examples
    --------
    >>> x = torch.linspace(0, 1, 5, dtype=torch.float64)[:, None]
    >>> phi = coordinates(RBF(), x, rank=5)
    >>> torch.allclose(phi @ phi.mT, RBF()(x).dense())
    True
    """
    if isinstance(kernel, FeatureMap):
        return kernel(points)
    checks.instance("kernel", kernel, (Kernel, FeatureMap), "RBF()")
    checks.count("rank", rank)
    return partial_cholesky(kernel(points), rank, tol=NEGLIGIBLE, generator=generator).factor


def instrument_functions(
    instruments: Instruments,
    z: Tensor | None,
    n: int,
    *,
    rank: int,
    generator: torch.Generator | None,
) -> Tensor:
    """Values ``[n, k]`` of the functions that moments are multiplied with.

    Parameters
    ----------
    instruments : Kernel, FeatureMap, callable or None
        A space, or a function of ``z``; None for the columns of ``z`` themselves, and without ``z``
        for the constant 1.
    z : Tensor, shape (n, d), optional
        Instruments.
    n : int
        Rows.
    rank : int
        Most coordinates of a kernel's space.
    generator : torch.Generator, optional
        Of its pivots.
    """
    if z is None:
        if instruments is not None:
            raise ValueError("z must be given where instruments are functions of it, got None")
        return torch.ones(n, 1, dtype=torch.float64)
    if instruments is None:
        return z
    if isinstance(instruments, (Kernel, FeatureMap)):
        return coordinates(instruments, z, rank=rank, generator=generator)
    if not callable(instruments):
        raise TypeError(
            f"instruments must be a Kernel, a FeatureMap or a function of z, got {instruments!r}"
        )
    values = instruments(z)
    if values.ndim != 2 or len(values) != n:
        raise ValueError(f"instruments must return shape ({n}, k), got {tuple(values.shape)}")
    return values


def products(psi: Tensor, functions: Tensor) -> Tensor:
    """Each moment ``[n, q]`` times each function ``[n, k]`` of the instruments: ``[n, q k]``."""
    return (psi[:, :, None] * functions[:, None, :]).flatten(1)
