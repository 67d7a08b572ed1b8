"""Kernel logistic regression on Nyström centres, by Newton's method."""

from mercer.learn.logistic.classifier import KernelLogisticRegression
from mercer.learn.logistic.newton import Optimum, minimise
from mercer.learn.logistic.rows import WhitenedRows
from mercer.learn.logistic.width import distance_percentile

__all__ = [
    "KernelLogisticRegression",
    "Optimum",
    "WhitenedRows",
    "distance_percentile",
    "minimise",
]
