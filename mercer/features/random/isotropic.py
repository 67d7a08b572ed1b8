"""Frequencies of a kernel whose directions are coupled and whose norms keep the spectral law."""

from __future__ import annotations

import torch
from torch import Tensor

from mercer.features.random.projections import coupled
from mercer.kernels import Kernel
from mercer.kernels.algebra import KernelPower, KernelProduct, KernelSum, ScaledKernel
from mercer.kernels.stationary import Stationary


def coupled_frequencies(
    kernel: Kernel, count: int, d: int, coupling: str, generator: torch.Generator
) -> Tensor:
    """Draws of the spectral law of a kernel, coupled within blocks of as many as it reads.

    Parameters
    ----------
    kernel : Kernel
        With ``frequencies``. Coupled, it must be a function of the Euclidean distance of points
        divided by a lengthscale: in these units the law is isotropic, so that new directions for
        the norms of independent draws leave each draw's law as it is.
    count, d : int
        How many, and coordinates of a point.
    coupling : str
        See :func:`~mercer.features.random.projections.coupled`.
    generator : torch.Generator
        Where the draws come from.

    Returns
    -------
    Tensor, shape (count, d)
        In float64.

    Raises
    ------
    ValueError
        If they are to be coupled and the law is not known to be isotropic.

    Examples
    --------
    >>> from mercer.kernels import RBF
    >>> w = coupled_frequencies(RBF([1.0, 5.0]), 2, 2, "orthogonal", torch.Generator())
    >>> w *= torch.tensor([1.0, 5.0])
    >>> bool((w[0] @ w[1]).abs() < 1e-12)
    True
    """
    omega = kernel.frequencies(count, d, generator)
    if coupling == "independent":
        return omega
    active, lengthscale = _metric(kernel, d)
    norms = (omega[:, active] * lengthscale).norm(dim=1)
    out = torch.zeros_like(omega)
    out[:, active] = coupled(norms, len(active), coupling, generator) / lengthscale
    return out


def _metric(kernel: Kernel, d: int) -> tuple[list[int], Tensor]:
    """The coordinates that an isotropic kernel reads, and a lengthscale for each."""
    if isinstance(kernel, ScaledKernel | KernelPower):
        return _metric(kernel.base, d)
    if isinstance(kernel, KernelSum | KernelProduct):
        (active, first), (other, second) = _metric(kernel.first, d), _metric(kernel.second, d)
        if active == other and torch.allclose(first * second[0], second * first[0]):
            return active, first
    elif isinstance(kernel, Stationary) and kernel.score == "squared_distance":
        active = list(range(d)) if kernel.active_dimensions is None else kernel.active_dimensions
        lengthscale = kernel.lengthscale.detach().double()
        if type(kernel).warp is Stationary.warp and lengthscale.shape in ((), (1,), (len(active),)):
            return active, lengthscale.expand(len(active))
    raise ValueError(
        'coupling must be "independent" for a kernel whose spectral law is not known to be '
        f"isotropic, got {kernel!r}"
    )
