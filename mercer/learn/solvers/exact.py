"""Cholesky of the whole matrix, with closed-form leave-one-out predictions."""

from __future__ import annotations

import torch

from mercer.learn.problem import Fitted, HeldOut, OnStep, Problem, State


@torch.no_grad()
def solve_exact(
    problem: Problem, state: State | None = None, on_step: OnStep | None = None
) -> Fitted:
    r"""Solve :math:`(K + \lambda W^{-1})\alpha = y` in float64.

    Parameters
    ----------
    problem : Problem
        Its regularisation is used; it may be 0 where ``K`` has full rank.
    state, on_step
        Not used: there is nothing between the start and the end.

    Returns
    -------
    Fitted
        With leave-one-out predictions for all rows.

    Raises
    ------
    ValueError
        If the matrix is singular to rounding.

    References
    ----------
    C. E. Rasmussen, C. K. I. Williams, Gaussian Processes for Machine Learning, section 5.4.2.
    https://gaussianprocess.org/gpml/
    """
    X, Y, weights = problem.X.double(), problem.Y.double(), problem.weights.double()
    value = problem.regularisation
    C = problem.operator(X).dense().clone()  # [n, n]
    C.diagonal().add_(value / weights)
    factor, failed = torch.linalg.cholesky_ex(C)
    smallest = factor.diagonal().min() if not failed else torch.zeros(())
    if failed or smallest**2 <= len(X) * torch.finfo(torch.float64).eps * C.diagonal().max():
        raise ValueError(
            f"regularisation={value:g} leaves the kernel matrix of {len(X)} rows singular; "
            "give a larger one, such as 1e-6"
        )
    alpha = torch.cholesky_solve(Y, factor)  # [n, c]
    inverse = torch.cholesky_inverse(factor)
    left_out = Y - alpha / inverse.diagonal()[:, None]
    rows = torch.arange(len(X), device=X.device)
    held = HeldOut(rows, left_out.to(problem.Y), f"leave-one-out on {len(X):,} rows")
    return Fitted(problem.X, alpha.to(problem.Y), value, 1, True, "Cholesky in float64", held)
