"""Where functions are compared: away from the data, unless a caller knows better."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mercer import checks


def comparison_inputs(
    X: Tensor, given: Tensor | None, weights: Any, *, spread: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Inputs of the norm of functions, and their weights.

    Parameters
    ----------
    X : Tensor, shape (n, d)
        The data.
    given : Tensor, shape (N, d), optional
        The inputs; by default as many as data, from a normal law about the mean of the columns.
    weights : array or Tensor, shape (N,), optional
        Of given inputs, positive; equal by default.
    spread : float
        Standard deviations of that law, in those of the columns.
    generator : torch.Generator
        Of the inputs.

    Returns
    -------
    tuple of Tensor, shapes (N, d) and (N,)

    Raises
    ------
    ValueError
        If weights do not fit the inputs.
    """
    if given is None:
        if weights is not None:
            raise ValueError("input_weight needs inputs, got inputs=None")
        deviation, centre = torch.std_mean(X, dim=0, correction=0)
        noise = torch.randn(X.shape, generator=generator, dtype=X.dtype)
        where = centre + spread * deviation * noise.to(X)
    else:
        where = given.to(X)
    w = where.new_ones(len(where)) if weights is None else torch.as_tensor(weights).to(where)
    if checks.positive("input_weight", w).shape != (len(where),):
        raise ValueError(f"input_weight must have shape ({len(where)},), got {tuple(w.shape)}")
    return where, w
