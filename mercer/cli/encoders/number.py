"""Numbers: the median for what is missing, then mean zero and variance one."""

from __future__ import annotations

import dataclasses
from typing import Self

import numpy as np
import polars as pl
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import StandardScaler

from mercer.cli.encoders.base import Encoder
from mercer.cli.encoders.cast import as_numbers
from mercer.cli.target import Target


@dataclasses.dataclass(frozen=True)
class NumberEncoder(Encoder):
    """One standardised feature, and a second that marks missing values if the fit saw any.

    Parameters
    ----------
    column : str
        The column of the table.
    median : float
        Stands in for a missing value.
    mean, scale : float
        Of the column after that, ``scale > 0``.
    indicator : bool
        Whether there is a feature that is 1 where the value is missing.

    Examples
    --------
    >>> heights = pl.Series("height", [1.0, None, 3.0])
    >>> encoder, X = NumberEncoder.fit(heights, Target("y", "regression"), np.zeros(3), seed=0)
    >>> X
    array([[-1.22474487,  0.        ],
           [ 0.        ,  1.        ],
           [ 1.22474487,  0.        ]])
    """

    median: float
    mean: float
    scale: float
    indicator: bool

    @classmethod
    def fit(
        cls, series: pl.Series, target: Target, y: np.ndarray, seed: int
    ) -> tuple[Self, np.ndarray]:
        """Learn median, mean and scale."""
        values = as_numbers(series)[:, None]  # [n, 1]
        imputer = SimpleImputer(strategy="median", keep_empty_features=True)
        scaler = StandardScaler().fit(imputer.fit_transform(values))
        encoder = cls(
            series.name,
            float(imputer.statistics_[0]),
            float(scaler.mean_[0]),
            float(scaler.scale_[0]),
            bool(np.isnan(values).any()),
        )
        return encoder, encoder.transform(series)

    def transform(self, series: pl.Series) -> np.ndarray:
        """Standardised values and, if there is one, the indicator."""
        values = as_numbers(series)
        missing = np.isnan(values)
        feature = (np.where(missing, self.median, values) - self.mean) / self.scale  # [n]
        return np.column_stack([feature, missing]) if self.indicator else feature[:, None]

    @property
    def names(self) -> list[str]:
        """The column's name, and the indicator's."""
        return [self.column, f"{self.column} is missing"] if self.indicator else [self.column]
