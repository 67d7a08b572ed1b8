"""Which columns of a table are used, as what, and which are left out and why."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import polars as pl

from mercer.cli.bad_input import BadInput
from mercer.cli.table import nearest

ONE_HOT_LEVELS = 30


@dataclasses.dataclass(frozen=True)
class Column:
    """A column of the table and what is to be done with it.

    Parameters
    ----------
    name : str
        As in the table.
    kind : str
        ``number``, ``category`` (few levels, one-hot), ``levels`` (many levels, target means),
        ``date`` or ``time``; empty when the column is not used.
    reason : str
        Why it is not used; empty when it is.
    """

    name: str
    kind: str
    reason: str = ""


def choose_columns(frame: pl.DataFrame, target: str, drop: Sequence[str] = ()) -> list[Column]:
    """Decide for every column but the target.

    Parameters
    ----------
    frame : polars.DataFrame
        The rows that will be fitted.
    target : str
        The column to predict.
    drop : sequence of str
        Columns the caller does not want.

    Returns
    -------
    list of Column
        In the table's order.

    Raises
    ------
    BadInput
        If a name in ``drop`` is not a column, or no column is left.

    Examples
    --------
    >>> frame = pl.DataFrame({"y": [1.0, 2.0, 3.0], "x": [0.1, 0.5, 0.2], "unit": ["m", "m", "m"]})
    >>> [(column.name, column.kind, column.reason) for column in choose_columns(frame, "y")]
    [('x', 'number', ''), ('unit', '', 'constant')]
    """
    for name in drop:
        if name not in frame.columns:
            raise BadInput(
                f"--drop names {name!r}, which is not a column, {nearest(name, frame.columns)}"
            )
    columns = [_decide(frame[name], name in drop) for name in frame.columns if name != target]
    if not any(column.kind for column in columns):
        reasons = ", ".join(f"{column.name!r} ({column.reason})" for column in columns)
        raise BadInput(
            f"no column is left to predict {target!r} from: {reasons or 'it is the only one'}"
        )
    return columns


def _decide(series: pl.Series, unwanted: bool) -> Column:
    name = series.name
    if unwanted:
        return Column(name, "", "asked to be dropped")
    if series.null_count() == len(series):
        return Column(name, "", "no values")
    if not (kind := _kind(series.dtype)):
        return Column(name, "", f"a column of {series.dtype} cannot be used")
    distinct = series.n_unique()
    if distinct == 1:
        return Column(name, "", "constant")
    if _is_row_number(series):
        return Column(name, "", "a row number without a name")
    if kind == "category" and distinct > ONE_HOT_LEVELS:
        if distinct > 0.9 * len(series):
            return Column(
                name, "", f"an identifier: {distinct} different texts in {len(series)} rows"
            )
        return Column(name, "levels")
    return Column(name, kind)


def _kind(dtype: pl.DataType) -> str:
    if dtype.is_numeric() or dtype == pl.Boolean or dtype == pl.Duration:
        return "number"
    if dtype == pl.Date or dtype == pl.Datetime:
        return "date"
    return {pl.String: "category", pl.Time: "time"}.get(type(dtype), "")


def _is_row_number(series: pl.Series) -> bool:
    """Whether this is the index that some programs write as a first column."""
    unnamed = series.name.strip() == "" or series.name in ("Unnamed: 0", "__index_level_0__")
    return unnamed and series.dtype.is_integer() and bool((series.diff().drop_nulls() == 1).all())
