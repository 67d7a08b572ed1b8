"""``mercer bench``: the scripts in ``benchmarks/`` of a checkout."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mercer
from mercer.cli.bad_input import BadInput


def benchmarks_folder() -> Path:
    """The checkout's ``benchmarks/``, beside the package."""
    folder = Path(mercer.__file__).resolve().parents[1] / "benchmarks"
    if not folder.is_dir():
        raise BadInput(
            f"benchmarks are part of a checkout of mercer, {folder} does not exist; "
            "clone the repository and install it with pip install -e '.[cli,peers]'"
        )
    return folder


def bench_command(which: str, say: Callable[[str], Any]) -> int:
    """Run one script, or all of them one after the other, and return the first bad exit code.

    Parameters
    ----------
    which : str
        A script's name without ``.py``, ``all``, or empty for a list.
    say : callable
        Given lines to print.

    Returns
    -------
    int
        0 if every script ended well.
    """
    folder = benchmarks_folder()
    scripts = {path.stem: path for path in sorted(folder.glob("*.py")) if path.stem[0] != "_"}
    if not which:
        say("\n".join(f"{name}  {path}" for name, path in scripts.items()) or f"{folder} is empty")
        return 0
    if which != "all" and which not in scripts:
        raise BadInput(
            f"{which!r} is not a benchmark, choose one of {', '.join([*scripts, 'all'])}"
        )
    for name in scripts if which == "all" else [which]:
        say(f"benchmark {name}")
        if code := subprocess.run([sys.executable, str(scripts[name])], check=False).returncode:
            return code
    return 0
