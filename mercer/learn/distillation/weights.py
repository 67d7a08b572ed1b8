"""The optimal weight of each distillation step, by leave-one-out error or on validation rows."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from mercer.learn.distillation.chain import refits, ridge
from mercer.learn.distillation.optimal_weight import optimal_weight
from mercer.operators.base import Operator


class ChosenWeights(NamedTuple):
    """The weight of each refit and the mean squared error of the first fit and after each."""

    weights: tuple[float, ...]
    errors: tuple[float, ...]


@torch.no_grad()
def validated_weights(
    K: Operator,
    Y: Tensor,
    shift: float,
    steps: int,
    K_validation: Operator,
    Y_validation: Tensor,
    sample_weight: Tensor | None = None,
    *,
    tol: float | None = None,
    generator: torch.Generator | None = None,
) -> ChosenWeights:
    """Choose each weight by the squared error on validation rows, one step after the other.

    Parameters
    ----------
    K : Operator, shape (n, n)
        Of the rows to fit, positive semidefinite.
    Y : Tensor, shape (n, c)
        Their targets.
    shift : float
        The ridge ``lambda``, positive.
    steps : int
        How many refits.
    K_validation : Operator, shape (m, n)
        Gives predictions from coefficients.
    Y_validation : Tensor, shape (m, c)
        True targets of the validation rows.
    sample_weight : Tensor, shape (m,), optional
        Of these.
    tol, generator : optional
        Of iterative solves.

    Returns
    -------
    ChosenWeights
    """
    of_row = torch.ones_like(Y_validation[:, 0]) if sample_weight is None else sample_weight
    of_row = of_row.double() / of_row.sum()
    fit, _ = ridge(K, shift, tol=tol, generator=generator)

    def choose(t: int, first: Tensor, imitation: Tensor) -> float:
        return optimal_weight(K_validation @ first, K_validation @ imitation, Y_validation, of_row)

    weights, errors = [], []
    for a, alpha in refits(fit, Y, shift, steps, choose):
        residuals = (Y_validation - K_validation @ a).double()
        errors.append(float(of_row @ residuals.square().sum(dim=1)))
        weights += [] if alpha is None else [alpha]
    return ChosenWeights(tuple(weights), tuple(errors))


@torch.no_grad()
def leave_one_out_weights(K: Tensor, Y: Tensor, shift: float, steps: int) -> ChosenWeights:
    r"""Choose each weight by the exact leave-one-out error of the whole chain of fits.

    A fit without row i is the fit to all rows with the target i replaced by its own prediction,
    so with the hat matrix :math:`H = K (K + \lambda)^{-1}` all n chains are steps on one matrix
    whose column i holds the targets of the chain without row i.

    Parameters
    ----------
    K : Tensor, shape (n, n)
        Positive semidefinite, float64; with weights of rows, :math:`W^{1/2} K W^{1/2}`.
    Y : Tensor, shape (n, c)
        Targets; with weights, :math:`W^{1/2} Y`.
    shift : float
        The ridge :math:`\lambda`, positive.
    steps : int
        How many refits.

    Returns
    -------
    ChosenWeights

    Examples
    --------
    >>> K = torch.tensor([[1.0, 0.5], [0.5, 1.0]], dtype=torch.float64)
    >>> Y = torch.tensor([[1.0], [3.0]], dtype=torch.float64)
    >>> leave_one_out_weights(K, Y, 1.0, 1).weights  # imitation halves what is too small as it is
    (1.0,)
    """
    n = len(K)
    values, Q = torch.linalg.eigh(K)
    values = values.clamp_min(0)
    H = (Q * (values / (values + shift))) @ Q.mT
    left = Q.square() @ (shift / (values + shift))  # [n], 1 - H_ii

    def fit(targets: Tensor) -> Tensor:  # [c, n, n]: targets without row i in column i
        fitted = H @ targets
        own = targets.diagonal(dim1=1, dim2=2)  # [c, n]
        with_own = fitted.diagonal(dim1=1, dim2=2)
        change = (with_own - own) / left  # from the target i to its prediction
        without: Tensor = fitted + H * change[:, None, :]
        return without

    first = fitted = fit(Y.mT[:, :, None].expand(-1, n, n))
    weights: list[float] = []
    errors = [_error(fitted, Y)]
    for _ in range(steps):
        imitation = fit(fitted)
        alpha = optimal_weight(_left_out(first), _left_out(imitation), Y)
        fitted = alpha * first + (1 - alpha) * imitation
        weights.append(alpha)
        errors.append(_error(fitted, Y))
    return ChosenWeights(tuple(weights), tuple(errors))


def _left_out(fitted: Tensor) -> Tensor:
    """``[n, c]``: the prediction of each row by the chain without it."""
    own: Tensor = fitted.diagonal(dim1=1, dim2=2).mT
    return own


def _error(fitted: Tensor, Y: Tensor) -> float:
    return float((Y - _left_out(fitted)).square().sum() / len(Y))
