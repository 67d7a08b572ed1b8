"""A table on disk becomes a polars frame, or one sentence says why not."""

from __future__ import annotations

import codecs
import csv
import difflib
from collections.abc import Iterable
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from mercer.cli.bad_input import BadInput
from mercer.cli.infer import infer

SEPARATORS = {".csv": ",;\t|", ".tsv": "\t", ".txt": "\t,;|"}
PARQUET = {".parquet", ".pq"}
# What other programs write for "no value"; "None" and "?" can be real categories and stay.
MISSING = ["", "NA", "N/A", "NaN", "nan", "null", "NULL"]
MAGIC = {b"PAR1": "Parquet", b"PK\x03\x04": "a zip archive or a spreadsheet", b"\x1f\x8b": "gzip"}


def read_table(path: str | Path) -> pl.DataFrame:
    """Read a CSV or Parquet file; text columns become numbers, dates or booleans where all agree.

    Parameters
    ----------
    path : str or Path
        Ends in ``.csv``, ``.tsv``, ``.txt`` (text in UTF-8), ``.parquet`` or ``.pq``.

    Returns
    -------
    polars.DataFrame
        At least one row and one column; NaN is read as missing.

    Raises
    ------
    BadInput
        If the file is absent, empty, or not what its name says, or a number is infinite.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "shops.csv"
    >>> _ = file.write_text("opened,sales\\n2020-01-31,4\\n2021-03-01,NA\\n")
    >>> read_table(file).dtypes
    [Date, Int64]
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in SEPARATORS and suffix not in PARQUET:
        raise BadInput(
            f"{path} must end in .csv, .tsv, .txt or .parquet, got {suffix or 'no ending'!r}"
        )
    if not path.is_file():
        raise BadInput(
            f"{path} {'is a directory' if path.is_dir() else 'does not exist'}, "
            "name a CSV or Parquet file"
        )
    with path.open("rb") as stream:
        head = stream.read(65536)
    if not head.strip():
        raise BadInput(f"{path} is empty, a table needs a header and at least one row")
    frame = _parquet(path, head) if suffix in PARQUET else _text(path, head, SEPARATORS[suffix])
    if frame.height == 0 or frame.width == 0:
        raise BadInput(
            f"{path} has {frame.width} columns and no rows, a table needs at least one row"
        )
    floats = [name for name, dtype in frame.schema.items() if dtype.is_float()]
    frame = frame.with_columns(pl.col(name).fill_nan(None) for name in floats)
    _refuse_infinity(frame, floats)
    return frame


def nearest(name: str, names: Iterable[str]) -> str:
    """A clause that suggests the closest of ``names``, or lists the first few.

    Examples
    --------
    >>> nearest("arival", ["arrival", "departure"])
    "did you mean 'arrival'?"
    """
    names = list(names)
    folded = {other.casefold(): other for other in names}
    if close := difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.6):
        return f"did you mean {folded[close[0]]!r}?"
    more = ", ..." if len(names) > 8 else ""
    return f"the columns are {', '.join(map(repr, names[:8]))}{more}"


def _parquet(path: Path, head: bytes) -> pl.DataFrame:
    if not head.startswith(b"PAR1"):
        kind = "looks like text, rename it to .csv" if _is_text(head) else "holds something else"
        raise BadInput(f"{path} is not a Parquet file although its name says so: it {kind}")
    try:
        frame = pl.read_parquet(path)
    except (PolarsError, OSError) as error:
        raise BadInput(f"{path} is a broken Parquet file: {_first_line(error)}") from error
    text = [
        name for name, dtype in frame.schema.items() if dtype == pl.Categorical or dtype == pl.Enum
    ]
    return frame.with_columns(pl.col(name).cast(pl.String) for name in text)


def _text(path: Path, head: bytes, separators: str) -> pl.DataFrame:
    for magic, kind in MAGIC.items():
        if head.startswith(magic):
            raise BadInput(f"{path} is not text although its name says so: it looks like {kind}")
    if not _is_text(head):
        raise BadInput(f"{path} is not text in UTF-8, save it again as CSV in UTF-8")
    if head.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        raise BadInput(f"{path} is not a table but a web page or XML document")
    first = head.decode("utf-8-sig", errors="ignore").lstrip("\r\n").splitlines()[0]
    separator = max(separators, key=first.count)
    header = next(csv.reader([first], delimiter=separator))
    for name in header:
        if header.count(name) > 1:
            raise BadInput(
                f"{path} has the column name {name!r} {header.count(name)} times, rename one"
            )
    try:
        # Every column is read as text, so that what a column is does not hang on its first rows.
        frame = pl.read_csv(path, separator=separator, null_values=MISSING, infer_schema_length=0)
    except (PolarsError, OSError) as error:
        raise BadInput(f"{path} cannot be read as CSV: {_first_line(error)}") from error
    return frame.select(infer(frame[name]) for name in frame.columns)


def _refuse_infinity(frame: pl.DataFrame, floats: list[str]) -> None:
    for name in floats:
        infinite = frame[name].is_infinite().fill_null(False)
        if infinite.any():
            row = infinite.arg_true()[0] + 1
            raise BadInput(
                f"column {name!r} has infinity in row {row}, remove it or leave it empty"
            )


def _is_text(head: bytes) -> bool:
    # Incremental: a character may be cut in two at the end of what was read.
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        return "\0" not in decoder.decode(head)
    except UnicodeDecodeError:
        return False


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0].rstrip(".")
