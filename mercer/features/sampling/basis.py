"""Functions of one variable that are orthonormal for a measure."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor, nn

from mercer import checks
from mercer.features.sampling.inverse_cdf import InverseCDF
from mercer.features.sampling.measure import Measure
from mercer.features.sampling.panels import panel_nodes

ORDER = 16  # nodes on each panel of the quadrature


class Basis(nn.Module):
    r"""``K`` functions :math:`\phi_0, \ldots, \phi_{K-1}` orthonormal in :math:`L^2(\mu)`.

    A basis writes :meth:`values` and sets ``reach``.

    Parameters
    ----------
    size : int
        ``K``, at least one.
    measure : {"uniform", "gaussian"}
        The law :math:`\mu`: uniform on ``[-1, 1]`` or standard normal.

    Attributes
    ----------
    reach : float
        Outside ``[-reach, reach]`` every :math:`\phi_k^2 \mu` has no mass above rounding.
    """

    reach: float

    def __init__(self, size: int, measure: str) -> None:
        super().__init__()
        self.size = checks.count("size", size)
        self.measure = Measure(measure)

    def values(self, x: Tensor) -> Tensor:
        """The functions at points of any shape: ``[...] -> [..., K]``."""
        raise NotImplementedError(f"{type(self).__name__} must define values")

    def rule(self, panels: int) -> tuple[Tensor, Tensor]:
        """Nodes and weights of a quadrature for the measure: ``[16 panels]`` each, in float64."""
        x, weights = panel_nodes(self.measure.edges(panels, self.reach), ORDER)
        return x.flatten(), (weights * self.measure.density(x)).flatten()

    def sample_squares(self, which: Tensor, generator: torch.Generator | None) -> Tensor:
        r"""One point from each density :math:`\phi_k^2 \mu`, ``k`` in ``which`` of any shape."""
        level = torch.rand(which.shape, generator=generator, dtype=torch.float64)
        return self._quantile(which.flatten(), level.flatten()).view(which.shape)

    @cached_property
    def _quantile(self) -> InverseCDF:
        edges = self.measure.edges(64 + 12 * self.size, self.reach)
        return InverseCDF(
            lambda x: self.values(x).square() * self.measure.density(x)[..., None], edges
        )
