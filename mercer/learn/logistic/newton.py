r"""Newton's method for penalised likelihoods of logistic kind, on features that stay in blocks.

.. math:: L_\mu(\theta) = \sum_i w_i \big(A(F_i) - T_i \cdot F_i\big)
   + \tfrac{\mu}{2} \|\beta\|^2, \qquad F = \Phi \theta

with :math:`A = \log(1 + e^F)` for one column and the log of the sum of exponentials for more.

U. Marteau-Ferey, F. Bach, A. Rudi, "Globally Convergent Newton Methods for Ill-conditioned
Generalized Self-concordant Losses", https://arxiv.org/abs/1907.01771: the path of penalties.
T. Sun, Q. Tran-Dinh, "Generalized self-concordant functions: a recipe for Newton-type methods",
https://arxiv.org/abs/1703.04599: the length of a step.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from mercer.learn.logistic.rows import WhitenedRows
from mercer.learn.solvers.gram import gram
from mercer.linalg.conjugate_gradients_iteration import ConjugateGradients

TOLERANCE = {torch.float32: 1e-8, torch.float64: 1e-13}
DIRECT = 512  # features up to which all rows make the preconditioner
SAMPLE = 4  # rows for each feature in the sample that makes it for more
STALE = 8  # steps of conjugate gradients above which it is made anew
MOST_INNER = 200
FORCING = 0.01  # relative residual of a step; smaller near the end, where steps are quadratic
FAR = 4.0  # change of the scores by the first step above which the path is taken
DROP = 0.1  # of the penalty along the path
NEAR = 1.0  # change of the scores up to which no step is searched for
SEARCHED, ROUGHLY = 30, 0.1  # most steps of the search, and the share of the slope it leaves
PATIENCE = 5  # steps without progress after which precision is taken to be exhausted

Pair = tuple[float, float]


class Optimum(NamedTuple):
    """Where the minimisation ended."""

    theta: Tensor  # [p, c]
    scores: Tensor  # [n, c], F of all rows in order
    iterations: int
    converged: bool
    gap: float  # half the squared Newton decrement over the sum of weights
    why: str


def minimise(
    rows: WhitenedRows,
    regularisation: float,
    *,
    tolerance: float | None = None,
    max_iterations: int = 100,
    on_step: Callable[[dict[str, Any]], None] | None = None,
) -> Optimum:
    r"""Minimise :math:`L_\lambda` to a given gap.

    Along a step the second derivative of :math:`L` grows by at most :math:`e^{r t}`, where
    :math:`r` is the largest change of a difference of scores; so :math:`L` falls up to
    :math:`t = \log(1 + r) / r` for sure. Where that is far from a full step the minimum along the
    line is searched from there, which needs the scores only and no pass over the features.

    Parameters
    ----------
    rows : WhitenedRows
        Features, targets and weights.
    regularisation : float
        :math:`\lambda`, positive.
    tolerance : float, optional
        Largest estimated distance from the minimum before the last step, over the sum of weights;
        default 1e-13, in float32 1e-8.
    max_iterations : int
        Most steps.
    on_step : callable, optional
        Called with a record after each.

    Returns
    -------
    Optimum

    Examples
    --------
    >>> from mercer.kernels import RBF
    >>> from mercer.learn.problem import Problem
    >>> X = torch.tensor([[0.0], [1.0]], dtype=torch.float64)
    >>> problem = Problem(X, X, torch.ones(2, dtype=torch.float64), RBF(), (1.0,), centers=X)
    >>> minimise(WhitenedRows(problem, intercept=False), 1.0).scores[:, 0]
    tensor([-0.1792,  0.1792], dtype=torch.float64)
    """
    return _Newton(rows, regularisation).run(tolerance, max_iterations, on_step)


class _Newton:
    def __init__(self, rows: WhitenedRows, regularisation: float) -> None:
        problem = rows.problem
        self.rows, self.final, self.seed = rows, regularisation, problem.seed + 2
        self.p, self.c = rows.width, problem.Y.shape[1]
        self.total = float(problem.weights.sum())
        self.T = [problem.Y[part].to(problem.device) for part in rows.parts]  # [b, c]
        self.w = [problem.weights[part].to(t)[:, None] for part, t in zip(rows.parts, self.T)]
        self.F = [torch.zeros_like(t) for t in self.T]
        self.P = [_mean(F) for F in self.F]  # of T under the model
        self.penalised = torch.ones(self.p, 1, dtype=torch.float64, device=problem.device)
        if rows.intercept:
            self.penalised[-1] = 0
        self.theta = self.penalised.new_zeros(self.p, self.c)
        self.grams: list[Tensor] = []
        self.inner = 0

    def run(
        self,
        tolerance: float | None,
        limit: int,
        on_step: Callable[[dict[str, Any]], None] | None,
    ) -> Optimum:
        tolerance = TOLERANCE[self.rows.problem.X.dtype] if tolerance is None else tolerance
        gap, best, stale, iteration = math.inf, math.inf, 0, 0
        mu = self.final
        while iteration < limit and gap > tolerance and stale < PATIENCE:
            gradient = self._gradient() + mu * self.penalised * self.theta
            step = self._step(gradient, mu, gap)
            U = self._scores(step)
            if iteration == 0 and _largest_change(U) > FAR:  # begin where no step is above one
                mu = max(self.final, float(gradient.square().sum().sqrt()))
                step = self._step(gradient, mu, gap)
                U = self._scores(step)
            change = self._advance(step, U, mu)
            iteration += 1
            record = {"iteration": iteration, "of": limit, "regularisation": mu}
            if mu == self.final:
                gap = max(-float((step * gradient).sum()), 0.0) / (2 * self.total)
                stale = 0 if gap < 0.5 * best or change > NEAR else stale + 1
                best = min(best, gap)
                record["gap"] = gap
            if on_step is not None:
                on_step(record)
            mu = max(self.final, DROP * mu)
        why = f"{iteration} Newton steps to a gap of {gap:.2g}, {self.rows.explain}"
        return Optimum(self.theta, torch.cat(self.F), iteration, gap <= tolerance, gap, why)

    def _scores(self, theta: Tensor) -> list[Tensor]:
        return [phi @ theta.to(phi) for phi in self.rows.blocks()]

    def _gradient(self) -> Tensor:
        """Of the likelihood part, ``[p, c]``."""
        total = torch.zeros_like(self.theta)
        for phi, w, P, T in zip(self.rows.blocks(), self.w, self.P, self.T):
            total += phi.mT @ (w * (P - T))
        return total

    def _step(self, gradient: Tensor, mu: float, gap: float) -> Tensor:
        """Newton's direction, by conjugate gradients on all columns together."""
        if not self.grams or self.inner > STALE:
            self.grams = [self._gram(column) for column in range(self.c)]
        factors = [self._factor(G, mu) for G in self.grams]

        def hessian(v: Tensor) -> Tensor:
            V = v.view(self.p, self.c)
            total = mu * self.penalised * V
            for phi, w, P in zip(self.rows.blocks(), self.w, self.P):
                total += phi.mT @ (w * _covariance(P, phi @ V.to(phi)))
            return total.view(-1, 1)

        def precondition(v: Tensor) -> Tensor:
            columns = zip(v.view(self.p, self.c).split(1, dim=1), factors)
            Z = torch.cat([torch.cholesky_solve(V, L) for V, L in columns], dim=1)
            if self.c > 1:  # the same change of all scores has no curvature, and is never of use
                Z -= Z.mean(dim=1, keepdim=True)
            return Z.view(-1, 1)

        cg = ConjugateGradients(hessian, precondition, -gradient.reshape(-1, 1))
        residual = min(FORCING, math.sqrt(gap))
        while cg.residual > residual and cg.iteration < MOST_INNER and not cg.stalled:
            cg.step()
        self.inner = cg.iteration
        return cg.X.view(self.p, self.c)

    def _gram(self, column: int) -> Tensor:
        """The Hessian's diagonal block of one column without the penalty, ``[p, p]``."""
        P, w = torch.cat(self.P)[:, column], torch.cat(self.w)[:, 0]
        roots = (w * P * (1 - P)).sqrt()[:, None]  # [n, 1]
        n, size = len(roots), SAMPLE * self.p
        if self.p <= DIRECT or n <= size:
            sample, blocks = roots, self.rows.blocks()
        else:
            order = torch.randperm(n, generator=torch.Generator().manual_seed(self.seed))[:size]
            blocks = self.rows.blocks(order.to(self.rows.problem.X.device))
            sample = roots[order.to(roots.device)] * math.sqrt(n / size)
        parts = zip(blocks, sample.split(len(self.T[0])))
        return gram((phi * root for phi, root in parts), self.p, roots.device)

    def _factor(self, G: Tensor, mu: float) -> Tensor:
        A = G.clone()
        rounding = torch.finfo(self.T[0].dtype).eps * float(G.diagonal().sum())
        A.diagonal().add_(mu * self.penalised[:, 0] + rounding + torch.finfo(A.dtype).tiny)
        return torch.linalg.cholesky(A)

    def _advance(self, step: Tensor, U: list[Tensor], mu: float) -> float:
        """Go along the step; return the largest change of a difference of two scores."""
        change = _largest_change(U)
        length = math.log1p(change) / change if change > 0 else 1.0
        if change > NEAR:
            length = self._search(step, U, mu, length)
        self.theta = self.theta + length * step
        self.F = [F + length * u for F, u in zip(self.F, U)]
        self.P = [_mean(F) for F in self.F]
        return length * change

    def _search(self, step: Tensor, U: list[Tensor], mu: float, low: float) -> float:
        """Roughly the minimum along the line, the root of a derivative that rises from ``low``."""
        length, high = low, math.inf
        allowed = ROUGHLY * abs(self._slope(step, U, mu, 0.0)[0])
        for _ in range(SEARCHED):
            slope, curvature = self._slope(step, U, mu, length)
            if abs(slope) <= allowed:
                return length
            low, high = (length, high) if slope < 0 else (low, length)
            length -= slope / curvature
            if not low < length < high:
                length = 2 * low if high == math.inf else (low + high) / 2
        return low

    def _slope(self, step: Tensor, U: list[Tensor], mu: float, length: float) -> Pair:
        """The first two derivatives along the line."""
        penalty = mu * self.penalised * step
        slope = float((penalty * (self.theta + length * step)).sum())
        curvature = float((penalty * step).sum())
        for w, F, T, u in zip(self.w, self.F, self.T, U):
            P = _mean(F + length * u)
            slope += float((w * (P - T) * u).sum())
            curvature += float((w * u * _covariance(P, u)).sum())
        return slope, curvature


def _mean(F: Tensor) -> Tensor:
    """The gradient of ``A``."""
    return F.sigmoid() if F.shape[1] == 1 else F.softmax(dim=1)


def _covariance(P: Tensor, U: Tensor) -> Tensor:
    """The second derivative of ``A`` times ``U``, row by row."""
    PU = P * U
    return PU - P * PU.sum(dim=1, keepdim=True)


def _largest_change(U: list[Tensor]) -> float:
    """Of a difference of two scores; a single score is against one of zero."""
    if U[0].shape[1] == 1:
        return max(float(u.abs().max()) for u in U)
    return max(float((u.amax(dim=1) - u.amin(dim=1)).max()) for u in U)
