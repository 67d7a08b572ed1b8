"""Fit a density up to its constant by the least Stein discrepancy to a weighted sample."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from mercer import checks
from mercer.kernels import Kernel
from mercer.linalg.solution import ConvergenceWarning
from mercer.measure.score import score_of
from mercer.measure.stein.discrepancy import kernel_stein_discrepancy

Family = Callable[[Tensor, Tensor], Tensor]


class MinimumDiscrepancy(NamedTuple):
    """The parameter, the squared discrepancy there, and how it was reached."""

    parameter: Tensor  # [p]
    discrepancy: float
    iterations: int
    converged: bool


def minimum_stein_discrepancy(
    log_density: Family,
    start: Tensor,
    Y: Tensor,
    kernel: Kernel,
    *,
    weights: Tensor | None = None,
    tol: float = 1e-8,
    max_iterations: int = 200,
) -> MinimumDiscrepancy:
    r"""Return :math:`\arg\min_\theta \sum_{ij} w_i w_j k_{p_\theta}(y_i, y_j)`.

    With :func:`counterfactual_weights` the sample stands for outcomes under a treatment, and the
    minimiser estimates their law in a family whose constants need not be known.

    Parameters
    ----------
    log_density : callable
        :math:`(\theta, y) \mapsto \log p_\theta(y)` up to a constant that may depend on
        :math:`\theta`: parameters ``[p]`` and points ``[n, d]`` to ``[n]``; twice differentiable.
    start : Tensor, shape (p,)
        Where the search starts, by L-BFGS.
    Y : Tensor, shape (n, d)
        Outcomes.
    kernel : Kernel
        Of the discrepancy, in the units of ``Y``.
    weights : Tensor, shape (n,), optional
        Of the outcomes; 1/n by default. Points without weight are left out.
    tol : float, positive
        Of the gradient, relative to its size at the start.
    max_iterations : int
        Most steps.

    Returns
    -------
    MinimumDiscrepancy

    Examples
    --------
    >>> from mercer.kernels import InverseMultiquadric
    >>> Y = 2 + torch.randn(200, 1, generator=torch.Generator().manual_seed(0)).double()
    >>> normal = lambda t, y: -((y[:, 0] - t[0]) ** 2) / 2
    >>> start = torch.zeros(1, dtype=torch.float64)
    >>> found = minimum_stein_discrepancy(normal, start, Y, InverseMultiquadric())
    >>> bool((found.parameter - 2).abs() < 0.15), found.converged
    (True, True)

    References
    ----------
    A. Barp, F.-X. Briol, A. Duncan, M. Girolami, L. Mackey, "Minimum Stein Discrepancy
    Estimators". https://arxiv.org/abs/1906.08283
    """
    checks.finite("start", checks.floating("start", start))
    checks.finite("Y", checks.floating("Y", Y))
    checks.instance("kernel", kernel, Kernel, "RBF()")
    checks.positive("tol", tol)
    checks.count("max_iterations", max_iterations)
    if weights is not None:
        used = weights != 0
        Y, weights = Y[used], weights[used]
    theta = start.detach().clone().requires_grad_()

    def objective() -> Tensor:
        score = score_of(lambda y: log_density(theta, y))
        return kernel_stein_discrepancy(Y, kernel, score, weights=weights)

    value = objective()
    gradient = None
    if value.requires_grad:
        (gradient,) = torch.autograd.grad(value, theta, allow_unused=True)
    if gradient is None:
        raise ValueError(
            "log_density must be a differentiable tensor of its parameter, got one whose score "
            "does not depend on it"
        )
    first = max(float(gradient.norm()), torch.finfo(start.dtype).tiny)
    search = torch.optim.LBFGS(
        [theta],
        max_iter=max_iterations,
        tolerance_grad=tol * first,
        tolerance_change=0.0,
        line_search_fn="strong_wolfe",
    )

    def closure() -> Tensor:
        search.zero_grad()
        value = objective()
        value.backward()
        return value

    search.step(closure)
    value = objective()
    (gradient,) = torch.autograd.grad(value, theta)
    # Near the minimum the value stands still before its gradient does.
    converged = bool(gradient.norm() <= max(tol, 1e-6) * first)
    steps = int(search.state[theta]["n_iter"])
    if not converged:
        warnings.warn(
            f"minimum_stein_discrepancy stopped after {steps} steps with a gradient "
            f"{float(gradient.norm()) / first:.1e} of that at the start; allow more max_iterations "
            "or start nearer",
            ConvergenceWarning,
            stacklevel=2,
        )
    return MinimumDiscrepancy(theta.detach(), float(value.detach()), steps, converged)
