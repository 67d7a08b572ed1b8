"""The test error of a regression on labels that other regressions made, in every regime."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from mercer import checks
from mercer.learn.distillation.deterministic_equivalent import deterministic_equivalent
from mercer.learn.distillation.regression import Regression


class ErrorParts(NamedTuple):
    """Parts of a mean squared test error; the last two are what fake labels add."""

    bias: float
    variance: float
    fake_bias: float
    fake_variance: float

    @property
    def total(self) -> float:
        """Their sum."""
        return sum(self)


def model_collapse(
    eigenvalues: Tensor,
    target: Tensor,
    *,
    generations: int,
    fake: Regression,
    downstream: Regression,
    same_points: bool = False,
) -> ErrorParts:
    r"""Return the expected error after generations of regression on the output of the one before.

    Labels of the first regression are those of :math:`w_0` and noise; each further one is given
    labels of the model before and noise. ``generations`` of them make the labels of the downstream
    regression. For features with covariance :math:`\Sigma`, of eigenvalues :math:`s_j`, a
    regression with effective ridge :math:`\kappa` turns a test error
    :math:`\mathrm{tr}\, B\, w w^T`, seen from its output, into one of its input,

    .. math:: B \mapsto \frac{\Sigma B \Sigma}{(\Sigma + \kappa)^2}
        + v(B) \frac{\kappa^2 \Sigma}{(\Sigma + \kappa)^2}, \qquad
        v(B) = \frac{\mathrm{tr}\, B \Sigma (\Sigma + \kappa)^{-2}}{T - \mathrm{df}_2(\kappa)},

    and its noise adds :math:`\sigma^2 v(B)`. Started at :math:`\Sigma` this gives, for one
    regression on clean data, its bias :math:`\kappa^2 w_0^T \Sigma (\Sigma + \kappa)^{-2} w_0
    \,/\, (1 - \mathrm{df}_2 / T)` and variance :math:`\sigma^2 \mathrm{df}_2 / (T -
    \mathrm{df}_2)`; and for fake labels by least squares on more samples than features, besides,

    .. math:: n \sigma_0^2\, \frac{\mathrm{df}_2 + \kappa^2 \mathrm{tr} (\Sigma + \kappa)^{-2}\,
        \mathrm{df}_2 / (T - \mathrm{df}_2)}{T_0 - d} .

    With fewer samples than features every generation loses a share of :math:`w_0`, with or
    without noise.

    Parameters
    ----------
    eigenvalues : Tensor, shape (d,)
        :math:`s_j`, at least 0.
    target : Tensor, shape (d,)
        Squared coefficients of :math:`w_0` in their eigenvectors.
    generations : int, at least 0
        :math:`n`; 0 for clean labels.
    fake : Regression
        By which each generation is made: :math:`T_0`, :math:`\sigma_0` and its ridge.
    downstream : Regression
        The last one: :math:`T`, :math:`\sigma` and its ridge.
    same_points : bool
        Whether all generations have the same points, with fresh noise; only for a ``fake`` without
        regularisation. The downstream regression always has its own.

    Returns
    -------
    ErrorParts
        Bias and variance on clean labels, and what fake labels add to each; all in the limit of
        many samples and features.

    Raises
    ------
    ValueError
        If shapes differ, a number is negative, or a variance is infinite.

    Examples
    --------
    >>> one = torch.ones(50)
    >>> fake, last = Regression(100, noise=1.0), Regression(100, noise=1.0)
    >>> model_collapse(one, one, generations=3, fake=fake, downstream=last).total
    4.0

    References
    ----------
    E. Dohmatob, Y. Feng, J. Kempe, "Model Collapse Demystified: The Case of Regression", NeurIPS
    2024. https://arxiv.org/abs/2402.07712
    """
    s, c2 = spectrum(eigenvalues, target)
    checks.count("generations", generations, least=0)
    if same_points and fake.regularisation > 0:
        raise ValueError(
            f"regularisation of fake must be 0 with same_points, got {fake.regularisation:g}"
        )
    h, B, variance = _backwards(s, s, downstream)
    bias = _bias(s, c2, h, B)
    fake_variance, kept = 0.0, h
    # Once is enough of a projection onto the same rows, or onto all; the noise is fresh each time.
    once = same_points or (fake.regularisation == 0 and fake.samples > int((s > 0).sum()))
    passes, noises = (min(generations, 1), generations) if once else (generations, 1)
    for _ in range(passes):
        share, B, added = _backwards(s, B, fake)
        kept = kept * share
        fake_variance += noises * added
    return ErrorParts(bias, variance, _bias(s, c2, kept, B) - bias, fake_variance)


def spectrum(eigenvalues: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Return both in float64 if they are sequences of one length, finite and at least 0."""
    for name, value in (("eigenvalues", eigenvalues), ("target", target)):
        checks.finite(name, checks.floating(name, value))
        if value.shape != eigenvalues.shape or value.ndim != 1 or len(value) == 0:
            raise ValueError(
                f"{name} must be of one length, as eigenvalues are, got {tuple(value.shape)}"
            )
        if bool((value < 0).any()):
            raise ValueError(f"{name} must not be negative, got {float(value.min()):g}")
    return eigenvalues.double(), target.double()


def _backwards(s: Tensor, B: Tensor, regression: Regression) -> tuple[Tensor, Tensor, float]:
    """The share ``h`` of each component that is kept, the error seen from the input, the noise's.

    ``B`` is a diagonal in the eigenvectors of the covariance.
    """
    kappa, _, df2 = deterministic_equivalent(s, regression)
    live = s > 0
    slope = torch.where(live, s / torch.where(live, s + kappa, 1.0).square(), 0.0)
    h = slope * (s + kappa)
    v = float((B * slope).sum()) / (regression.samples - df2)
    return h, h.square() * B + kappa**2 * slope * v, regression.noise**2 * v


def _bias(s: Tensor, c2: Tensor, h: Tensor, B: Tensor) -> float:
    """``|w_0|^2_Sigma - 2 w_0^T Sigma E w + E |w|^2_Sigma`` for the part of ``w`` without noise."""
    return float((c2 * (s - 2 * s * h + B)).sum())
