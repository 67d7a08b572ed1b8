"""The choices that turn one graph into one program out of many."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

FORMS = ("whole", "loop", "split")


@dataclass(frozen=True)
class Tiling:
    """How one kernel walks over its arrays.

    Parameters
    ----------
    form : {"whole", "loop", "split"}
        A program holds whole rows in registers; walks along its rows block by block; or several
        programs share a row, and a second kernel puts their parts together. In C++ "whole" keeps
        costly entries from pass to pass, and adds rows in their own precision.
    entries : int
        Entries that a program holds at once where rows are whole, or nothing is reduced.
    rows, block : int
        Rows, and entries of a row, that a program holds at once in the other forms.
    parts : int
        For "split": programs that share a row, at most.
    warps : int
    stages : int
        Loads that a loop may run ahead.
    programs : int
        Programs per multiprocessor that walk over all tiles; 0: one program per tile.
    online : bool
        Whether a maximum and the sum of exponentials, or a mean and the moment about it, are taken
        in one pass.
    flat : bool
        Whether a kernel that reduces nothing forgets about rows.
    keep : {"", "first", "last"}
        What the cache does with what is read: nothing said; drop it first; hold it until the last
        pass.
    vectors : bool
        Whether a thread reads several neighbouring entries by one instruction. Where most reads
        are off by an entry or two and so cannot, neighbouring threads should read neighbours.
    """

    form: str = "loop"
    entries: int = 1024
    rows: int = 1
    block: int = 256
    parts: int = 64
    warps: int = 4
    stages: int = 1
    programs: int = 0
    online: bool = False
    flat: bool = True
    keep: str = ""
    vectors: bool = True

    def __post_init__(self) -> None:
        if self.form not in FORMS:
            raise ValueError(f"form must be one of {', '.join(FORMS)}, got {self.form!r}")
        for name in ("entries", "rows", "block", "warps"):
            value = getattr(self, name)
            if value < 1 or value & (value - 1):
                raise ValueError(f"{name} must be a power of two, got {value}")


@dataclass(frozen=True)
class Schedule:
    """Which arrays are stored, which are stored by one kernel, and how each kernel is tiled.

    Parameters
    ----------
    language : {"triton", "cpp"}
    stored : tuple of str
        Arrays that are written to memory besides those that must be; the others are computed where
        they are needed.
    joined : bool
        Whether arrays over the same rows are stored by one kernel where that is possible.
    tilings : mapping of str to Tiling
        By the name of the first array that the kernel stores.
    default : Tiling
        Of the kernels not named.
    direct : bool
        Whether compiled kernels are launched without the compiler's own bookkeeping.
    """

    language: str = "triton"
    stored: tuple[str, ...] = ()
    joined: bool = False
    tilings: Mapping[str, Tiling] = field(default_factory=dict)
    default: Tiling = field(default_factory=Tiling)
    direct: bool = False

    def tiling(self, kernel: str) -> Tiling:
        """Return the tiling of the kernel whose first array has that name."""
        return self.tilings.get(kernel, self.default)

    def tiled(self, kernel: str, **changes: Any) -> Schedule:
        """Return the schedule with some choices of one kernel changed."""
        new = replace(self.tiling(kernel), **changes)
        return replace(self, tilings={**self.tilings, kernel: new})

    def json(self) -> str:
        """The schedule as text, keys in order."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def read(cls, text: str) -> Schedule:
        """Return the schedule that `json` wrote.

        Examples
        --------
        >>> schedule = Schedule(tilings={"t3": Tiling("whole", warps=8)})
        >>> Schedule.read(schedule.json()) == schedule
        True
        """
        held = json.loads(text)
        held["tilings"] = {k: Tiling(**v) for k, v in held["tilings"].items()}
        held["default"] = Tiling(**held["default"])
        held["stored"] = tuple(held["stored"])
        return cls(**held)
