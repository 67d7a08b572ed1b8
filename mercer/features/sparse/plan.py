"""Which entries are heavy, how they are hashed and how many columns are sampled."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from mercer.engine.planner import score_method
from mercer.features.sparse.ball_carving import collision_probability
from mercer.features.sparse.near_pairs import tables_needed
from mercer.features.sparse.pilot import Pilot

# Nanoseconds of one CPU core at work on points in d dimensions; only their ratios matter.
_PRODUCT = (1.3, 0.03)  # an entry of a kernel product: fixed, and for each dimension
_DIFFERENCE = (2.0, 0.33)  # the same where distances are summed from differences
_HASH = (3.0, 0.1)  # of a point
_CARVING = 100.0  # of a point, besides, where balls are carved
_TABLE = 60.0  # of a point: sorting and matching
_CALLS = 1e6  # of a table, whatever its size
_CANDIDATE = (100.0, 3.0)  # a pair that shares a bucket

# Heavy entries are those within 2 to 4.5 lengthscales.
_LEVELS = tuple(math.exp(-(r**2) / 2) for r in (2.0, 2.5, 3.0, 3.5, 4.0, 4.5))

_WIDTHS = (0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0)  # in radii
_MOST = 64  # concatenations


@dataclass(frozen=True)
class Plan:
    """How a product is estimated, and what that is expected to cost.

    Parameters
    ----------
    threshold : float
        ``tau``: entries from there on are heavy. Above 1 none is, and nothing is hashed; at 0
        nothing is estimated, the product is exact.
    rows : int
        Rows in which columns are measured before they are sampled.
    width : float
        Of the hashes, in lengthscales.
    concatenations, tables : int
        Hashes of a table and tables expected.
    work, exact_work : float
        Expected, and that of the exact product, in nanoseconds of one CPU core.

    Examples
    --------
    >>> Plan(0.0, 0, 0.0, 0, 0, 5.0, 5.0).exact
    True
    """

    threshold: float
    rows: int
    width: float
    concatenations: int
    tables: int
    work: float
    exact_work: float

    @property
    def exact(self) -> bool:
        """Whether nothing is estimated."""
        return self.threshold == 0

    @property
    def hashed(self) -> bool:
        """Whether heavy entries are looked for."""
        return 0 < self.threshold <= 1

    @property
    def radius(self) -> float:
        """Distance, in lengthscales, within which entries are heavy."""
        return math.sqrt(-2 * math.log(self.threshold))


def make_plan(
    pilot: Pilot,
    allowance: Tensor,
    failure_probability: float,
    *,
    dimension: int,
    threshold: float | None,
    precision: str,
) -> Plan:
    """Choose the plan of the least expected work.

    Parameters
    ----------
    pilot : Pilot
        Distances of a few rows.
    allowance : Tensor, shape (m,)
        Squared error that the sampling of each column may add, for ``x_j = 1``.
    failure_probability : float
        Of the hashing.
    dimension : int
        Of the hashes.
    threshold : float, optional
        Named by the caller, in (0, 1): heavy entries are hashed, whatever that costs.
    precision : {"highest", "high", "medium"}
        Of kernel products.

    Returns
    -------
    Plan
    """
    entry = _entry(pilot, precision)
    exact = Plan(0.0, 0, 0.0, 0, 0, *[pilot.n * pilot.m * entry] * 2)
    best = exact
    for tau in (math.inf, *_LEVELS) if threshold is None else (threshold,):
        rows, work = _sampling(pilot, allowance, tau, entry)
        width, k, tables = 0.0, 0, 0
        if threshold is None and work >= best.work:
            continue
        if tau < 1:
            width, k, tables, hashing = _hashing(pilot, tau, failure_probability, dimension)
            work += hashing
        if threshold is not None or work < best.work:
            best = Plan(tau, rows, width, k, tables, work, exact.work)
    return best


def _entry(pilot: Pilot, precision: str) -> float:
    """Work of one entry of a product with a vector."""
    method, _ = score_method(pilot.d, pilot.spread, False, pilot.distances.dtype, precision, True)
    fixed, each = _PRODUCT if method == "product" else _DIFFERENCE
    return fixed + each * pilot.d


def _sampling(pilot: Pilot, allowance: Tensor, tau: float, entry: float) -> tuple[int, float]:
    """Rows in which to measure the columns, and the work of that and of those drawn."""
    light = pilot.light_squares(tau)  # [m]
    best = (pilot.n, math.inf)
    for rows in {max(1, min(pilot.n, max(64, pilot.n >> k))) for k in range(9)}:
        bound = light + pilot.n * min(tau, 1.0) ** 2 / rows
        drawn = float((bound / allowance).clamp(max=1).sum())
        # Measuring costs twice a product: its entries are stored and squared.
        work = (2 * rows * pilot.m + pilot.n * drawn) * entry
        if work < best[1]:
            best = (rows, work)
    return best


def _hashing(
    pilot: Pilot, tau: float, failure_probability: float, dimension: int
) -> tuple[float, int, int, float]:
    """Width, concatenations and tables of the least work, and the work."""
    radius = math.sqrt(-2 * math.log(tau))
    heavy = max(1, pilot.n, int(pilot.pairs_within(radius)))
    distance, count = pilot.histogram  # [bins]
    each = (_HASH[0] + _HASH[1] * pilot.d) * dimension + _CARVING * (dimension > 1)
    candidate = _CANDIDATE[0] + _CANDIDATE[1] * pilot.d
    widths = [relative * radius for relative in _WIDTHS]
    share = torch.stack(
        [
            collision_probability(
                torch.cat((distance.new_tensor([radius]), distance)), w, dimension
            )
            for w in widths
        ]
    )  # [widths, 1 + bins]
    k = torch.arange(1, _MOST + 1, device=share.device)
    p = share[:, None] ** k[:, None]  # [widths, k, 1 + bins]
    tables = tables_needed(p[..., 0], heavy, failure_probability)  # [widths, k]
    met = p[..., 1:] @ count
    points = pilot.n + pilot.m
    work = tables * (points * (k * each + _TABLE) + met * candidate + _CALLS)
    best = int(work.argmin())
    width, most = best // _MOST, best % _MOST
    return widths[width], most + 1, int(tables[width, most]), float(work[width, most])
