"""Teachers who choose examples from a pool: at random, or where the learner errs most."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from mercer import checks
from mercer.learn.progress import Progress
from mercer.learn.teaching.learner import Learner

Choice = Callable[[Tensor], Tensor]


class Lessons(NamedTuple):
    """The course of teaching: before the first lesson and after each."""

    losses: Tensor  # [T + 1], the mean over the pool
    largest: Tensor  # [T + 1], the largest over the pool
    chosen: Tensor  # [T, k], rows of the pool
    values: Tensor  # [n], the learner at the end

    def teaching_dimension(self, epsilon: float) -> int | None:
        """The iterative teaching dimension: lessons until the mean loss is at most ``epsilon``.

        None where it never was.
        """
        below = (self.losses <= epsilon).nonzero()
        return int(below[0, 0]) if len(below) else None


def random_teaching(
    learner: Learner,
    X: Tensor,
    y: Tensor,
    *,
    k: int = 1,
    iterations: int,
    epsilon: float = 0.0,
    generator: torch.Generator | None = None,
    verbose: bool = False,
) -> Lessons:
    """Teach examples drawn from a pool at random, without looking at the learner.

    Parameters
    ----------
    learner : Learner
        Changed: it learns.
    X : Tensor, shape (n, d)
        The pool.
    y : Tensor, shape (n,)
        Values of the target there, or labels -1 and 1 for losses of classification.
    k : int
        Examples in a lesson, different ones.
    iterations : int
        Most lessons.
    epsilon : float, at least 0
        The mean loss over the pool at which teaching ends.
    generator : torch.Generator, optional
        Of the draws.
    verbose : bool
        Whether to show progress on stderr.

    Returns
    -------
    Lessons

    Examples
    --------
    >>> from mercer.kernels import RBF
    >>> x = torch.linspace(0, 1, 20)[:, None]
    >>> lessons = random_teaching(Learner(RBF(0.2), rate=0.5), x, x[:, 0], iterations=30)
    >>> bool(lessons.losses[-1] < lessons.losses[0])
    True

    References
    ----------
    C. Zhang, X. Cao, W. Liu, I. W. Tsang, J. T. Kwok, "Nonparametric Iterative Machine Teaching",
    ICML 2023. https://arxiv.org/abs/2306.03007
    """
    place = X.device if generator is None else generator.device

    def choose(slope: Tensor) -> Tensor:
        if k == 1:
            return torch.randint(len(slope), (1,), generator=generator, device=place).to(X.device)
        return torch.randperm(len(slope), generator=generator, device=place)[:k].to(X.device)

    return _teach(learner, X, y, choose, k, iterations, epsilon, verbose)


def greedy_teaching(
    learner: Learner,
    X: Tensor,
    y: Tensor,
    *,
    k: int = 1,
    iterations: int,
    epsilon: float = 0.0,
    verbose: bool = False,
) -> Lessons:
    r"""Teach the examples of a pool at which the gradient is largest.

    For the square loss these are the points where the learner is farthest from the target. Each
    lesson costs O(n k): one product of ``k(X, chosen)`` updates the learner's values on the pool.

    Parameters are those of :func:`random_teaching`.

    Returns
    -------
    Lessons

    Examples
    --------
    >>> from mercer.kernels import RBF
    >>> x = torch.tensor([[0.0], [1.0], [2.0]])
    >>> lessons = greedy_teaching(
    ...     Learner(RBF(0.5), rate=0.5), x, torch.tensor([1.0, -3.0, 2.0]), iterations=3
    ... )
    >>> lessons.chosen[:, 0]
    tensor([1, 2, 0])

    References
    ----------
    C. Zhang, X. Cao, W. Liu, I. W. Tsang, J. T. Kwok, "Nonparametric Iterative Machine Teaching",
    ICML 2023. https://arxiv.org/abs/2306.03007
    """
    return _teach(learner, X, y, lambda slope: steepest(slope, k), k, iterations, epsilon, verbose)


def steepest(slope: Tensor, k: int) -> Tensor:
    """The ``k`` indices of the largest absolute values, ``[k]``."""
    return slope.abs().topk(k).indices


@torch.no_grad()
def _teach(
    learner: Learner,
    X: Tensor,
    y: Tensor,
    choose: Choice,
    k: int,
    iterations: int,
    epsilon: float,
    verbose: bool,
) -> Lessons:
    _check(X, y, k, iterations, epsilon)
    F = learner(X)  # [n], kept up to date
    a = torch.zeros_like(F)  # what the pool's points add to the learner
    losses, largest, chosen = [], [], []
    with Progress(verbose, "teach") as progress:
        for t in range(iterations + 1):
            loss = learner.loss(F, y)
            losses.append(float(loss.mean()))
            largest.append(float(loss.max()))
            progress({"iteration": t, "of": iterations, "loss": losses[-1]})
            if t == iterations or losses[-1] <= epsilon:
                break
            rows = choose(learner.loss.derivative(F, y))
            step = learner.step(F[rows], y[rows])
            a.index_add_(0, rows, step)
            F = F + learner.kernel(X, X[rows]) @ step
            chosen.append(rows)
    used = a != 0
    learner.add(X[used], a[used])
    rows = torch.stack(chosen) if chosen else torch.zeros(0, k, dtype=torch.long, device=X.device)
    course = torch.tensor([losses, largest], dtype=torch.float64)  # [2, T + 1]
    return Lessons(course[0], course[1], rows, F)


def _check(X: Tensor, y: Tensor, k: int, iterations: int, epsilon: float) -> None:
    checks.finite("X", checks.floating("X", X))
    checks.finite("y", checks.floating("y", y))
    checks.alike("y", y, "X", X)
    if X.ndim != 2 or y.shape != X.shape[:1] or len(X) == 0:
        raise ValueError(
            "X must have shape (n, d) and y (n,) with n >= 1, "
            f"got {tuple(X.shape)} and {tuple(y.shape)}"
        )
    if checks.count("k", k) > len(X):
        raise ValueError(f"k must be at most the {len(X)} points of the pool, got {k}")
    checks.count("iterations", iterations)
    checks.interval("epsilon", epsilon, 0.0, float("inf"))
