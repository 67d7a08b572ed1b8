"""The ridge that keeps regression on fake labels from collapsing."""

from __future__ import annotations

import math

from mercer import checks
from mercer.learn.distillation.power_law import check_exponents


def critical_exponent(capacity: float, source: float) -> float:
    r"""Return :math:`\ell_{crit} = \beta / (2 \beta \bar r + 1)`, the best on clean noisy labels.

    With the ridge :math:`T^{-\ell_{crit}}` the error falls like :math:`T^{-c}`,
    :math:`c = 2 \beta \bar r / (2 \beta \bar r + 1)`, where :math:`\bar r = \min(r, 1)`.

    Parameters
    ----------
    capacity, source : float
        :math:`\beta` above 1 and :math:`r` at least 0, as in :func:`power_law`.

    Examples
    --------
    >>> critical_exponent(2.0, 0.5)
    0.6666666666666666
    """
    check_exponents(capacity, source)
    return capacity / (2 * capacity * min(source, 1.0) + 1)


def adaptive_regularisation(
    samples: int,
    *,
    capacity: float,
    source: float,
    generations: int,
    fake_samples: int,
    scale: float = 1.0,
) -> float:
    r"""Return the ridge that balances bias and what fake labels add to the variance.

    With :math:`n = T^a` generations by least squares on :math:`T_0 = T^b` samples each,

    .. math:: \lambda = T^{-\ell}, \qquad \ell = \min(1, \max(0, b - a))\; \ell_{crit},

    which is :math:`(n / T_0)^{\ell_{crit}}` where the fake labels limit what can be learnt,
    and the clean optimum where they do not. The error then is of the order
    :math:`T^{-\min(1, b - a)\, c}`. Rates only: constants, such as the noise, are those of 1.

    Parameters
    ----------
    samples : int, at least 2
        :math:`T`, of the regression to be regularised.
    capacity, source : float
        :math:`\beta` and :math:`r`, as in :func:`power_law`.
    generations : int, at least 0
        :math:`n`; 0 for clean labels.
    fake_samples : int, at least 1
        :math:`T_0`.
    scale : float
        The largest eigenvalue of the covariance, positive: the unit of the ridge.

    Returns
    -------
    float
        :math:`\lambda`, as :class:`Regression` takes it.

    Examples
    --------
    >>> clean = adaptive_regularisation(
    ...     1000, capacity=2.0, source=0.5, generations=0, fake_samples=1000
    ... )
    >>> fake = adaptive_regularisation(
    ...     1000, capacity=2.0, source=0.5, generations=27, fake_samples=1000
    ... )
    >>> round(clean, 6), round(fake, 6)
    (0.01, 0.09)

    References
    ----------
    E. Dohmatob, Y. Feng, J. Kempe, "Model Collapse Demystified: The Case of Regression", NeurIPS
    2024. https://arxiv.org/abs/2402.07712
    """
    checks.count("samples", samples, least=2)
    checks.count("generations", generations, least=0)
    checks.count("fake_samples", fake_samples)
    checks.positive("scale", scale)
    critical = critical_exponent(capacity, source)
    if generations == 0:
        return scale * math.pow(samples, -critical)
    balance = math.log(fake_samples / generations, samples)  # b - a
    return scale * math.pow(samples, -critical * min(1.0, max(0.0, balance)))
