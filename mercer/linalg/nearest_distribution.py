"""Projection onto the probability simplex."""

from __future__ import annotations

import torch
from torch import Tensor

from mercer import checks


def nearest_distribution(V: Tensor) -> Tensor:
    r"""The probability vectors nearest to vectors, in the Euclidean distance.

    They are :math:`(v_i - \tau)_+` with :math:`\tau` such that they sum to one, which follows from
    the sorted coordinates.

    Parameters
    ----------
    V : Tensor, shape (*batch, c)
        Finite floating-point numbers.

    Returns
    -------
    Tensor, shape (*batch, c)
        Differentiable wherever the projection is.

    Raises
    ------
    TypeError, ValueError
        If the vectors are not as said, or have no coordinate.

    Examples
    --------
    >>> nearest_distribution(torch.tensor([[0.5, 0.25, 0.25], [1.5, 0.5, -1.0]]))
    tensor([[0.5000, 0.2500, 0.2500],
            [1.0000, 0.0000, 0.0000]])

    References
    ----------
    W. Wang, M. Á. Carreira-Perpiñán, "Projection onto the probability simplex: An efficient
    algorithm with a simple proof, and an application". https://arxiv.org/abs/1309.1541
    """
    checks.finite("V", checks.floating("V", V))
    if not V.ndim or V.shape[-1] == 0:
        raise ValueError(f"V must hold vectors of at least one entry, got shape {tuple(V.shape)}")
    # A shift changes no projection; from zero downwards, large entries keep their digits.
    V = V - V.detach().amax(-1, keepdim=True)
    falling = V.sort(dim=-1, descending=True).values
    count = torch.arange(1, V.shape[-1] + 1, dtype=V.dtype, device=V.device)
    tau = (falling.cumsum(-1) - 1) / count  # were the first `count` positive
    kept = (falling > tau).sum(-1, keepdim=True)
    return (V - tau.gather(-1, kept - 1)).clamp_min(0)
