"""A teacher who makes up examples: the best of points drawn anew for every lesson."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from mercer import checks
from mercer.learn.progress import Progress
from mercer.learn.teaching.learner import Function, Learner
from mercer.learn.teaching.teach import steepest

Draw = Callable[[int], Tensor]


@torch.no_grad()
def synthesised_teaching(
    learner: Learner,
    target: Function,
    draw: Draw,
    *,
    candidates: int = 256,
    k: int = 1,
    iterations: int,
    verbose: bool = False,
) -> Tensor:
    r"""Teach points of the whole domain, those of the steepest gradient among fresh candidates.

    As candidates increase, this is greedy teaching over the domain; with as many as are taught, it
    is random teaching. A lesson costs the learner's function at the candidates, which grows with
    the lessons before it.

    Parameters
    ----------
    learner : Learner
        Changed: it learns.
    target : callable
        From points ``[n, d]`` to the target's values, or labels, ``[n]``.
    draw : callable
        From a number to so many points of the domain, ``[number, d]``.
    candidates : int
        Points drawn for each lesson, at least ``k``.
    k : int
        Examples in a lesson.
    iterations : int
        Lessons.
    verbose : bool
        Whether to show progress on stderr.

    Returns
    -------
    Tensor, shape (iterations, k, d)
        The examples that were taught.

    Examples
    --------
    >>> from mercer.kernels import RBF
    >>> generator = torch.Generator().manual_seed(0)
    >>> learner = Learner(RBF(0.2), rate=0.5)
    >>> taught = synthesised_teaching(
    ...     learner,
    ...     lambda x: torch.sin(6 * x[:, 0]),
    ...     lambda n: torch.rand(n, 1, generator=generator),
    ...     iterations=60,
    ... )
    >>> x = torch.linspace(0, 1, 50)[:, None]
    >>> bool((learner(x) - torch.sin(6 * x[:, 0])).abs().max() < 0.05)
    True

    References
    ----------
    C. Zhang, X. Cao, W. Liu, I. W. Tsang, J. T. Kwok, "Nonparametric Iterative Machine Teaching",
    ICML 2023. https://arxiv.org/abs/2306.03007
    """
    if checks.count("k", k) > checks.count("candidates", candidates):
        raise ValueError(f"k must be at most the {candidates} candidates, got {k}")
    checks.count("iterations", iterations)
    taught = []
    with Progress(verbose, "teach") as progress:
        for t in range(iterations):
            X = checks.finite("draw(candidates)", draw(candidates))
            y = checks.finite("target(X)", target(X))
            f = learner(X)
            slope = learner.loss.derivative(f, y)
            best = steepest(slope, k)
            learner.add(X[best], learner.step(f[best], y[best]))
            taught.append(X[best])
            progress({"iteration": t + 1, "of": iterations, "slope": float(slope.abs().max())})
    return torch.stack(taught)
