"""What an EigenPro run knows between two steps."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

OF_FIXED_LENGTH = ("coefficients", "averaged", "correction", "pending")


@dataclasses.dataclass(frozen=True)
class EigenProState:
    """All that changes during a run; never changed in place, so that a reference is a snapshot.

    Parameters
    ----------
    coefficients, averaged : Tensor, shape (p, c)
        The iterate and the average of the iterates.
    points, weights : Tensor, shapes (r, d) and (r, c)
        Centres waiting for a projection, and their coefficients.
    correction : Tensor, shape (s, c)
        Coefficients of the subsample since the last projection.
    pending : Tensor, shape (p, c)
        Minus the values on the model centres of the function that the waiting centres hold.
    random, order : Tensor of uint8
        State of the generator now and at the start of the epoch.
    losses : Tensor of float64, shape (epoch,)
        Mean squared residual of each finished epoch, each row taken before its own step.
    damped_to, curvature : float
        Eigenvalue to which the top of the spectrum is damped, and the largest of the preconditioned
        covariance operator; NaN until measured.
    batch_size : int
        Rows of the first batch.
    epoch, step_in_epoch, rows_seen, waiting, projections : int
        Epochs finished; steps and rows in this epoch; steps since the last projection; projections.
    loss_sum : float
        Sum of squared residuals in this epoch.
    """

    coefficients: Tensor
    averaged: Tensor
    points: Tensor
    weights: Tensor
    correction: Tensor
    pending: Tensor
    random: Tensor
    order: Tensor
    losses: Tensor
    damped_to: float = float("nan")
    curvature: float = float("nan")
    loss_sum: float = 0.0
    batch_size: int = 0
    epoch: int = 0
    step_in_epoch: int = 0
    waiting: int = 0
    projections: int = 0
    rows_seen: int = 0

    def tensors(self) -> dict[str, Tensor]:
        """Every field as a tensor, under its name; numbers as float64 or int64 of shape ()."""
        out = {}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, float):
                value = torch.tensor(value, dtype=torch.float64)
            out[field.name] = value if isinstance(value, Tensor) else torch.tensor(value)
        return out

    def loaded(self, tensors: Mapping[str, Tensor]) -> EigenProState:
        """A state from :meth:`tensors`, of the shapes, dtypes and device of this one.

        Raises
        ------
        ValueError
            If a field is missing or does not fit the model.
        """
        new: dict[str, Any] = {}
        for field in dataclasses.fields(self):
            if field.name not in tensors:
                raise ValueError(f"the state lacks {field.name!r}; it is no state of EigenPro")
            value, mine = tensors[field.name], getattr(self, field.name)
            if not isinstance(mine, Tensor):
                new[field.name] = value.item()
                continue
            fits = value.dtype == mine.dtype and value.shape[1:] == mine.shape[1:]
            if not fits or (field.name in OF_FIXED_LENGTH and len(value) != len(mine)):
                raise ValueError(
                    f"{field.name} in the state is {value.dtype} of shape {tuple(value.shape)}, "
                    f"but the model has {mine.dtype} of shape {tuple(mine.shape)}"
                )
            new[field.name] = value.to(mine.device)
        return EigenProState(**new)
