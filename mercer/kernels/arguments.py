"""Arguments of kernels: checked at the door, and printed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from mercer import checks


def check_points(name: str, points: Tensor) -> None:
    """Raise unless ``points`` is a finite floating-point matrix, one point a row."""
    checks.floating(name, points)
    if points.ndim < 2:
        raise ValueError(
            f"{name} must have shape (*batch, n, d), one point a row; got {tuple(points.shape)}"
        )
    checks.finite(name, points)


def check_pair(X: Tensor, Y: Tensor) -> None:
    """Raise unless the widths agree and the batches broadcast."""
    if X.shape[-1] != Y.shape[-1]:
        raise ValueError(f"X has {X.shape[-1]} columns but Y has {Y.shape[-1]}")
    for a, b in zip(reversed(X.shape[:-2]), reversed(Y.shape[:-2])):
        if a != b and 1 not in (a, b):
            raise ValueError(
                f"the batches of X and Y must broadcast, got {tuple(X.shape[:-2])} and "
                f"{tuple(Y.shape[:-2])}"
            )


def dimensions(active: Sequence[int] | None) -> list[int] | None:
    """The active dimensions as a list, if they are distinct, at least one and not negative."""
    if active is None:
        return None
    kept = [checks.count("active_dimensions", k, least=0) for k in active]
    if not kept or len(set(kept)) < len(kept):
        raise ValueError(f"active_dimensions must be distinct and at least one, got {kept}")
    return kept


def number(name: str, value: Any) -> Tensor:
    """A number or numbers as a tensor, else raise ``TypeError``."""
    if isinstance(value, Tensor):
        return value
    try:
        return torch.as_tensor(value, dtype=torch.float64)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} must be a number or numbers, got {value!r}") from error


def text(value: Any) -> str:
    """A value for people: six digits, long tensors by their shape."""
    if not isinstance(value, Tensor):
        return f"{value:.6g}" if isinstance(value, float) else repr(value)
    if not checks.concrete(value) or value.numel() > 6:
        return f"<{' x '.join(map(str, value.shape))}>"
    if value.ndim == 0:
        return f"{value.item():.6g}"
    return f"[{', '.join(text(row) for row in value)}]"
