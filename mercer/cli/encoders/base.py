"""What every encoder does."""

from __future__ import annotations

import abc
import dataclasses
from typing import Any, Self

import numpy as np
import polars as pl

from mercer.cli.target import Target


@dataclasses.dataclass(frozen=True)
class Encoder(abc.ABC):
    """A fitted map from one column of a table to ``k`` columns of numbers.

    Its fields are plain values, so its JSON description is the fields and a rebuilt encoder gives
    the same numbers to the last bit.

    Parameters
    ----------
    column : str
        The column of the table.
    """

    column: str

    @classmethod
    @abc.abstractmethod
    def fit(
        cls, series: pl.Series, target: Target, y: np.ndarray, seed: int
    ) -> tuple[Self, np.ndarray]:
        """Learn from a column ``(n,)``; return the encoder and the rows' features ``(n, k)``.

        The features of the rows that were learned from may differ from :meth:`transform` where that
        would tell a row its own target.
        """

    @abc.abstractmethod
    def transform(self, series: pl.Series) -> np.ndarray:
        """Features of a column, float64 of shape ``(n, k)``, all finite."""

    @property
    @abc.abstractmethod
    def names(self) -> list[str]:
        """A name for each of the ``k`` features."""

    def to_json(self) -> dict[str, Any]:
        """A description that :meth:`from_json` reads."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Self:
        """Build the encoder that :meth:`to_json` described."""
        return cls(**record)
