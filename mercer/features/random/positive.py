"""Positive random features of the softmax and the Gaussian kernel."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from mercer import checks
from mercer.features.base import FeatureMap, check_points
from mercer.features.random.conformity import conformity_deficit
from mercer.features.random.projections import check_coupling, gaussian_projections, pairs_in_blocks

KERNELS = {"softmax": 0.5, "gaussian": 1.0}  # what multiplies |x|^2 in the exponent


class PositiveRandomFeatures(FeatureMap):
    r"""Features above zero, unbiased for ``exp(x . y)`` or ``exp(-|x - y|^2 / 2)``.

    .. math::

        \phi_i(x) = \exp(w_i \cdot x - c \|x\|^2) / \sqrt{m}, \quad w_i \sim N(0, I_d),

    with :math:`c = 1/2` for the softmax kernel and 1 for the Gaussian one, on points divided by the
    lengthscale. Each coupling is unbiased; the mean squared error falls from ``independent`` over
    ``orthogonal`` and ``simplex`` to ``simplex+``.

    An exponent is at most :math:`\|w_i\|^2 / 4c`. Features are what the formula says, so that far
    points underflow to zero; :meth:`log_features` does not, and
    :func:`~mercer.features.random.linear_attention.linear_attention` takes off maxima of it.

    Parameters
    ----------
    d : int
        Coordinates of a point.
    count : int
        ``m``, the number of features.
    kernel : {"softmax", "gaussian"}
        ``exp(x . y / l^2)`` or ``exp(-|x - y|^2 / (2 l^2))``.
    coupling : {"independent", "orthogonal", "simplex", "simplex+"}
        See :func:`~mercer.features.random.projections.coupled`.
    lengthscale : float or sequence of float, shape () or (d,)
        ``l``, in the units of the points; positive. Attention over heads of ``d`` coordinates has
        the lengthscale ``d ** 0.25``.
    generator : torch.Generator, optional
        Where the projections come from; a new one seeded with 0 by default.
    projections : Tensor, shape (count, d), optional
        Used instead of new draws.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

    Examples
    --------
    >>> x = torch.tensor([[0.3, -0.2], [0.1, 0.4]], dtype=torch.float64)
    >>> phi = PositiveRandomFeatures(2, 20_000, kernel="gaussian", coupling="simplex")
    >>> exact = torch.exp(-(x[:, None] - x).square().sum(-1) / 2)
    >>> bool((phi.operator(x).dense() - exact).abs().max() < 4 * phi.variance(x).max().sqrt())
    True

    References
    ----------
    I. Reid et al., "Simplex Random Features". https://arxiv.org/abs/2301.13856
    K. Choromanski et al., "Rethinking Attention with Performers". https://arxiv.org/abs/2009.14794
    """

    projections: Tensor
    lengthscale: Tensor

    def __init__(
        self,
        d: int,
        count: int,
        *,
        kernel: str = "softmax",
        coupling: str = "orthogonal",
        lengthscale: float | Sequence[float] | Tensor = 1.0,
        generator: torch.Generator | None = None,
        projections: Tensor | None = None,
    ) -> None:
        super().__init__()
        if kernel not in KERNELS:
            raise ValueError(f"kernel must be one of {', '.join(KERNELS)}, got {kernel!r}")
        check_coupling(coupling)
        self.kernel, self.coupling = kernel, coupling
        self.dimension, self.d = checks.count("count", count), checks.count("d", d)
        if projections is None:
            projections = gaussian_projections(count, d, coupling, generator)
        if projections.shape != (count, d):
            raise ValueError(
                f"projections must have shape ({count}, {d}), got {tuple(projections.shape)}"
            )
        scale = torch.as_tensor(lengthscale, dtype=torch.float64, device=projections.device)
        if scale.shape not in ((), (d,)):
            raise ValueError(f"lengthscale must have shape () or ({d},), got {tuple(scale.shape)}")
        self.register_buffer("projections", projections)
        self.register_buffer("lengthscale", checks.positive("lengthscale", scale))

    def features(self, X: Tensor) -> Tensor:
        """``phi(X)``, ``[*batch, n, d] -> [*batch, n, m]``."""
        return self._exponents(X).exp()

    def log_features(self, X: Tensor) -> Tensor:
        """Logarithms of the features, shape ``(*batch, n, m)``: finite where features underflow."""
        return self._exponents(check_points("X", X))

    def variance(self, X: Tensor, Y: Tensor | None = None) -> Tensor:
        r"""The mean squared error of each entry of ``operator(X, Y)`` over draws, in closed form.

        .. math::

            k^2 \left( \frac{e^{v^2} - 1}{m} - \frac{p}{m^2} (1 - \rho e^{-v^2}) \right),
            \quad v = \|x + y\|,

        with the ``p`` ordered pairs that share a block and the conformity :math:`\rho` of
        :func:`~mercer.features.random.conformity.conformity_deficit`.

        Parameters
        ----------
        X, Y : Tensor, shapes (n, d) and (m, d)
            Points; ``Y`` is ``X`` by default.

        Returns
        -------
        Tensor, shape (n, m)
            In float64.

        Raises
        ------
        NotImplementedError
            For ``simplex+``, which has no closed form.
        """
        if self.coupling == "simplex+":
            raise NotImplementedError('the variance of coupling="simplex+" has no closed form')
        X = self._scaled(check_points("X", X).double())
        Y = X if Y is None else self._scaled(check_points("Y", Y).double())
        x2, y2 = X.square().sum(-1)[:, None], Y.square().sum(-1)  # [n, 1], [m]
        dot = X @ Y.mT  # [n, m]
        v2 = (x2 + y2 + 2 * dot).clamp_min(0)
        log_k = dot if self.kernel == "softmax" else dot - (x2 + y2) / 2
        # exp(v^2) - 1 times k^2, with one exponential so that neither factor overflows alone.
        variance = -torch.expm1(-v2) * (2 * log_k + v2).exp() / self.dimension
        pairs = pairs_in_blocks(self.dimension, self.d)
        if self.coupling == "independent" or pairs == 0:
            return variance
        deficit = conformity_deficit(v2, self.d, self.coupling)
        return variance - pairs / self.dimension**2 * (2 * log_k).exp() * deficit

    def _exponents(self, X: Tensor) -> Tensor:
        X = self._scaled(X)
        squares = X.square().sum(dim=-1, keepdim=True)  # [*batch, n, 1]
        constant = KERNELS[self.kernel] * squares + 0.5 * math.log(self.dimension)
        return X @ self.projections.to(X).mT - constant

    def _scaled(self, X: Tensor) -> Tensor:
        if X.shape[-1] != self.d:
            raise ValueError(f"points must have {self.d} coordinates, got {X.shape[-1]}")
        return X / self.lengthscale.to(X)
