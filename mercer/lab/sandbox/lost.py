"""The end of a worker that did not answer."""

from __future__ import annotations

REASONS = ("timed out", "crashed", "memory", "processes", "protocol", "exited")


class WorkerLost(RuntimeError):
    """A worker ended, or was ended, before it answered.

    Parameters
    ----------
    reason : {"timed out", "crashed", "memory", "processes", "protocol", "exited"}
        "crashed" is a signal, "protocol" a reply that is not one JSON object on one line.
    detail : str
        What happened, in one sentence.
    """

    def __init__(self, reason: str, detail: str) -> None:
        if reason not in REASONS:
            raise ValueError(f"reason must be one of {', '.join(REASONS)}, got {reason!r}")
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
