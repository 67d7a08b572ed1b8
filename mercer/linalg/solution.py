"""What ``solve`` returns."""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from torch import Tensor


class ConvergenceWarning(UserWarning):
    """An iterative method stopped before it reached the tolerance."""


class Solution:
    """The solution of ``K x = b`` and how it was found.

    Parameters
    ----------
    x : Tensor
        The solution, of the shape of ``b`` (broadcast against the batch of ``K``).
    iterations : int
        Steps taken by the iterative method; 0 for a direct one.
    converged : bool
        Whether the tolerance was reached; True for a direct method.
    explain : str
        Which rule was used, and why.
    residual : float or callable returning float
        The largest relative residual over columns and batch; a callable is evaluated on first use.

    Examples
    --------
    >>> Solution(torch.ones(2), iterations=3, converged=True, explain="by hand", residual=0.0)
    Solution(residual=0.0e+00, iterations=3, converged=True, explain='by hand')
    """

    def __init__(
        self,
        x: Tensor,
        *,
        iterations: int,
        converged: bool,
        explain: str,
        residual: float | Callable[[], float],
    ) -> None:
        self.x = x
        self.iterations = iterations
        self.converged = converged
        self.explain = explain
        self._residual = residual

    @functools.cached_property
    def residual(self) -> float:
        """``max ||K x - b|| / ||b||`` over columns and batch, from one product with ``K``."""
        return self._residual() if callable(self._residual) else self._residual

    def __repr__(self) -> str:
        return (
            f"Solution(residual={self.residual:.1e}, iterations={self.iterations}, "
            f"converged={self.converged}, explain={self.explain!r})"
        )


def relative_residual(R: Tensor, B: Tensor) -> float:
    """Return the largest ``||R_j|| / ||B_j||`` over columns and batch; a zero ``B_j`` counts 1."""
    if R.numel() == 0:
        return 0.0
    size = torch.linalg.vector_norm(B.detach(), dim=-2)  # [*batch, c]
    size = torch.where(size > 0, size, torch.ones_like(size))
    return float((torch.linalg.vector_norm(R.detach(), dim=-2) / size).max())
