"""The common part of latent quasimetrics."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mercer import checks
from mercer.measure.quasimetric.operator import QuasimetricOperator
from mercer.measure.quasimetric.reduction import Reduction, reduce_components


class Quasimetric(nn.Module):
    r"""A distance :math:`d(x, y)` between latent vectors that need not be that of :math:`y, x`.

    A subclass writes :meth:`components`, K quasimetrics; their reduction is the distance.

    Parameters
    ----------
    dimension : int
        D, of the latent vectors.
    reduction : {"sum", "mean", "max", "maxmean"}
        Of the components, see :func:`reduce_components`; for ``"maxmean"``, ``alpha`` is learned.

    Attributes
    ----------
    homogeneous : bool
        Whether :math:`d(c x, c y) = c \, d(x, y)` for all :math:`c \ge 0`.
    alpha : Tensor, shape (), or None
        The share of the largest component, for ``"maxmean"``.

    Raises
    ------
    ValueError
        If an argument is out of range.
    """

    homogeneous: bool = True
    alpha_logit: nn.Parameter | None

    def __init__(self, dimension: int, reduction: Reduction = "sum") -> None:
        super().__init__()
        self.dimension = checks.count("dimension", dimension)
        if reduction not in ("sum", "mean", "max", "maxmean"):
            raise ValueError(
                f"reduction must be 'sum', 'mean', 'max' or 'maxmean', got {reduction!r}"
            )
        self.reduction = reduction
        # sigmoid(-1) = 0.27: the mean, which moves every component, leads at first.
        logit = nn.Parameter(torch.tensor(-1.0)) if reduction == "maxmean" else None
        self.register_parameter("alpha_logit", logit)

    @property
    def alpha(self) -> Tensor | None:
        """The share of the largest component."""
        return None if self.alpha_logit is None else self.alpha_logit.sigmoid()

    def components(self, x: Tensor, y: Tensor) -> Tensor:
        """The parts ``[*s, K]`` of the distances between vectors ``[*s, D]`` that broadcast."""
        raise NotImplementedError

    def reduce(self, components: Tensor) -> Tensor:
        """Distances ``[*s]`` of components ``[*s, K]``."""
        return reduce_components(components, self.reduction, alpha=self.alpha)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Distances from ``x`` to ``y``.

        Parameters
        ----------
        x, y : Tensor, shapes (*s, D)
            Latent vectors; their shapes broadcast.

        Returns
        -------
        Tensor, shape (*s)

        Raises
        ------
        TypeError, ValueError
            If the vectors are no finite floating-point numbers or do not fit each other.
        """
        self._check("x", x)
        self._check("y", y)
        checks.alike("y", y, "x", x)
        checks.broadcast("x", x, "y", y)
        return self.reduce(self.components(x, y))

    def operator(self, X: Tensor, Y: Tensor | None = None) -> QuasimetricOperator:
        """The matrix of distances from ``X`` to ``Y``, formed in blocks of rows when it is applied.

        Parameters
        ----------
        X, Y : Tensor, shapes (*batch, n, D) and (*batch, m, D)
            Latent vectors; ``Y`` is ``X`` by default.

        Returns
        -------
        QuasimetricOperator, shape (*batch, n, m)
        """
        Y = X if Y is None else Y
        self._check("X", X, "*batch, n, ")
        self._check("Y", Y, "*batch, m, ")
        checks.alike("Y", Y, "X", X)
        return QuasimetricOperator(self._distances, X, Y)

    def pairwise(self, X: Tensor, Y: Tensor | None = None) -> Tensor:
        """All distances from ``X`` to ``Y``, shape ``(*batch, n, m)``, see :meth:`operator`.

        Besides the answer, memory is that of one block of rows, in the gradient too.
        """
        return self.operator(X, Y).dense()

    def _distances(self, x: Tensor, y: Tensor) -> Tensor:
        return self.reduce(self.components(x, y))

    def _check(self, name: str, value: Tensor, leading: str = "*s, ") -> None:
        checks.finite(name, checks.floating(name, value))
        if value.ndim < leading.count(",") or value.shape[-1] != self.dimension:
            raise ValueError(
                f"{name} must have shape ({leading}{self.dimension}), got {tuple(value.shape)}"
            )
        for parameter in self.parameters():
            if parameter.ndim:
                checks.alike(name, value, "the layer", parameter)
                break
