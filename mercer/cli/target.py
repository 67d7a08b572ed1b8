"""The column to predict: which task it sets, and its values as numbers."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import polars as pl

from mercer.cli.bad_input import BadInput
from mercer.cli.table import nearest

TASKS = ("auto", "regression", "classification")
# Whole numbers with this many values or fewer are classes unless the caller says otherwise.
FEW = 10
FEWEST = 5


@dataclasses.dataclass(frozen=True)
class Target:
    """What is predicted.

    Parameters
    ----------
    name : str
        The column.
    task : str
        ``regression`` or ``classification``.
    classes : tuple of str
        The labels in the order of the codes; empty for regression.
    why : str
        How the task was found.
    """

    name: str
    task: str
    classes: tuple[str, ...] = ()
    why: str = ""

    @property
    def is_classification(self) -> bool:
        """Whether the target holds classes."""
        return self.task == "classification"

    def encode(self, frame: pl.DataFrame) -> np.ndarray:
        """The target of ``frame`` as float64 values or int64 class codes, shape ``(n,)``."""
        series = frame[self.name]
        if not self.is_classification:
            return series.cast(pl.Float64).to_numpy()
        codes = {label: code for code, label in enumerate(self.classes)}
        labels = as_labels(series)
        if strange := sorted(set(labels.unique().to_list()) - set(codes)):
            raise BadInput(
                f"target {self.name!r} has the class {strange[0]!r}, which was not fitted"
            )
        return labels.replace_strict(codes, return_dtype=pl.Int64).to_numpy()

    def to_json(self) -> dict[str, Any]:
        """A description that :meth:`from_json` reads."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Target:
        """Build the target that :meth:`to_json` described."""
        return cls(record["name"], record["task"], tuple(record["classes"]), record["why"])


def choose_target(frame: pl.DataFrame, name: str, task: str = "auto") -> Target:
    """Find the task that a column sets, or check the one named.

    Parameters
    ----------
    frame : polars.DataFrame
        Rows where the target is present.
    name : str
        The column to predict.
    task : str
        ``auto``, ``regression`` or ``classification``.

    Returns
    -------
    Target

    Raises
    ------
    BadInput
        If the column cannot serve: absent, of no use, constant, or one class only.

    Examples
    --------
    >>> choose_target(pl.DataFrame({"wet": ["yes", "no", "no"]}), "wet").classes
    ('no', 'yes')
    """
    if task not in TASKS:
        raise BadInput(f"--task must be one of {', '.join(TASKS)}, got {task!r}")
    series = frame[name]
    if series.dtype.is_numeric() or series.dtype == pl.Boolean:
        found, why = _found(series)
    elif series.dtype == pl.String:
        found, why = "classification", "it holds text"
    else:
        raise BadInput(
            f"target {name!r} holds {series.dtype}, it must be numbers, text or true/false"
        )
    if task == "regression" and series.dtype == pl.String:
        raise BadInput(
            f"target {name!r} holds text such as {series[0]!r}, regression needs numbers"
        )
    if task != "auto":
        found, why = task, "named by the caller"
    if series.n_unique() == 1:
        what = "only one class" if found == "classification" else "one value only"
        raise BadInput(f"target {name!r} has {what}, {series[0]!r}, so there is nothing to learn")
    if found == "regression":
        return Target(name, found, (), why)
    return Target(name, found, _classes(series), why)


def present(frame: pl.DataFrame, name: str) -> pl.DataFrame:
    """The rows of ``frame`` where column ``name`` has a value; refuses fewer than five."""
    if name not in frame.columns:
        raise BadInput(
            f"--target names {name!r}, which is not a column, {nearest(name, frame.columns)}"
        )
    kept = frame.filter(pl.col(name).is_not_null())
    if kept.height == 0:
        raise BadInput(f"target {name!r} is missing in every row")
    if kept.height < FEWEST:
        raise BadInput(
            f"the table has {kept.height} row{'s' * (kept.height > 1)} with a value of {name!r}, "
            f"at least {FEWEST} are needed to fit on some and score on others"
        )
    return kept


def as_labels(series: pl.Series) -> pl.Series:
    """Classes as text, so that 1, 1.0 and "1" are one class."""
    if series.dtype.is_float() and bool((series == series.round()).all()):
        series = series.cast(pl.Int64)
    return series.cast(pl.String)


def _found(series: pl.Series) -> tuple[str, str]:
    distinct = series.n_unique()
    if series.dtype == pl.Boolean:
        return "classification", "it holds true and false"
    whole = series.dtype.is_integer() or bool((series == series.round()).all())
    if whole and distinct <= FEW and len(series) >= 5 * distinct:
        return "classification", f"it holds whole numbers with only {distinct} values"
    return "regression", f"it holds numbers with {distinct} values"


def _classes(series: pl.Series) -> tuple[str, ...]:
    labels = as_labels(series).unique().to_list()
    if len(labels) > max(20, len(series) // 2):
        raise BadInput(
            f"target {series.name!r} has {len(labels)} classes in {len(series)} rows, "
            "so it names rows more than classes"
        )
    if series.dtype.is_numeric():
        return tuple(sorted(labels, key=float))
    return tuple(sorted(labels))
