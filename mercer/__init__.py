"""Kernels as linear operators: similarity, convolution, transition and compute kernels."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mercer.explain import explain
    from mercer.learn.saving import load

__version__ = "0.1.0"
__all__ = ["explain", "load"]

_LAZY = {"explain": "mercer.explain", "load": "mercer.learn.saving"}
_FOLDERS = (
    "distributed",
    "engine",
    "features",
    "kernels",
    "lab",
    "learn",
    "linalg",
    "measure",
    "operators",
    "papers",
    "special",
    "testing",
)


def __getattr__(name: str) -> Any:
    """Load folders and functions on first use: importing mercer itself runs nothing."""
    if name in _LAZY:
        value = getattr(importlib.import_module(_LAZY[name]), name)
        globals()[name] = value  # the submodule of the same name must not shadow the function
        return value
    if name in _FOLDERS:
        return importlib.import_module(f"mercer.{name}")
    raise AttributeError(f"module 'mercer' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, *_FOLDERS, "__version__"])
