"""Ridge regression on random points as ridge regression on the population, with more ridge."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from mercer.learn.distillation.regression import Regression


class DeterministicEquivalent(NamedTuple):
    """The effective ridge and the degrees of freedom of first and second order."""

    kappa: float
    df1: float
    df2: float


def deterministic_equivalent(
    eigenvalues: Tensor, regression: Regression
) -> DeterministicEquivalent:
    r"""Return the effective regularisation of ridge regression in high dimension.

    For many features with covariance :math:`\Sigma` the resolvent :math:`\lambda (X^T X / T +
    \lambda)^{-1}` acts as :math:`\kappa (\Sigma + \kappa)^{-1}` with

    .. math:: \kappa - \lambda = \kappa\, \mathrm{df}_1(\kappa) / T, \qquad
        \mathrm{df}_m(\kappa) = \mathrm{tr}\, \Sigma^m (\Sigma + \kappa)^{-m} .

    Parameters
    ----------
    eigenvalues : Tensor, shape (d,)
        Of :math:`\Sigma`, at least 0.
    regression : Regression
        Gives :math:`T` and :math:`\lambda`.

    Returns
    -------
    DeterministicEquivalent

    Raises
    ------
    ValueError
        Without regularisation, if there are as many samples as features: the variance is infinite.

    Examples
    --------
    >>> import torch
    >>> round(deterministic_equivalent(torch.ones(50), Regression(25)).kappa, 12)
    1.0

    References
    ----------
    F. Bach, "High-dimensional analysis of double descent for linear regression with random
    projections", SIAM Journal on Mathematics of Data Science 2024.
    https://doi.org/10.1137/23M1558781
    """
    s = eigenvalues.double()
    T, lam, d = regression.samples, regression.regularisation, int((s > 0).sum())
    if lam == 0 and d == T:
        raise ValueError(
            f"samples must differ from the {d} features or regularisation be positive: "
            "the variance is infinite"
        )
    if lam == 0 and d < T:
        return DeterministicEquivalent(0.0, float(d), float(d))
    # kappa - lambda - kappa df1 / T is convex: Newton's method comes down to the root from above.
    kappa = lam + float(s.sum()) / T
    for _ in range(200):
        share = s / (s + kappa)
        df1, df2 = float(share.sum()), float(share.square().sum())
        step = (kappa - lam - kappa * df1 / T) / (1 - df2 / T)
        kappa -= step
        if abs(step) <= 1e-15 * kappa:
            break
    share = s / (s + kappa)
    return DeterministicEquivalent(kappa, float(share.sum()), float(share.square().sum()))
