"""The spectral mixture kernel."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import sympy
import torch
from torch import Tensor

from mercer.engine.formula import Formula, parameter_symbol, score_symbol
from mercer.kernels.base import Kernel
from mercer.kernels.cosine import wave
from mercer.kernels.profile import Profile, Warp
from mercer.kernels.stationary import normal


class SpectralMixture(Kernel):
    r"""The spectral mixture kernel.

    .. math::

        k(x, y) = \sum_q w_q \exp\Big(-2 \pi^2 \sum_e \tau_e^2 v_{qe}\Big)
        \cos(2 \pi \, \tau \cdot \mu_q), \quad \tau = x - y

    Its spectral law is a mixture of Gaussians in frequency, with means :math:`\pm \mu_q` and
    diagonal variances :math:`v_q`: such mixtures come as close as one likes to any stationary
    kernel. The cosine is of the dot product :math:`\tau \cdot \mu_q`, not a product of cosines, one
    for each coordinate, which would mirror each frequency in every axis.

    Parameters
    ----------
    weights : sequence of float or Tensor, shape (*batch, Q)
        Positive, in squared units of the target; their sum is the variance.
    means : nested sequence of float or Tensor, shape (*batch, Q, d)
        Frequencies, in cycles per unit of the points, of either sign.
    variances : nested sequence of float or Tensor, shape (*batch, Q, d)
        Positive, in squared cycles per unit of the points.
    active_dimensions : sequence of int, optional
        The coordinates that the kernel reads.

    References
    ----------
    A. G. Wilson, R. P. Adams, Gaussian Process Kernels for Pattern Discovery and Extrapolation,
    equation 12. https://arxiv.org/abs/1302.4245

    Examples
    --------
    >>> kernel = SpectralMixture(weights=[2.0], means=[[0.5]], variances=[[1e-12]])
    >>> kernel(torch.tensor([[0.0], [1.0]])).dense()
    tensor([[ 2., -2.],
            [-2.,  2.]])
    """

    stationary = True

    def __init__(
        self,
        weights: Sequence[float] | Tensor,
        means: Sequence[Sequence[float]] | Tensor,
        variances: Sequence[Sequence[float]] | Tensor,
        *,
        active_dimensions: Sequence[int] | None = None,
    ) -> None:
        super().__init__(active_dimensions)
        self._positive("weights", weights)
        self._real("means", means)
        self._positive("variances", variances)
        _check_shapes(self.weights, self.means, self.variances)

    @property
    def weights(self) -> Tensor:
        """The weight of each component."""
        return self._value("weights")

    @property
    def means(self) -> Tensor:
        """The mean frequency of each component."""
        return self._value("means")

    @property
    def variances(self) -> Tensor:
        """The variances of each component."""
        return self._value("variances")

    def parts(self) -> Profile:
        """For each component a squared distance and a wave."""
        Q = self.weights.shape[-1]
        warps: list[Warp] = []
        for q in range(Q):
            warps += [functools.partial(self._spread, q), functools.partial(self._wave, q)]
        return Profile(_formula(Q), tuple(warps), tuple(self.weights.unbind(-1)))

    def _spread(self, q: int, X: Tensor) -> Tensor:
        """Points in units of the width of component ``q``."""
        scale = 2 * math.pi * self.variances[..., q, :].sqrt()  # [*batch, d]
        X = self.active(X)
        if X.shape[-1] != scale.shape[-1]:
            raise ValueError(
                f"means has {scale.shape[-1]} coordinates but the kernel reads {X.shape[-1]}"
            )
        return X * scale.to(X)[..., None, :]

    def _wave(self, q: int, X: Tensor) -> Tensor:
        """The plane wave of component ``q`` as ``(cos, sin)``."""
        mean = self.means[..., q, :].to(X)  # [*batch, d]
        return wave(self.active(X) @ mean[..., None])

    def _frequencies(self, count: int, d: int, generator: torch.Generator | None) -> Tensor:
        z = normal(count, d, generator)
        weights, means, variances = (
            p.detach().to(z) for p in (self.weights, self.means, self.variances)
        )
        q = torch.multinomial(weights, count, replacement=True, generator=generator)
        return 2 * math.pi * (means[q] + variances[q].sqrt() * z)


@functools.lru_cache(maxsize=64)
def _formula(Q: int) -> Formula:
    terms = [
        parameter_symbol(q)
        * sympy.exp(-score_symbol(2 * q, "squared_distance") / 2)
        * score_symbol(2 * q + 1, "dot")
        for q in range(Q)
    ]
    return Formula(sympy.Add(*terms), ("squared_distance", "dot") * Q, Q)


def _check_shapes(weights: Tensor, means: Tensor, variances: Tensor) -> None:
    if weights.ndim < 1 or means.ndim < 2 or variances.shape[-2:] != means.shape[-2:]:
        raise ValueError(
            "weights, means and variances must have shapes (Q,), (Q, d) and (Q, d), got "
            f"{tuple(weights.shape)}, {tuple(means.shape)} and {tuple(variances.shape)}"
        )
    if weights.shape[-1] != means.shape[-2]:
        raise ValueError(
            f"weights has {weights.shape[-1]} components but means has {means.shape[-2]}"
        )
