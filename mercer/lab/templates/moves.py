"""Where a search starts, and its steps from one schedule to the next."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

from mercer.lab.templates.graph import Graph
from mercer.lab.templates.layout import Layout
from mercer.lab.templates.plan import Plan, Step, everything, plan
from mercer.lab.templates.schedule import Schedule, Tiling
from mercer.lab.templates.tables import tables
from mercer.lab.templates.triton_product import is_long_product

REGISTERS = 16384  # entries of a row that one program can hold
WINDOW = 3  # reads of one array for one entry: most of them lie across the borders of vectors
LIMITS = {"entries": (256, 32768), "rows": (1, 256), "block": (32, 8192), "warps": (1, 32)}


def naive(graph: Graph, language: str = "triton") -> Schedule:
    """One kernel for every operation, each with a tile of 256 entries."""
    return Schedule(language, stored=everything(graph))


def fused(
    graph: Graph, *, size: str, language: str = "triton", stored: tuple[str, ...] = ()
) -> Schedule:
    """Everything fused that can be but what is stored, rows held in registers where they fit."""
    usual = Tiling(entries=2048)
    schedule = Schedule(language, stored=stored, joined=True, direct=True, default=usual)
    arranged = plan(graph, schedule, size=size)
    at = graph.names.index(size)
    tilings = {step.name: _usual(step, at) for step in arranged.kernels}
    for step in arranged.steps:
        if is_long_product(step.roots[0], graph, arranged.stored, size):
            tilings[step.name] = Tiling("split", block=64, parts=264, warps=4, stages=3)
    return replace(schedule, tilings=tilings)


def _usual(step: Step, at: int) -> Tiling:
    layout = step.layout
    assert layout is not None
    if not layout.passes:
        wide = len(layout.spaces[0]) > 1
        last = layout.spaces[0][-1].extent[at] if layout.spaces[0] else 1
        return Tiling(
            entries=2048,
            rows=64,
            block=_width(layout),
            warps=8 if layout.crossed else 4,
            flat=not wide or last < 64 or (last < 512 and 4 * last < 3 * _up(last)),
        )
    longest = max(layout.extent(space)[at] for space in layout.spaces)
    rows = layout.extent(layout.rows)[at]
    if layout.lane is not None:
        form = "split" if layout.cuttable else "loop"
        if longest <= 256 and len(layout.reductions) > 1:
            return Tiling("whole", rows=16, entries=4096, warps=8)
        parts = max(1, min(256, 4096 * 64 // max(rows, 1)))
        return Tiling(form, rows=64, block=32, parts=parts, warps=4, online=True)
    level = [r for r in layout.reductions.values() if r.level == 0]
    if len(level) >= 6 and rows >= 4096:  # many sums of one row: rows share what else is read
        return Tiling("loop", rows=16, block=64, warps=4, stages=3)
    if 4 * sum(layout.fast.values()) < rows * longest and rows >= 264:
        # Few inputs, read again and again from the cache: the registers decide.
        return Tiling("loop", rows=16, block=128, warps=4, online=True)
    if rows < 264 and layout.cuttable and rows * longest > 2**18:
        parts = max(2, min(512, 1056 // max(rows, 1)))
        return Tiling("split", rows=1, block=4096, parts=parts, warps=8, online=True)
    if longest <= REGISTERS:
        entries = max(2048, _up(longest))
        return Tiling("whole", entries=entries, rows=1, warps=max(4, min(16, entries // 512)))
    return Tiling("loop", rows=1, block=4096, warps=8, online=True, keep="last")


def _width(layout: Layout) -> int:
    """How wide a tile is where nothing is reduced: narrow and high where neighbours are read."""
    if layout.crossed:
        return 64
    return 256 if layout.places > 4 else 2048


def openings(graph: Graph, *, size: str, language: str = "triton") -> Iterator[Schedule]:
    """Schedules that are tried before any is varied: the naive one, then the likeliest."""
    yield naive(graph, language)
    best = fused(graph, size=size, language=language)
    yield best
    layouts = [step.layout for step in plan(graph, best, size=size).kernels]
    if any(layout is not None and layout.places >= WINDOW for layout in layouts):
        narrow: dict[str, object] = {"vectors": False, "warps": 2.0}
        yield replace(best, tilings={k: _changed(t, narrow) for k, t in best.tilings.items()})
    if small := tables(graph, size=size):
        yield fused(graph, size=size, language=language, stored=small)
    steps: tuple[dict[str, object], ...] = (
        {"warps": 2.0},
        {"entries": 2.0, "block": 2.0},
        {"warps": 0.5},
        {"keep": "first"},
        {"entries": 0.5, "block": 0.5},
        {"form": ""},
    )
    for changes in steps:
        yield replace(best, tilings={k: _changed(t, changes) for k, t in best.tilings.items()})


def _changed(tiling: Tiling, changes: dict[str, object]) -> Tiling:
    new: dict[str, object] = {}
    for name, change in changes.items():
        if isinstance(change, float):
            low, high = LIMITS[name]
            new[name] = max(low, min(high, int(getattr(tiling, name) * change)))
        elif name == "form":
            new |= {"form": "loop" if tiling.form == "whole" else "whole", "online": True}
            new |= {"block": 1024} if tiling.form == "whole" else {}
            if tiling.form == "split":
                new |= {"form": "split", "parts": max(1, tiling.parts // 2)}
        else:
            new[name] = change
    return replace(tiling, **new)  # type: ignore[arg-type]


def mutate(graph: Graph, schedule: Schedule, *, size: str, seed: int) -> Schedule:
    """Return a schedule one or two steps away.

    Parameters
    ----------
    graph : Graph
    schedule : Schedule
    size : str
        The size that kernels should be fast at.
    seed : int
        Decides which steps.
    """
    generator = random.Random(seed)
    arranged = plan(graph, schedule, size=size)
    for _ in range(1 + (generator.random() < 0.4)):
        schedule = _step(graph, arranged, schedule, generator)
    return schedule


def _step(graph: Graph, arranged: Plan, schedule: Schedule, generator: random.Random) -> Schedule:
    if len(schedule.stored) > 0 and generator.random() < 0.5:
        if generator.random() < 0.5:
            return replace(schedule, stored=(), joined=True)
        dropped = generator.choice(schedule.stored)
        return replace(schedule, stored=tuple(s for s in schedule.stored if s != dropped))
    if generator.random() < 0.06:
        candidates = [n for n in everything(graph) if n not in arranged.stored]
        if candidates:
            return replace(schedule, stored=(*schedule.stored, generator.choice(candidates)))
    if generator.random() < 0.06:
        return replace(schedule, joined=not schedule.joined)
    if generator.random() < 0.06:
        return replace(schedule, direct=not schedule.direct)
    if not arranged.kernels:
        return schedule
    step = generator.choice(arranged.kernels)
    return schedule.tiled(step.name, **_variation(step, schedule.tiling(step.name), generator))


def _variation(step: Step, tiling: Tiling, generator: random.Random) -> dict[str, object]:
    layout = step.layout
    assert layout is not None
    moves: list[dict[str, object]] = [{"keep": k} for k in ("", "first", "last")]
    moves += [{"programs": p} for p in (0, 2, 4, 8)]
    moves += [{"vectors": not tiling.vectors}] if layout.places >= WINDOW else []
    scaled = ["warps", "warps"]
    if not layout.passes:
        scaled += ["entries", "rows", "block"]
        moves += [{"flat": not tiling.flat}]
    elif tiling.form == "whole":
        scaled += ["entries", "rows"]
        moves += [{"form": "loop", "online": True, "block": 1024}]
    else:
        scaled += ["block", "rows", "block"]
        moves += [{"online": not tiling.online}, {"stages": 1 + tiling.stages % 4}]
        moves += [{"form": "whole"}]
    if layout.passes and layout.cuttable:
        moves += [{"form": "split", "parts": p} for p in (16, 64, 256)]
    for name in scaled:
        low, high = LIMITS[name]
        value = getattr(tiling, name)
        moves += [{name: v} for v in (value // 2, value * 2) if low <= v <= high]
    moves = [m for m in moves if any(getattr(tiling, k) != v for k, v in m.items())]
    return generator.choice(moves)


def _up(n: int) -> int:
    return 1 << max(n - 1, 0).bit_length()
