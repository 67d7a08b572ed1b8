"""Timing compute kernels side by side: races, their baselines, the roofline, fast_p."""

from mercer.lab.timing.fast_p import fast_p
from mercer.lab.timing.machine import Machine, measure_machine
from mercer.lab.timing.race import race
from mercer.lab.timing.ratio import Ratio, paired_ratio
from mercer.lab.timing.result import Entry, Race

__all__ = [
    "Entry",
    "Machine",
    "Race",
    "Ratio",
    "fast_p",
    "measure_machine",
    "paired_ratio",
    "race",
]
