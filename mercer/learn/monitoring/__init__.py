"""Goodness of fit of data that come in batches."""

from mercer.learn.monitoring.drift_tubes import drift_tubes
from mercer.learn.monitoring.likelihood_ratio import GoodnessOfFit, LikelihoodRatioTest
from mercer.learn.monitoring.monitor import Alarm, DataQualityMonitor
from mercer.learn.monitoring.sequential import RULES, judge

__all__ = [
    "RULES",
    "Alarm",
    "DataQualityMonitor",
    "GoodnessOfFit",
    "LikelihoodRatioTest",
    "drift_tubes",
    "judge",
]
