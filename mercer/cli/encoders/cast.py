"""A column at prediction must be readable as what it was when fitted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from mercer.cli.bad_input import BadInput


def as_numbers(series: pl.Series) -> np.ndarray:
    """The column as float64 of shape ``(n,)`` with NaN where a value is missing.

    Raises
    ------
    BadInput
        If a value is not a number.
    """
    if series.dtype == pl.Duration:
        return series.dt.total_microseconds().cast(pl.Float64).to_numpy() * 1e-6
    return _cast(series, pl.Float64(), "numbers").to_numpy()


def as_dates(series: pl.Series) -> pl.Series:
    """The column as date and time.

    Raises
    ------
    BadInput
        If the column does not hold dates.
    """
    if series.dtype == pl.Datetime or series.dtype == pl.Date or series.null_count() == len(series):
        return series.cast(pl.Datetime("us"))
    raise BadInput(_changed(series, "dates"))


def as_times(series: pl.Series) -> pl.Series:
    """The column as time of day.

    Raises
    ------
    BadInput
        If the column does not hold times.
    """
    if series.dtype == pl.Time or series.null_count() == len(series):
        return series.cast(pl.Time)
    raise BadInput(_changed(series, "times of day"))


def as_codes(series: pl.Series, levels: Sequence[str]) -> np.ndarray:
    """The place of each value in ``levels``, int64 of shape ``(n,)``, -1 where it is not there."""
    codes = {level: code for code, level in enumerate(levels)}
    text = as_text(series)
    return text.replace_strict(codes, default=-1, return_dtype=pl.Int64).to_numpy()


def as_text(series: pl.Series) -> pl.Series:
    """The column as text, with a level of its own for what is missing."""
    return series.cast(pl.String).fill_null("(missing)")


def _cast(series: pl.Series, dtype: pl.DataType, what: str) -> pl.Series:
    if series.dtype.is_numeric() or series.dtype in (pl.Boolean, pl.String, pl.Null):
        column = series.cast(dtype, strict=False)
        if column.null_count() == series.null_count():
            return column
    raise BadInput(_changed(series, what))


def _changed(series: pl.Series, what: str) -> str:
    values = series.drop_nulls()
    if series.dtype == pl.String and what == "numbers":
        values = values.filter(values.cast(pl.Float64, strict=False).is_null())
    return f"column {series.name!r} held {what} when fitted, but now has {values[0]!r}"
