"""The share of the device's time that is spent in a candidate's own kernels."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping

from mercer.lab.candidate import Candidate
from mercer.lab.profile.trace import Trace
from mercer.lab.verify.names import Names

CUDA = re.compile(r"__global__\s[^;{]*?(\w+)\s*\((?!\s*\d+\s*[,)])")
BODY = r"\s*\([^;{}]*\)\s*\{"  # a definition, not a declaration
EXPORTED = re.compile(rf'(?:extern\s+"C"\s+[^;{{(]*?|torch::Tensor\s+)\b(\w+){BODY}')
BLOCK = re.compile(r'extern\s+"C"\s*\{')
FUNCTION = re.compile(rf"^\s*(?:\w+[\s*&]+)+?(\w+){BODY}", re.MULTILINE)
KEYWORDS = frozenset({"if", "for", "while", "switch"})


def kernel_names(candidate: Candidate) -> frozenset[str]:
    """Return the names of the kernels that a text defines in the language that it claims.

    Triton: functions under ``triton.jit``. CUDA: ``__global__`` functions. C++: exported ones. A
    text that is not Python has none.

    Examples
    --------
    >>> source = "import triton\\n@triton.jit\\ndef twice(x): ..."
    >>> sorted(kernel_names(Candidate(source, "triton")))
    ['twice']
    """
    try:
        tree = ast.parse(candidate.source)
    except SyntaxError:
        return frozenset()
    if candidate.language == "triton":
        names = Names(tree)
        return frozenset(
            f.name
            for f in ast.walk(tree)
            if isinstance(f, ast.FunctionDef)
            and any(names.dotted(_plain(d)) == "triton.jit" for d in f.decorator_list)
        )
    if candidate.language == "cuda":
        return frozenset(name for text in _texts(tree) for name in CUDA.findall(text))
    return exported(tree) if candidate.language == "cpp" else frozenset()


def exported(tree: ast.Module) -> frozenset[str]:
    """Return the names of the C++ functions that a text's strings define for others to call."""
    found: set[str] = set()
    for text in _texts(tree):
        found.update(EXPORTED.findall(text))
        if BLOCK.search(text):
            found.update(FUNCTION.findall(text))
    return frozenset(found - KEYWORDS)


def _texts(tree: ast.Module) -> list[str]:
    return [
        part.value
        for part in ast.walk(tree)
        if isinstance(part, ast.Constant) and isinstance(part.value, str)
    ]


def kernel_times(trace: Trace) -> dict[str, float]:
    """Return the microseconds of each kernel, copy and fill in a trace's median step, by name."""
    times: dict[str, float] = {}
    for event in trace.step.work:
        times[event.name] = times.get(event.name, 0.0) + event.duration
    return times


def coverage(times: Mapping[str, float], names: Iterable[str]) -> float:
    """Return the share of the time in kernels of these names.

    Parameters
    ----------
    times : mapping of str to float
        By names as a profiler tells them: plain, with arguments, or mangled.
    names : iterable of str
        As :func:`kernel_names` finds them.

    Raises
    ------
    ValueError
        The device did nothing.

    Examples
    --------
    >>> coverage({"relu": 1.0, "void at::native::add(int)": 2.0, "_Z4reluPf": 1.0}, ["relu"])
    0.5
    """
    total = sum(times.values())
    if not total > 0:
        raise ValueError("coverage needs a trace in which the device worked; this one has no time")
    own = tuple(names)
    return sum(t for name, t in times.items() if any(_is(name, k) for k in own)) / total


def _is(told: str, name: str) -> bool:
    """Whether a profiler's name of a kernel is that of a function."""
    if told.startswith("_Z"):
        return re.match(rf"_Z(?:N\d+\w+?)?{len(name)}{re.escape(name)}", told) is not None
    plain = re.split(r"[<(]", told.removeprefix("void "), maxsplit=1)[0]
    return plain.strip().rpartition("::")[2] == name and "at::" not in plain


def _plain(decorator: ast.expr) -> ast.expr:
    """Return the decorator without its arguments."""
    return decorator.func if isinstance(decorator, ast.Call) else decorator
