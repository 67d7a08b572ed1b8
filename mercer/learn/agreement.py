"""What the processes of one fit must have in common, bit by bit: all take it from the first."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import torch
from torch import Tensor

from mercer.distributed import Ranks
from mercer.learn.checkpoint import Saved, fingerprint
from mercer.learn.merge import Merged
from mercer.learn.problem import Fitted

ROUNDING = 1e-5  # relative difference between norms of what is meant to be the same numbers


def same_rows(ranks: Ranks, rows: Merged) -> Merged:
    """The first rank's rows, after a look that the others were given them too.

    Features that each process computed for itself may differ by a rounding.

    Parameters
    ----------
    ranks : Ranks
    rows : Merged
        Of this rank.

    Returns
    -------
    Merged

    Raises
    ------
    ValueError
        If the ranks were given different rows.
    """
    shapes = ranks.table([*rows.X.shape, rows.Y.shape[1]])
    alike = all(shape == shapes[0] for shape in shapes)
    if alike:
        norms = [torch.linalg.vector_norm(t, 1, dtype=torch.float64) for t in rows]
        every = ranks.gather(torch.stack(norms)[None].to(ranks.device), [1] * ranks.size)
        alike = bool(((every - every[0]).abs() <= ROUNDING * every[0]).all())
    if not alike:
        raise ValueError(
            "every process of a distributed fit must be given the whole table, and theirs differ: "
            f"the first has {shapes[0][0]:,} distinct rows, rank {ranks.rank} has {len(rows.X):,}"
        )
    return Merged(*(ranks.first(t) for t in rows))


def same_checkpoint(ranks: Ranks, saved: Saved | None) -> None:
    """Raise ``ValueError`` unless all ranks read the same; none goes on until all have read."""
    mark = "0"
    if saved is not None:
        mark = fingerprint(saved.tensors.values(), json.dumps(saved.info, sort_keys=True))
    # 60 bits of the digest fit in one number.
    if len({row[0] for row in ranks.table([int(mark[:15], 16)])}) > 1:
        raise ValueError(
            "the processes of the fit read different checkpoints; name a path on a file system "
            "that all of them share"
        )


def same_number(ranks: Ranks, value: int) -> int:
    """The first rank's number."""
    return int(ranks.first(torch.tensor([value], device=ranks.device)))


def same_record(ranks: Ranks, record: dict[str, Any] | None) -> dict[str, Any]:
    """The first rank's plain data; the others give None."""
    found: dict[str, Any] = json.loads(ranks.first_text(json.dumps(record)))
    return found


def same_fitted(ranks: Ranks, fitted: Fitted, how: str) -> Fitted:
    """The first rank's solution; ``how`` is added to why it is so."""
    record = same_record(
        ranks,
        {
            "regularisation": fitted.regularisation,
            "iterations": fitted.iterations,
            "converged": fitted.converged,
            "why": f"{fitted.why}; {how}",
        },
    )
    held = fitted.held_out
    if held is not None:
        held = held._replace(predictions=_first(ranks, held.predictions))
    return dataclasses.replace(
        fitted, coefficients=_first(ranks, fitted.coefficients), held_out=held, **record
    )


def _first(ranks: Ranks, value: Tensor) -> Tensor:
    return ranks.first(value.contiguous())
