"""The diagonal preconditioner."""

from __future__ import annotations

import torch
from torch import Tensor

from mercer.operators.base import Operator


class JacobiPreconditioner:
    """``P = diag(K)``; works for batches.

    Parameters
    ----------
    K : Operator, shape (*batch, n, n)
        With a positive diagonal.

    Raises
    ------
    ValueError
        If an entry of the diagonal is not positive.

    Examples
    --------
    >>> from mercer.operators import Dense
    >>> K = Dense(torch.tensor([[2.0, 1.0], [1.0, 4.0]]), tags={"symmetric", "psd"})
    >>> JacobiPreconditioner(K).apply(torch.ones(2, 1)).squeeze()
    tensor([0.5000, 0.2500])
    """

    def __init__(self, K: Operator) -> None:
        d = K.diagonal().detach()
        if d.numel() and not bool((d > 0).all()):
            raise ValueError(
                f"the Jacobi preconditioner needs a positive diagonal, got {float(d.min()):g}"
            )
        self.diagonal = d[..., None]  # [*batch, n, 1]

    def apply(self, R: Tensor) -> Tensor:
        """Return ``P^{-1} R``."""
        return torch.div(R, self.diagonal)
