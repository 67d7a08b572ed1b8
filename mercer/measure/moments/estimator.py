"""What every method of moments does: read the data, minimise over the parameters."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor

from mercer import checks
from mercer.linalg import ConvergenceWarning
from mercer.measure.moments.problem import MomentProblem, double

DENSE = 200  # parameters up to which the outer minimisation keeps a matrix of curvatures

Objective = Callable[[Tensor], Tensor]


class MomentEstimator:
    """Base of the estimators; a subclass writes ``_estimate(x, z, start)``.

    Parameters
    ----------
    problem : MomentProblem
        Moment function and start.
    penalty : float or Tensor, shape (p,)
        ``sum_k penalty_k theta_k^2 / 2`` is added to what is minimised.
    tolerance : float
        Largest entry of the gradient at which the minimisation over ``theta`` stops.
    max_iterations : int
        Of that minimisation.

    Attributes
    ----------
    theta_ : Tensor, shape (p,)
        The estimate.
    value_ : float
        Of what was minimised.
    converged_ : bool
        Whether the gradient came below the tolerance.
    """

    def __init__(
        self,
        problem: MomentProblem,
        *,
        penalty: float | Tensor = 0.0,
        tolerance: float = 1e-6,
        max_iterations: int = 500,
    ) -> None:
        self.problem = problem
        self.penalty = torch.as_tensor(penalty, dtype=torch.float64)
        if not bool((self.penalty >= 0).all()):
            raise ValueError(f"penalty must be at least 0, got {float(self.penalty.min()):g}")
        self.tolerance = float(checks.positive("tolerance", tolerance))
        self.max_iterations = checks.count("max_iterations", max_iterations)

    def fit(self, x: Tensor, z: Tensor | None = None, *, start: Tensor | None = None) -> Tensor:
        """Estimate the parameters.

        Parameters
        ----------
        x : Tensor, shape (n, d)
            Points of the moment function; float64.
        z : Tensor, shape (n, e), optional
            Instruments; float64.
        start : Tensor, shape (p,), optional
            Where to start, in place of the problem's.

        Returns
        -------
        Tensor, shape (p,)

        Raises
        ------
        TypeError, ValueError
            If an argument is not as described.

        Warns
        -----
        ConvergenceWarning
            If the minimisation stopped early.
        """
        for name, value in (("x", x), ("z", z)):
            if value is not None and (double(name, value).ndim != 2 or len(value) == 0):
                raise ValueError(f"{name} must have shape (n, d), got {tuple(value.shape)}")
        if z is not None and len(z) != len(x):
            raise ValueError(f"x has {len(x)} rows but z has {len(z)}")
        theta = self.problem.start if start is None else double("start", start).detach()
        if theta.shape != self.problem.start.shape:
            expected = tuple(self.problem.start.shape)
            raise ValueError(f"start must have shape {expected}, got {tuple(theta.shape)}")
        self.problem.check_start(x, theta)
        self.theta_ = self._estimate(x, z, theta)
        return self.theta_

    def _estimate(self, x: Tensor, z: Tensor | None, start: Tensor) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} must define _estimate")

    def _minimise(self, objective: Objective, start: Tensor) -> Tensor:
        """Minimise a function of ``theta`` that autograd can differentiate, by a quasi-Newton."""

        def evaluate(point: np.ndarray) -> tuple[float, np.ndarray]:
            theta = torch.from_numpy(point).requires_grad_()
            value = objective(theta) + (self.penalty * theta**2).sum() / 2
            (gradient,) = torch.autograd.grad(value, theta)
            return float(value.detach()), gradient.numpy()

        method = "BFGS" if len(start) <= DENSE else "L-BFGS-B"
        options = {"maxiter": self.max_iterations, "gtol": self.tolerance}
        if method == "L-BFGS-B":
            options["ftol"] = 0.0
        found = minimize(evaluate, start.numpy(), jac=True, method=method, options=options)
        self.value_ = float(found.fun)
        steepest = float(np.abs(found.jac).max())
        self.converged_ = steepest <= self.tolerance
        if not self.converged_:
            warnings.warn(
                f"{type(self).__name__} stopped after {found.nit} iterations at a gradient of "
                f"{steepest:.1e}, above tolerance={self.tolerance:g}; raise max_iterations or "
                "tolerance, or start elsewhere",
                ConvergenceWarning,
                stacklevel=4,
            )
        return torch.from_numpy(found.x)
