"""What a fit was asked to do, and where it keeps what it has."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

from mercer.cli.bad_input import BadInput
from mercer.cli.estimator import Options
from mercer.cli.model import DESCRIPTION


@dataclasses.dataclass(frozen=True)
class Request:
    """What ``mercer fit`` was asked.

    Parameters
    ----------
    data : Path
        The table.
    target : str
        The column to predict.
    out : Path
        Where model and report go.
    task : str
        ``auto``, ``regression`` or ``classification``.
    drop : tuple of str
        Columns to leave out.
    test_size : float
        Share of the rows held out for scoring.
    options : Options
        For the estimator.
    resume : bool
        Whether to go on from a checkpoint that an earlier run left.
    """

    data: Path
    target: str
    out: Path
    task: str = "auto"
    drop: tuple[str, ...] = ()
    test_size: float = 0.2
    options: Options = dataclasses.field(default_factory=Options)
    resume: bool = False

    @property
    def checkpoint(self) -> Path:
        """Where an unfinished fit is kept, beside ``out``."""
        return self.out.parent / f"{self.out.name}.mercer-checkpoint"

    def start(self, say: Callable[[str], None]) -> Path:
        """Return the checkpoint's place, cleared unless it is to be gone on from."""
        place = self.checkpoint
        if self.resume and not place.exists():
            say(f"nothing to resume at {place}, starting afresh")
        if not self.resume and place.exists():
            say(f"an unfinished fit in {place} is discarded, --resume would have gone on from it")
            self.finish()
        return place

    def finish(self) -> None:
        """Remove the checkpoint."""
        if self.checkpoint.is_dir():
            shutil.rmtree(self.checkpoint)
        else:
            self.checkpoint.unlink(missing_ok=True)


def check_out(out: Path) -> None:
    """Refuse to replace anything but a model."""
    if out.is_file():
        raise BadInput(f"--out {out} is a file, name a directory")
    if out.exists() and not out.is_dir():
        raise BadInput(f"--out {out} is a device or a pipe, name a directory")
    if out.is_dir() and any(out.iterdir()) and not (out / DESCRIPTION).is_file():
        raise BadInput(f"--out {out} holds something other than a model, name a new directory")
