"""Generations of regression on Gaussian features, drawn and fitted."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from mercer import checks
from mercer.learn.distillation.model_collapse import spectrum
from mercer.learn.distillation.regression import Regression


class Simulated(NamedTuple):
    """Test errors after 0, 1, ... generations: their mean and its standard error."""

    mean: Tensor  # [generations + 1]
    standard_error: Tensor  # [generations + 1]


@torch.no_grad()
def simulate_generations(
    eigenvalues: Tensor,
    target: Tensor,
    *,
    generations: int,
    fake: Regression,
    downstream: Regression,
    same_points: bool = False,
    repetitions: int = 20,
    generator: torch.Generator | None = None,
    on_step: Callable[[dict[str, Any]], None] | None = None,
) -> Simulated:
    """Draw the model of :func:`model_collapse` and fit it, again and again.

    Parameters are those of :func:`model_collapse`, and

    Parameters
    ----------
    repetitions : int, at least 2
        Independent sequences of generations.
    generator : torch.Generator, optional
        Of points and noise.
    on_step : callable, optional
        Called with ``iteration`` and ``of`` after each repetition.

    Returns
    -------
    Simulated

    Examples
    --------
    >>> one, fits = torch.ones(20), Regression(40)
    >>> simulate_generations(one, one, generations=1, fake=fits, downstream=fits).mean < 1e-12
    tensor([True, True])
    """
    s, c2 = spectrum(eigenvalues, target)
    checks.count("generations", generations, least=0)
    checks.count("repetitions", repetitions, least=2)
    w0 = c2.sqrt()
    errors = torch.empty(repetitions, generations + 1, dtype=torch.float64)
    for repetition in range(repetitions):
        w, X = w0, None
        for n in range(generations + 1):
            fitted = _fit(_draw(s, downstream, generator), w, downstream, generator)
            errors[repetition, n] = (s * (fitted - w0).square()).sum()
            if n < generations:
                X = X if same_points and X is not None else _draw(s, fake, generator)
                w = _fit(X, w, fake, generator)
        if on_step is not None:
            on_step({"iteration": repetition + 1, "of": repetitions})
    return Simulated(errors.mean(dim=0), errors.std(dim=0) / math.sqrt(repetitions))


def _draw(s: Tensor, regression: Regression, generator: torch.Generator | None) -> Tensor:
    """``[T, d]``: points with covariance ``diag(s)``."""
    Z = torch.randn(regression.samples, len(s), dtype=torch.float64, generator=generator)
    return Z * s.sqrt()


def _fit(X: Tensor, w: Tensor, regression: Regression, generator: torch.Generator | None) -> Tensor:
    """Ridge regression on noisy labels of ``w``, in the smaller of both dimensions."""
    T, d = X.shape
    y = X @ w + regression.noise * torch.randn(T, dtype=torch.float64, generator=generator)
    ridge = T * regression.regularisation
    if d > T:
        return X.mT @ _solve(X @ X.mT, y, ridge)
    return _solve(X.mT @ X, X.mT @ y, ridge)


def _solve(A: Tensor, b: Tensor, ridge: float) -> Tensor:
    A = A + ridge * torch.eye(len(A), dtype=A.dtype)
    return torch.cholesky_solve(b[:, None], torch.linalg.cholesky(A))[:, 0]
