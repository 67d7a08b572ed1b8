"""Transport whose cost is measured by an Orlicz norm."""

from mercer.measure.orlicz.distance import orlicz_wasserstein
from mercer.measure.orlicz.exponential import Exponential
from mercer.measure.orlicz.function import OrliczFunction
from mercer.measure.orlicz.line import orlicz_wasserstein_on_line
from mercer.measure.orlicz.luxemburg import luxemburg_norm
from mercer.measure.orlicz.power import Power
from mercer.measure.orlicz.remainder import ExponentialRemainder

__all__ = [
    "Exponential",
    "ExponentialRemainder",
    "OrliczFunction",
    "Power",
    "luxemburg_norm",
    "orlicz_wasserstein",
    "orlicz_wasserstein_on_line",
]
