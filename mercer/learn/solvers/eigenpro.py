"""Preconditioned stochastic gradients with centres of their own."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mercer.learn.problem import Fitted, HeldOut, OnStep, Problem, State
from mercer.learn.solvers.streamed_rows import Rows, StreamedRows
from mercer.linalg.eigenpro import EigenPro
from mercer.linalg.eigenpro_batches import shuffled_batches

EPOCHS = 20
LEAST_STEPS = 300  # of a small table, whose epochs are short
PATIENCE = 3  # epochs without a better validation error
BEST = "best/"


@torch.no_grad()
def solve_eigenpro(
    problem: Problem, state: State | None = None, on_step: OnStep | None = None
) -> Fitted:
    """Run EigenPro, and keep the epoch that predicts the validation rows best.

    Parameters
    ----------
    problem : Problem
        With centres. Its regularisation may be 0, where early stopping regularises.
    state : dict of str to Tensor, optional
        Where to go on.
    on_step : callable, optional
        Called after each step.

    Returns
    -------
    Fitted
        With predictions for the validation rows, if there are any.

    References
    ----------
    A. Abedsoltan, M. Belkin, P. Pandit, "Toward Large Kernel Models".
    https://arxiv.org/abs/2302.02605
    """
    if problem.centers is None:
        raise ValueError("method='eigenpro' needs centers")
    kept, validation = problem.split()
    table = StreamedRows(problem)
    weights, c = problem.weights[kept], problem.Y.shape[1]
    regularisation = problem.regularisation / float(weights.sum())
    model = _model(problem, c, regularisation)
    if model.batch_size > len(kept):
        # A step as long as the critical batch allows, for all rows at once.
        model = _model(problem, c, regularisation, batch_size=len(kept))
    steps = math.ceil(len(kept) / model.batch_size)  # in an epoch
    stretch = max(1, math.ceil(LEAST_STEPS / (EPOCHS * steps)))
    epochs = problem.epochs or EPOCHS * stretch
    held_rows = table.take(validation)
    watch = _EarlyStopping(problem, held_rows, on_step, model, epochs, PATIENCE * stretch)
    if state is not None:
        watch.load(state)
    even = bool((weights == weights[0]).all())
    try:
        while model.state.epoch < epochs and not watch.done(model):
            # A resumed epoch draws its order again and skips what was done.
            model.generator.set_state(model.state.order)
            order = shuffled_batches(
                kept,
                kept,
                model.batch_size,
                generator=model.generator,
                weights=None if even else weights,
            )
            batches = table.blocks(rows for rows, _, _ in order)
            model.epoch(((batch.X, batch.Y) for batch in batches), on_step=watch.on_step)
            watch.on_epoch(model)
    finally:
        watch.report = None  # its caller keeps the last state: no cycle that holds a GPU's memory
    coefficients = model.coefficients if watch.best is None else watch.best
    held = None
    if len(validation):
        predictions = problem.operator(held_rows.X, problem.centers) @ coefficients
        predictions = predictions.to(problem.Y)
        held = HeldOut(validation, predictions, f"{len(validation):,} rows left out of the fit")
    done = model.state.epoch
    why = f"{model.explain}; {done} epochs"
    if watch.best is not None:
        why += f", the best on {len(validation):,} validation rows kept"
    return Fitted(problem.centers, coefficients, problem.regularisation, done, True, why, held)


def _model(
    problem: Problem, targets: int, regularisation: float, batch_size: int | None = None
) -> EigenPro:
    assert problem.centers is not None
    return EigenPro(
        problem.kernel,
        problem.centers,
        targets=targets,
        batch_size=batch_size,
        regularisation=regularisation,
        precision=problem.precision,
        memory=max(int(problem.memory_budget), 1),
        generator=torch.Generator().manual_seed(problem.seed),
    )


class _EarlyStopping:
    """The best coefficients so far by validation error, and when to stop."""

    def __init__(
        self,
        problem: Problem,
        validation: Rows,
        on_step: OnStep | None,
        model: EigenPro,
        epochs: int,
        patience: int,
    ) -> None:
        self.problem, self.validation, self.report = problem, validation, on_step
        self.model = model
        self.best: Tensor | None = None
        self.error, self.stale, self.of, self.patience = float("inf"), 0, epochs, patience

    def on_step(self, model: EigenPro) -> None:
        if self.report is not None:
            record = {"iteration": model.state.epoch, "of": self.of}
            self.report(record, self.tensors)

    def on_epoch(self, model: EigenPro) -> None:
        record = {
            "iteration": model.state.epoch,
            "of": self.of,
            "train_error": model.losses[-1],
        }
        if len(self.validation.X):
            self._measure(model)
            record["validation_error"] = self.error_now
        if self.report is not None:
            self.report(record, self.tensors)

    def done(self, model: EigenPro) -> bool:
        """Whether the error has stopped falling; a number of epochs that is given is kept to."""
        return self.problem.epochs is None and self.stale >= self.patience

    def _measure(self, model: EigenPro) -> None:
        rows, coefficients = self.validation, model.coefficients
        K = self.problem.operator(rows.X, self.problem.centers)
        squared = (K @ coefficients - rows.Y).square().sum(dim=1)
        weights = rows.weights.to(squared)
        self.error_now = float((weights * squared).sum() / weights.sum())
        if self.error_now < 0.999 * self.error:
            self.best, self.error, self.stale = coefficients.clone(), self.error_now, 0
        else:
            self.stale += 1

    def tensors(self) -> State:
        best = {} if self.best is None else {BEST + "coefficients": self.best}
        return {
            **self.model.state_dict(),
            **best,
            BEST + "error": torch.tensor(self.error, dtype=torch.float64),
            BEST + "stale": torch.tensor(self.stale),
        }

    def load(self, state: State) -> None:
        self.best = state.get(BEST + "coefficients")
        self.error, self.stale = float(state[BEST + "error"]), int(state[BEST + "stale"])
        rest = {name: t for name, t in state.items() if not name.startswith(BEST)}
        self.model.load_state_dict(rest)
