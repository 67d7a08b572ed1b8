"""Batches of a stream judged one after the other."""

from __future__ import annotations

from typing import Any, NamedTuple

from sklearn.utils.validation import check_is_fitted

from mercer.kernels import Kernel
from mercer.learn.monitoring.likelihood_ratio import LikelihoodRatioTest
from mercer.learn.monitoring.sequential import RULES, judge


class Alarm(NamedTuple):
    """What a batch led to."""

    batch: int  # from 1 on
    sounded: bool
    p_value: float
    statistic: float
    evidence: float  # what the rule compares
    level: float  # with what
    log_ratio: Any  # [n], see GoodnessOfFit


class DataQualityMonitor(LikelihoodRatioTest):
    """A likelihood-ratio test of batch after batch, with an alarm whose false rate is set.

    Parameters
    ----------
    batch_size : int
        Events in a batch.
    false_alarm : float
        Between 0 and 1; what it means depends on the rule.
    rule : {"each", "ever", "e-detector"}
        See :func:`mercer.learn.monitoring.judge`: a share of batches, the probability of ever an
        alarm, or the inverse of the mean number of batches between alarms, all while the data are
        good. The last two hold as far as the p-values are exact.
    kernel, lengthscale, percentile, regularisation, centers, reference_size, toys, null, counts
        As in :class:`LikelihoodRatioTest`.
    scaled, random_state, verbose
        Likewise.

    Attributes
    ----------
    batches_ : int
        How many were judged.
    evidence_ : float
        That the e-detector goes on from; it begins anew after an alarm.
    p_values_ : list of float
        Of all batches. Other attributes are those of :class:`LikelihoodRatioTest`.

    Examples
    --------
    >>> import torch
    >>> generator = torch.Generator().manual_seed(0)
    >>> monitor = DataQualityMonitor(100, toys=40, random_state=0)
    >>> monitor = monitor.fit(torch.randn(2000, 2, generator=generator))
    >>> good, bad = torch.randn(2, 100, 2, generator=generator)
    >>> monitor.update(good).sounded, monitor.update(bad + 1).sounded
    (False, True)
    """

    def __init__(
        self,
        batch_size: int,
        *,
        false_alarm: float = 0.001,
        rule: str = "e-detector",
        kernel: Kernel | str = "rbf",
        lengthscale: float | None = None,
        percentile: float = 90.0,
        regularisation: float = 1e-6,
        centers: int | None = None,
        reference_size: int | None = None,
        toys: int = 100,
        null: str = "chi2",
        counts: str = "fixed",
        scaled: bool = True,
        random_state: Any = None,
        verbose: bool = False,
    ) -> None:
        super().__init__(
            batch_size,
            kernel=kernel,
            lengthscale=lengthscale,
            percentile=percentile,
            regularisation=regularisation,
            centers=centers,
            reference_size=reference_size,
            toys=toys,
            null=null,
            counts=counts,
            scaled=scaled,
            random_state=random_state,
            verbose=verbose,
        )
        self.false_alarm = false_alarm
        self.rule = rule

    def fit(self, X: Any, y: Any = None) -> DataQualityMonitor:
        """Take a reference sample, calibrate, and begin with no batch judged.

        Parameters
        ----------
        X : array, DataFrame or Tensor, shape (n, d)
            Events while all was good.
        y : None
            Not used.

        Returns
        -------
        DataQualityMonitor
            The estimator itself.
        """
        judge(self.rule, 1.0, 0.0, 1, self.false_alarm)  # refuses a bad rule or level
        least = 1 / (self.toys + 1)
        if self.null == "empirical" and self.rule in RULES[:2] and least > self.false_alarm:
            raise ValueError(
                f"toys={self.toys} give no p-value below {least:.2g}, so no alarm would sound at "
                f"false_alarm={self.false_alarm:g}; use more toys or null='chi2'"
            )
        super().fit(X)
        self.batches_, self.evidence_ = 0, 0.0
        self.p_values_: list[float] = []
        return self

    def update(self, batch: Any) -> Alarm:
        """Judge the next batch.

        Parameters
        ----------
        batch : array, DataFrame or Tensor, shape (batch_size, d)
            Events.

        Returns
        -------
        Alarm
        """
        check_is_fitted(self)
        found = self.test(batch, draw=self.batches_)
        self.batches_ += 1
        self.p_values_.append(found.p_value)
        sounded, evidence, level = judge(
            self.rule, found.p_value, self.evidence_, self.batches_, self.false_alarm
        )
        self.evidence_ = 0.0 if sounded else evidence
        return Alarm(
            self.batches_, sounded, found.p_value, found.statistic, evidence, level, found.log_ratio
        )
