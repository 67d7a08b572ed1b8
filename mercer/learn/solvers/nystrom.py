r"""Kernel ridge regression on centres, by FALKON: conjugate gradients on the normal equations.

.. math:: (K_{nm}^T W K_{nm} + \lambda K_{mm}) \alpha = K_{nm}^T W y

A. Rudi, L. Carratino, L. Rosasco, "FALKON: An Optimal Large Scale Kernel Method".
https://arxiv.org/abs/1705.10958
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import torch
from torch import Tensor

from mercer.learn.problem import Fitted, HeldOut, OnStep, Problem, State
from mercer.learn.solvers.gram import gram
from mercer.learn.solvers.row_blocks import block_rows
from mercer.learn.solvers.sharded_rows import row_blocks
from mercer.linalg.conjugate_gradients_iteration import ConjugateGradients

TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-8}
PATH_TOLERANCE = 1e-2  # enough to compare regularisations by
PATH_MOST = 20
EQUAL = 1e-3  # relative difference of validation errors that counts as none
MOST = 200
SAMPLE = 4  # rows for each centre in the sample that preconditions
FIRST, FINAL = "path/", "final/"


@torch.no_grad()
def solve_nystrom(
    problem: Problem, state: State | None = None, on_step: OnStep | None = None
) -> Fitted:
    """Minimise over the span of the centres; regularisations are compared in one run.

    Several candidates, or rows to calibrate by, need validation rows: all candidates are then run
    side by side on the other rows, and the best goes on with all rows from where it stands.

    Parameters
    ----------
    problem : Problem
        With centres and positive regularisations.
    state : dict of str to Tensor, optional
        Where to go on.
    on_step : callable, optional
        Called after each step.

    Returns
    -------
    Fitted
        With predictions for the validation rows by the model that had not seen them.
    """
    if problem.centers is None:
        raise ValueError("method='nystrom' needs centers")
    solver = _Nystrom(problem, on_step)
    try:
        return solver.run(state or {})
    finally:
        # The caller keeps the last state, and so this solver: as a cycle its blocks and factors
        # would fill a GPU until the next garbage collection.
        solver.on_step = None


class _Nystrom:
    def __init__(self, problem: Problem, on_step: OnStep | None) -> None:
        assert problem.centers is not None
        self.problem, self.on_step = problem, on_step
        self.centers = problem.centers
        self.kept, self.validation = problem.split()
        self.K = row_blocks(problem, self.centers, [self.kept, self.validation])
        self.c = problem.Y.shape[1]
        K = problem.operator(self.centers.double()).dense().clone()  # [m, m]
        # Below rounding of the entries, directions of K_mm are noise; the penalty covers them too.
        K.diagonal().add_(torch.finfo(problem.X.dtype).eps * float(K.diagonal().sum()))
        self.K_mm = K
        self.R = torch.linalg.cholesky(K, upper=True)
        self.factors: dict[float, Tensor] = {}

    def run(self, state: State) -> Fitted:
        problem, best = self.problem, 0
        start, held, steps = None, None, 0
        if FINAL + "X" in state:
            best, start = int(state["best"]), state["start"]
            if len(self.validation):
                held = self._held_out(start)
            steps = int(state["steps"])
        elif len(self.validation):
            best, start, steps = self._path(_part(state, FIRST))
            held = self._held_out(start)
        value = problem.regularisations[best]
        rows = range(2) if len(self.validation) else range(1)
        cg = self._solver([value], rows, X=start, state=_part(state, FINAL))
        limit = problem.max_iterations or MOST
        tolerance = problem.tolerance or TOLERANCE[problem.X.dtype]
        extra: State = {"best": torch.tensor(best), "steps": torch.tensor(steps)}
        extra["start"] = cg.X if start is None else start
        while cg.residual > tolerance and cg.iteration < limit and not cg.stalled:
            cg.step()
            done = steps + cg.iteration
            record = {"iteration": done, "of": steps + limit, "residual": cg.residual}
            self._report(record, lambda: {**_prefixed(cg, FINAL), **extra})
        why = (
            f"FALKON, {steps + cg.iteration} steps to residual {cg.residual:.2g}, {self.K.explain}"
        )
        if len(problem.regularisations) > 1:
            why += f"; regularisation {value:.3g} by {len(self.validation):,} validation rows"
        return Fitted(
            self.centers,
            cg.X.to(self.centers),
            value,
            steps + cg.iteration,
            cg.residual <= tolerance,
            why,
            held,
        )

    def _path(self, state: State | None) -> tuple[int, Tensor, int]:
        """The best candidate, its coefficients without the validation rows, and steps taken."""
        values = list(self.problem.regularisations)
        cg = self._solver(values, range(1), state=state)
        limit = min(PATH_MOST, self.problem.max_iterations or PATH_MOST)
        while cg.residual > PATH_TOLERANCE and cg.iteration < limit and not cg.stalled:
            cg.step()
            record = {"iteration": cg.iteration, "of": limit, "residual": cg.residual}
            self._report(record, lambda: _prefixed(cg, FIRST))
        errors = self._errors(cg.X)
        # Errors that are this near may change places with the order of a sum: the smoothest wins.
        near = [k for k, error in enumerate(errors) if error <= (1 + EQUAL) * min(errors)]
        best = max(near, key=lambda k: values[k])
        record = {"iteration": cg.iteration, "of": limit, "validation_error": errors[best]}
        self._report(record, lambda: _prefixed(cg, FIRST))
        return best, cg.X[:, best * self.c : (best + 1) * self.c].contiguous(), cg.iteration

    def _errors(self, X: Tensor) -> list[float]:
        """Weighted mean squared error on the validation rows, one for each candidate."""
        F = self.K.product(1, X).unflatten(1, (-1, self.c))  # [v, L, c]
        truth = self.K.table.take(self.validation)
        squared = (F - truth.Y[:, None].double()).square().sum(dim=2)
        weights = truth.weights.double()
        return (weights @ squared / weights.sum()).tolist()

    def _held_out(self, coefficients: Tensor) -> HeldOut:
        predictions = self.K.product(1, coefficients).to(self.problem.Y)
        how = f"{len(self.validation):,} rows left out of a first fit"
        return HeldOut(self.validation, predictions, how)

    def _solver(
        self,
        values: list[float],
        groups: range,
        X: Tensor | None = None,
        state: State | None = None,
    ) -> ConjugateGradients:
        """Columns: the outputs of the first candidate, of the second, and so on."""
        columns = torch.tensor(values, dtype=torch.float64, device=self.centers.device)
        penalty = columns.repeat_interleave(self.c)  # [L c]

        def normal(V: Tensor) -> Tensor:
            return self.K.normal(groups, V) + penalty * (self.K_mm @ V)

        def precondition(V: Tensor) -> Tensor:
            V = torch.linalg.solve_triangular(self.R.mT, V, upper=False)
            parts = zip(V.split(self.c, dim=1), values)
            V = torch.cat([self._solve_core(part, value) for part, value in parts], dim=1)
            return torch.linalg.solve_triangular(self.R, V, upper=True)

        B = self.K.targets(groups).repeat(1, len(values))
        return ConjugateGradients(normal, precondition, B, X, state)

    def _solve_core(self, V: Tensor, value: float) -> Tensor:
        A = self._factor(value)  # two triangular solves are faster than one cholesky_solve here
        V = torch.linalg.solve_triangular(A.mT, V, upper=False)
        return torch.linalg.solve_triangular(A, V, upper=True)

    def _factor(self, value: float) -> Tensor:
        """The Cholesky factor of the sampled normal equations, in the coordinates ``R alpha``."""
        if value not in self.factors:
            core = self.core.clone()
            core.diagonal().add_(value)
            self.factors[value] = torch.linalg.cholesky(core, upper=True)
        return self.factors[value]

    @cached_property
    def core(self) -> Tensor:
        r"""The Gram matrix of sampled features :math:`\phi = R^{-T} k(Z, x)`, ``[m, m]``.

        FALKON takes the centres for the sample, where it is :math:`(n/m) R R^T`. With s rows, the
        condition number is near :math:`((1 + \sqrt{m/s}) / (1 - \sqrt{m/s}))^2`: 9 for the s = 4m
        here, at the price of a few products with the data, and independent of the regularisation.
        """
        problem = self.problem
        n, m = len(problem.X), len(self.centers)
        generator = torch.Generator().manual_seed(problem.seed + 2)
        rows = torch.randperm(n, generator=generator)[: SAMPLE * m].to(problem.X.device)
        parts = problem.own(rows).split(block_rows(self.centers))
        R = self.R.to(self.centers)

        def features() -> Iterator[Tensor]:
            for part in self.K.table.blocks(parts):
                K = problem.operator(part.X, self.centers).dense()  # [b, m]
                phi = torch.linalg.solve_triangular(R, K, upper=True, left=False)
                yield phi * part.weights[:, None].sqrt().to(phi)

        total = problem.total(gram(features(), m, R.device))
        return total.mul_(n / len(rows))

    def _report(self, record: dict, state: object) -> None:
        if self.on_step is not None:
            self.on_step(record, state)  # type: ignore[arg-type]


def _prefixed(cg: ConjugateGradients, prefix: str) -> State:
    return {prefix + name: value for name, value in cg.state().items()}


def _part(state: State, prefix: str) -> State | None:
    part = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
    return part or None
