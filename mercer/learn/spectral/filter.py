"""Apply a learning profile to the kernel operator."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from mercer import checks
from mercer.learn.spectral.profile import (
    CutOff,
    GradientDescent,
    IteratedTikhonov,
    Ridge,
    SpectralProfile,
)
from mercer.linalg import eigh, lanczos, solve
from mercer.linalg.default_preconditioner import default_preconditioner
from mercer.linalg.solve import SMALL, TOLERANCE
from mercer.operators import Dense, Identity
from mercer.operators.base import Operator, as_operator

METHODS = ("solve", "products", "eigh", "partial", "lanczos")
OnStep = Callable[[dict[str, Any]], None]


class Filtered(NamedTuple):
    """``f(x) = k(x, X) coefficients``, the steps taken, and how they were found."""

    coefficients: Tensor  # [n] or [n, c]
    iterations: int
    explain: str


@torch.no_grad()
def spectral_filter(
    K: Operator | Tensor,
    y: Tensor,
    profile: SpectralProfile,
    *,
    method: str | None = None,
    tol: float | None = None,
    generator: torch.Generator | None = None,
    on_step: OnStep | None = None,
) -> Filtered:
    r"""Return the coefficients :math:`\tfrac1n g(\tfrac1n K)\, y`, with :math:`g = h / \lambda`.

    Without a method: ridge and iterated Tikhonov by ``solve``; gradient descent by ``products``
    where it has fewer steps than there are rows; all else by ``eigh`` up to 4096 rows, and beyond,
    cut-off by ``partial`` and other profiles by ``lanczos``.

    Parameters
    ----------
    K : Operator or Tensor, shape (n, n)
        Positive semidefinite, float32 or float64.
    y : Tensor, shape (n,) or (n, c)
        Targets.
    profile : SpectralProfile
        What is learnt of each component.
    method : {"solve", "products", "eigh", "partial", "lanczos"}, optional
        Used or refused. ``solve``: :func:`mercer.linalg.solve`, with one preconditioner for all
        solves. ``products``: one product with ``K`` a step. ``eigh``: all eigenpairs. ``partial``:
        those above the threshold. ``lanczos``: on the Krylov space of each column of ``y``.
    tol : float, above 0, optional
        Relative, of iterative methods; 1e-5 in float32, 1e-10 in float64.
    generator : torch.Generator, optional
        Of random pivots and start blocks.
    on_step : callable, optional
        Called with ``iteration`` and ``of`` after each step of a method that has them.

    Returns
    -------
    Filtered
        ``coefficients`` of the shape of ``y``, ``iterations`` and ``explain``.

    Raises
    ------
    ValueError
        If shapes do not fit or the method does not suit the profile.

    Examples
    --------
    >>> K = torch.tensor([[2.0, 0.0], [0.0, 4.0]])
    >>> spectral_filter(K, torch.tensor([1.0, 1.0]), Ridge(1.0)).coefficients
    tensor([0.2500, 0.1667])
    """
    K = _positive(as_operator(K))
    if y.ndim not in (1, 2) or len(y) != K.n:
        raise ValueError(f"y must have shape ({K.n},) or ({K.n}, c), got {tuple(y.shape)}")
    checks.alike("y", y, "K", K)
    Y = checks.finite("y", y[:, None] if y.ndim == 1 else y)
    chosen, why = _choose(K.n, profile, method)
    tol = TOLERANCE[K.dtype] if tol is None else float(checks.positive("tol", tol))
    found = _RULES[chosen](K, Y, profile, tol, generator, on_step or _silent)
    coefficients = found.coefficients[:, 0] if y.ndim == 1 else found.coefficients
    return Filtered(coefficients, found.iterations, f"{chosen}: {why}; {found.explain}")


def _choose(n: int, profile: SpectralProfile, method: str | None) -> tuple[str, str]:
    if method is None:
        if isinstance(profile, (Ridge, IteratedTikhonov)):
            return "solve", "a rational profile"
        if isinstance(profile, GradientDescent) and (profile.iterations < n or n > SMALL):
            return "products", f"a polynomial profile, {profile.iterations} steps"
        if n <= SMALL:
            return "eigh", f"n <= {SMALL}"
        return ("partial" if isinstance(profile, CutOff) else "lanczos"), f"n > {SMALL}"
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    suits = {
        "solve": (Ridge, IteratedTikhonov),
        "products": (GradientDescent,),
        "partial": (CutOff,),
    }.get(method, (SpectralProfile,))
    if not isinstance(profile, suits) or (method == "lanczos" and isinstance(profile, CutOff)):
        raise ValueError(f"method={method!r} does not suit {type(profile).__name__}")
    return method, "named by the caller"


def _solve(
    K: Operator,
    Y: Tensor,
    profile: SpectralProfile,
    tol: float,
    generator: torch.Generator | None,
    on_step: OnStep,
) -> Filtered:
    """Iterated Tikhonov: ``(K + n eta) a_j = y + n eta a_{j-1}``, ridge its first step."""
    assert isinstance(profile, (Ridge, IteratedTikhonov))
    shift = K.n * profile.regularisation
    A = K + Identity(K.n, K.dtype, K.device) * shift
    steps = getattr(profile, "iterations", 1)
    # The same for every step; small systems are factorised.
    preconditioner = default_preconditioner(A, generator)[0] if K.n > SMALL else None
    a, used = torch.zeros_like(Y), 0
    for step in range(steps):
        found = solve(A, Y + shift * a, tol=tol, preconditioner=preconditioner, generator=generator)
        a, used = found.x, used + max(found.iterations, 1)
        on_step({"iteration": step + 1, "of": steps})
    return Filtered(a, used, found.explain)


def _products(
    K: Operator,
    Y: Tensor,
    profile: SpectralProfile,
    tol: float,
    generator: torch.Generator | None,
    on_step: OnStep,
) -> Filtered:
    """Gradient descent: ``a <- a + step / n (y - K a)``."""
    assert isinstance(profile, GradientDescent)
    largest = largest_eigenvalue(K, generator) / K.n
    profile(torch.tensor([largest], dtype=torch.float64))  # refuses a step that is too long
    a = torch.zeros_like(Y)
    for step in range(profile.iterations):
        a = a + profile.step / K.n * (Y - K @ a)
        on_step({"iteration": step + 1, "of": profile.iterations})
    return Filtered(a, profile.iterations, f"largest eigenvalue of K / n {largest:.4g}")


def _eigh(
    K: Operator,
    Y: Tensor,
    profile: SpectralProfile,
    tol: float,
    generator: torch.Generator | None,
    on_step: OnStep,
) -> Filtered:
    values, vectors = eigh(K, method="dense")
    g = profile.filter(values.clamp_min(0) / K.n)
    return Filtered(vectors @ (g[:, None] * (vectors.mT @ Y)) / K.n, 1, "all eigenpairs")


def _partial(
    K: Operator,
    Y: Tensor,
    profile: SpectralProfile,
    tol: float,
    generator: torch.Generator | None,
    on_step: OnStep,
) -> Filtered:
    """The largest eigenpairs, twice as many until one lies below the threshold."""
    rank = 64
    while True:
        method = "krylov" if rank < K.n // 2 else "dense"
        values, vectors = eigh(K, min(rank, K.n), method=method, tol=tol, generator=generator)
        h = profile(values.clamp_min(0) / K.n)
        on_step({"iteration": rank, "of": K.n})
        if rank >= K.n or h[0] == 0:
            break
        rank *= 2
    kept = h > 0
    V = vectors[:, kept]
    g = (h[kept] / values[kept])[:, None]  # K and not K / n: the factor 1 / n is in it
    return Filtered(V @ (g * (V.mT @ Y)), len(h), f"{int(kept.sum())} eigenpairs kept ({method})")


def _lanczos(
    K: Operator,
    Y: Tensor,
    profile: SpectralProfile,
    tol: float,
    generator: torch.Generator | None,
    on_step: OnStep,
) -> Filtered:
    """``|y| Q g(T) e_1`` on Krylov spaces, twice as large until the answer stays."""
    size = torch.linalg.vector_norm(Y, dim=0)  # [c]
    live = size > 0
    start = torch.where(live, Y, 1.0)
    steps, before = 16, torch.full_like(Y, math.inf)
    while True:
        Q, T = lanczos(K, start, steps=steps)  # [c, n, k], [c, k, k]
        values, W = torch.linalg.eigh(T)
        g = profile.filter(values.clamp_min(0) / K.n)
        first = (W @ (g * W[:, 0])[..., None]).squeeze(-1)  # [c, k]: g(T) e_1
        a = torch.einsum("cnk,ck,c->nc", Q, first, size * live) / K.n
        change = float((a - before).norm() / a.norm().clamp_min(torch.finfo(a.dtype).tiny))
        on_step({"iteration": steps, "of": K.n, "change": change})
        if steps >= K.n or change <= tol:
            return Filtered(a, min(steps, K.n), f"relative change {change:.2g} at the last")
        steps, before = 2 * steps, a


_RULES = {
    "solve": _solve,
    "products": _products,
    "eigh": _eigh,
    "partial": _partial,
    "lanczos": _lanczos,
}


def largest_eigenvalue(K: Operator, generator: torch.Generator | None = None) -> float:
    """Return the largest eigenvalue of a symmetric operator, by 30 Lanczos steps or fewer."""
    start = torch.randn(K.n, 1, dtype=K.dtype, device=K.device, generator=generator)
    return float(torch.linalg.eigvalsh(lanczos(K, start, steps=30).matrix).max())


def _positive(K: Operator) -> Operator:
    if not K.is_square or K.batch:
        raise ValueError(f"K must be one square operator, got shape {tuple(K.shape)}")
    if K.dtype not in TOLERANCE:
        raise TypeError(f"K must be float32 or float64, got {K.dtype}")
    if "psd" in K.tags:
        return K
    if isinstance(K, Dense):
        return Dense(K.dense(), tags={"psd"})
    raise ValueError(f"K must be tagged psd, got {K!r}")


def _silent(record: dict[str, Any]) -> None:
    pass
