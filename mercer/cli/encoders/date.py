"""Dates: how long ago, and where in the year, the week and the day."""

from __future__ import annotations

import dataclasses
from typing import Self

import numpy as np
import polars as pl

from mercer.cli.encoders.base import Encoder
from mercer.cli.encoders.cast import as_dates
from mercer.cli.target import Target

PARTS = (
    "year",
    "sine of the year",
    "cosine of the year",
    "sine of the week",
    "cosine of the week",
    "sine of the day",
    "cosine of the day",
)
DAY = 86_400e6  # microseconds


@dataclasses.dataclass(frozen=True)
class DateEncoder(Encoder):
    """Those parts of a date that vary: the year with its fraction, and three circles.

    Parameters
    ----------
    column : str
        The column of the table.
    parts : list of int
        Which of ``PARTS`` are used.
    mean, scale : list of float
        Of every used part; only the year is scaled, the circles are left as they are.
    indicator : bool
        Whether a last feature is 1 where the date is missing.

    Examples
    --------
    >>> days = pl.Series("day", ["2020-01-01", "2020-07-01", "2022-12-30"]).str.to_date()
    >>> encoder, X = DateEncoder.fit(days, Target("y", "regression"), np.zeros(3), 0)
    >>> len(encoder.names), X.shape
    (5, (3, 5))
    """

    parts: list[int]
    mean: list[float]
    scale: list[float]
    indicator: bool

    @classmethod
    def fit(
        cls, series: pl.Series, target: Target, y: np.ndarray, seed: int
    ) -> tuple[Self, np.ndarray]:
        """Learn which parts vary, and their means."""
        values = _parts(as_dates(series))  # [n, 7], NaN where missing
        mean, spread = np.nanmean(values, axis=0), np.nanstd(values, axis=0)
        parts = np.flatnonzero(spread > 1e-9)
        scale = np.where(parts == 0, spread[parts], 1.0)
        encoder = cls(
            series.name,
            parts.tolist(),
            mean[parts].tolist(),
            scale.tolist(),
            bool(np.isnan(values).any()),
        )
        return encoder, encoder.transform(series)

    def transform(self, series: pl.Series) -> np.ndarray:
        """The parts in use, centred; zero where the date is missing."""
        values = _parts(as_dates(series))[:, self.parts]
        missing = np.isnan(values).any(axis=1) if self.parts else np.zeros(len(series), bool)
        features = np.nan_to_num((values - np.asarray(self.mean)) / np.asarray(self.scale))
        return np.column_stack([features, missing]) if self.indicator else features

    @property
    def names(self) -> list[str]:
        """A part of a date for each feature."""
        names = [f"{PARTS[part]} of {self.column}" for part in self.parts]
        return [*names, f"{self.column} is missing"] if self.indicator else names


def _parts(dates: pl.Series) -> np.ndarray:
    """``[n, 7]``, NaN where the date is missing."""
    day = dates.dt.truncate("1d")
    within = ((dates - day).dt.total_microseconds() / DAY).cast(pl.Float64).to_numpy()  # in [0, 1)
    year = (dates.dt.ordinal_day().cast(pl.Float64).to_numpy() - 1 + within) / 365.25
    week = (dates.dt.weekday().cast(pl.Float64).to_numpy() - 1 + within) / 7
    columns = [dates.dt.year().cast(pl.Float64).to_numpy() + year]
    for turn in (year, week, within):
        columns += [np.sin(2 * np.pi * turn), np.cos(2 * np.pi * turn)]
    return np.column_stack(columns)
