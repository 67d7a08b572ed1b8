"""Times of day: a place on a circle."""

from __future__ import annotations

import dataclasses
from typing import Self

import numpy as np
import polars as pl

from mercer.cli.encoders.base import Encoder
from mercer.cli.encoders.cast import as_times
from mercer.cli.target import Target

DAY = 86_400e9  # nanoseconds


@dataclasses.dataclass(frozen=True)
class TimeEncoder(Encoder):
    """Sine and cosine of the time of day, so that midnight has no edge.

    Parameters
    ----------
    column : str
        The column of the table.
    indicator : bool
        Whether a last feature is 1 where the time is missing.

    Examples
    --------
    >>> from datetime import time
    >>> hours = pl.Series("hour", [time(6), time(18)])
    >>> TimeEncoder.fit(hours, Target("y", "regression"), np.zeros(2), 0)[1].round(3) + 0.0
    array([[ 1.,  0.],
           [-1.,  0.]])
    """

    indicator: bool

    @classmethod
    def fit(
        cls, series: pl.Series, target: Target, y: np.ndarray, seed: int
    ) -> tuple[Self, np.ndarray]:
        """Learn whether any time is missing."""
        encoder = cls(series.name, series.null_count() > 0)
        return encoder, encoder.transform(series)

    def transform(self, series: pl.Series) -> np.ndarray:
        """The point on the circle, or its centre where the time is missing."""
        times = as_times(series)
        turn = 2 * np.pi * times.cast(pl.Int64).cast(pl.Float64).to_numpy() / DAY  # [n]
        features = np.column_stack([np.sin(turn), np.cos(turn)])
        missing = np.isnan(turn)
        features[missing] = 0.0
        return np.column_stack([features, missing]) if self.indicator else features

    @property
    def names(self) -> list[str]:
        """Sine, cosine, and the indicator's name."""
        names = [f"sine of {self.column}", f"cosine of {self.column}"]
        return [*names, f"{self.column} is missing"] if self.indicator else names
