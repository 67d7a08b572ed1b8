r"""One step of EigenPro, from state to state."""

from __future__ import annotations

import dataclasses
import math

import torch
from torch import Tensor

from mercer.linalg.eigenpro_preconditioner import (
    EigenProPreconditioner,
    KernelFunction,
    step_per_sample,
)
from mercer.linalg.eigenpro_projection import MEASURED, ExactProjection, IterativeProjection
from mercer.linalg.eigenpro_state import EigenProState

FORGETTING = 8  # exponent of the polynomial average: its window is a ninth of the steps so far


class EigenProIteration:
    r"""The map of a function to the next, given a batch.

    .. math:: f \leftarrow \mathrm{proj}_Z (f - \gamma P \{K(\cdot, X_m) g + m \lambda f\})

    Between projections the function is held by the centres, by the points of the waiting batches
    and by the support of the preconditioner.

    Parameters
    ----------
    kernel : callable
        ``kernel(X, Y)`` is the operator of all pairs.
    centers : Tensor, shape (p, d)
        ``Z``.
    preconditioner : EigenProPreconditioner
        ``P``, of the centres ``Z[rows]`` or of ``points``.
    rows : Tensor of int64, shape (s,), optional
        Which centres the subsample is; ``None`` if it is none of them.
    points : Tensor, shape (s, d)
        The subsample.
    projection : ExactProjection, IterativeProjection or None
        ``None`` if the data are the centres.
    regularisation : float, at least 0
        :math:`\lambda`.
    period, block : int, at least 1
        Steps between projections; rows of ``K`` held at a time.
    """

    def __init__(
        self,
        kernel: KernelFunction,
        centers: Tensor,
        preconditioner: EigenProPreconditioner,
        rows: Tensor | None,
        points: Tensor,
        projection: ExactProjection | IterativeProjection | None,
        *,
        regularisation: float,
        period: int,
        block: int,
    ) -> None:
        self.kernel, self.centers, self.preconditioner = kernel, centers, preconditioner
        self.projection, self.regularisation = projection, regularisation
        self.period, self.block = period, block
        self.rows: Tensor | slice = slice(None) if rows is None else rows
        self.support, self.basis = points, preconditioner.basis  # [s, q]
        if rows is None and projection is not None:
            # P and the projection commute once the eigenfunctions are in the span.
            self.support = centers
            self.basis = projection.solve(kernel(centers, points) @ self.basis)  # [p, q]
        if regularisation:
            # Inner products of the eigenfunctions with K(., z_j).
            self.products = kernel(centers, self.support) @ self.basis  # [p, q]

    def start(self, targets: int, random: Tensor) -> EigenProState:
        """The zero function with ``targets`` outputs."""
        zero = self.centers.new_zeros(len(self.centers), targets)
        return EigenProState(
            coefficients=zero,
            averaged=zero,
            points=self.centers[:0],
            weights=zero[:0],
            correction=zero[self.rows],
            pending=zero,
            random=random,
            order=random,
            losses=torch.zeros(0).double(),
        )

    def step(
        self, state: EigenProState, X: Tensor, Y: Tensor, rows: Tensor | None
    ) -> EigenProState:
        """The state after a batch ``X`` [m, d], ``Y`` [m, c]; ``rows`` as in :class:`EigenPro`."""
        if math.isnan(state.curvature):
            state = self._measured(state, X)
        m, ridge = len(X), self.regularisation
        # Rows of a smaller batch, the last of an epoch, count no more than others.
        gamma = step_per_sample(
            self.preconditioner.beta, state.curvature + ridge, max(m, state.batch_size)
        )
        g, h = self._gradient(state, X, Y)  # [m, c], [p, c]
        shrink = 1 - gamma * m * ridge
        new = dataclasses.replace(
            state,
            coefficients=shrink * state.coefficients,
            correction=shrink * state.correction + gamma * self._damped(state, h, m),
            step_in_epoch=state.step_in_epoch + 1,
            waiting=state.waiting + 1,
            rows_seen=state.rows_seen + m,
            loss_sum=state.loss_sum + _finite(g),
        )
        if self.projection is None:
            return self._moved(new, rows, -gamma * g)
        new = dataclasses.replace(new, pending=shrink * state.pending + gamma * h)
        if new.waiting >= self.period:
            return self.projected(new)
        return dataclasses.replace(
            new,
            points=torch.cat([state.points, X]),
            weights=torch.cat([shrink * state.weights, -gamma * g]),
        )

    def projected(self, state: EigenProState) -> EigenProState:
        """The function of the waiting centres and of the subsample, moved into the span."""
        if self.projection is None:
            return state
        if isinstance(self.projection, ExactProjection):
            alpha = state.coefficients - self.projection.solve(state.pending)
            alpha[self.rows] += state.correction
        else:
            # The damped gradient is projected whole: an inexact projection of its two parts would
            # not cancel.
            values = self.kernel(self.centers, self.support) @ state.correction - state.pending
            alpha = state.coefficients + self.projection.solve(values)
        return _averaged(
            dataclasses.replace(
                state,
                coefficients=alpha,
                correction=torch.zeros_like(state.correction),
                pending=torch.zeros_like(alpha),
                points=state.points[:0],
                weights=state.weights[:0],
            )
        )

    def _gradient(self, state: EigenProState, X: Tensor, Y: Tensor) -> tuple[Tensor, Tensor]:
        """Residuals ``g`` on the batch, and ``K(Z, X) g``."""
        g, h = [], torch.zeros_like(state.coefficients)
        for x, y in zip(X.split(self.block), Y.split(self.block)):
            K = self.kernel(x, self.centers).dense()  # [m, p]
            r = K @ state.coefficients - y  # [m, c]
            if state.waiting:
                r += K[:, self.rows] @ state.correction
                r += self.kernel(x, state.points) @ state.weights
            h += K.mT @ r
            g.append(r)
        return torch.cat(g), h

    def _damped(self, state: EigenProState, h: Tensor, m: int) -> Tensor:
        """Coefficients on the support of the part of the gradient that is damped away."""
        inner = self.basis.mT @ h[self.rows]  # [q, c], <ψ, ∇L>
        if self.regularisation:
            inner += (m * self.regularisation) * (
                self.products.mT @ state.coefficients
                + self.products[self.rows].mT @ state.correction
                - self.basis.mT @ state.pending[self.rows]
            )
        weights = self.preconditioner.weights(state.damped_to)[:, None]  # [q, 1]
        return self.basis @ (weights.square() * inner)

    def _measured(self, state: EigenProState, X: Tensor) -> EigenProState:
        sample = X[:MEASURED]
        K = self.kernel(sample, sample).dense()  # [t, t]
        V = self.kernel(sample, self.support) @ self.basis  # [t, q]
        damped_to, curvature = self.preconditioner.reached(K, V, len(X))
        return dataclasses.replace(
            state, damped_to=damped_to, curvature=curvature, batch_size=len(X)
        )

    def _moved(self, state: EigenProState, rows: Tensor | None, weights: Tensor) -> EigenProState:
        """The gradient is in the span already: its weights go to the centres that the batch is."""
        if rows is None:
            raise ValueError('rows must say which centres the batch is with projection="none"')
        alpha = state.coefficients.index_add(0, rows.to(weights.device), weights)
        alpha[self.rows] += state.correction
        correction = torch.zeros_like(state.correction)
        return _averaged(dataclasses.replace(state, coefficients=alpha, correction=correction))


def _averaged(state: EigenProState) -> EigenProState:
    t = state.projections + 1
    averaged = state.averaged.lerp(state.coefficients, (FORGETTING + 1) / (t + FORGETTING))
    return dataclasses.replace(state, averaged=averaged, projections=t, waiting=0)


def _finite(g: Tensor) -> float:
    total = float(g.double().square().sum())
    if not math.isfinite(total):
        raise FloatingPointError(
            "the residual of EigenPro is no longer finite; give a smaller batch_size or "
            "preconditioner_rank, or more points in the subsample"
        )
    return total
