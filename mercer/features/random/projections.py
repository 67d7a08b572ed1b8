"""Projection vectors of random features: independent, orthogonal or at the corners of a simplex."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mercer import checks
from mercer.linalg.random_source import random_source

COUPLINGS = ("independent", "orthogonal", "simplex", "simplex+")
SWEEPS = 5  # of the iteration of simplex+; from 8 dimensions on the resultant is 0 after three


def gaussian_projections(
    count: int, d: int, coupling: str = "independent", generator: torch.Generator | None = None
) -> Tensor:
    r"""Draw vectors of which each is :math:`N(0, I_d)`, and which are coupled within blocks of d.

    Parameters
    ----------
    count : int
        How many. Blocks of ``d`` are independent of each other; the last one is cut.
    d : int
        Dimension of a vector.
    coupling : {"independent", "orthogonal", "simplex", "simplex+"}
        See :func:`coupled`.
    generator : torch.Generator, optional
        Where the draws come from; a new one seeded with 0 by default.

    Returns
    -------
    Tensor, shape (count, d)
        In float64.

    Raises
    ------
    TypeError, ValueError
        If ``count`` or ``d`` is no positive integer, or there is no such coupling.

    Examples
    --------
    >>> w = gaussian_projections(3, 3, "orthogonal")
    >>> gram = w @ w.mT
    >>> bool(torch.allclose(gram, gram.diagonal().diag()))
    True

    References
    ----------
    I. Reid, K. Choromanski, V. Likhosherstov, A. Weller, "Simplex Random Features".
    https://arxiv.org/abs/2301.13856
    F. X. Yu et al., "Orthogonal Random Features". https://arxiv.org/abs/1610.09072
    """
    count, d = checks.count("count", count), checks.count("d", d)
    check_coupling(coupling)
    generator = random_source(generator)
    w = torch.randn(count, d, generator=generator, dtype=torch.float64, device=generator.device)
    return w if coupling == "independent" else coupled(w.norm(dim=1), d, coupling, generator)


def coupled(norms: Tensor, d: int, coupling: str, generator: torch.Generator) -> Tensor:
    r"""Vectors with the given norms, each of uniform direction, coupled within blocks of d.

    ``orthogonal``: a block is a rotation, :math:`u_i \cdot u_j = 0`. ``simplex`` (SimRF): its
    centred rows, :math:`u_i \cdot u_j = -1 / (d - 1)`. ``simplex+`` (SimRF+): from there each
    vector in turn is laid against the sum of the others, which makes :math:`\|\sum_i w_i\|` small
    for the norms at hand.

    Parameters
    ----------
    norms : Tensor, shape (count,)
        Independent of the directions; with ``simplex+`` they decide the angles of their block.
    d : int
        Dimension of a vector. With one dimension there is nothing to couple.
    coupling : {"orthogonal", "simplex", "simplex+"}
        How directions depend on each other.
    generator : torch.Generator
        Where the rotations come from.

    Returns
    -------
    Tensor, shape (count, d)
        In float64.
    """
    count = len(norms)
    blocks = -(-count // d)
    u = haar(blocks, d, generator)
    if coupling != "orthogonal" and d > 1:
        # (I - 11^T / d) scaled has the Gram matrix of the simplex: multiplying by it costs O(d^2).
        u = (u - u.mean(dim=1, keepdim=True)) * math.sqrt(d / (d - 1))
    padded = torch.nn.functional.pad(norms, (0, blocks * d - count))
    w = padded.reshape(blocks, d, 1) * u  # [blocks, d, d]
    if coupling == "simplex+" and d > 1:
        whole = count // d
        w[:whole] = _against_resultant(w[:whole])
        w[whole:, : count % d] = _against_resultant(w[whole:, : count % d])
    return w.reshape(-1, d)[:count]


def haar(count: int, d: int, generator: torch.Generator) -> Tensor:
    """Orthogonal matrices from the uniform (Haar) law, shape ``(count, d, d)``, in float64.

    Parameters
    ----------
    count, d : int
        How many, and of what size.
    generator : torch.Generator
        Where the draws come from.

    References
    ----------
    F. Mezzadri, "How to generate random matrices from the classical compact groups".
    https://arxiv.org/abs/math-ph/0609050
    """
    g = torch.randn(count, d, d, generator=generator, dtype=torch.float64, device=generator.device)
    Q, R = torch.linalg.qr(g)
    # Only with positive diagonals of R is the factorisation unique, and Q uniform.
    return Q * R.diagonal(dim1=-2, dim2=-1).sign()[:, None, :]


def pairs_in_blocks(count: int, d: int) -> int:
    """How many ordered pairs of ``count`` vectors lie in one block of ``d``.

    Examples
    --------
    >>> pairs_in_blocks(5, 3)
    8
    """
    rest = count % d
    return (count // d) * d * (d - 1) + rest * (rest - 1)


def check_coupling(coupling: str) -> None:
    """Raise ``ValueError`` if there is no such coupling."""
    if coupling not in COUPLINGS:
        raise ValueError(f"coupling must be one of {', '.join(COUPLINGS)}, got {coupling!r}")


def _against_resultant(w: Tensor) -> Tensor:
    """Turn each vector in turn against the sum of the others in its block, ``[b, k, d]``."""
    w = w.clone()
    if w.shape[1] < 2:
        return w
    total = w.sum(dim=1)  # [b, d]
    norms = w.norm(dim=2)  # [b, k]
    for _ in range(SWEEPS):
        for i in range(w.shape[1]):
            others = total - w[:, i]
            w[:, i] = -norms[:, i, None] * torch.nn.functional.normalize(others, dim=1)
            total = others + w[:, i]
    return w
