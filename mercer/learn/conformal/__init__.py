"""Conformal prediction: one calibrator, and conditional distributions that it takes weights of."""

from mercer.learn.conformal.bandwidth import BandwidthChoice, select_bandwidth
from mercer.learn.conformal.calibrator import Calibrator
from mercer.learn.conformal.empirical_likelihood import EmpiricalLikelihood, empirical_likelihood
from mercer.learn.conformal.kowcpi import KernelWeightedConformal
from mercer.learn.conformal.nadaraya_watson import LocalWeights, NadarayaWatson

__all__ = [
    "BandwidthChoice",
    "Calibrator",
    "EmpiricalLikelihood",
    "KernelWeightedConformal",
    "LocalWeights",
    "NadarayaWatson",
    "empirical_likelihood",
    "select_bandwidth",
]
