"""The main job: from a table on disk to a model, its scores beside others', and a report."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from mercer import distributed
from mercer.cli.atomic import new_directory, new_file
from mercer.cli.columns import Column, choose_columns
from mercer.cli.contenders import Result, assess, compete, contenders, outputs
from mercer.cli.estimator import again, build
from mercer.cli.features import Features
from mercer.cli.importance import importance
from mercer.cli.intervals import Intervals
from mercer.cli.learning_curve import Curve, learning_curves
from mercer.cli.model import DOUBLE_UP_TO, TableModel
from mercer.cli.request import Request, check_out
from mercer.cli.split import Split, split_rows
from mercer.cli.table import read_table
from mercer.cli.target import Target, choose_target, present

Build = Callable[..., Any]
Again = Callable[[Any, int], Any]
Say = Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class Fit:
    """Everything that a fit found, for the report.

    Parameters
    ----------
    request : Request
    model : TableModel
    columns : list of Column
        Used and unused.
    split : Split
    y : numpy.ndarray
        The held-out target.
    results : list of Result
        mercer's first, then the contenders'.
    curves : list of Curve
    importance : dict
        Rise in error by column.
    seconds : dict
        Wall-clock time of each step.
    notes : list of str
        What was said on the way.
    """

    request: Request
    model: TableModel
    columns: list[Column]
    split: Split
    y: np.ndarray
    results: list[Result]
    curves: list[Curve]
    importance: dict[str, float]
    seconds: dict[str, float]
    notes: list[str]


def fit_table(
    request: Request, say: Say, *, build: Build = build, again: Again = again
) -> Fit | None:
    """Fit, score and save.

    Of several processes all fit; the first alone says things, writes and goes on from there.

    Parameters
    ----------
    request : Request
    say : callable
        Given one line for each thing worth knowing.
    build : callable
        Makes the estimator.
    again : callable
        From a fitted estimator and a number of rows, an unfitted one for the learning curve.

    Returns
    -------
    Fit or None
        None in every process but the first.

    Raises
    ------
    BadInput
        If the table or the request cannot be used.
    """
    seconds: dict[str, float] = {}
    notes: list[str] = []
    main = distributed.is_main()

    def note(line: str) -> None:
        notes.append(line)
        if main:
            say(line)

    check_out(request.out)
    clock = _clock(seconds)
    frame, target, columns, split = _prepare(request, note)
    y = target.encode(frame)
    clock("read")
    features, X_train = Features.fit(
        frame[split.train], columns, target, y[split.train], request.options.seed
    )
    dtype = "float64" if len(split.train) <= DOUBLE_UP_TO else "float32"
    train = (X_train.astype(dtype), y[split.train])
    test = (features.transform(frame[split.test]).astype(dtype), y[split.test])
    note(f"{train[0].shape[1]} features in {dtype} from {len(features.encoders)} columns")
    clock("features")

    checkpoint = request.start(note) if main else request.checkpoint
    distributed.barrier()  # nobody looks for a checkpoint that the first is about to discard
    estimator = build(target, request.options, checkpoint=checkpoint, verbose=True)
    estimator.fit(*train)
    if not main:
        return None
    results = [assess("mercer", estimator, target, test, clock("fit mercer"))]
    intervals = None
    if not target.is_classification and len(split.calibration):
        X = features.transform(frame[split.calibration]).astype(dtype)
        intervals = Intervals.fit(y[split.calibration] - outputs(estimator, target, X))
    explain = str(getattr(estimator, "explain_", ""))
    record = _record(request, frame.height, split, columns, results[0], explain)
    model = TableModel(target, features, estimator, intervals, dtype, record)
    with new_directory(request.out) as fresh:
        model.save(fresh)
    request.finish()
    note(f"model saved in {request.out}")
    clock("save")

    others = contenders(target, request.options.seed)
    for name, other in others.items():
        say(f"fitting {name} for comparison")
        results.append(compete(name, other, target, train, test))
    clock("contenders")
    say("measuring the learning curve and what drives the prediction")
    makers = {name: lambda rows, model=model: model for name, model in others.items()}
    curves = learning_curves(
        {"mercer": functools.partial(again, estimator), **makers},
        results,
        target,
        train,
        test,
        seed=request.options.seed,
    )
    clock("learning curve")
    drivers = importance(estimator, features, target, *test, seed=request.options.seed)
    clock("importance")
    return Fit(request, model, columns, split, test[1], results, curves, drivers, seconds, notes)


def write_report(fit: Fit) -> Path:
    """Write ``report.html`` beside the model and return its path."""
    from mercer.cli.report import page

    path = fit.request.out / "report.html"
    with new_file(path) as fresh:
        fresh.write_text(page(fit), encoding="utf-8")
    return path


def _prepare(request: Request, note: Say) -> tuple[pl.DataFrame, Target, list[Column], Split]:
    whole = read_table(request.data)
    note(f"read {whole.height:,} rows and {whole.width} columns from {request.data.name}")
    frame = present(whole, request.target)
    if missing := whole.height - frame.height:
        note(f"left out {missing:,} rows where {request.target!r} is missing")
    target = choose_target(frame, request.target, request.task)
    note(f"{target.task} of {target.name!r}: {target.why}")
    columns = choose_columns(frame, request.target, request.drop)
    for column in columns:
        if not column.kind:
            note(f"column {column.name!r} is not used: {column.reason}")
    split = split_rows(
        target.encode(frame),
        request.test_size,
        request.options.seed,
        stratify=target.is_classification,
    )
    note(
        f"{len(split.train):,} rows to fit, {len(split.calibration):,} to set intervals, "
        f"{len(split.test):,} held out"
    )
    return frame, target, columns, split


def _record(
    request: Request, rows: int, split: Split, columns: list[Column], result: Result, explain: str
) -> dict[str, Any]:
    return {
        "data": request.data.name,
        "rows": {
            "all": rows,
            "fitted": len(split.train),
            "calibration": len(split.calibration),
            "held out": len(split.test),
        },
        "columns": [dataclasses.asdict(column) for column in columns],
        "options": dataclasses.asdict(request.options),
        "scores": result.scores,
        "fit seconds": round(result.fit_seconds, 2),
        "explain": explain,
    }


def _clock(seconds: dict[str, float]) -> Callable[[str], float]:
    """A function that books the time since its last call under a name, and returns it."""
    last = time.perf_counter()

    def book(step: str) -> float:
        nonlocal last
        now = time.perf_counter()
        seconds[step], last = now - last, now
        return seconds[step]

    return book
