"""Projection determinantal point processes."""

from __future__ import annotations

from functools import singledispatch

import torch
from torch import Tensor

from mercer.features.sampling.discrete_space import DiscreteSpace
from mercer.features.sampling.space import Space

FEWEST = 256  # proposals at a time, for speed
MOST = 1 << 22  # features of proposals, for memory


def projection_dpp(
    space: Space, generator: torch.Generator | None = None, *, draws: int | None = None
) -> Tensor:
    r"""Draw ``m`` points with density :math:`\det[\phi(x_1), \ldots, \phi(x_m)]^2 / m!`.

    By the chain rule: given ``i`` points, the next has the density

    .. math:: \frac{|\phi(x)|^2 - |P_i \phi(x)|^2}{m - i},

    with :math:`P_i` the projection on the span of their features. On a continuous domain it is
    drawn by rejection from the optimal measure, with acceptance ``(m - i) / m``, which is
    ``O(m log m)`` proposals in all; on candidates by its probabilities. Exact in both cases.

    Parameters
    ----------
    space : Space
        Of dimension ``m``.
    generator : torch.Generator, optional
        Of the points.
    draws : int, optional
        How many independent configurations, drawn together.

    Returns
    -------
    Tensor, shape (m, d) or (draws, m, d)
        In exchangeable order.

    References
    ----------
    J. B. Hough, M. Krishnapur, Y. Peres, B. Virág, Determinantal processes and independence.
    https://arxiv.org/abs/math/0503110

    Examples
    --------
    >>> from mercer.features.sampling import PolynomialSpace
    >>> x = projection_dpp(PolynomialSpace(4), torch.Generator().manual_seed(0))
    >>> x.shape, bool((x.abs() <= 1).all())
    (torch.Size([5, 1]), True)
    """
    points = _projection_dpp(space, 1 if draws is None else draws, generator)
    return points[0] if draws is None else points


@singledispatch
def _projection_dpp(space: Space, draws: int, generator: torch.Generator | None) -> Tensor:
    m = space.dimension
    points = torch.empty(draws, m, space.coordinates, dtype=torch.float64)
    E = torch.zeros(draws, m, m, dtype=torch.float64)  # rows: orthonormal features so far
    for i in range(m):
        points[:, i], phi = _next_point(space, E[:, :i], generator)
        E[:, i] = _orthonormal(phi, E[:, :i])
    return points


def _next_point(
    space: Space, E: Tensor, generator: torch.Generator | None
) -> tuple[Tensor, Tensor]:
    """The next point of each draw, and its features: ``[draws, d], [draws, m]``."""
    draws, i, m = E.shape
    points = torch.empty(draws, space.coordinates, dtype=torch.float64)
    features = torch.empty(draws, m, dtype=torch.float64)
    pending = torch.arange(draws)
    while len(pending):
        p = len(pending)
        tries = max(m // (m - i), FEWEST // p)
        tries = max(1, min(tries, MOST // (p * m)))
        X = space.sample_optimal(p * tries, generator).view(p, tries, -1)
        phi = space.features(X)  # [p, tries, m]
        known = (phi @ E[pending].mT).square().sum(-1)  # [p, tries]
        level = torch.rand(p, tries, generator=generator, dtype=torch.float64)
        accepted = level * phi.square().sum(-1) < phi.square().sum(-1) - known
        hit, first = accepted.max(-1)
        rows, place = pending[hit], first[hit]
        points[rows], features[rows] = X[hit, place], phi[hit, place]
        pending = pending[~hit]
    return points, features


def _orthonormal(phi: Tensor, E: Tensor) -> Tensor:
    """What ``phi`` adds to the span of the rows of ``E``, of norm one: ``[draws, m]``."""
    for _ in range(2):  # the second time for what rounding left of the first
        phi = phi - (E.mT @ (E @ phi[..., None])).squeeze(-1)
    return phi / phi.norm(dim=-1, keepdim=True)


@_projection_dpp.register
def _(space: DiscreteSpace, draws: int, generator: torch.Generator | None) -> Tensor:
    m, V = space.dimension, space.rows  # [N, m]
    chosen = torch.empty(draws, m, dtype=torch.long)
    E = torch.zeros(draws, m, m, dtype=torch.float64)
    left = V.square().sum(-1).expand(draws, -1).clone()  # [draws, N]
    for i in range(m):
        chosen[:, i] = torch.multinomial(left, 1, generator=generator).squeeze(-1)
        E[:, i] = _orthonormal(V[chosen[:, i]], E[:, :i])
        left = (left - (E[:, i] @ V.mT).square()).clamp(min=0)
        left.scatter_(1, chosen[:, : i + 1], 0)
    return space.candidates[chosen]
