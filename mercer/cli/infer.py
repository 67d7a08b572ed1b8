"""What a column of text holds: numbers, booleans, dates, or text after all."""

from __future__ import annotations

import polars as pl

DATETIMES = (
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%S%.fZ",
    "%Y-%m-%d %H:%M:%S%.f%#z",
    "%Y-%m-%dT%H:%M:%S%.f%#z",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%dT%H:%M",
)
DATES = ("%Y-%m-%d", "%Y/%m/%d", "%d.%m.%Y")
# Day first or month first: taken only when one of the two reads every value.
EITHER = ("%d/%m/%Y", "%m/%d/%Y")
TIMES = ("%H:%M:%S", "%H:%M")


def infer(text: pl.Series) -> pl.Series:
    """Return ``text`` with the narrowest type that reads every value of it.

    Numbers with leading zeros are codes and stay text. Dates are ISO 8601, ``31.12.2020``, or with
    slashes where the order of day and month is certain.

    Parameters
    ----------
    text : polars.Series of strings

    Returns
    -------
    polars.Series
        Int64, Float64, Boolean, Date, Datetime (UTC where a zone was given), Time, or String.

    Examples
    --------
    >>> infer(pl.Series(["3", None, "4.5"])).dtype, infer(pl.Series(["007", "12"])).dtype
    (Float64, String)
    """
    text = text.str.strip_chars()
    text = text.set(text == "", None)
    some = text.drop_nulls()
    if some.is_empty():
        return text
    for read in (_boolean, _number, _date):
        if (column := read(text, some.head(200))) is not None:
            return column
    return text


def _complete(column: pl.Series, text: pl.Series) -> bool:
    return column.null_count() == text.null_count()


def _boolean(text: pl.Series, some: pl.Series) -> pl.Series | None:
    if not some.str.to_lowercase().is_in(["true", "false"]).all():
        return None
    lower = text.str.to_lowercase()
    if not lower.drop_nulls().is_in(["true", "false"]).all():
        return None
    return lower == "true"


def _number(text: pl.Series, some: pl.Series) -> pl.Series | None:
    if not _complete(some.cast(pl.Float64, strict=False), some):
        return None
    column = text.cast(pl.Float64, strict=False)
    if not _complete(column, text) or text.str.contains(r"^[+-]?0\d").any():
        return None
    whole = text.cast(pl.Int64, strict=False)
    return whole if _complete(whole, text) else column


def _date(text: pl.Series, some: pl.Series) -> pl.Series | None:
    if not some.str.contains(r"^\d").all():
        return None
    kinds: list[tuple[tuple[str, ...], pl.DataType]] = [
        (DATES, pl.Date()),
        (DATETIMES, pl.Datetime("us")),
        (TIMES, pl.Time()),
    ]
    for formats, dtype in kinds:
        for form in formats:
            if (column := _strptime(text, some, form, dtype)) is not None:
                return column
    readings = [
        column for form in EITHER if (column := _strptime(text, some, form, pl.Date())) is not None
    ]
    return readings[0] if len(readings) == 1 else None


def _strptime(text: pl.Series, some: pl.Series, form: str, dtype: pl.DataType) -> pl.Series | None:
    zoned = form.endswith("%#z")
    target = pl.Datetime("us", "UTC") if zoned else dtype
    if not _complete(some.str.strptime(target, form, strict=False), some):
        return None
    column = text.str.strptime(target, form, strict=False)
    if not _complete(column, text):
        return None
    return column.dt.replace_time_zone(None) if zoned else column
