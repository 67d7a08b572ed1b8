"""Random Fourier features of any kernel with a spectral law, independent or coupled."""

from __future__ import annotations

import math

import torch
from scipy import special
from torch import Tensor

from mercer import checks
from mercer.features.base import FeatureMap, check_points
from mercer.features.random.conformity import angles
from mercer.features.random.isotropic import coupled_frequencies
from mercer.features.random.projections import check_coupling, pairs_in_blocks
from mercer.kernels import RBF, Kernel
from mercer.kernels.algebra import ScaledKernel, at_zero
from mercer.linalg.random_source import random_source


class RandomFourierFeatures(FeatureMap):
    r"""Cosines and sines, unbiased for a stationary kernel.

    .. math::

        \phi(x) = \sqrt{k(0) / P} \, (\cos \omega_1 \cdot x, \ldots, \cos \omega_P \cdot x,
        \sin \omega_1 \cdot x, \ldots, \sin \omega_P \cdot x)

    with :math:`\omega_p` from the kernel's spectral law. Orthogonal frequencies lower the error;
    those of a simplex are best for positive features, not for these.

    Parameters
    ----------
    kernel : Kernel
        Stationary, with ``frequencies``; to couple them their law must be isotropic, up to a
        lengthscale for each dimension.
    d : int
        Coordinates of a point.
    pairs : int
        ``P``, the number of frequencies, half the number of features.
    coupling : {"independent", "orthogonal", "simplex", "simplex+"}
        See :func:`~mercer.features.random.projections.coupled`.
    generator : torch.Generator, optional
        Where the frequencies come from; a new one seeded with 0 by default.
    frequencies : Tensor, shape (pairs, d), optional
        Used instead of new draws.

    Raises
    ------
    NotImplementedError
        If the kernel has no spectral law to draw from.
    TypeError, ValueError
        If an argument is not as described.

    Examples
    --------
    >>> from mercer.kernels import Matern
    >>> x = torch.tensor([[0.0, 0.0], [0.3, 0.4]], dtype=torch.float64)
    >>> phi = RandomFourierFeatures(Matern(nu=1.5), 2, 20_000, coupling="orthogonal")
    >>> phi.operator(x).dense().round(decimals=2), Matern(nu=1.5)(x)[0, 1].item()
    (tensor([[1.0000, 0.7900],
            [0.7900, 1.0000]], dtype=torch.float64), 0.784...)

    References
    ----------
    A. Rahimi, B. Recht, "Random Features for Large-Scale Kernel Machines".
    https://papers.nips.cc/paper/3182-random-features-for-large-scale-kernel-machines
    F. X. Yu et al., "Orthogonal Random Features". https://arxiv.org/abs/1610.09072
    """

    frequencies: Tensor

    def __init__(
        self,
        kernel: Kernel,
        d: int,
        pairs: int,
        *,
        coupling: str = "independent",
        generator: torch.Generator | None = None,
        frequencies: Tensor | None = None,
    ) -> None:
        super().__init__()
        if not kernel.stationary:
            raise ValueError(f"kernel must be stationary, got {kernel!r}")
        check_coupling(coupling)
        self.d, self.pairs = checks.count("d", d), checks.count("pairs", pairs)
        self.kernel, self.coupling, self.dimension = kernel, coupling, 2 * pairs
        if frequencies is None:
            generator = random_source(generator)
            frequencies = coupled_frequencies(kernel, pairs, d, coupling, generator)
        if frequencies.shape != (pairs, d):
            raise ValueError(
                f"frequencies must have shape ({pairs}, {d}), got {tuple(frequencies.shape)}"
            )
        self.register_buffer("frequencies", frequencies)
        self.amplitude = math.sqrt(float(at_zero(kernel, d)) / pairs)

    def features(self, X: Tensor) -> Tensor:
        """``phi(X)``, ``[*batch, n, d] -> [*batch, n, 2 P]``."""
        if X.shape[-1] != self.d:
            raise ValueError(f"points must have {self.d} coordinates, got {X.shape[-1]}")
        phase = X @ self.frequencies.to(X).mT  # [*batch, n, P]
        return self.amplitude * torch.cat([phase.cos(), phase.sin()], dim=-1)

    def variance(self, X: Tensor, Y: Tensor | None = None) -> Tensor:
        r"""The mean squared error of each entry of ``operator(X, Y)`` over draws, in closed form.

        Of independent frequencies
        :math:`\tfrac{1}{P} (\tfrac12 k(0)^2 + \tfrac12 k(0) k(2x, 2y) - k(x, y)^2)`, for any
        kernel. Coupled ones of the Gaussian kernel add the covariance of two cosines of one block,
        a mean of confluent hypergeometric functions.

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
            If frequencies are coupled and the kernel is not Gaussian, or the coupling is
            ``simplex+``.
        """
        X = check_points("X", X).double()
        Y = X if Y is None else check_points("Y", Y).double()
        with torch.no_grad():
            K, doubled = self.kernel(X, Y).dense(), self.kernel(2 * X, 2 * Y).dense()
        k0 = self.amplitude**2 * self.pairs
        variance = (k0**2 / 2 + k0 * doubled / 2 - K.square()) / self.pairs
        base = self.kernel.base if isinstance(self.kernel, ScaledKernel) else self.kernel
        pairs = pairs_in_blocks(self.pairs, self.d)
        if self.coupling == "independent" or pairs == 0:
            return variance
        if not isinstance(base, RBF) or base.active_dimensions or self.coupling == "simplex+":
            raise NotImplementedError(
                f"the variance of coupling={self.coupling!r} has no closed form for {self.kernel!r}"
            )
        with torch.no_grad():
            z = torch.cdist(base.warp(X), base.warp(Y), compute_mode="donot_use_mm_for_euclid_dist")
        covariance = k0**2 * _mean_of_product(z.square(), self.d, self.coupling) - K.square()
        return variance + pairs / self.pairs**2 * covariance


def _mean_of_product(z2: Tensor, d: int, coupling: str) -> Tensor:
    r""":math:`E \cos(w_1 \cdot z) \cos(w_2 \cdot z)` for a coupled pair of normal vectors.

    It is half the mean of :math:`\cos((w_1 + w_2) \cdot z) + \cos((w_1 - w_2) \cdot z)`. Given the
    angle, both sums are of uniform direction and their squared lengths multiples :math:`t` of
    :math:`\chi^2_{2d}`; such a cosine has the mean :math:`M(d, d/2, -t \|z\|^2 / 2)`, Kummer's.
    """
    ratios, weights = (t.numpy() for t in angles(d, coupling))  # [q]
    x = z2.cpu().numpy()[..., None] / 2  # [n, m, 1]
    means = special.hyp1f1(d, d / 2, -ratios * x) + special.hyp1f1(d, d / 2, -(2 - ratios) * x)
    return torch.from_numpy(means @ weights / 2).to(z2.device)
