"""Many levels: the mean of the target in each, drawn towards the mean of all."""

from __future__ import annotations

import dataclasses
from typing import Self

import numpy as np
import polars as pl
from sklearn.model_selection import KFold
from sklearn.preprocessing import StandardScaler, TargetEncoder

from mercer.cli.encoders.base import Encoder
from mercer.cli.encoders.cast import as_codes, as_text
from mercer.cli.target import Target

FOLDS = 5


@dataclasses.dataclass(frozen=True)
class LevelMeanEncoder(Encoder):
    """Shrunken target means, standardised: one feature, or one per class when there are over two.

    Parameters
    ----------
    column : str
        The column of the table.
    levels : list of str
        The levels seen.
    means : list of list of float
        ``[features, levels]``, each level's mean.
    overall : list of float
        ``[features]``, for a level never seen.
    mean, scale : list of float
        ``[features]``, of the features before they are standardised.
    labels : list of str
        What each feature is the mean of, when there is more than one.

    References
    ----------
    Micci-Barreca, *A preprocessing scheme for high-cardinality categorical attributes in
    classification and prediction problems*, https://doi.org/10.1145/507533.507538
    """

    levels: list[str]
    means: list[list[float]]
    overall: list[float]
    mean: list[float]
    scale: list[float]
    labels: list[str]

    @classmethod
    def fit(
        cls, series: pl.Series, target: Target, y: np.ndarray, seed: int
    ) -> tuple[Self, np.ndarray]:
        """Learn the means; the rows' own features are cross-fitted, so none has seen its target."""
        levels = sorted(as_text(series).unique().to_list())
        codes = as_codes(series, levels)[:, None]  # [n, 1]
        several = target.is_classification and len(target.classes) > 2
        classes = range(len(target.classes)) if several else ()
        Y = np.column_stack([y == code for code in classes] or [y]).astype(np.float64)  # [n, k]
        whole = [_means(codes, column) for column in Y.T]
        crossed = np.empty_like(Y)
        for rest, fold in KFold(FOLDS, shuffle=True, random_state=seed).split(codes):
            for k, column in enumerate(Y.T):
                crossed[fold, k] = _means(codes[rest], column[rest]).transform(codes[fold])[:, 0]
        scaler = StandardScaler().fit(crossed)
        encoder = cls(
            series.name,
            levels,
            [means.encodings_[0].tolist() for means in whole],
            [float(means.target_mean_) for means in whole],
            scaler.mean_.tolist(),
            scaler.scale_.tolist(),
            list(target.classes) if several else [],
        )
        return encoder, encoder._standardise(crossed)

    def transform(self, series: pl.Series) -> np.ndarray:
        """Standardised means of the levels."""
        table = np.column_stack([np.asarray(self.means), self.overall]).T  # [levels + 1, k]
        return self._standardise(table[as_codes(series, self.levels)])

    def _standardise(self, features: np.ndarray) -> np.ndarray:
        return (features - np.asarray(self.mean)) / np.asarray(self.scale)

    @property
    def names(self) -> list[str]:
        """The column's name, with the class where there are several."""
        if not self.labels:
            return [f"mean target of {self.column}"]
        return [f"mean of {label} of {self.column}" for label in self.labels]


def _means(codes: np.ndarray, y: np.ndarray) -> TargetEncoder:
    # The share of a class is the mean of its indicator, so every target is continuous here.
    return TargetEncoder(target_type="continuous").fit(codes, y)
