"""The digitally shift-invariant kernel of weighted Walsh spaces."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from mercer.kernels.weighted_product import WeightedProduct, modulo_one

DIGITS = 53  # binary digits of a coordinate that are read: those of float64
HALF = 9  # binary digits that one table of sums has


class DigitallyShiftInvariant(WeightedProduct):
    r"""The digitally shift-invariant kernel in base 2, of smoothness :math:`\alpha` up to 4.

    .. math::

        k(x, y) = S \prod_{j=1}^d \big(1 + \gamma_j K_{\alpha_j}(x_j \oplus y_j)\big), \quad
        K_\alpha(\delta) = \sum_{h \ge 1} \frac{\mathrm{wal}_h(\delta)}{2^{\mu_\alpha(h)}}
        \quad (\alpha \ge 2)

    :math:`\oplus` is the exclusive or of binary digits, :math:`\mathrm{wal}_h` the Walsh functions,
    and :math:`\mu_\alpha(h)` the sum of the :math:`\alpha` largest positions of a one in the binary
    digits of h, counted from one. For :math:`\alpha = 1` it is
    :math:`K_1 = \sum_h \mathrm{wal}_h / 2^{2 \mu_1(h) - 1}`. The Walsh coefficients of a function
    with :math:`\alpha` derivatives decay at this rate; it need not be periodic. With
    :math:`\beta = -\lfloor \log_2 \delta \rfloor` and :math:`t = 2^{-\beta}` (both gone at zero),

    .. math::

        K_1 &= 1 - 3 t \\
        K_2 &= -\beta \delta + \tfrac52 (1 - t) - 1 \\
        K_3 &= \beta \delta^2 - 5 (1 - t) \delta + \tfrac{43}{18} (1 - t^2) - 1 \\
        K_4 &= -\tfrac23 \beta \delta^3 + 5 (1 - t) \delta^2 - \tfrac{43}{9} (1 - t^2) \delta
        + \tfrac{701}{294} (1 - t^3) - \tfrac{\beta}{24} \sum_{a \ge 0} \delta_{a+1} 8^{-a} - 1

    with :math:`\delta_a` the binary digits. On a digital net its Gram matrix is a
    :class:`mercer.operators.Walsh`, see :func:`mercer.features.gram`.

    Coordinates are taken modulo one and read to 53 binary digits. The kernel has no derivative in
    its points, and refuses points that ask for one.

    Parameters
    ----------
    dimension : int
        ``d``, how many coordinates the kernel reads; at least 1.
    alpha : {1, 2, 3, 4} or a sequence of d of them, optional
        The order of smoothness, one for all coordinates or one for each; 2 by default.
    weights : float, sequence of float or Tensor, shape (), (d,) or (*batch, d)
        The product weights :math:`\gamma`; positive.
    scale : float or Tensor, shape (*batch)
        ``S``; positive.
    combination : sequence of float or Tensor, shape (4,), (4, d) or (*batch, 4, d), optional
        Instead of ``alpha``: the univariate kernel is :math:`\sum_p c_p K_p`.
    active_dimensions : sequence of int, optional
        The coordinates that the kernel reads.

    References
    ----------
    J. Dick, Walsh spaces containing smooth functions and quasi-Monte Carlo rules of arbitrary high
    order, SIAM Journal on Numerical Analysis 46 (2008). https://doi.org/10.1137/060666639

    A. G. Sorokin, QMCPy: A Python Software for Randomized Low-Discrepancy Sequences, Quasi-Monte
    Carlo, and Fast Kernel Methods. https://arxiv.org/abs/2502.14256

    Examples
    --------
    >>> x = torch.tensor([[0.0], [0.25], [0.75]])
    >>> DigitallyShiftInvariant(1, alpha=1)(x)[0]
    tensor([2.0000, 1.2500, 0.5000])
    """

    smoothness = 0.0

    def reading(self, X: Tensor) -> Tensor:
        """The digits of the coordinates as integers below 2^53."""
        if X.requires_grad:
            raise ValueError(
                "the points must not require a gradient: a digitally shift-invariant kernel has no "
                "derivative in them"
            )
        return (modulo_one(X.double()) * 2.0**DIGITS).long() & ((1 << DIGITS) - 1)

    @staticmethod
    def difference(x: Tensor, y: Tensor) -> Tensor:
        """The exclusive or of the digits."""
        return x ^ y

    @staticmethod
    def univariate(order: int, delta: Tensor, dtype: torch.dtype) -> Tensor:
        """``K_order`` in closed form; evaluated in float64."""
        x = delta.double() * 2.0**-DIGITS
        exponent, t = leading_digit(x)
        if order == 1:
            return (1 - 3 * t).to(dtype)
        beta = minus_floor_log2(exponent)
        if order == 2:
            value = torch.addcmul(1.5 - 2.5 * t, beta, x, value=-1)
        elif order == 3:
            value = (beta * x - 5 * (1 - t)) * x + (43 / 18 * (1 - t * t) - 1)
        else:
            value = (5 * (1 - t) - 2 / 3 * beta * x) * x - 43 / 9 * (1 - t * t)
            value = value * x + 701 / 294 * (1 - t**3) - 1
            value = value - beta / 24 * eighths(delta)
        return value.to(dtype)


def leading_digit(x: Tensor) -> tuple[Tensor, Tensor]:
    """``2^-beta`` of float64 numbers in [0, 1), zero for zero, as it is stored and as a number."""
    exponent = x.view(torch.int64) & (0x7FF << 52)
    return exponent, exponent.view(torch.float64)


def minus_floor_log2(exponent: Tensor) -> Tensor:
    """``beta`` from the stored exponent; what it is for zero does not matter, as it meets zeros."""
    return 1023.0 - (exponent >> 52).double()


def eighths(delta: Tensor) -> Tensor:
    """The sum of ``8^-a`` over the ones among the digits ``a = 0, 1, ...``, counted from the point.

    Digits from the 19th on are below the rounding of the first.
    """
    table = _eighths(delta.device)
    head = delta >> (DIGITS - 2 * HALF)
    return table[head >> HALF] + 8.0**-HALF * table[head & ((1 << HALF) - 1)]


@functools.lru_cache(maxsize=8)
def _eighths(device: torch.device) -> Tensor:
    """The sums for every pattern of nine digits, ``[512]``."""
    patterns = torch.arange(1 << HALF, device=device)[:, None]
    places = torch.arange(HALF, device=device)
    digits = patterns >> (HALF - 1 - places) & 1
    return (digits * 8.0 ** -places.double()).sum(-1)
