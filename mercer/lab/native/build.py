"""Text in C++ or CUDA becomes a library that Python calls."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

FLAGS = {
    "cpp": ("-O3", "-march=native", "-std=c++17", "-fno-math-errno", "-fPIC", "-shared"),
    "cuda": ("-O3", "-std=c++17", "-arch=native", "-Xcompiler", "-fPIC", "-shared"),
}
ENDINGS = {"cpp": ".cpp", "cuda": ".cu"}


@functools.cache
def compiler(language: str) -> str:
    """Return the path of the compiler: ``$CXX`` or g++, ``$NVCC`` or nvcc.

    Raises
    ------
    RuntimeError
        There is none.
    """
    if language not in FLAGS:
        raise ValueError(f"language must be one of {', '.join(FLAGS)}, got {language!r}")
    variable, usual = {"cpp": ("CXX", "g++"), "cuda": ("NVCC", "nvcc")}[language]
    name = os.environ.get(variable, usual)
    found = shutil.which(name)
    if found is None and language == "cuda":
        home = os.environ.get("CUDA_HOME", "/usr/local/cuda")
        found = shutil.which(name, path=f"{home}/bin")
    if found is None:
        raise RuntimeError(f"no compiler for {language}: {name} is not on the path; set {variable}")
    return found


@functools.cache
def folder() -> Path:
    """Return where libraries are kept: one folder of this process, gone with its scratch space."""
    return Path(tempfile.mkdtemp(prefix="mercer-native-"))


def build(
    source: str, *, language: str = "cpp", flags: Sequence[str] = (), seconds: float = 120.0
) -> ctypes.CDLL:
    """Compile `source` into a shared library and load it.

    Functions must be declared ``extern "C"``; tensors are passed as ``x.data_ptr()`` in a
    ``ctypes.c_void_p``. A CUDA library runs on torch's stream if that is handed to it:
    ``torch.cuda.current_stream().cuda_stream``.

    Parameters
    ----------
    source : str
    language : {"cpp", "cuda"}, optional
    flags : sequence of str, optional
        Further ones for the compiler: ``"-fopenmp"``, ``"-ffast-math"``.
    seconds : float, optional
        How long the compiler may take.

    Returns
    -------
    ctypes.CDLL
        Of the same text and flags, the same library.

    Raises
    ------
    RuntimeError
        There is no compiler, or it refuses the text; with its first error.

    Examples
    --------
    >>> import ctypes, torch
    >>> library = build('''
    ... extern "C" void twice(float* x, long n) { for (long i = 0; i < n; ++i) x[i] *= 2; }
    ... ''')
    >>> x = torch.arange(3.0)
    >>> _ = library.twice(ctypes.c_void_p(x.data_ptr()), ctypes.c_long(3))
    >>> x
    tensor([0., 2., 4.])
    """
    return _build(source, language, tuple(flags), seconds)


@functools.cache
def _build(source: str, language: str, flags: tuple[str, ...], seconds: float) -> ctypes.CDLL:
    program = compiler(language)
    options = [*FLAGS[language], *flags]
    name = hashlib.sha256("\n".join([source, program, *options]).encode()).hexdigest()[:32]
    library = folder() / f"{name}.so"
    text = folder() / f"{name}{ENDINGS[language]}"
    text.write_text(source)
    command = [program, *options, str(text), "-o", str(library)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"{program} took more than {seconds:g} s") from None
    if done.returncode:
        raise RuntimeError(f"{Path(program).name} refuses the text: {_first_error(done.stderr)}")
    return ctypes.CDLL(str(library))


def _first_error(said: str) -> str:
    """Return the first error of a compiler, without the path of the text."""
    lines = said.strip().splitlines() or ["it said nothing"]
    line = next((x for x in lines if re.search(r"\berror\b", x)), lines[0])
    return re.sub(r"^\S*/[0-9a-f]{32}\.\w+", "text", line)
