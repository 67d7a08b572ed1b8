"""Where candidates run, and where what is found is written."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from mercer.cli.bad_input import BadInput
from mercer.lab.sandbox import Pool

DEVICES = ("auto", "cpu", "cuda")


def device_of(name: str) -> str:
    """Return "cpu" or "cuda" for what ``--device`` says."""
    if name not in DEVICES:
        raise BadInput(f"--device must be one of {', '.join(DEVICES)}, got {name!r}")
    if name == "cuda" and not torch.cuda.is_available():
        raise BadInput("--device is cuda, but torch sees no GPU; use auto or cpu")
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return name


def open_pool(device: str, isolation: str) -> Pool:
    """Start the process that makes workers.

    Parameters
    ----------
    device : {"cpu", "cuda"}
    isolation : {"namespaces", "seccomp"}
        Never anything weaker than what was asked for.
    """
    try:
        return Pool(device=device, isolation=isolation)
    except RuntimeError as error:
        other = "; --isolation seccomp may do" if isolation == "namespaces" else ""
        raise BadInput(f"candidates cannot be isolated here: {error}{other}") from None


def check_place(path: Path, option: str) -> None:
    """Refuse a path where no file can be written, before work is done that is to be kept there.

    Parameters
    ----------
    path : Path
        A file there may be replaced.
    option : str
        That names it.
    """
    folder = path.absolute().parent
    if path.is_dir():
        raise BadInput(f"{path} is a directory; {option} must name a file")
    if path.exists() and not path.is_file():
        raise BadInput(f"{path} is a device or a pipe; {option} must name a file")
    if not folder.is_dir():
        raise BadInput(f"there is no folder {path.parent} for {path.name}")
    if not os.access(folder, os.W_OK):
        raise BadInput(f"nothing can be written in {path.parent}; {option} must name another place")
