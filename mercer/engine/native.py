"""Loops in C: which backend runs, why it cannot, and the call by addresses."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from mercer.engine.compiler import build, compiler

BACKENDS = ("auto", "torch", "compiled", "triton")
LOOPS = ("auto", "compiled", "torch")  # of what Triton has no program for
REAL = {torch.float32: "float", torch.float64: "double"}


def check_backend(backend: str, known: Sequence[str] = BACKENDS) -> str:
    """Return the name if it is one of the known, else raise ValueError."""
    if backend not in known:
        raise ValueError(f"backend must be one of {', '.join(known)}, got {backend!r}")
    return backend


def obstacle(device: torch.device) -> str | None:
    """Why a loop in C cannot run on tensors of a device; None where it can.

    Examples
    --------
    >>> obstacle(torch.device("meta"))
    'it runs on the CPU, got meta'
    """
    if device.type != "cpu":
        return f"it runs on the CPU, got {device}"
    return no_compiler()


def no_compiler() -> str | None:
    """That there is no compiler; None where there is one."""
    return "no C compiler was found" if compiler() is None else None


def used_or_refused(backend: str, name: str, reason: str | None) -> bool:
    """Whether ``name`` may run where ``backend`` was asked for; what is named is never replaced.

    Parameters
    ----------
    backend : str
        What the caller asked for.
    name : str
        Of a backend.
    reason : str or None
        Why that one cannot run here; None or empty where it can.

    Raises
    ------
    ValueError
        If it was named and cannot run.

    Examples
    --------
    >>> used_or_refused("auto", "compiled", "no C compiler was found")
    False
    >>> used_or_refused("compiled", "compiled", "no C compiler was found")
    Traceback (most recent call last):
    ...
    ValueError: backend="compiled" cannot be used: no C compiler was found
    """
    if backend == name and reason:
        raise ValueError(f'backend="{name}" cannot be used: {reason}')
    return backend in ("auto", name) and not reason


def run(
    source: str, sizes: Sequence[int], inputs: Sequence[Tensor], outputs: Sequence[Tensor]
) -> None:
    """Run ``void tile(const int64_t *n, void **in, void **out)`` of a C source.

    Parameters
    ----------
    source : str
        C.
    sizes : sequence of int
        ``n``.
    inputs, outputs : sequences of Tensor
        On the CPU, laid out as the source says; what the addresses in ``in`` and ``out`` are of.

    Raises
    ------
    RuntimeError
        If the source does not compile; the compiler's first line was a warning before.
    """
    function = build(source)
    if function is None:
        raise RuntimeError('the C compiler refused a loop; use backend="torch"')
    call(function, sizes, inputs, outputs)


def call(
    function: Any, sizes: Sequence[int], inputs: Sequence[Tensor], outputs: Sequence[Tensor]
) -> None:
    """Call a function that was built, see :func:`run`."""
    function(
        (ctypes.c_int64 * len(sizes))(*sizes),
        (ctypes.c_void_p * len(inputs))(*(t.data_ptr() for t in inputs)),
        (ctypes.c_void_p * len(outputs))(*(t.data_ptr() for t in outputs)),
    )
