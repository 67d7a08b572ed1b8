"""From the columns of a table to the matrix that an estimator sees."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from mercer.cli.bad_input import BadInput
from mercer.cli.columns import Column
from mercer.cli.encoders import ENCODERS, Encoder
from mercer.cli.table import nearest
from mercer.cli.target import Target


@dataclasses.dataclass(frozen=True)
class Features:
    """Fitted encoders, one per used column, side by side.

    Parameters
    ----------
    encoders : tuple of Encoder
        In the order of the features.
    """

    encoders: tuple[Encoder, ...]

    @classmethod
    def fit(
        cls,
        frame: pl.DataFrame,
        columns: Sequence[Column],
        target: Target,
        y: np.ndarray,
        seed: int = 0,
    ) -> tuple[Features, np.ndarray]:
        """Learn every column's encoder.

        Parameters
        ----------
        frame : polars.DataFrame
            The rows to learn from, ``n`` of them.
        columns : sequence of Column
            Those without a kind are passed over.
        target : Target
            What is predicted.
        y : numpy.ndarray, shape (n,)
            Its values or class codes, for the means of levels.
        seed : int
            For the folds of those means.

        Returns
        -------
        Features
        numpy.ndarray, shape (n, d)
            Features of the rows learned from, float64.
        """
        encoders, blocks = [], []
        for column in columns:
            if column.kind:
                encoder, block = ENCODERS[column.kind].fit(frame[column.name], target, y, seed)
                encoders.append(encoder)
                blocks.append(block)
        return cls(tuple(encoders)), np.concatenate(blocks, axis=1)

    def transform(self, frame: pl.DataFrame) -> np.ndarray:
        """Features of a table that has at least the fitted columns, float64 of shape ``(n, d)``."""
        for encoder in self.encoders:
            if encoder.column not in frame.columns:
                raise BadInput(
                    f"the table lacks column {encoder.column!r} that the model was fitted with, "
                    f"{nearest(encoder.column, frame.columns)}"
                )
        return np.concatenate([e.transform(frame[e.column]) for e in self.encoders], axis=1)

    @property
    def names(self) -> list[str]:
        """A name for each of the ``d`` features."""
        return [name for encoder in self.encoders for name in encoder.names]

    @property
    def blocks(self) -> dict[str, slice]:
        """The features that come from each column of the table."""
        blocks, start = {}, 0
        for encoder in self.encoders:
            stop = start + len(encoder.names)
            blocks[encoder.column] = slice(start, stop)
            start = stop
        return blocks

    def to_json(self) -> list[dict[str, Any]]:
        """A description that :meth:`from_json` reads."""
        return [{"kind": _kind(encoder), **encoder.to_json()} for encoder in self.encoders]

    @classmethod
    def from_json(cls, records: list[dict[str, Any]]) -> Features:
        """Build the features that :meth:`to_json` described."""
        encoders = []
        for record in records:
            fields = {key: value for key, value in record.items() if key != "kind"}
            encoders.append(ENCODERS[record["kind"]].from_json(fields))
        return cls(tuple(encoders))


def _kind(encoder: Encoder) -> str:
    return next(kind for kind, cls in ENCODERS.items() if type(encoder) is cls)
