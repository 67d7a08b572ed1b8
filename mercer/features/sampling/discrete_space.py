"""Spaces of functions on finitely many candidates."""

from __future__ import annotations

import torch
from torch import Tensor

from mercer import checks
from mercer.features.base import FeatureMap, check_points
from mercer.features.sampling.space import Space


class DiscreteSpace(Space):
    r"""The span of a feature map, orthonormal for a measure on candidate points.

    The measure :math:`\sum_i p_i \delta_{x_i}` may be an empirical one or a quadrature; designs
    are drawn among the candidates.

    Parameters
    ----------
    phi : FeatureMap
        Linearly independent features on the candidates.
    candidates : Tensor, shape (N, d)
        In float64.
    weights : Tensor, shape (N,), optional
        Positive; normalised to sum to one. Equal by default.

    Raises
    ------
    ValueError
        If the features are linearly dependent on the candidates.

    Examples
    --------
    >>> from mercer.features.sampling import PolynomialSpace
    >>> x = torch.linspace(-1, 1, 5, dtype=torch.float64)[:, None]
    >>> space = DiscreteSpace(PolynomialSpace(2), x)
    >>> torch.allclose(space(x).mT @ space(x) / 5, torch.eye(3, dtype=torch.float64))
    True
    """

    def __init__(self, phi: FeatureMap, candidates: Tensor, weights: Tensor | None = None) -> None:
        super().__init__()
        check_points("candidates", candidates)
        checks.alike("candidates", candidates, "float64", torch.empty(0, dtype=torch.float64))
        N = len(candidates)
        given = torch.ones(N, dtype=torch.float64) if weights is None else weights
        p = checks.positive("weights", given)
        if p.shape != (N,):
            raise ValueError(f"weights must have shape ({N},), got {tuple(p.shape)}")
        self.phi, self.candidates, self.weights = phi, candidates, p / p.sum()
        F = phi(candidates).detach()  # [N, m]
        self.coordinates, self.dimension = candidates.shape[-1], F.shape[-1]
        if self.dimension > N or int(torch.linalg.matrix_rank(F)) < self.dimension:
            raise ValueError(
                f"phi must have linearly independent features on the candidates, got "
                f"{self.dimension} on {N} candidates"
            )
        Q, R = torch.linalg.qr(self.weights.sqrt()[:, None] * F)
        #: Orthonormal columns sqrt(p_i) phi(x_i), whose row norms are inclusion probabilities.
        self.rows = Q  # [N, m]
        self.triangle = R

    def features(self, X: Tensor) -> Tensor:
        """The orthonormal functions, also away from the candidates: ``[*batch, n, m]``."""
        F = self.phi.features(X)
        return torch.linalg.solve_triangular(self.triangle.to(F).mT, F.mT, upper=False).mT

    def sample_measure(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Candidates drawn independently with their weights: ``[n, d]``."""
        return self._draw(self.weights, n, generator)

    def sample_optimal(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Candidates drawn independently by leverage: ``[n, d]``."""
        return self._draw(self.rows.square().sum(-1), n, generator)

    def quadrature(self) -> tuple[Tensor, Tensor]:
        """The candidates and their weights."""
        return self.candidates, self.weights

    def _draw(self, p: Tensor, n: int, generator: torch.Generator | None) -> Tensor:
        if n == 0:
            return self.candidates[:0]
        return self.candidates[torch.multinomial(p, n, True, generator=generator)]
