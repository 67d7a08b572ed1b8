"""Wide Norm: many asymmetric Mahalanobis norms of the difference."""

from __future__ import annotations

import torch
from torch import Tensor

from mercer import checks
from mercer.measure.quasimetric.difference_norm import DifferenceNorm
from mercer.measure.quasimetric.reduction import Reduction


class WideNorm(DifferenceNorm):
    r"""Asymmetric Mahalanobis norms of :math:`z = x - y`.

    .. math:: d_i(x, y) = \Big\| |W_i| \begin{pmatrix} z_+ \\ (-z)_+ \end{pmatrix} \Big\|_2

    Parameters
    ----------
    dimension : int
        D, of the latent vectors.
    components : int
        K, how many norms.
    rows : int
        Of each :math:`W_i`, which has 2 D columns.
    lines : int
        Of a :class:`ConcaveActivation` of the components; 0 for none, which keeps homogeneity.
    reduction : {"maxmean", "sum", "mean", "max"}
        Of the components.
    generator : torch.Generator, optional
        Of the initial weights.

    Raises
    ------
    ValueError
        If an argument is out of range.

    References
    ----------
    S. Pitis, H. Chan, K. Jamali, J. Ba, An Inductive Bias for Distances: Neural Nets that Respect
    the Triangle Inequality. https://arxiv.org/abs/2002.05825

    Examples
    --------
    >>> d = WideNorm(8, 16, generator=torch.Generator().manual_seed(0))
    >>> sum(p.numel() for p in d.parameters())
    8337
    """

    def __init__(
        self,
        dimension: int,
        components: int,
        *,
        rows: int = 32,
        lines: int = 5,
        reduction: Reduction = "maxmean",
        generator: torch.Generator | None = None,
    ) -> None:
        shapes = [(components * checks.count("rows", rows), 2 * dimension)]
        super().__init__(
            dimension, components, shapes, lines=lines, reduction=reduction, generator=generator
        )
        self.shape = (components, rows)

    def norms(self, z: Tensor) -> Tensor:
        """``[*s, K]``."""
        halves = torch.cat([z.relu(), (-z).relu()], -1)  # [*s, 2 D]
        h = (halves @ self.weights[0].abs().mT).unflatten(-1, self.shape)
        return torch.linalg.vector_norm(h, dim=-1)
