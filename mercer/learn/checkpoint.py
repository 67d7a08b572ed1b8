"""The state of an unfinished fit on disk."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from mercer.learn.atomic import write_file

FORMAT = "mercer checkpoint 1"


class Saved(NamedTuple):
    """Tensors of the solver, empty before its first step, and plain data."""

    tensors: dict[str, Tensor]
    info: dict[str, Any]


class Checkpoint:
    """One safetensors file with a JSON header, replaced atomically.

    Parameters
    ----------
    path : str or Path
        The file.
    every : float
        Least seconds between two writes.
    fingerprint : str
        Of the data and parameters; a file with another one is refused.

    Examples
    --------
    >>> import tempfile
    >>> kept = Checkpoint(Path(tempfile.mkdtemp()) / "fit.safetensors", 30.0, "abc")
    >>> kept.write({"w": torch.ones(2)}, {"seed": 1})
    >>> kept.read().tensors["w"]
    tensor([1., 1.])
    """

    def __init__(self, path: str | Path, every: float, fingerprint: str) -> None:
        if not every >= 0:
            raise ValueError(f"checkpoint_every must be at least 0 seconds, got {every}")
        self.path, self.every, self.fingerprint = Path(path), every, fingerprint
        self._last = time.monotonic()

    def read(self) -> Saved | None:
        """What was saved, or None if there is no file.

        Raises
        ------
        ValueError
            If the file is no checkpoint, or one of other data or parameters.
        """
        if not self.path.exists():
            return None
        try:
            with safe_open(self.path, framework="pt") as file:
                header = (file.metadata() or {}).get("mercer", "{}")
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            info = json.loads(header)
        except (SafetensorError, OSError, ValueError) as error:
            raise ValueError(f"{self.path} is not a checkpoint of mercer: {error}") from error
        if not isinstance(info, dict) or info.get("format") != FORMAT:
            raise ValueError(f"{self.path} is not a checkpoint of mercer; name another path")
        if info["fingerprint"] != self.fingerprint:
            raise ValueError(
                f"checkpoint {self.path} is of other data or parameters than this fit; "
                "delete it to start afresh or name another path"
            )
        return Saved(tensors, info)

    def write(self, tensors: dict[str, Tensor], info: dict[str, Any]) -> None:
        """Replace the file; on failure the one before is left as it was."""
        header = json.dumps({"format": FORMAT, "fingerprint": self.fingerprint, **info})
        # Copies: the format has no tensors that share memory.
        stored = {name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}
        write_file(self.path, save(stored, metadata={"mercer": header}))
        self._last = time.monotonic()

    def offer(self, make: Callable[[], tuple[dict[str, Tensor], dict[str, Any]]]) -> None:
        """Write if the last write is long enough ago."""
        if time.monotonic() - self._last >= self.every:
            self.write(*make())

    def remove(self) -> None:
        """Delete the file: the fit is finished."""
        self.path.unlink(missing_ok=True)


def fingerprint(tensors: Iterable[Tensor], parameters: Any) -> str:
    """A digest of the bytes of tensors and of plain parameters."""
    digest = hashlib.sha256(repr(parameters).encode())
    for t in tensors:
        digest.update(f"{t.dtype}{tuple(t.shape)}".encode())
        digest.update(t.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()
