"""Select points one after the other by what they add to those selected."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from mercer import checks
from mercer.learn.active.bait import Bait
from mercer.learn.active.frank_wolfe import FrankWolfe
from mercer.learn.active.max_det import MaxDet
from mercer.learn.active.nearest import KMeansPlusPlus, LargestCluster, MaxDist
from mercer.learn.active.selection import Selection
from mercer.learn.active.simple import MaxDiag, Random
from mercer.operators import LowRank, Operator

METHODS: dict[str, type[Selection]] = {
    "random": Random,
    "maxdiag": MaxDiag,
    "maxdet": MaxDet,
    "bait": Bait,
    "frankwolfe": FrankWolfe,
    "maxdist": MaxDist,
    "kmeanspp": KMeansPlusPlus,
    "lcmd": LargestCluster,
}


def select(
    K: Operator | Tensor,
    count: int,
    *,
    method: str | type[Selection] = "lcmd",
    candidates: Sequence[int] | Tensor | None = None,
    chosen: Sequence[int] | Tensor = (),
    generator: torch.Generator | None = None,
    **options: Any,
) -> Tensor:
    r"""Select points greedily.

    Parameters
    ----------
    K : Operator, shape (N, N), or Tensor, shape (N, D)
        Inner products of all points, or their features. Memory is that of the operator and
        :math:`O(N)`; with ``maxdet`` also :math:`O(N)` for each selected point.
    count : int
        How many to select, at most as many as there are candidates.
    method : str or type of Selection
        ``random``; ``maxdiag``, the largest ``k(x, x)``; ``maxdet``, the largest posterior
        variance; ``bait``, the largest drop of the mean posterior variance; ``frankwolfe``;
        ``maxdist``, the farthest point; ``kmeanspp``; ``lcmd``, the farthest point in the largest
        cluster. Or a subclass of :class:`mercer.learn.active.Selection`.
    candidates : sequence or Tensor of int, optional
        Rows that may be selected; by default all that are not chosen.
    chosen : sequence or Tensor of int
        Rows that count as selected before.
    generator : torch.Generator, optional
        Of methods that draw.
    **options
        ``noise_variance`` of ``maxdet`` and ``bait``; ``excess`` of ``bait``, the points selected
        beyond ``count``, of which those that matter least are removed again.

    Returns
    -------
    Tensor of int64, shape (count,)
        Rows of ``K``, in the order of selection.

    Raises
    ------
    TypeError, ValueError
        If ``K`` is no square matrix of finite numbers, rows overlap, or there are too few of them.

    Warns
    -----
    UserWarning
        If no candidate adds anything (copies of selected points, or features of low rank); the rest
        is then drawn at random.

    Examples
    --------
    >>> features = torch.tensor([[0.0], [0.1], [3.0], [9.0], [9.1]])
    >>> select(features, 2, method="maxdist", chosen=[0])
    tensor([4, 2])
    """
    K = LowRank(checks.finite("K", checks.floating("K", K))) if isinstance(K, Tensor) else K
    if not K.is_square or K.batch:
        raise ValueError(f"K must be a square operator without batch, got shape {tuple(K.shape)}")
    taken = _rows("chosen", chosen, K)
    rows = _rows("candidates", candidates, K) if candidates is not None else _others(taken, K)
    if len(torch.cat([rows, taken]).unique()) != len(rows) + len(taken):
        raise ValueError("candidates and chosen must be distinct rows, some row is given twice")
    count, excess = checks.count("count", count), options.pop("excess", 0)
    if count + checks.count("excess", excess, least=0) > len(rows):
        raise ValueError(f"count is {count} + {excess}, but there are {len(rows)} candidates")
    cls = method_of(method)
    if excess and not cls.removes:
        raise ValueError(f"excess is for methods that remove points, bait; {method!r} does not")
    used = torch.cat([rows, taken])
    order = torch.cat([used, _others(used, K)])
    ordered = bool((order == torch.arange(K.n, device=K.device)).all())
    state = cls(K if ordered else K[order, order], len(rows), len(taken), generator, **options)
    return rows[_run(state, count, excess)]


def _run(state: Selection, count: int, excess: int) -> list[int]:
    state.prepare(count + excess)
    selected: list[int] = []
    while len(selected) < count + excess:
        i = state.next()
        if i is None:
            selected = selected[:count]
            return selected + _drawn(state, count - len(selected))
        state.select(i)
        selected.append(i)
    for _ in range(excess):
        i = selected.pop(int(state.losses(selected).argmin()))
        state.remove(i)
    return selected


def _drawn(state: Selection, count: int) -> list[int]:
    """Candidates at random, where the method cannot tell them apart."""
    if count == 0:
        return []
    warnings.warn(
        f"no candidate adds anything after {int(state.taken.sum())}; {count} are drawn at random",
        UserWarning,
        stacklevel=4,
    )
    device = None if state.generator is None else state.generator.device
    rest = (~state.taken).nonzero()[:, 0]
    order = torch.randperm(len(rest), generator=state.generator, device=device)
    return rest[order[:count].to(rest.device)].tolist()


def method_of(method: str | type[Selection]) -> type[Selection]:
    """The selection of a name."""
    if isinstance(method, type) and issubclass(method, Selection):
        return method
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    return METHODS[method]


def _rows(name: str, index: Sequence[int] | Tensor, K: Operator) -> Tensor:
    rows = torch.as_tensor(index, device=K.device)
    if rows.ndim != 1 or (len(rows) and (rows.is_floating_point() or rows.dtype == torch.bool)):
        raise TypeError(f"{name} must be a sequence of row numbers, got {index!r}")
    rows = rows.long()
    if len(rows) and (int(rows.min()) < 0 or int(rows.max()) >= K.n):
        raise ValueError(
            f"{name} must be rows from 0 to {K.n - 1}, got {int(rows.min())} to {int(rows.max())}"
        )
    return rows


def _others(rows: Tensor, K: Operator) -> Tensor:
    free = torch.ones(K.n, dtype=torch.bool, device=K.device)
    free[rows] = False
    return free.nonzero()[:, 0]
