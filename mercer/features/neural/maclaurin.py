"""Random Maclaurin features of the inputs and parameters of a layer."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mercer import checks
from mercer.features.base import FeatureMap, check_points
from mercer.features.neural.parameters import augmented_inputs, augmented_parameters


class MaclaurinFeatures(FeatureMap):
    r"""Features with :math:`E \, \Phi(x) \cdot \Psi(w, b) = \sum_k c_k (w \cdot x + b)^k`.

    A feature draws a degree k with probability :math:`p_k \propto |c_k| r^k` and k sign vectors:

    .. math::

        \Phi(x) = \prod_{j \le k} s_j \cdot \tilde x, \qquad
        \Psi(w, b) = \frac{c_k}{p_k} \prod_{j \le k} s_j \cdot \tilde w, \qquad
        \tilde x = (x, 1), \ \tilde w = (w, b),

    all over the square root of their number. For activations that are polynomials, or nearly on
    the interval that matters (GELU, tanh, softplus: :func:`power_series`).

    Parameters
    ----------
    coefficients : Tensor, shape (K + 1,)
        ``c``, of any sign, not all zero.
    d : int
        Dimension of the inputs.
    count : int
        The number of features.
    radius : float
        ``r``, typical :math:`\|\tilde x\| \|\tilde w\|`; positive.
    generator : torch.Generator, optional
        Source of randomness.

    Raises
    ------
    ValueError
        If the coefficients are all zero or an argument is out of range.

    References
    ----------
    P. Kar, H. Karnick, Random Feature Maps for Dot Product Kernels.
    https://arxiv.org/abs/1201.6530

    Examples
    --------
    >>> phi = MaclaurinFeatures(torch.tensor([2.0]), d=3, count=4)  # a constant
    >>> phi.operator(torch.ones(1, 3), torch.ones(1, 4)).dense()
    tensor([[2.]])
    """

    signs: Tensor
    weights: Tensor

    def __init__(
        self,
        coefficients: Tensor,
        d: int,
        count: int,
        *,
        radius: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        c = checks.finite("coefficients", checks.floating("coefficients", coefficients)).double()
        if c.ndim != 1 or not bool(c.any()):
            raise ValueError(
                f"coefficients must be a vector that is not all zero, got {c.tolist()}"
            )
        self.d = checks.count("d", d)
        self.dimension = checks.count("count", count)
        r = float(checks.positive("radius", radius))
        device = c.device if generator is None else generator.device
        mass = (c.abs() * r ** torch.arange(len(c), device=c.device)).to(device)
        p = mass / mass.sum()
        degrees = torch.multinomial(p, count, replacement=True, generator=generator)
        degrees = degrees.sort(descending=True).values  # degree above j: a prefix, for every j
        self.prefixes = tuple(int((degrees > j).sum()) for j in range(int(degrees.max())))
        self.probabilities, self.coefficients = p, c.to(device)
        shape = (len(self.prefixes), count, d + 1)
        bits = torch.randint(0, 2, shape, generator=generator, device=device)
        self.register_buffer("signs", 2.0 * bits.double() - 1.0)  # [K, m, d + 1]
        self.register_buffer("weights", (self.coefficients / p)[degrees])  # [m]

    def features(self, X: Tensor) -> Tensor:
        """``Phi(X)``, shape ``(*batch, n, D)``."""
        return self._products(augmented_inputs(X, self.d))

    def features_of_second(self, Y: Tensor) -> Tensor:
        """``Psi`` of rows ``(w, b)`` or ``w``, shape ``(*batch, m, D)``."""
        return self._products(augmented_parameters(Y, self.d)) * self.weights.to(Y.dtype)

    def _products(self, V: Tensor) -> Tensor:
        product = V.new_full((*V.shape[:-1], self.dimension), 1 / math.sqrt(self.dimension))
        for signs, prefix in zip(self.signs.to(V.dtype), self.prefixes):
            longer = product[..., :prefix] * (V @ signs[:prefix].mT)
            product = torch.cat([longer, product[..., prefix:]], -1)
        return product

    def variance(self, X: Tensor, Y: Tensor) -> Tensor:
        r"""Variance of :math:`\Phi(x_i) \cdot \Psi(w_j, b_j)`.

        One sign vector gives :math:`E (s \cdot x)^2 (s \cdot w)^2 = \|x\|^2 \|w\|^2
        + 2 (x \cdot w)^2 - 2 \sum_l x_l^2 w_l^2`, and k of them its k-th power.

        Parameters
        ----------
        X : Tensor, shape (n, d)
            Inputs.
        Y : Tensor, shape (m, d + 1) or (m, d)
            Parameters.

        Returns
        -------
        Tensor, shape (n, m)
        """
        U = augmented_inputs(check_points("X", X).double(), self.d)
        V = augmented_parameters(check_points("Y", Y).double(), self.d)
        z = U @ V.mT
        squares = U.square().sum(-1)[:, None] * V.square().sum(-1)
        fourth = squares + 2 * z.square() - 2 * U.square() @ V.square().mT  # [n, m]
        second, mean = torch.zeros_like(z), torch.zeros_like(z)
        for k, (c, p) in enumerate(zip(self.coefficients, self.probabilities)):
            if c != 0:
                second = second + c.square() / p * fourth**k
                mean = mean + c * z**k
        return (second - mean.square()) / self.dimension
