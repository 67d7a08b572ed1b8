"""Universal random features: the inputs and the parameters of a layer, apart."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from mercer import checks
from mercer.features.base import FeatureMap, check_points
from mercer.features.neural.activations import activation_spectrum
from mercer.features.neural.exponentials import Exponentials
from mercer.features.neural.parameters import check_inputs, split_bias
from mercer.features.neural.spectrum import Spectrum


class UniversalRandomFeatures(FeatureMap):
    r"""Features with :math:`E \, \Phi(x) \cdot \Psi(w, b) = f(w \cdot x + b)`.

    The activation is a mean of exponentials, and each of them is split by a Gaussian vector g:

    .. math::

        e^{\zeta (w \cdot x + b)} = e^{\zeta b} \,
        E_g \Lambda_g(\rho x) \Lambda_g(\eta w), \qquad \rho \eta = \zeta, \\
        \Lambda_g(u) = (1 - 4A)^{d/4} \exp(A \|g\|^2 + \sqrt{1 - 4A} \, g \cdot u - \|u\|^2 / 2).

    One of :math:`\rho, \eta` is real and takes the modulus of its share; the other has the phase
    of :math:`\zeta`. With A = 0 the mean square of a term is at most
    :math:`|a|^2 \exp(2 |\zeta| \|x\| \|w\|)` for imaginary :math:`\zeta`, at the best ``balance``:
    the features suit layers whose pre-activations are bounded by a few units.

    Parameters
    ----------
    activation : str or Spectrum
        ``f``: a name of :func:`activation_spectrum`, a :func:`fourier_series`, or another spectrum.
    d : int
        Dimension of the inputs.
    count : int
        How many pairs of a rate and a vector g are drawn.
    inputs : {"positive", "trigonometric"}
        Features of inputs: positive exponentials, D = count; or cosines and sines times an
        exponential of the norm, D = 2 count. Those of parameters are then the other kind.
    balance : float
        Typical :math:`\|w\| / \|x\|`, positive; the nearer, the lower the variance.
    A : float, below 1/8
        Negative values bound the positive features and lower their variance in few dimensions.
    generator : torch.Generator, optional
        Source of randomness.

    Raises
    ------
    ValueError
        If an argument is out of range.

    References
    ----------
    A. Sehanobish, K. Choromanski, Y. Zhao, A. Dubey, V. Likhosherstov, Scalable Neural Network
    Kernels. https://arxiv.org/abs/2310.13225

    Examples
    --------
    >>> phi = UniversalRandomFeatures("sin", 2, 20000, generator=torch.Generator().manual_seed(0))
    >>> x, layer = torch.tensor([[0.5, -0.2]]), torch.tensor([[0.3, 0.4, 0.1]])  # layer: (w, b)
    >>> phi.operator(x, layer).dense()
    tensor([[0.17...]])
    >>> torch.sin(torch.tensor(0.3 * 0.5 - 0.4 * 0.2 + 0.1))
    tensor(0.1692)
    """

    frequencies: Tensor
    modulus: Tensor
    phase: Tensor
    amplitude: Tensor
    amplitude_phase: Tensor

    def __init__(
        self,
        activation: str | Spectrum,
        d: int,
        count: int,
        *,
        inputs: Literal["positive", "trigonometric"] = "positive",
        balance: float = 1.0,
        A: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if inputs not in ("positive", "trigonometric"):
            raise ValueError(f"inputs must be 'positive' or 'trigonometric', got {inputs!r}")
        if not -math.inf < A < 0.125:
            raise ValueError(f"A must be below 1/8, where a variance exists, got {A:g}")
        self.spectrum = activation_spectrum(activation)
        self.d = checks.count("d", d)
        self.count = checks.count("count", count)
        self.inputs = inputs
        self.balance = float(checks.positive("balance", balance))
        self.A = float(A)
        self.dimension = count if inputs == "positive" else 2 * count
        rates, amplitudes = self.spectrum.draw(count, generator)
        device = rates.device if generator is None else generator.device
        g = torch.randn(count, d, generator=generator, dtype=torch.float64, device=device)
        self.register_buffer("frequencies", g)  # [m, d]
        self.register_buffer("modulus", rates.abs().to(device))  # of zeta, [m]
        self.register_buffer("phase", rates.angle().to(device))
        self.register_buffer("amplitude", amplitudes.abs().to(device))
        self.register_buffer("amplitude_phase", amplitudes.angle().to(device))

    def features(self, X: Tensor) -> Tensor:
        """``Phi(X)``, shape ``(*batch, n, D)``."""
        size, phase = self._share(self.modulus, self.phase, of_inputs=True)
        log, angle = self._exponential(check_inputs(X, self.d), size, phase)
        value = torch.exp(log) / math.sqrt(self.count)  # [n, m]
        if self.inputs == "positive":
            return value
        return torch.cat([value * torch.cos(angle), value * torch.sin(angle)], -1)

    def features_of_second(self, Y: Tensor) -> Tensor:
        """``Psi`` of rows ``(w, b)`` or ``w``, shape ``(*batch, m, D)``."""
        W, b = split_bias(Y, self.d)
        size, phase = self._share(self.modulus, self.phase, of_inputs=False)
        log, angle = self._exponential(W, size, phase)
        zeta, argument = self.modulus.to(Y.dtype), self.phase.to(Y.dtype)
        log = log + b * zeta * torch.cos(argument)
        angle = angle + b * zeta * torch.sin(argument) + self.amplitude_phase.to(Y.dtype)
        value = self.amplitude.to(Y.dtype) * torch.exp(log) / math.sqrt(self.count)
        if self.inputs == "positive":
            return value * torch.cos(angle)
        return torch.cat([value * torch.cos(angle), -value * torch.sin(angle)], -1)

    def _share(self, modulus: Tensor, phase: Tensor, *, of_inputs: bool) -> tuple[Tensor, Tensor]:
        """Modulus and phase of rho, for inputs, or of eta."""
        size = torch.sqrt(modulus * (self.balance if of_inputs else 1 / self.balance))
        real = of_inputs == (self.inputs == "positive")
        return size, torch.zeros_like(phase) if real else phase

    def _exponential(self, U: Tensor, size: Tensor, phase: Tensor) -> tuple[Tensor, Tensor]:
        r"""Logarithm of the modulus, and the angle, of :math:`\Lambda_g(\rho u)`; ``[n, m]``."""
        A, g = self.A, self.frequencies
        constant = (A * g.square().sum(-1) + self.d / 4 * math.log(1 - 4 * A)).to(U.dtype)
        linear = math.sqrt(1 - 4 * A) * U @ g.mT.to(U.dtype)  # [n, m]
        square = U.square().sum(-1, keepdim=True) / 2  # [n, 1]
        size, phase = size.to(U.dtype), phase.to(U.dtype)
        log = constant + linear * size * torch.cos(phase)
        log = log - square * size.square() * torch.cos(2 * phase)
        angle = linear * size * torch.sin(phase) - square * size.square() * torch.sin(2 * phase)
        return log, angle

    def variance(self, X: Tensor, Y: Tensor) -> Tensor:
        r"""Variance of :math:`\Phi(x_i) \cdot \Psi(w_j, b_j)` in closed form.

        Parameters
        ----------
        X : Tensor, shape (n, d)
            Inputs.
        Y : Tensor, shape (m, d + 1) or (m, d)
            Parameters.

        Returns
        -------
        Tensor, shape (n, m)

        Raises
        ------
        TypeError
            If the spectrum is not a finite sum, :class:`Exponentials`: there is no closed form.
        """
        terms = self.spectrum
        if not isinstance(terms, Exponentials):
            raise TypeError(
                "variance has a closed form for spectra that are Exponentials, "
                f"got {type(terms).__name__}"
            )
        X = check_inputs(check_points("X", X), self.d).double()
        W, b = split_bias(check_points("Y", Y).double(), self.d)
        xx, ww, xw = X.square().sum(-1)[:, None], W.square().sum(-1), X @ W.mT  # [n, m] together
        zeta = terms.rates[:, None, None]  # [J, 1, 1]
        rho, eta = (
            torch.polar(*self._share(zeta.abs(), zeta.angle(), of_inputs=side))
            for side in (True, False)
        )
        # With h one term: E|h|^2 and E h^2 are Gaussian integrals in g, and
        # (Re h)^2 = (|h|^2 + Re h^2) / 2.
        log_scale = self.d * (math.log(1 - 4 * self.A) - math.log(1 - 8 * self.A) / 2)
        c = 2 * (1 - 4 * self.A) / (1 - 8 * self.A)
        amplitude = (terms.amplitudes / terms.probabilities)[:, None, None]
        real = rho.real**2 * xx + eta.real**2 * ww + 2 * rho.real * eta.real * xw
        modulus = 2 * zeta.real * b.mT - (rho**2).real * xx - (eta**2).real * ww + c * real
        square = 2 * zeta * b.mT + (c - 1) * (rho**2 * xx + eta**2 * ww) + 2 * c * zeta * xw
        mean_square = amplitude.abs() ** 2 * torch.exp(log_scale + modulus)
        mean_square = mean_square + (amplitude**2 * torch.exp(log_scale + square)).real
        second = (terms.probabilities[:, None, None] * mean_square).sum(0) / 2
        return (second - terms(xw + b.mT).square()) / self.count
