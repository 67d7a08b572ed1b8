"""What a rule that bounds an integration error is."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from mercer import checks
from mercer.features.points import DigitalNet, Lattice, PointSet
from mercer.operators import bit_reversed_fft, walsh_hadamard


class Estimate(NamedTuple):
    """The integral of each output and a bound of its error, both ``[o]``, and a remark."""

    value: Tensor
    bound: Tensor
    remark: str = ""


class ErrorRule:
    """Bounds the error of the mean of an integrand over the first ``n`` points.

    A rule is used for one integral: it may keep what it saw of fewer points.

    Attributes
    ----------
    first : int
        How many points of each replication to begin with, a power of two.
    periodisation : str or None
        What makes an integrand periodic, where points are those of a lattice and the caller names
        nothing.
    """

    first: int
    periodisation: str | None = None

    def replications(self) -> int | None:
        """How many independent randomisations of the points the rule needs."""
        return None

    def check(self, points: PointSet) -> None:
        """Raise ``ValueError`` where the rule does not suit the points."""
        if not isinstance(points, Lattice | DigitalNet) or points.order != "radical inverse":
            raise ValueError(
                "points must be a lattice or a digital net in radical-inverse order for the "
                f"{type(self).__name__}, got a {type(points).__name__}"
            )
        if points.randomisation in (None, "nested uniform scrambling"):
            raise ValueError(
                "points must be shifted or scrambled by matrices for the "
                f"{type(self).__name__}, got randomisation={points.randomisation!r}"
            )

    def __call__(self, y: Tensor, points: PointSet, confidence: float) -> Estimate:
        """Estimate from all values so far.

        Parameters
        ----------
        y : Tensor, shape (replications or 1, n, o)
            Values of the integrand at the first ``n`` points, ``n`` a power of two.
        points : PointSet
            The points.
        confidence : float
            Probability with which the bound is to hold, where it is a matter of probability.
        """
        raise NotImplementedError(f"{type(self).__name__} must define __call__")


def power_of_two(name: str, value: int, least: int = 1) -> int:
    """Return ``value`` if it is a power of two of at least ``least``, else raise."""
    if checks.count(name, value, least) & (value - 1):
        raise ValueError(f"{name} must be a power of two, got {value}")
    return value


def coefficients(y: Tensor, points: PointSet) -> Tensor:
    """The unitary transform of values at the points of a lattice or a net: ``[o, n] -> [o, n]``."""
    return bit_reversed_fft(y) if isinstance(points, Lattice) else walsh_hadamard(y)


def outputs_first(y: Tensor) -> Tensor:
    """Values without replications: ``[1, n, o] -> [o, n]``."""
    return torch.movedim(y.squeeze(0), -1, 0)
