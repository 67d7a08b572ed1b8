"""Self-distillation without eigenvectors: one factorisation or preconditioner for all refits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from mercer import checks
from mercer.learn.distillation.profile import Distilled
from mercer.learn.spectral import spectral_filter
from mercer.learn.spectral.filter import Filtered
from mercer.linalg import cholesky, solve
from mercer.linalg.default_preconditioner import default_preconditioner
from mercer.linalg.solve import SMALL
from mercer.operators import Identity
from mercer.operators.base import Operator, as_operator

METHODS = ("solve", "eigh", "lanczos")
Fit = Callable[[Tensor], Tensor]
"""From targets to the coefficients of ridge regression, ``(K + lambda I)^-1``."""
Choose = Callable[[int, Tensor, Tensor], float]
"""From the step and the coefficients of the first fit and of the imitation to the weight."""


@torch.no_grad()
def distil(
    K: Operator | Tensor,
    y: Tensor,
    profile: Distilled,
    *,
    method: str | None = None,
    tol: float | None = None,
    generator: torch.Generator | None = None,
    on_step: Callable[[dict[str, Any]], None] | None = None,
) -> Filtered:
    r"""Return the coefficients of a self-distilled kernel ridge regression.

    :math:`f_\tau(x) = k(x, X)\, a_\tau` with :math:`a_0 = (K + n\eta)^{-1} y` and
    :math:`a_t = \alpha_t a_0 + (1 - \alpha_t) (K + n\eta)^{-1} f_{t-1}(X)`.

    Parameters
    ----------
    K : Operator or Tensor, shape (n, n)
        Positive semidefinite, float32 or float64.
    y : Tensor, shape (n,) or (n, c)
        Targets.
    profile : Distilled
        Regularisation :math:`\eta` and weights :math:`\alpha_t`.
    method : {"solve", "eigh", "lanczos"}, optional
        ``solve``, the default: one solve a step, with one Cholesky factor up to 4,096 rows and
        beyond by conjugate gradients with one preconditioner. ``eigh``, ``lanczos``: all steps at
        once, as in :func:`mercer.learn.spectral.spectral_filter`.
    tol : float, above 0, optional
        Relative, of iterative methods; 1e-5 in float32, 1e-10 in float64.
    generator : torch.Generator, optional
        Of random pivots.
    on_step : callable, optional
        Called with ``iteration`` and ``of`` after each fit.

    Returns
    -------
    Filtered
        ``coefficients`` of the shape of ``y``, ``iterations`` and ``explain``.

    Raises
    ------
    ValueError
        If shapes do not fit or there is no such method.

    Examples
    --------
    >>> K = torch.tensor([[2.0, 0.0], [0.0, 4.0]])
    >>> distil(K, torch.tensor([1.0, 1.0]), Distilled(1.0, (0.5,))).coefficients
    tensor([0.1875, 0.1389])
    """
    if method not in (None, *METHODS):
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    if method in ("eigh", "lanczos"):
        return spectral_filter(
            K, y, profile, method=method, tol=tol, generator=generator, on_step=on_step
        )
    K = as_operator(K)
    if not K.is_square or y.ndim not in (1, 2) or len(y) != K.n:
        raise ValueError(f"K must be n x n and y [n] or [n, c], got {K!r} and {tuple(y.shape)}")
    checks.alike("y", y, "K", K)
    Y = checks.finite("y", y[:, None] if y.ndim == 1 else y)
    shift = K.n * profile.regularisation
    fit, how = ridge(K, shift, tol=tol, generator=generator)
    steps = len(profile.weights)
    for t, (a, _) in enumerate(refits(fit, Y, shift, steps, lambda t, *_: profile.weights[t])):
        coefficients = a[:, 0] if y.ndim == 1 else a
        if on_step is not None:
            on_step({"iteration": t + 1, "of": steps + 1})
    return Filtered(coefficients, steps + 1, f"{steps + 1} solves by {how}")


def refits(
    fit: Fit, Y: Tensor, shift: float, steps: int, choose: Choose
) -> Iterator[tuple[Tensor, float | None]]:
    """Yield coefficients and weight of the first fit and of each refit.

    Parameters
    ----------
    fit : callable
        From targets ``[n, c]`` to coefficients ``(K + shift I)^-1 targets``.
    Y : Tensor, shape (n, c)
        Ground truth.
    shift : float
        The ridge.
    steps : int
        How many refits.
    choose : callable
        Gives the weight of each, from 0 on, by the coefficients of first fit and imitation.
    """
    first = a = fit(Y)
    truth = fitted = Y - shift * first  # K a, without a product
    yield a, None
    for t in range(steps):
        imitation = fit(fitted)
        alpha = choose(t, first, imitation)
        a = alpha * first + (1 - alpha) * imitation
        fitted = alpha * truth + (1 - alpha) * (fitted - shift * imitation)
        yield a, alpha


def ridge(
    K: Operator, shift: float, *, tol: float | None, generator: torch.Generator | None
) -> tuple[Fit, str]:
    """Return what applies ``(K + shift I)^-1`` to ``[n, c]`` again and again, and how it does."""
    A = K + Identity(K.n, K.dtype, K.device) * shift
    if K.n <= SMALL:
        L = cholesky(A.dense()).dense()
        return lambda B: torch.cholesky_solve(B, L), f"one Cholesky factor: n <= {SMALL}"
    preconditioner, name = default_preconditioner(A, generator)
    return (
        lambda B: solve(A, B, tol=tol, preconditioner=preconditioner, generator=generator).x,
        f"conjugate gradients with one preconditioner, {name}: n > {SMALL}",
    )
