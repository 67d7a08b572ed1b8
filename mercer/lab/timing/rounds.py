"""Rounds in which every contender runs once, so that what disturbs one disturbs all."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping

from mercer.lab.timing.ratio import paired_ratio

Clocked = Callable[[int], float]  # calls in, seconds for all of them out


def calls_for(contender: Clocked, *, block: float) -> int:
    """Return the number of calls that takes about `block` seconds, warming up on the way."""
    calls, seconds = 1, contender(1)
    while True:
        seconds = contender(calls)
        if seconds >= block / 4 or calls >= 1 << 24:
            return max(1, round(calls * block / max(seconds, 1e-9)))
        calls = max(2 * calls, min(64 * calls, round(calls * block / (2 * max(seconds, 1e-9)))))


def paired_rounds(
    contenders: Mapping[str, Clocked],
    calls: Mapping[str, int],
    *,
    baseline: str,
    precision: float,
    fewest: int,
    most: int,
    seed: int,
    lost: Callable[[str, Exception], None],
    excused: tuple[type[Exception], ...] = (),
) -> Iterator[dict[str, list[float]]]:
    """Yield after each round the seconds per call of every contender, by round.

    The order is shuffled in every round. Ends when, after `fewest` rounds, every median ratio to
    the baseline is known within `precision`, or after `most` rounds. A contender that raises one of
    `excused` is handed to `lost` and left out from there on; the baseline's failure is raised.
    """
    generator = random.Random(seed)
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for done in range(1, most + 1):
        order = list(seconds)
        generator.shuffle(order)
        for name in order:
            try:
                seconds[name].append(contenders[name](calls[name]) / calls[name])
            except excused as error:
                if name == baseline:
                    raise
                lost(name, error)
                del seconds[name]
        yield {name: list(times) for name, times in seconds.items()}
        ratios = [paired_ratio(seconds[baseline], times) for times in seconds.values()]
        if done >= fewest and all(ratio.spread <= precision for ratio in ratios):
            return
