"""A fitted model of a table: how rows become features, and what predicts from them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from mercer.cli.bad_input import BadInput
from mercer.cli.contenders import outputs
from mercer.cli.estimator import load
from mercer.cli.features import Features
from mercer.cli.intervals import Intervals
from mercer.cli.target import Target

DESCRIPTION = "table.json"
FORMAT = 1
# The estimator computes in the precision of its features. Up to this many rows it may solve dense
# systems, whose conditioning wants float64; beyond, float32 serves.
DOUBLE_UP_TO = 10_000


@dataclasses.dataclass(frozen=True)
class TableModel:
    """A target, features, a fitted estimator, and intervals.

    Parameters
    ----------
    target : Target
    features : Features
    estimator : object
        With ``predict`` or ``predict_proba``, and ``save``.
    intervals : Intervals or None
        For regression on enough rows.
    dtype : str
        ``float32`` or ``float64``, of the features the estimator was fitted with.
    record : dict
        What the fit found: scores, sizes, choices; for reading only.
    """

    target: Target
    features: Features
    estimator: Any
    intervals: Intervals | None
    dtype: str
    record: dict[str, Any]

    def predict(self, frame: pl.DataFrame) -> np.ndarray:
        """Values ``(n,)`` or probabilities ``(n, classes)`` for the rows of ``frame``."""
        X = self.features.transform(frame).astype(self.dtype)
        return outputs(self.estimator, self.target, X)

    def save(self, directory: Path) -> None:
        """Write ``table.json`` and the estimator into ``directory``, which exists."""
        description = {
            "format": FORMAT,
            "target": self.target.to_json(),
            "features": self.features.to_json(),
            "intervals": self.intervals and self.intervals.to_json(),
            "dtype": self.dtype,
            "record": self.record,
        }
        text = json.dumps(description, indent=1, allow_nan=False)
        (directory / DESCRIPTION).write_text(text, encoding="utf-8")
        self.estimator.save(directory / "estimator")

    @classmethod
    def load(cls, directory: Path, load_estimator: Callable[[Path], Any] = load) -> TableModel:
        """Read what :meth:`save` wrote.

        Parameters
        ----------
        directory : Path
            Given to ``mercer fit --out``.
        load_estimator : callable, optional
            Reads the estimator's directory.

        Raises
        ------
        BadInput
            If there is no whole model.
        """
        description = describe(directory)
        intervals = description["intervals"]
        return cls(
            Target.from_json(description["target"]),
            Features.from_json(description["features"]),
            load_estimator(directory / "estimator"),
            None if intervals is None else Intervals.from_json(intervals),
            description["dtype"],
            description["record"],
        )


def describe(directory: Path) -> dict[str, Any]:
    """The content of a model's ``table.json``."""
    if not directory.is_dir():
        raise BadInput(f"{directory} is not a directory, name one that `mercer fit --out` wrote")
    path = directory / DESCRIPTION
    if not path.is_file():
        raise BadInput(f"{directory} holds no model, it lacks {DESCRIPTION}")
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BadInput(f"{path} is damaged: {error}") from error
    found = description.get("format") if isinstance(description, dict) else None
    if found != FORMAT:
        raise BadInput(f"{path} has format {found!r}, this version of mercer reads {FORMAT}")
    return description
