"""The operators of a channel by name."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from mercer.lab.channels.operator import Operator, by_name

CHANNELS = {"triton": "written", "torch": "aligned"}


def channel(name: str) -> dict[str, Operator]:
    """Return the operators of a channel by name, in the order of their files.

    Parameters
    ----------
    name : {"triton", "torch"}
        Operators as they are written for Triton in practice; functions with the names and
        signatures of PyTorch's own.

    Examples
    --------
    >>> list(channel("triton"))[:3]
    ['swiglu', 'geglu', 'bias_gelu']
    """
    if name not in CHANNELS:
        raise ValueError(f"channel must be one of {', '.join(CHANNELS)}, got {name!r}")
    return dict(_operators(CHANNELS[name]))


@cache
def _operators(folder: str) -> dict[str, Operator]:
    package = importlib.import_module(f"mercer.lab.channels.{folder}")
    operators: list[Operator] = []
    for entry in sorted(pkgutil.iter_modules(package.__path__), key=lambda e: e.name):
        module = importlib.import_module(f"{package.__name__}.{entry.name}")
        for value in vars(module).values():
            if isinstance(value, Operator):
                operators.append(value)
            elif isinstance(value, tuple):
                operators += [v for v in value if isinstance(v, Operator)]
    return by_name(operators)
