"""Run a paper, time it and keep what came out."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import json
import os
import platform
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch

from mercer.papers.registry import find
from mercer.papers.result import Result

SCALES = ("quick", "full")


def run(
    slug: str, scale: str = "quick", out: str | os.PathLike[str] | None = None, *, seed: int = 0
) -> Result:
    """Measure the claims of a paper.

    Parameters
    ----------
    slug : str
        Which paper, see :func:`mercer.papers.registry`.
    scale : {"quick", "full"}
        ``quick`` ends within a minute on two cores; ``full`` is meant for a GPU.
    out : path, optional
        Directory for ``<slug>.json`` and, if matplotlib is installed, ``<slug>.png``. Each file
        takes its place whole or not at all.
    seed : int
        Of all that is random.

    Returns
    -------
    Result
        ``str(result)`` is the table for people.

    Raises
    ------
    ValueError
        If the slug or the scale is unknown.

    Examples
    --------
    >>> run("eigenpro")
    Traceback (most recent call last):
    ...
    ValueError: slug must be that of a paper, got 'eigenpro'; did you mean eigenpro3?
    """
    if scale not in SCALES:
        raise ValueError(f"scale must be one of {', '.join(SCALES)}, got {scale!r}")
    module = find(slug)
    started = time.perf_counter()
    result: Result = module.run(scale, seed=seed)
    result = dataclasses.replace(
        result,
        slug=slug,
        scale=scale,
        seed=seed,
        seconds=time.perf_counter() - started,
        machine=machine(scale),
    )
    return result if out is None else write(result, Path(out))


def write(result: Result, directory: Path) -> Result:
    """Write ``<slug>.json`` and ``<slug>.png``; the result says where they are."""
    directory.mkdir(parents=True, exist_ok=True)
    files = []
    if result.draw is not None and importlib.util.find_spec("matplotlib") is not None:
        from matplotlib.figure import Figure

        figure = Figure(figsize=(9.0, 4.0), layout="constrained")
        result.draw(figure)
        files.append(directory / f"{result.slug}.png")
        with _replaced(files[-1]) as part:
            figure.savefig(part, dpi=150, format="png")
    files.append(directory / f"{result.slug}.json")
    with _replaced(files[-1]) as part:
        part.write_text(json.dumps(result.as_dict(), indent=2, allow_nan=True) + "\n")
    return dataclasses.replace(result, files=tuple(map(str, files)))


def machine(scale: str) -> str:
    """What the figures were measured on."""
    cores = f"{platform.machine()}, {torch.get_num_threads()} threads"
    if scale == "full" and torch.cuda.is_available():
        cores = f"{torch.cuda.get_device_name()}, {cores}"
    return f"{cores}, torch {torch.__version__}"


@contextlib.contextmanager
def _replaced(path: Path) -> Iterator[Path]:
    """A new file beside ``path`` that takes its place if the block ends well, else goes."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(handle)
    part = Path(name)
    try:
        yield part
        with open(part, "rb") as written:
            os.fsync(written.fileno())
        part.chmod(0o644)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
