"""How many lessons are enough."""

from __future__ import annotations

import math

from mercer import checks
from mercer.learn.teaching.teach import Lessons


def teaching_bound(
    squared_norm: float, epsilon: float, *, rate: float, largest: float, contrast: float = 1.0
) -> float:
    r"""The iterative teaching dimension of the square loss is at most this.

    Let :math:`e_t = f_t - f^*` be in the space of the kernel, and :math:`k(x, x) \le M`. A lesson
    of rate :math:`\eta < 1/M` on points :math:`x_1, \dots, x_b` takes from
    :math:`\|e_t\|^2` at least :math:`4 \eta (1 - \eta M)` times the mean of
    :math:`e_t(x_i)^2`, so that these means sum to at most
    :math:`\|e_0\|^2 / (4 \eta (1 - \eta M))` over all lessons. In random teaching such a mean is in
    expectation the loss over the pool, and in greedy teaching of one example the largest loss,
    which is the mean loss over its *contrast* :math:`\gamma_t \le 1`. Hence lessons until the loss
    is :math:`\epsilon`:

    .. math:: T \le \max_t \gamma_t \, \frac{\|e_0\|^2}{4 \eta (1 - \eta M) \epsilon}

    with :math:`\gamma = 1` for random teaching. There it bounds the lessons until the smallest
    expected loss so far is :math:`\epsilon`.

    Parameters
    ----------
    squared_norm : float
        :math:`\|f_0 - f^*\|_k^2`.
    epsilon : float
        :math:`\epsilon`, positive.
    rate : float
        :math:`\eta`, below ``1 / largest``.
    largest : float
        ``M``, the largest :math:`k(x, x)`.
    contrast : float
        :math:`\max_t \gamma_t`, see :func:`contrast`.

    Returns
    -------
    float

    Examples
    --------
    >>> teaching_bound(1.0, 0.01, rate=0.5, largest=1.0)
    100.0

    References
    ----------
    C. Zhang, X. Cao, W. Liu, I. W. Tsang, J. T. Kwok, "Nonparametric Iterative Machine Teaching",
    ICML 2023, whose bounds hold up to constants. https://arxiv.org/abs/2306.03007
    """
    for name, value in (("epsilon", epsilon), ("rate", rate), ("largest", largest)):
        checks.positive(name, value)
    checks.interval("squared_norm", squared_norm, 0.0, math.inf)
    checks.interval("contrast", contrast, 0.0, 1.0)
    if not rate * largest < 1:
        raise ValueError(f"rate must be below 1 / largest = {1 / largest:g}, got {rate:g}")
    return contrast * squared_norm / (4 * rate * (1 - rate * largest) * epsilon)


def contrast(lessons: Lessons, epsilon: float) -> float:
    """The largest ratio of mean to largest loss while the mean was above ``epsilon``.

    Parameters
    ----------
    lessons : Lessons
    epsilon : float

    Returns
    -------
    float
        At most 1; zero if the loss was never above ``epsilon``.
    """
    above = lessons.losses > epsilon
    ratios = lessons.losses[above] / lessons.largest[above]
    return float(ratios.max()) if len(ratios) else 0.0
