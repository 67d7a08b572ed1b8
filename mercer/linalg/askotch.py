r"""Accelerated sketch-and-project for the full kernel ridge regression problem.

Solves :math:`(K + \lambda I) w = b` from blocks of rows: one step costs
``n x block_size`` entries of ``K`` and no array larger than that.

P. Rathore, Z. Frangella, J. Yang, M. Dereziński, M. Udell, "Have ASkotch: A Neat Solution for
Large-scale Kernel Ridge Regression", https://arxiv.org/abs/2407.10070
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import torch
from torch import Tensor

from mercer import checks
from mercer.linalg.block_projection import BlockProjection
from mercer.linalg.leverage import ridge_leverage_scores
from mercer.linalg.random_source import random_source
from mercer.operators.base import Operator


@dataclasses.dataclass
class ASkotchState:
    """All that the iteration knows: plain tensors and numbers, fit for a checkpoint.

    Parameters
    ----------
    iteration : int
        Steps done.
    w, v, y : Tensor, shape (n, c)
        The iterate and Nesterov's two companions.
    random : Tensor of uint8
        State of the generator; the next step continues its stream.
    residual : float
        Relative residual of ``w`` when last measured; infinity before.
    probabilities : Tensor, shape (n,)
        With which rows are drawn; empty for uniform.
    """

    iteration: int
    w: Tensor
    v: Tensor
    y: Tensor
    random: Tensor
    residual: float
    probabilities: Tensor


@torch.no_grad()
def askotch(
    K: Operator,
    noise: float,
    b: Tensor,
    *,
    tol: float = 1e-5,
    max_iterations: int | None = None,
    block_size: int | None = None,
    rank: int = 100,
    sampling: str = "uniform",
    accelerate: bool = True,
    mu: float | None = None,
    nu: float | None = None,
    check_every: int | None = None,
    generator: torch.Generator | None = None,
    state: ASkotchState | None = None,
    callback: Callable[[ASkotchState], object] | None = None,
) -> ASkotchState:
    r"""Run ASkotch on ``(K + noise I) w = b`` until the relative residual is at most ``tol``.

    Step on a block ``B`` of rows, with ``P`` a Nyström approximation of :math:`K_{BB}` plus
    :math:`\rho`, and :math:`\eta` one over the largest eigenvalue of
    :math:`P^{-1}(K_{BB} + \lambda I)`:

    .. math:: d = P^{-1}(K_{B:} y + \lambda y_B - b_B), \quad
              w = y - \eta I_B^T d, \quad
              v = \beta v + (1 - \beta) y - \gamma \eta I_B^T d, \quad
              y = \alpha v + (1 - \alpha) w

    with :math:`\beta = 1 - \sqrt{\mu / \nu}`, :math:`\gamma = 1 / \sqrt{\mu \nu}`,
    :math:`\alpha = 1 / (1 + \gamma \nu)`.

    Parameters
    ----------
    K : Operator, shape (n, n)
        Positive semidefinite, asked only for rows: ``K[rows] @ y`` and ``K[rows, rows]``.
    noise : float, above 0
        :math:`\lambda`.
    b : Tensor, shape (n,) or (n, c)
        Right-hand sides; the columns share the blocks.
    tol : float, above 0
        Target of the relative residual, measured every ``check_every`` steps by one ``K @ w``.
    max_iterations : int, optional
        Most steps in all, those in ``state`` included; default ``200 n / block_size``.
    block_size : int, optional
        Rows in a block; default ``min(n, max(n // 100, 256))``.
    rank : int, at least 1
        Of the Nyström approximation of a block.
    sampling : {"uniform", "leverage"}
        How rows are drawn: alike, or by approximate ridge leverage scores.
    accelerate : bool
        False is plain sketch-and-project (Skotch).
    mu, nu : float, optional
        Acceleration parameters, :math:`\mu \le \nu` and :math:`\mu\nu \le 1`; default
        ``n / block_size`` for ``nu`` and, as in the paper, :math:`\lambda` (over the mean diagonal)
        for ``mu``, but at least ``0.1 / nu`` and at most ``1 / nu``. A smaller ``mu`` is more
        momentum: it pays where plain sketch-and-project is slow.
    check_every : int, optional
        Default ``n / block_size``, one pass over the rows.
    generator : torch.Generator, optional
        Source of blocks and sketches, on the device of ``K``; default one seeded with 0.
    state : ASkotchState, optional
        Where to go on; its stream of random numbers replaces that of ``generator``.
    callback : callable, optional
        Called with the state after each step.

    Returns
    -------
    ASkotchState
        ``w`` [n, c] is the solution (``[n]`` for a vector ``b``); ``residual`` says how good.

    Examples
    --------
    >>> from mercer.operators import Dense
    >>> K = Dense(torch.tensor([[2.0, 1.0], [1.0, 2.0]]), tags={"symmetric", "psd"})
    >>> askotch(K, 1.0, torch.tensor([4.0, 8.0]), tol=1e-6).w
    tensor([0.5000, 2.5000])
    """
    B = b[:, None] if b.ndim == 1 else b
    size = _block_size(K.n, block_size)
    rank = checks.count("rank", rank)
    noise = float(checks.positive("noise", noise))
    tol = float(checks.positive("tol", tol))
    passes = max(1, math.ceil(K.n / size))
    every = passes if check_every is None else checks.count("check_every", check_every)
    limit = (
        200 * passes
        if max_iterations is None
        else checks.count("max_iterations", max_iterations, least=0)
    )
    source, state = _start(K, noise, B, sampling, generator, state)
    beta, gamma, alpha = _acceleration(K, noise, size, mu, nu)
    while state.iteration < limit and state.residual > tol:
        rows = _draw(K.n, size, state.probabilities, source)
        block = BlockProjection(K, rows, noise, rank, source)
        y = state.y if accelerate else state.w
        step = block.step(y, B)  # [block_size, c], eta d
        w = y.index_add(0, rows, step, alpha=-1)
        if accelerate:
            v = beta * state.v + (1 - beta) * y
            v = v.index_add_(0, rows, step, alpha=-gamma)
            y = alpha * v + (1 - alpha) * w
        else:
            v = y = w
        state = dataclasses.replace(
            state, iteration=state.iteration + 1, w=w, v=v, y=y, random=source.get_state()
        )
        if state.iteration % every == 0 or state.iteration == limit:
            state.residual = _residual(K, noise, w, B)
        if callback is not None:
            callback(state)
    return dataclasses.replace(state, w=state.w[:, 0]) if b.ndim == 1 else state


def _start(
    K: Operator,
    noise: float,
    B: Tensor,
    sampling: str,
    generator: torch.Generator | None,
    state: ASkotchState | None,
) -> tuple[torch.Generator, ASkotchState]:
    if state is not None:
        source = torch.Generator(K.device)
        source.set_state(state.random)
        w = state.w[:, None] if state.w.ndim == 1 else state.w
        if w.shape != B.shape:
            raise ValueError(
                f"the state is of a problem with b of shape {tuple(w.shape)}, got {tuple(B.shape)}"
            )
        return source, dataclasses.replace(state, w=w)
    source = random_source(generator, K.device)
    if sampling == "uniform":
        probabilities = B.new_zeros(0)
    elif sampling == "leverage":
        scores = ridge_leverage_scores(K, noise, generator=source)
        probabilities = scores / scores.sum()
    else:
        raise ValueError(f"sampling must be 'uniform' or 'leverage', got {sampling!r}")
    zero = torch.zeros_like(B)
    residual = math.inf if bool(B.any()) else 0.0
    return source, ASkotchState(0, zero, zero, zero, source.get_state(), residual, probabilities)


def _block_size(n: int, block_size: int | None) -> int:
    if block_size is None:
        return min(n, max(n // 100, 256))
    return min(n, checks.count("block_size", block_size))


def _acceleration(
    K: Operator, noise: float, size: int, mu: float | None, nu: float | None
) -> tuple[float, float, float]:
    """Return beta, gamma, alpha."""
    nu = K.n / size if nu is None else float(checks.positive("nu", nu))
    if mu is None:
        # lambda is relative to a kernel with k(x, x) = 1. Far below 1 / nu, momentum overshoots.
        mu = min(max(noise / float(K.diagonal().mean()), 0.1 / nu), nu, 1 / nu)
    mu = float(checks.positive("mu", mu))
    if mu > nu or mu * nu > 1 + 1e-12:
        raise ValueError(f"mu must be at most nu and 1 / nu, got mu={mu:g} and nu={nu:g}")
    gamma = 1 / math.sqrt(mu * nu)
    return 1 - math.sqrt(mu / nu), gamma, 1 / (1 + gamma * nu)


def _draw(n: int, size: int, probabilities: Tensor, source: torch.Generator) -> Tensor:
    """Distinct rows."""
    if not len(probabilities):
        return torch.randperm(n, generator=source, device=source.device)[:size]
    # The largest keys log(u) / p are a draw without replacement for any number of categories.
    u = torch.rand(n, dtype=probabilities.dtype, device=source.device, generator=source)
    return torch.topk(u.log() / probabilities, size).indices


def _residual(K: Operator, noise: float, w: Tensor, B: Tensor) -> float:
    R = K @ w + noise * w - B
    size = torch.linalg.vector_norm(B, dim=0)
    size = torch.where(size > 0, size, torch.ones_like(size))
    return float((torch.linalg.vector_norm(R, dim=0) / size).max())
