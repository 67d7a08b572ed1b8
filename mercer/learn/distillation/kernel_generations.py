"""Generations of kernel ridge regression on given points."""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from torch import Tensor

from mercer import checks
from mercer.kernels import Kernel
from mercer.learn.distillation.regression import Regression
from mercer.linalg import solve
from mercer.operators import Identity

Labels = Callable[[Tensor], Tensor]
"""From the numbers of rows to their labels."""


@torch.no_grad()
def simulate_kernel_generations(
    kernel: Kernel,
    X: Tensor,
    y: Tensor,
    *,
    X_test: Tensor,
    y_test: Tensor,
    generations: int,
    fake: Regression,
    downstream: Regression,
    generator: torch.Generator | None = None,
) -> Tensor:
    r"""Return test errors of kernel ridge regression after 0, 1, ... generations of fake labels.

    Each regression has points of its own, drawn from ``X``. The first one is given the true labels
    and noise, each further one the predictions of the model before and noise. Their function is
    :math:`f(x) = k(x, X_T) (K + T \lambda)^{-1} y_T`.

    Parameters
    ----------
    kernel : Kernel
    X : Tensor, shape (N, d)
        Points to draw from.
    y : Tensor, shape (N,)
        True labels.
    X_test, y_test : Tensor, shapes (m, d), (m,)
        Where the error, the mean square of what is missed, is measured.
    generations : int, at least 0
        How many regressions make fake labels, at most.
    fake, downstream : Regression
        Samples, noise, and regularisation above 0.
    generator : torch.Generator, optional
        Of samples and noise.

    Returns
    -------
    Tensor, shape (generations + 1,)
        The error of the downstream regression.

    Raises
    ------
    ValueError
        If a regularisation is zero or there are fewer points than samples.

    Examples
    --------
    >>> from mercer.kernels import RBF
    >>> X = torch.linspace(0, 6, 200, dtype=torch.float64)[:, None]
    >>> fits = Regression(50, noise=0.1, regularisation=1e-3)
    >>> errors = simulate_kernel_generations(
    ...     RBF(1.0), X, X[:, 0].sin(), X_test=X, y_test=X[:, 0].sin(), generations=5,
    ...     fake=fits, downstream=fits, generator=torch.Generator().manual_seed(0),
    ... )
    >>> bool(errors[5] > errors[0])
    True
    """
    checks.count("generations", generations, least=0)
    for name, fit in (("fake", fake), ("downstream", downstream)):
        checks.positive(f"regularisation of {name}", fit.regularisation)
        if fit.samples > len(X):
            raise ValueError(
                f"samples of {name} must be at most {len(X)}, the points of X, got {fit.samples}"
            )
    checks.finite("y", y)
    draw = functools.partial(_fit, kernel, X, generator=generator)
    labels: Labels = y.__getitem__
    errors = []
    for n in range(generations + 1):
        f = draw(labels, downstream)
        errors.append((f(X_test) - y_test).square().mean())
        if n < generations:
            made = draw(labels, fake)
            labels = functools.partial(_labels, made, X)
    return torch.stack(errors)


def _labels(f: Callable[[Tensor], Tensor], X: Tensor, rows: Tensor) -> Tensor:
    return f(X[rows])


def _fit(
    kernel: Kernel,
    X: Tensor,
    labels: Labels,
    regression: Regression,
    *,
    generator: torch.Generator | None,
) -> Callable[[Tensor], Tensor]:
    """The function that one regression finds."""
    T = regression.samples
    rows = torch.randperm(len(X), generator=generator)[:T].to(X.device)
    noise = regression.noise * torch.randn(T, dtype=torch.float64, generator=generator)
    K = kernel(X[rows]) + Identity(T, X.dtype, X.device) * (T * regression.regularisation)
    a = solve(K, labels(rows) + noise.to(X), generator=generator).x
    return lambda points: kernel(points, X[rows]) @ a
