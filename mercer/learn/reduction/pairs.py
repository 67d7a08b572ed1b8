"""Two samples whose rows belong together."""

from __future__ import annotations

from torch import Tensor

from mercer import checks


def paired(X: Tensor, Y: Tensor) -> None:
    """Raise unless both are finite matrices or vectors of one dtype with the same rows."""
    for name, value in (("X", X), ("Y", Y)):
        checks.floating(name, value)
        if value.ndim not in (1, 2) or 0 in value.shape:
            raise ValueError(f"{name} must have shape (n,) or (n, p), got {tuple(value.shape)}")
        checks.finite(name, value)
    checks.alike("Y", Y, "X", X)
    if len(X) != len(Y):
        raise ValueError(f"X has {len(X)} rows but Y has {len(Y)}")


def columns(X: Tensor) -> Tensor:
    """A matrix, of one column if there is one number a row."""
    return X[:, None] if X.ndim == 1 else X
