"""Random designs: independent points, volume-rescaled samples, and repetitions of them."""

from __future__ import annotations

import torch
from torch import Tensor

from mercer import checks
from mercer.features.sampling.design import Design, deviation, weighted_features
from mercer.features.sampling.determinantal import projection_dpp
from mercer.features.sampling.space import Space

NUMBERS = 1 << 22  # of features that are held at once


def sample_design(
    space: Space,
    n: int,
    generator: torch.Generator | None = None,
    *,
    block: int | None = None,
    share: float = 1.0,
    condition: float | None = None,
    draws: int | None = None,
    attempts: int = 10_000,
) -> Design:
    r"""Draw ``n`` points in independent blocks, until their Gram matrix is well conditioned.

    A block of one point is a draw from the mixture :math:`\nu` of the optimal measure (with the
    ``share`` given) and :math:`\mu`. A block of ``b >= m`` points is volume-rescaled for
    :math:`\nu`: its density is proportional to :math:`\det G` with respect to
    :math:`\nu^{\otimes b}`, which is a projection determinantal process of ``m`` points and
    ``b - m`` draws from :math:`\nu`, in random order.

    =====================================  =======================================
    independent from ``mu``                ``share=0``
    independent from the optimal measure   the default
    volume-rescaled                        ``block=n``
    repeated determinantal process         ``block=space.dimension``
    any of these, conditioned              ``condition=0.5``
    =====================================  =======================================

    The weights are :math:`w = (d\nu / d\mu)^{-1}` for independent points and for one block, where
    they make the least-squares projection of a volume-rescaled block unbiased, and one over the
    density of a point for several blocks; both are :math:`m / |\phi|^2` with ``share=1``.
    :math:`E\,G = I`, but for a single block with another share.

    Parameters
    ----------
    space : Space
        Of dimension ``m``.
    n : int
        How many points, at least ``m``.
    generator : torch.Generator, optional
        Of the points.
    block : int, optional
        Points in a block, from ``m`` on and a divisor of ``n``; by default points are independent.
    share : float
        Of the optimal measure in :math:`\nu`, in [0, 1].
    condition : float, optional
        The largest :math:`\|G - I\|` that is accepted, in (0, 1).
    draws : int, optional
        How many designs, drawn together; then they have a batch dimension.
    attempts : int
        How often each design is drawn at most, where there is a condition.

    Returns
    -------
    Design

    Raises
    ------
    ValueError
        If an argument is out of its range, or if no design met the condition.

    References
    ----------
    A. Nouy, B. Michel, Weighted least-squares approximation with determinantal point processes and
    generalized volume sampling. https://arxiv.org/abs/2312.14057

    Examples
    --------
    >>> from mercer.features.sampling import PolynomialSpace
    >>> g = torch.Generator().manual_seed(0)
    >>> design = sample_design(PolynomialSpace(4), 20, g, block=5, condition=0.5)
    >>> design.points.shape
    torch.Size([20, 1])
    """
    m = space.dimension
    checks.count("n", n, m)
    checks.interval("share", share, 0, 1)
    if block is not None and (not m <= block <= n or n % block):
        raise ValueError(f"block must divide n = {n} and be at least m = {m}, got {block}")
    if condition is not None and not 0 < condition < 1:
        raise ValueError(f"condition must be between 0 and 1, got {condition}")
    wanted = 1 if draws is None else checks.count("draws", draws)
    weighted = share
    if block is not None and block < n:  # the mixture that each point of a block is drawn from
        weighted = (m + (block - m) * share) / block

    points = torch.empty(wanted, n, space.coordinates, dtype=torch.float64)
    pending, tried = torch.arange(wanted), 0
    while len(pending):
        part = pending[: max(1, NUMBERS // (n * m))]
        X = _points(space, len(part), n, block, share, generator)
        points[part] = X
        tried += len(part)
        missed = torch.zeros(len(part), dtype=torch.bool)
        if condition is not None:
            rows = weighted_features(space, X, 1 / space.density(X, weighted))
            missed = deviation(rows.mT @ rows) > condition
        pending = torch.cat([part[missed], pending[len(part) :]])
        if len(pending) and tried > attempts * wanted:
            raise ValueError(
                f"condition {condition:g} was met by {wanted - len(pending)} of {tried} draws of "
                f"{n} points in dimension {m}; take more points"
            )
    weights = 1 / space.density(points, weighted)
    if draws is None:
        points, weights = points[0], weights[0]
    return Design(points, weights, wanted / tried)


def volume_rescaled_sampling(
    space: Space, n: int, generator: torch.Generator | None = None, *, share: float = 1.0
) -> Design:
    """One volume-rescaled block of ``n`` points, see :func:`sample_design`.

    Examples
    --------
    >>> from mercer.features.sampling import PolynomialSpace
    >>> volume_rescaled_sampling(PolynomialSpace(4), 7, torch.Generator().manual_seed(0)).n
    7
    """
    return sample_design(space, n, generator, block=n, share=share)


def repeated_dpp(
    space: Space,
    repetitions: int,
    generator: torch.Generator | None = None,
    *,
    condition: float | None = None,
) -> Design:
    """Independent projection determinantal processes together, see :func:`sample_design`.

    Examples
    --------
    >>> from mercer.features.sampling import PolynomialSpace
    >>> repeated_dpp(PolynomialSpace(4), 3, torch.Generator().manual_seed(0)).n
    15
    """
    checks.count("repetitions", repetitions)
    m = space.dimension
    return sample_design(space, repetitions * m, generator, block=m, condition=condition)


def _points(
    space: Space,
    designs: int,
    n: int,
    block: int | None,
    share: float,
    generator: torch.Generator | None,
) -> Tensor:
    """The points of designs without a condition: ``[designs, n, d]``."""
    m, d = space.dimension, space.coordinates
    if block is None:
        return space.sample(designs * n, share, generator).view(designs, n, d)
    count = designs * (n // block)
    dpp = projection_dpp(space, generator, draws=count)  # [count, m, d]
    rest = space.sample(count * (block - m), share, generator).view(count, block - m, d)
    order = torch.rand(count, block, generator=generator).argsort(-1)
    points = torch.cat([dpp, rest], 1).gather(1, order[..., None].expand(-1, -1, d))
    return points.view(designs, n, d)
