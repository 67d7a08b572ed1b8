"""Checks at the door: each raises one sentence naming the argument, what it was, what would do."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor


def floating(name: str, value: Any) -> Tensor:
    """Return ``value`` if it is a real floating-point tensor, else raise ``TypeError``."""
    if not isinstance(value, Tensor):
        raise TypeError(f"{name} must be a torch.Tensor, got {type(value).__name__}")
    if value.dtype.is_complex:
        raise TypeError(
            f"{name} must hold real numbers, got {value.dtype}; pass real and imaginary parts as "
            "columns"
        )
    if not value.dtype.is_floating_point:
        raise TypeError(
            f"{name} must hold floating-point numbers, got {value.dtype}; "
            f"convert it with {name}.float()"
        )
    return value


def finite(name: str, value: Tensor) -> Tensor:
    """Return ``value`` if it has no NaN or infinity, else raise ``ValueError`` naming the place.

    Values that are not concrete (inside ``torch.func.vmap`` or ``torch.compile``) are let through.
    """
    if not concrete(value) or bool(torch.isfinite(value).all()):
        return value
    place = (~torch.isfinite(value.detach())).nonzero()[0].tolist()
    found = "NaN" if bool(value[tuple(place)].isnan()) else "infinity"
    axes = {1: ["index"], 2: ["row", "column"]}.get(
        len(place), [f"axis {k}" for k in range(len(place))]
    )
    where = ", ".join(f"{axis} {index}" for axis, index in zip(axes, place))
    raise ValueError(f"{name} has {found}{' at ' if where else ''}{where}; remove or impute it")


def concrete(value: Tensor) -> bool:
    """Whether Python may look at the numbers in ``value``."""
    if torch.compiler.is_compiling() or value.is_meta:
        return False
    return not torch._C._functorch.is_functorch_wrapped_tensor(value)


def positive(name: str, value: float | Tensor) -> Tensor:
    """Return ``value`` as a tensor if all of it is finite and above zero, else raise an error."""
    tensor = value if isinstance(value, Tensor) else torch.tensor(value, dtype=torch.float64)
    if concrete(tensor) and not bool(((tensor > 0) & torch.isfinite(tensor)).all()):
        bad = tensor.detach().flatten()
        bad = bad[~((bad > 0) & torch.isfinite(bad))][0].item()
        raise ValueError(f"{name} must be positive, got {bad:g}")
    return tensor


def alike(name: str, value: Tensor, other_name: str, other: Any) -> None:
    """Raise if ``value`` and ``other`` (a tensor or operator) differ in dtype or device."""
    if value.dtype != other.dtype:
        raise TypeError(
            f"{name} is {value.dtype} but {other_name} is {other.dtype}; convert one of them"
        )
    if value.device != other.device:
        raise ValueError(
            f"{name} is on {value.device} but {other_name} is on {other.device}; move one of them"
        )


def broadcast(name: str, value: Tensor, other_name: str, other: Tensor) -> None:
    """Raise ``ValueError`` unless the shapes of two tensors broadcast."""
    for a, b in zip(reversed(value.shape), reversed(other.shape)):
        if a != b and 1 not in (a, b):
            raise ValueError(
                f"{name} has shape {tuple(value.shape)} and {other_name} {tuple(other.shape)}, "
                "which do not broadcast; make them alike or one of them 1 along each axis"
            )


def instance(name: str, value: Any, kind: type | tuple[type, ...], such_as: str) -> None:
    """Raise ``TypeError`` unless ``value`` is of a class, or of one of several."""
    if isinstance(value, kind):
        return
    kinds = " or ".join(one.__name__ for one in (kind if isinstance(kind, tuple) else (kind,)))
    found = type(value).__name__
    if isinstance(value, str):
        found = repr(value)
    elif isinstance(value, type):
        found = f"the class {value.__name__}"
    article = "an" if kinds[0] in "AEIOU" else "a"
    raise TypeError(f"{name} must be {article} {kinds}, such as {such_as}, got {found}")


def count(name: str, value: Any, least: int = 1) -> int:
    """Return ``value`` if it is an integer of at least ``least``, else raise."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {value}")
    return value


def interval(name: str, value: float, low: float, high: float) -> float:
    """Return ``value`` if it lies in ``[low, high]``, else raise ``ValueError``."""
    if not (math.isfinite(value) and low <= value <= high):
        raise ValueError(f"{name} must be between {low:g} and {high:g}, got {value:g}")
    return value
