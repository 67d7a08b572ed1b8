r"""Nyström features of the rows of a table, in coordinates in which the RKHS norm is Euclidean.

.. math:: f = \sum_j \alpha_j k(\cdot, z_j), \quad K_{mm} = R^T R, \quad \beta = R \alpha
   \quad\Rightarrow\quad f(x) = \phi(x)^T \beta, \; \phi(x) = R^{-T} k(Z, x), \;
   \|f\|_k = \|\beta\|
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from mercer.learn.problem import Problem
from mercer.learn.solvers.row_blocks import block_rows
from mercer.learn.solvers.streamed_rows import StreamedRows


class WhitenedRows:
    """The features of all rows by blocks, kept if they fit in the memory budget, else made anew.

    Parameters
    ----------
    problem : Problem
        Kernel, points, targets, weights, memory budget, and the centres.
    intercept : bool
        Whether a last feature is one everywhere.

    Examples
    --------
    >>> from mercer.kernels import RBF
    >>> X = torch.tensor([[0.0], [1.0]], dtype=torch.float64)
    >>> w = torch.ones(2, dtype=torch.float64)
    >>> rows = WhitenedRows(Problem(X, X, w, RBF(), (1.0,), centers=X), intercept=False)
    >>> [phi] = rows.blocks()
    >>> torch.allclose(phi @ phi.T, RBF()(X).dense())
    True
    """

    def __init__(self, problem: Problem, *, intercept: bool) -> None:
        if problem.centers is None:
            raise ValueError("Nyström features need centers")
        self.problem, self.intercept = problem, intercept
        self.centers = problem.centers
        self.width = len(self.centers) + intercept
        K = problem.operator(self.centers.double()).dense().clone()  # [m, m]
        # Below rounding of the entries, directions of K_mm are noise; the penalty covers them too.
        K.diagonal().add_(torch.finfo(problem.X.dtype).eps * float(K.diagonal().sum()))
        R = torch.linalg.cholesky(K, upper=True)
        # Products are several times faster than triangular solves from the right.
        eye = torch.eye(len(K), dtype=K.dtype, device=K.device)
        self.R_inverse = torch.linalg.solve_triangular(R, eye, upper=True)
        self.table = StreamedRows(problem)
        step = block_rows(self.centers)
        self.parts = torch.arange(len(problem.X), device=problem.X.device).split(step)
        size = len(problem.X) * self.width * problem.X.element_size()
        self.kept = size <= problem.memory_budget
        self._blocks: list[Tensor] = []
        self.explain = f"{size / 1e9:.2g} GB of features " + (
            "kept in memory" if self.kept else "made anew in each pass"
        )

    def blocks(self, rows: Tensor | None = None) -> Iterator[Tensor]:
        """Blocks ``[b, p]`` of all rows in order; or, made anew, of some, an index of int64."""
        if rows is not None:
            yield from self._made(rows.split(block_rows(self.centers)))
        elif not self.kept:
            yield from self._made(self.parts)
        else:
            if not self._blocks:
                self._blocks = list(self._made(self.parts))
            yield from self._blocks

    def coefficients(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        """What ``theta`` ``[p, c]`` means: ``alpha`` ``[m, c]`` and the intercept ``[c]``."""
        m = len(self.centers)
        intercept = theta[m] if self.intercept else theta.new_zeros(theta.shape[1])
        return self.R_inverse @ theta[:m], intercept

    def _made(self, parts: tuple[Tensor, ...]) -> Iterator[Tensor]:
        R_inverse = self.R_inverse.to(self.centers)
        for X, _, _ in self.table.blocks(parts):
            phi = self.problem.operator(X, self.centers).dense() @ R_inverse  # [b, m]
            if self.intercept:
                phi = torch.cat([phi, phi.new_ones(len(phi), 1)], dim=1)
            yield phi
