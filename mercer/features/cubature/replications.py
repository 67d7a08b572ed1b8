"""The error of randomised cubature from independent replications."""

from __future__ import annotations

import math

from torch import Tensor

from mercer import checks
from mercer.features.cubature.rule import ErrorRule, Estimate, power_of_two
from mercer.features.points import PointSet


class ReplicationsRule(ErrorRule):
    r"""Student's t over the means of independent randomisations of the points.

    .. math:: |\hat\mu - \mu| \le t_{R-1} \, s / \sqrt R

    with :math:`s` the standard deviation of the ``R`` means. It asks nothing of the integrand but a
    finite variance, and that the means be nearly normal.

    Parameters
    ----------
    count : int
        ``R``, at least 2.
    first : int
        Points of each replication to begin with, a power of two.

    References
    ----------
    P. L'Ecuyer, M. K. Nakayama, A. B. Owen, B. Tuffin, Confidence intervals for randomized
    quasi-Monte Carlo estimators. https://doi.org/10.1109/WSC60868.2023.10408613

    Examples
    --------
    >>> from mercer.features.cubature import integrate
    >>> found = integrate(lambda x: x.prod(-1), 2, rule="replications", absolute_error=1e-4)
    >>> abs(float(found.value) - 0.25) < 1e-4, found.converged
    (True, True)
    """

    def __init__(self, count: int = 15, first: int = 256) -> None:
        self.count = checks.count("count", count, least=2)
        self.first = power_of_two("first", first)

    def replications(self) -> int:
        """How many independent randomisations of the points the rule needs."""
        return self.count

    def check(self, points: PointSet) -> None:
        """Any points with two or more replications will do."""
        if points.replications is None or points.replications < 2:
            raise ValueError(
                "points must have two or more replications for the ReplicationsRule, got "
                f"replications={points.replications}"
            )

    def __call__(self, y: Tensor, points: PointSet, confidence: float) -> Estimate:
        """The mean of means, and the quantile times its standard error."""
        from scipy.stats import t

        means = y.mean(1)  # [R, o]
        R = len(means)
        quantile = float(t.ppf((1 + confidence) / 2, R - 1))
        return Estimate(means.mean(0), quantile * means.std(0) / math.sqrt(R), f"{R} replications")
