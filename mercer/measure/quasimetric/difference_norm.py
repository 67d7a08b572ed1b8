"""The common part of norms of the difference of two vectors."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mercer import checks
from mercer.measure.quasimetric.base import Quasimetric
from mercer.measure.quasimetric.concave import ConcaveActivation
from mercer.measure.quasimetric.mlp import uniform_weights
from mercer.measure.quasimetric.reduction import Reduction


class DifferenceNorm(Quasimetric):
    r"""Asymmetric norms of :math:`z = x - y` by weights; a subclass writes :meth:`norms`.

    Parameters
    ----------
    dimension : int
        D, of the latent vectors.
    components : int
        K, how many norms.
    shapes : sequence of (int, int)
        Of the weights, rows and columns.
    lines : int
        Of a :class:`ConcaveActivation` of the norms; 0 for none, which keeps homogeneity.
    reduction : {"maxmean", "sum", "mean", "max"}
        Of the components.
    generator : torch.Generator, optional
        Of the initial weights.

    Raises
    ------
    ValueError
        If an argument is out of range.
    """

    def __init__(
        self,
        dimension: int,
        components: int,
        shapes: Sequence[tuple[int, int]],
        *,
        lines: int,
        reduction: Reduction,
        generator: torch.Generator | None,
    ) -> None:
        super().__init__(dimension, reduction)
        K = checks.count("components", components)
        checks.count("lines", lines, least=0)
        self.homogeneous = lines == 0
        self.weights = nn.ParameterList(uniform_weights(*shape, generator) for shape in shapes)
        self.concave = ConcaveActivation(K, lines, generator=generator) if lines else nn.Identity()

    def norms(self, z: Tensor) -> Tensor:
        """Norms ``[*s, K]`` of vectors ``[*s, D]``."""
        raise NotImplementedError

    def components(self, x: Tensor, y: Tensor) -> Tensor:
        """``[*s, K]``, concave functions of the norms."""
        return self.concave(self.norms(x - y))
