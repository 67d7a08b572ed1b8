"""Writing so that a reader sees the old thing or the new one, never half of either."""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from mercer.regular_file import refuse_special


@contextlib.contextmanager
def new_directory(destination: Path) -> Iterator[Path]:
    """Yield an empty directory that takes the place of ``destination`` when the block ends well.

    It lies beside ``destination``. If the block raises (a full disk, an interrupt) it is removed
    and ``destination`` is as before. A process killed inside the block leaves only a hidden
    directory, which the next call removes.

    Parameters
    ----------
    destination : Path
        Where the directory is to be; an existing directory there is replaced.

    Examples
    --------
    >>> import tempfile
    >>> place = Path(tempfile.mkdtemp()) / "model"
    >>> with new_directory(place) as fresh:
    ...     _ = (fresh / "a.json").write_text("{}")
    >>> [file.name for file in place.iterdir()]
    ['a.json']
    """
    destination = destination.absolute()
    refuse_special(destination)
    destination.parent.mkdir(parents=True, exist_ok=True)
    _sweep(destination)
    fresh = destination.parent / f".{destination.name}.saving-{os.getpid()}"
    aside = destination.parent / f".{destination.name}.replaced-{os.getpid()}"
    fresh.mkdir()
    try:
        yield fresh
        _sync(fresh)
        if destination.exists():
            os.rename(destination, aside)
        try:
            os.rename(fresh, destination)
        except OSError:
            if aside.exists():
                os.rename(aside, destination)
            raise
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    shutil.rmtree(aside, ignore_errors=True)
    _sync_entry(destination.parent)


@contextlib.contextmanager
def new_file(destination: Path) -> Iterator[Path]:
    """Yield a path beside ``destination`` whose file takes its place when the block ends well.

    Parameters
    ----------
    destination : Path
        The file to write or to replace; a device or a pipe is refused.
    """
    destination = destination.absolute()
    refuse_special(destination)
    destination.parent.mkdir(parents=True, exist_ok=True)
    fresh = destination.parent / f".{destination.name}.saving-{os.getpid()}"
    try:
        yield fresh
        _sync_entry(fresh)
        os.replace(fresh, destination)
    finally:
        fresh.unlink(missing_ok=True)
    _sync_entry(destination.parent)


def _sweep(destination: Path) -> None:
    """Remove what killed processes left, and put back a directory they had only moved aside."""
    for kind in ("replaced", "saving"):
        for left in destination.parent.glob(f".{glob.escape(destination.name)}.{kind}-*"):
            owner = left.name.rpartition("-")[2]
            if not owner.isdigit() or _alive(int(owner)):
                continue
            if kind == "replaced" and not destination.exists():
                os.rename(left, destination)
            else:
                shutil.rmtree(left, ignore_errors=True)


def _alive(process: int) -> bool:
    if os.name == "nt":  # there, signal 0 would interrupt the process
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return process != os.getpid()


def _sync(directory: Path) -> None:
    for path in [*directory.rglob("*"), directory]:
        _sync_entry(path)


def _sync_entry(path: Path) -> None:
    # Directories cannot be opened for syncing on every system.
    if path.is_dir() and os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
