"""Progress of long work, on stderr."""

from __future__ import annotations

import importlib.util
import sys
import time
from typing import Any

QUIET = 1.0  # seconds before anything is shown
EVERY = 5.0  # seconds between plain lines


class Progress:
    """A bar where ``rich`` is installed and stderr is a terminal, else a line now and then.

    Parameters
    ----------
    shown : bool
        Whether to show anything.
    title : str
        What is going on.

    Examples
    --------
    >>> with Progress(False, "fit") as progress:
    ...     progress({"iteration": 1, "of": 3, "residual": 0.1})
    """

    def __init__(self, shown: bool, title: str) -> None:
        self.shown, self.title = shown, title
        self._started = self._last = time.monotonic()
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, record: dict[str, Any]) -> None:
        """Show ``iteration`` out of ``of`` and the other numbers of a record."""
        now = time.monotonic()
        if not self.shown or now - self._started < QUIET:
            return
        rest = {k: v for k, v in record.items() if k not in ("iteration", "of", "seconds")}
        text = ", ".join(f"{k.replace('_', ' ')} {_number(v)}" for k, v in rest.items())
        if importlib.util.find_spec("rich") and sys.stderr.isatty():
            self._show_bar(record, text)
        elif now - self._last >= EVERY:
            self._last = now
            step = f"{record['iteration']} of at most {record['of']}"
            print(f"{self.title}: {step}, {text}", file=sys.stderr, flush=True)

    def _show_bar(self, record: dict[str, Any], text: str) -> None:
        if self._bar is None:
            from rich.console import Console
            from rich.progress import Progress as Bar

            self._bar = Bar(console=Console(stderr=True), transient=True)
            self._bar.start()
            self._task = self._bar.add_task(self.title, total=record["of"])
        description = f"{self.title} ({text})"
        self._bar.update(self._task, completed=record["iteration"], description=description)


def _number(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
