"""A few levels: one feature each, the rare ones together."""

from __future__ import annotations

import dataclasses
from typing import Self

import numpy as np
import polars as pl
from sklearn.preprocessing import OneHotEncoder

from mercer.cli.encoders.base import Encoder
from mercer.cli.encoders.cast import as_codes, as_text
from mercer.cli.target import Target


@dataclasses.dataclass(frozen=True)
class CategoryEncoder(Encoder):
    """One feature per level, 1 where the row has it; a missing value is a level.

    Parameters
    ----------
    column : str
        The column of the table.
    levels : list of str
        Those with a feature of their own.
    rare : bool
        Whether a last feature stands for all other levels, those never seen among them.

    Examples
    --------
    >>> y = np.zeros(4)
    >>> colours = pl.Series("colour", ["red", "blue", "red", "blue"])
    >>> encoder, X = CategoryEncoder.fit(colours, Target("y", "regression"), y, 0)
    >>> encoder.names, X[0]
    (['colour = blue', 'colour = red'], array([0., 1.]))
    """

    levels: list[str]
    rare: bool

    @classmethod
    def fit(
        cls, series: pl.Series, target: Target, y: np.ndarray, seed: int
    ) -> tuple[Self, np.ndarray]:
        """Learn the levels; those below a hundredth of the rows (at most 20) are rare."""
        fewest = max(2, min(20, len(series) // 100))
        onehot = OneHotEncoder(
            min_frequency=fewest, handle_unknown="infrequent_if_exist", sparse_output=False
        ).fit(as_text(series).to_numpy().astype(object)[:, None])
        rare = onehot.infrequent_categories_[0]
        rare = [] if rare is None else list(rare)
        levels = [level for level in onehot.categories_[0] if level not in rare]
        encoder = cls(series.name, levels, bool(rare))
        return encoder, encoder.transform(series)

    def transform(self, series: pl.Series) -> np.ndarray:
        """Zeros and ones."""
        codes = as_codes(series, self.levels)  # [n]
        width = len(self.levels) + self.rare
        features = np.zeros((len(codes), width))
        known = codes >= 0
        features[np.flatnonzero(known), codes[known]] = 1.0
        if self.rare:
            features[~known, -1] = 1.0
        return features

    @property
    def names(self) -> list[str]:
        """``column = level`` for each feature."""
        labels = [*self.levels, "rare"] if self.rare else self.levels
        return [f"{self.column} = {label}" for label in labels]
