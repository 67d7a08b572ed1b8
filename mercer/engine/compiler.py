"""The machine's C compiler: sources become functions, kept on disk from run to run."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
import warnings
from pathlib import Path
from typing import Any

from mercer.engine.cache import cache_folder

FLAGS = ("-O3", "-march=native", "-fopenmp", "-fno-math-errno", "-fno-trapping-math", "-fPIC")


@functools.cache
def compiler() -> str | None:
    """The compiler, or None where there is none whose threads are those torch runs on."""
    if not hasattr(ctypes.CDLL(None), "GOMP_parallel"):
        return None  # a second OpenMP beside torch's would fight it for the cores
    return shutil.which(os.environ.get("CC", "gcc"))


@functools.cache
def build(source: str) -> Any | None:
    """The function ``tile`` of a C source; None, with a warning, if it does not compile."""
    cc = compiler()
    if cc is None:
        return None
    mark = "\n".join((source, *FLAGS, cc, _processor()))
    name = hashlib.sha256(mark.encode()).hexdigest()[:32] + ".so"
    folder = cache_folder()
    library = folder / name
    if not library.exists():
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            c, o, so = (Path(scratch) / f"tile.{end}" for end in ("c", "o", "so"))
            c.write_text(source)
            # Linked by hand: -fopenmp at this step would load an OpenMP of its own.
            commands = (
                [cc, *FLAGS, "-c", str(c), "-o", str(o)],
                [cc, "-shared", str(o), "-o", str(so), "-lm"],
            )
            for command in commands:
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                if done.returncode:
                    first = (done.stderr.strip() or "it said nothing").splitlines()[0]
                    warnings.warn(
                        f"{cc} could not compile a tile, torch evaluates it instead: {first}",
                        RuntimeWarning,
                        stacklevel=2,
                    )
                    return None
            so.replace(library)  # whole or not at all
    return ctypes.CDLL(str(library)).tile


def _processor() -> str:
    """What ``-march=native`` depends on."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return "\n".join(sorted({s for s in lines if s.startswith(("model name", "flags"))}))
