"""Where a fit computes, and whether its rows go there at once or block by block."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch

from mercer.learn.merge import Merged
from mercer.learn.plan import memory

STREAMING = ("nystrom", "eigenpro")  # what goes over the rows in blocks


class Placement(NamedTuple):
    """Where to compute, whether rows are brought there by blocks, and bytes that are left."""

    device: torch.device
    streamed: bool
    memory_budget: float


def place(
    rows: Merged, method: str, device: Any, memory_budget: float | None
) -> tuple[Merged, Placement]:
    """Bring the rows to the device if they fit its budget; else leave them where they are.

    Parameters
    ----------
    rows : Merged
        The table.
    method : str
        How it is fitted; only some methods take rows by blocks.
    device : device or None
        Where to compute; None for where the rows are, and then they stay.
    memory_budget : float or None
        Bytes on the device; None for half of what is free there.

    Returns
    -------
    tuple of Merged and Placement
        The budget is what is left of it beside the rows.

    Raises
    ------
    ValueError
        If there is no such device, or if the rows do not fit there and the method needs all.

    Examples
    --------
    >>> X = torch.zeros(1000, 3)
    >>> _, placed = place(Merged(X, X[:, :1], X[:, 0]), "nystrom", "cpu", 1e3)
    >>> placed.streamed
    True
    """
    here = rows.X.device
    there = here if device is None else device_of(device)
    budget = budget_on(there, memory_budget)
    if device is None or (there == here and method not in STREAMING):
        return rows, Placement(here, False, budget)
    size = sum(t.numel() * t.element_size() for t in rows)
    if size <= budget:
        left = budget if there == here else budget - size
        return Merged(*(t.to(there) for t in rows)), Placement(there, False, left)
    if method not in STREAMING:
        raise ValueError(
            f"method={method!r} needs all {len(rows.X):,} rows on {there}, {size / 1e9:.3g} GB, "
            f"and memory_budget there is {budget / 1e9:.3g} GB; use method='nystrom' or "
            "'eigenpro', which take rows by blocks"
        )
    return rows, Placement(there, True, budget)


def budget_on(device: torch.device, memory_budget: float | None) -> float:
    """The caller's budget in bytes, or half of the memory that is free on the device now."""
    if memory_budget is None and device.type == "cuda":
        return 0.5 * torch.cuda.mem_get_info(device)[0]
    return memory(memory_budget)


def device_of(device: Any) -> torch.device:
    """Return the device of that name; raise ``ValueError`` if there is none."""
    try:
        there = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise ValueError(f"device must be one of torch, such as 'cuda', got {device!r}") from error
    if there.type == "cuda":
        if not torch.cuda.is_available():
            raise ValueError(f"device={str(there)!r} needs a GPU that torch can use, there is none")
        if there.index is None:
            there = torch.device("cuda", torch.cuda.current_device())
    return there
