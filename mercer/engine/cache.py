"""Where generated functions are kept from run to run."""

from __future__ import annotations

import functools
import os
import tempfile
from pathlib import Path


@functools.cache
def cache_folder() -> Path:
    """``mercer`` in the user's cache; where that cannot be written, a folder for this process."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mercer"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError:
        return Path(tempfile.mkdtemp(prefix="mercer-"))
