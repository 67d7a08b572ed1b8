"""Generations of least squares at finite size, without approximation."""

from __future__ import annotations

from mercer import checks
from mercer.learn.distillation.model_collapse import ErrorParts
from mercer.learn.distillation.regression import Regression


def least_squares_collapse(
    dimension: int,
    signal: float,
    *,
    generations: int,
    fake: Regression,
    downstream: Regression,
    same_points: bool = False,
) -> ErrorParts:
    r"""Return the expected error of :func:`model_collapse` for Gaussian features, exactly.

    With more than :math:`d + 1` samples everywhere the error is

    .. math:: \sigma^2 \frac{d}{T - d - 1} + n \sigma_0^2 \frac{d}{T_0 - d - 1}

    whatever the covariance. With fewer than :math:`d - 1` fake samples and uncorrelated features,
    a generation keeps the share :math:`\eta_0 = T_0 / d` of the signal, so that without any noise
    the error after ``n`` generations is :math:`\|w_0\|^2 (1 - \eta_0^n)`: collapse is exponential.
    On the same points it is :math:`\|w_0\|^2 (1 - \eta_0)` from the first one on.

    Parameters
    ----------
    dimension : int, at least 1
        :math:`d`.
    signal : float, at least 0
        :math:`\|w_0\|^2` for uncorrelated features of variance 1; without influence where all
        samples are more than :math:`d + 1`.
    generations : int, at least 0
        :math:`n`.
    fake, downstream : Regression
        Without regularisation.
    same_points : bool
        Whether all generations have the same points, with fresh noise.

    Returns
    -------
    ErrorParts

    Raises
    ------
    ValueError
        If a regression is regularised, or has from ``d - 1`` to ``d + 1`` samples.

    Examples
    --------
    >>> fake, last = Regression(49, noise=1.0), Regression(49, noise=1.0)
    >>> least_squares_collapse(24, 1.0, generations=3, fake=fake, downstream=last).total
    4.0

    References
    ----------
    E. Dohmatob, Y. Feng, J. Kempe, "Model Collapse Demystified: The Case of Regression", NeurIPS
    2024. https://arxiv.org/abs/2402.07712
    """
    checks.count("dimension", dimension)
    checks.count("generations", generations, least=0)
    kept, variance = _moments("downstream", dimension, downstream)
    kept0, variance0 = _moments("fake", dimension, fake)
    n = min(generations, 1) if same_points else generations
    # The noise of a generation passes through those after it; of a projection nothing is lost to
    # the same projection.
    noise = float(generations) if same_points else sum(kept0**k for k in range(generations))
    return ErrorParts(
        bias=signal * (1 - kept),
        variance=variance,
        fake_bias=signal * kept * (1 - kept0**n),
        fake_variance=kept * variance0 * noise,
    )


def _moments(name: str, d: int, regression: Regression) -> tuple[float, float]:
    """The share of the signal that a fit keeps, and the variance of its noise."""
    T = regression.samples
    if regression.regularisation > 0:
        raise ValueError(
            f"regularisation of {name} must be 0 here, got {regression.regularisation:g}; "
            "model_collapse has the formula with it"
        )
    if abs(T - d) <= 1:
        raise ValueError(
            f"samples of {name} must be below {d - 1} or above {d + 1}, else the variance is "
            f"infinite, got {T}"
        )
    return min(T / d, 1.0), regression.noise**2 * min(T, d) / (abs(T - d) - 1)
