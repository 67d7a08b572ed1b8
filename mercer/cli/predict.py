"""``mercer predict``: a table in, a table of predictions out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from mercer.cli.atomic import new_file
from mercer.cli.bad_input import BadInput
from mercer.cli.estimator import load
from mercer.cli.model import TableModel
from mercer.cli.report import number
from mercer.cli.scores import scores
from mercer.cli.table import read_table
from mercer.regular_file import refuse_special


def predict_table(
    directory: Path,
    data: Path,
    out: Path,
    coverage: float,
    say: Callable[[str], Any],
    load_estimator: Callable[[Path], Any] = load,
) -> None:
    """Write one line per row of ``data``, in its order.

    Parameters
    ----------
    directory : Path
        A saved model.
    data : Path
        A CSV or Parquet file with the fitted columns; others are passed over.
    out : Path
        The CSV file: ``prediction``, with ``low`` and ``high`` for regression or a probability per
        class for classification.
    coverage : float
        How often the interval is to hold, a whole percentage.
    say : callable
        Given lines to print.
    load_estimator : callable, optional
        As for :meth:`mercer.cli.model.TableModel.load`.

    Raises
    ------
    BadInput
        If model, table or options cannot be used.
    """
    if out.suffix.lower() != ".csv":
        raise BadInput(f"--out must name a .csv file, got {out}")
    refuse_special(out)
    model = TableModel.load(directory, load_estimator)
    frame = read_table(data)
    predicted = model.predict(frame)
    with new_file(out) as fresh:
        _lines(model, predicted, coverage).write_csv(fresh)
    say(f"{frame.height:,} predictions of {model.target.name!r} in {out}")
    if model.target.name in frame.columns:
        say(_scored(model, frame, predicted))


def _lines(model: TableModel, predicted: np.ndarray, coverage: float) -> pl.DataFrame:
    if model.target.is_classification:
        labels = np.array(model.target.classes, dtype=object)[predicted.argmax(axis=1)]
        columns = {"prediction": pl.Series(labels.tolist(), dtype=pl.String)}
        for code, label in enumerate(model.target.classes):
            columns[f"probability of {label}"] = pl.Series(predicted[:, code])
        return pl.DataFrame(columns)
    columns = {"prediction": pl.Series(predicted)}
    if model.intervals is not None:
        width = model.intervals.width(coverage)
        columns["low"] = pl.Series(predicted - width)
        columns["high"] = pl.Series(predicted + width)
    return pl.DataFrame(columns)


def _scored(model: TableModel, frame: pl.DataFrame, predicted: np.ndarray) -> str:
    """The table has the truth too, so say how good the predictions are."""
    known = frame[model.target.name].is_not_null()
    if not known.any():
        return f"the table has no value of {model.target.name!r} to compare with"
    y = model.target.encode(frame.filter(known))
    found = scores(model.target, y, predicted[known.to_numpy()])
    return ", ".join(f"{name} {number(value)}" for name, value in found.items())
