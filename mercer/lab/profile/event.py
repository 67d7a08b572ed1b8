"""One interval of a trace: an operator, a call of the driver, a piece of the device's work."""

from __future__ import annotations

import math
from dataclasses import dataclass

BYTES = {
    "double": 8, "float": 4, "c10::Half": 2, "c10::BFloat16": 2, "long int": 8, "long": 8,
    "int": 4, "short": 2, "signed char": 1, "unsigned char": 1, "bool": 1,
}  # fmt: skip
DEVICE = ("kernel", "memcpy", "memset")


@dataclass(frozen=True, slots=True)
class Event:
    """An interval on one lane of the timeline.

    Parameters
    ----------
    name : str
    kind : {"operator", "runtime", "kernel", "memcpy", "memset", "step"}
        "runtime" is a call of CUDA's or HIP's runtime or driver; the next three are work of the
        device.
    start, duration : float
        In microseconds, from the beginning of the trace.
    lane : tuple
        Process and thread; for work of the device, device and stream.
    correlation : int or None
        Which call caused which work.
    external : int or None
        Number of the operator that was running.
    shapes : tuple of tuple of int
        Of the operator's tensor arguments, where they were recorded.
    types : tuple of str
        Their element types, as the trace names them.

    Examples
    --------
    >>> Event("aten::add", "operator", 1.0, 2.5, (1, 1)).end
    3.5
    """

    name: str
    kind: str
    start: float
    duration: float
    lane: tuple[object, object]
    correlation: int | None = None
    external: int | None = None
    shapes: tuple[tuple[int, ...], ...] = ()
    types: tuple[str, ...] = ()

    @property
    def end(self) -> float:
        """When it was over, in microseconds."""
        return self.start + self.duration

    @property
    def bytes(self) -> int:
        """Of the first tensor argument; 0 if the trace does not say."""
        for shape, kind in zip(self.shapes, self.types):
            if kind in BYTES and shape:
                return BYTES[kind] * math.prod(shape)
        return 0
