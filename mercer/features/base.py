"""The feature map: a finite vector for each point, whose inner products are a kernel."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mercer import checks
from mercer.operators import LowRank


class FeatureMap(nn.Module):
    r"""``phi(X)``, with :math:`\phi(x) \cdot \psi(y) = k(x, y)` exactly or in the mean over draws.

    A map sets ``dimension`` and writes :meth:`features`. Where the second argument of the kernel
    has features of its own (parameters against inputs, keys against queries) it writes
    :meth:`features_of_second` too. What is random is drawn by the constructor, from the generator
    that it is given, and kept in float64 buffers.

    Attributes
    ----------
    dimension : int
        ``D``, the number of features of a point.
    """

    dimension: int

    # -- what a map writes ---------------------------------------------------------------------

    def features(self, X: Tensor) -> Tensor:
        """Features of checked points: ``[*batch, n, d] -> [*batch, n, D]``."""
        raise NotImplementedError(f"{type(self).__name__} must define features")

    def features_of_second(self, Y: Tensor) -> Tensor:
        """Features of the kernel's second argument; those of the first by default."""
        return self.features(Y)

    # -- what users call -----------------------------------------------------------------------

    def forward(self, X: Tensor) -> Tensor:
        """Features of the points.

        Parameters
        ----------
        X : Tensor, shape (*batch, n, d)
            Points, one a row; float32 or float64.

        Returns
        -------
        Tensor, shape (*batch, n, D)
            In the dtype of ``X``.

        Raises
        ------
        TypeError, ValueError
            If ``X`` is no floating-point matrix of finite numbers.
        """
        return self.features(check_points("X", X))

    def second(self, Y: Tensor) -> Tensor:
        """Features ``psi(Y)`` of the kernel's second argument, shape ``(*batch, m, D)``."""
        return self.features_of_second(check_points("Y", Y))

    def operator(self, X: Tensor, Y: Tensor | None = None) -> LowRank:
        """The approximate kernel matrix ``phi(X) psi(Y)^T``, never formed.

        Parameters
        ----------
        X : Tensor, shape (*batch, n, d)
            Points, one a row.
        Y : Tensor, shape (*batch, m, d), optional
            Other points; ``X`` by default.

        Returns
        -------
        LowRank, shape (*batch, n, m)
            Symmetric and positive semidefinite where ``Y`` is ``X`` with the same features.
        """
        same = type(self).features_of_second is FeatureMap.features_of_second
        if (Y is None or Y is X) and same:
            return LowRank(self(X))
        return LowRank(self(X), self.second(X if Y is None else Y))


def check_points(name: str, X: Tensor) -> Tensor:
    """Return ``X`` if it is a finite matrix of points in float32 or float64, else raise."""
    checks.floating(name, X)
    if X.dtype in (torch.float16, torch.bfloat16):
        raise TypeError(f"{name} must be float32 or float64, got {X.dtype}; use {name}.float()")
    if X.ndim < 2:
        raise ValueError(f"{name} must have shape (*batch, n, d), got {tuple(X.shape)}")
    return checks.finite(name, X)
