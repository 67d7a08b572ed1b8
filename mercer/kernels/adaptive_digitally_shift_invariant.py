"""The digitally shift-invariant kernel whose smoothness is a parameter."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mercer.kernels.digitally_shift_invariant import (
    DIGITS,
    DigitallyShiftInvariant,
    leading_digit,
    minus_floor_log2,
)


class AdaptiveDigitallyShiftInvariant(DigitallyShiftInvariant):
    r"""The digitally shift-invariant kernel of any smoothness :math:`\alpha > 0`, trained with it.

    .. math::

        k(x, y) = S \prod_{j=1}^d \big(1 + \gamma_j K_{\alpha_j}(x_j \oplus y_j)\big), \quad
        K_\alpha = \sum_{h \ge 1} \frac{\mathrm{wal}_h(\delta)}{2^{(\alpha + 1)(\mu_1(h) - 1)}}
        = \nu - (\nu + 1) 2^{-\alpha (\beta - 1)}

    with :math:`\nu = 1 / (1 - 2^{-\alpha})` and :math:`\beta = -\lfloor \log_2 \delta \rfloor`;
    :math:`K_\alpha(0) = \nu`. At :math:`\alpha = 1` it is twice the :math:`K_1` of
    :class:`DigitallyShiftInvariant`, whose notation this is.

    Parameters
    ----------
    dimension : int
        ``d``, how many coordinates the kernel reads; at least 1.
    alpha : float, sequence of float or Tensor, shape (), (d,) or (*batch, d)
        The smoothness, one for all coordinates or one for each; positive.
    weights : float, sequence of float or Tensor, shape (), (d,) or (*batch, d)
        The product weights :math:`\gamma`; positive.
    scale : float or Tensor, shape (*batch)
        ``S``; positive.
    active_dimensions : sequence of int, optional
        The coordinates that the kernel reads.

    References
    ----------
    A. G. Sorokin, QMCPy: A Python Software for Randomized Low-Discrepancy Sequences, Quasi-Monte
    Carlo, and Fast Kernel Methods. https://arxiv.org/abs/2502.14256

    Examples
    --------
    >>> x = torch.tensor([[0.0], [0.25], [0.75]])
    >>> AdaptiveDigitallyShiftInvariant(1, alpha=1.0)(x)[0]
    tensor([3.0000, 1.5000, 0.0000])
    """

    def __init__(
        self,
        dimension: int,
        alpha: float | Sequence[float] | Tensor = 1.0,
        weights: float | Sequence[float] | Tensor = 1.0,
        scale: float | Tensor = 1.0,
        *,
        active_dimensions: Sequence[int] | None = None,
    ) -> None:
        super().__init__(dimension, None, weights, scale, active_dimensions=active_dimensions)
        self._positive("alpha", alpha)
        given = self.shape_parameters().shape[-1]
        if given != dimension:
            raise ValueError(f"alpha must be one number or {dimension}, got {given}")

    @property
    def alpha(self) -> Tensor:
        """The smoothness."""
        return self._value("alpha")

    def shape_parameters(self) -> Tensor:
        """The smoothness of each coordinate, ``[*batch, 1, d]``."""
        alpha = self.alpha
        return (alpha if alpha.ndim else alpha.expand(self.dimension))[..., None, :]

    @classmethod
    def coordinate(
        cls, order: int | None, delta: Tensor, mixed: Sequence[Tensor], dtype: torch.dtype
    ) -> Tensor:
        """The univariate kernel of the smoothness ``mixed[0]``."""
        x = delta.double() * 2.0**-DIGITS
        exponent, _ = leading_digit(x)
        beta = minus_floor_log2(exponent).to(dtype)
        decay = torch.where(exponent > 0, 2 ** (mixed[0] * (1 - beta)), 0.0)
        nu = 1 / (1 - 2 ** -mixed[0])
        return nu - (nu + 1) * decay
