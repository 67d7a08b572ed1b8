"""Files and directories that are either the old ones or the new ones, never half of either."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from mercer.regular_file import refuse_special


def write_file(path: Path, content: bytes) -> None:
    """Write beside ``path``, flush to the disk, then take its place.

    Parameters
    ----------
    path : Path
        The file to write or to replace.
    content : bytes
        All of it.

    Raises
    ------
    OSError
        If it cannot be written, for example on a full disk, or is a device or a pipe; what was
        there is as before.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a"
    >>> write_file(path, b"1")
    >>> path.read_bytes()
    b'1'
    """
    refuse_special(path)
    beside = path.with_name(f".{path.name}.part")  # one name: a killed write leaves one at most
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(beside, content)
        os.replace(beside, path)
        _flush_directory(path.parent)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise OSError(
            error.errno,
            f"could not write ({error.strerror}); what was there is unchanged",
            str(path),
        ) from error


def write_directory(directory: Path, files: Mapping[str, bytes]) -> None:
    """Write a directory of files beside ``directory``, then put it in its place.

    Parameters
    ----------
    directory : Path
        The directory to make, or to replace if it holds no other files than ``files``.
    files : mapping of str to bytes
        Names and contents.

    Raises
    ------
    FileExistsError
        If ``directory`` exists and holds something else.
    OSError
        If it cannot be written; what was there is as before.
    """
    if directory.exists() and (
        not directory.is_dir() or {entry.name for entry in directory.iterdir()} - set(files)
    ):
        raise FileExistsError(
            f"{directory} exists and holds something other than a saved model; name a new directory"
        )
    beside = directory.with_name(f".{directory.name}.part")  # one name: a killed write leaves one
    old = directory.with_name(f".{directory.name}.old")
    try:
        for left in (beside, old):
            shutil.rmtree(left, ignore_errors=True)
        beside.mkdir(parents=True)
        for name, content in files.items():
            _write(beside / name, content)
        _flush_directory(beside)
        if directory.exists():
            os.rename(directory, old)
        try:
            os.rename(beside, directory)
        except OSError:
            if old.exists():
                os.rename(old, directory)
            raise
        _flush_directory(directory.parent)
    except OSError as error:
        shutil.rmtree(beside, ignore_errors=True)
        raise OSError(
            error.errno,
            f"could not write ({error.strerror}); what was there is unchanged",
            str(directory),
        ) from error
    shutil.rmtree(old, ignore_errors=True)


def _write(path: Path, content: bytes) -> None:
    with open(path, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _flush_directory(directory: Path) -> None:
    if os.name == "nt":  # directories cannot be opened there
        return
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
