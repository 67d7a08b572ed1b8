"""Conjugate gradients on the full problem, preconditioned by randomly pivoted Cholesky."""

from __future__ import annotations

import torch

from mercer.learn.problem import Fitted, HeldOut, OnStep, Problem, State
from mercer.linalg.conjugate_gradients_iteration import ConjugateGradients
from mercer.linalg.randomly_pivoted_cholesky import RandomlyPivotedCholesky
from mercer.operators import Diagonal

TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-8}
MOST = 1000


@torch.no_grad()
def solve_cg(problem: Problem, state: State | None = None, on_step: OnStep | None = None) -> Fitted:
    r"""Solve :math:`(K + \lambda W^{-1})\alpha = y` without forming ``K``.

    Parameters
    ----------
    problem : Problem
        Its regularisation is used, and must be positive.
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
    M. Díaz, E. N. Epperly, Z. Frangella, J. A. Tropp, R. J. Webber, "Robust, randomized
    preconditioning for kernel ridge regression". https://arxiv.org/abs/2304.12465
    """
    kept, validation = problem.split()
    X, Y = problem.X[kept], problem.Y[kept]
    noise = problem.regularisation / problem.weights[kept].to(X)  # [n]
    K = problem.operator(X) + Diagonal(noise)
    P = RandomlyPivotedCholesky(K, generator=problem.generator())
    cg = ConjugateGradients(lambda V: K @ V, P.apply, Y, state=state)
    tolerance = problem.tolerance or TOLERANCE[X.dtype]
    limit = problem.max_iterations or MOST
    while cg.residual > tolerance and cg.iteration < limit and not cg.stalled:
        cg.step()
        if on_step is not None:
            record = {"iteration": cg.iteration, "of": limit, "residual": cg.residual}
            on_step(record, cg.state)
    held = None
    if len(validation):
        predictions = problem.operator(problem.X[validation], X) @ cg.X
        held = HeldOut(validation, predictions, f"{len(validation):,} rows left out of the fit")
    why = (
        f"conjugate gradients, {cg.iteration} steps to residual {cg.residual:.2g}, preconditioned "
        f"by randomly pivoted Cholesky of rank {P.U.shape[1]}"
    )
    converged = cg.residual <= tolerance
    return Fitted(X, cg.X, problem.regularisation, cg.iteration, converged, why, held)
