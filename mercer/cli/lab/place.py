"""Where candidates run: a device, and isolated workers on it."""

from __future__ import annotations

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
