"""One page that shows what a fit found."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import jinja2
import numpy as np

import mercer
from mercer.cli import figures
from mercer.cli.fit import Fit
from mercer.cli.intervals import Intervals
from mercer.cli.page import PAGE
from mercer.cli.scores import HIGHER


class Picture(NamedTuple):
    """A figure, its heading, what to look for, and the text for those who do not see it."""

    heading: str
    source: str
    caption: str


def page(fit: Fit) -> str:
    """Render the report: HTML that needs nothing from outside.

    Parameters
    ----------
    fit : Fit

    Returns
    -------
    str
        Every name and value that came from the table is escaped.
    """
    # Autoescape: names of columns, classes and files are whatever somebody wrote.
    template = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(
        PAGE
    )
    return template.render(
        fit=fit,
        target=fit.model.target,
        headers=list(fit.results[0].scores),
        rows=[_row(fit, result) for result in fit.results],
        pictures=list(_pictures(fit)),
        drivers=_drivers(fit),
        unit="nats of log loss" if fit.model.target.is_classification else "units of the target",
        interval=_interval(fit),
        seconds={step: f"{time:.1f}" for step, time in fit.seconds.items()},
        version=mercer.__version__,
    )


def number(value: float) -> str:
    """Four digits that count.

    Examples
    --------
    >>> number(0.123456), number(12345.6)
    ('0.1235', '12,346')
    """
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _row(fit: Fit, result: Any) -> dict[str, Any]:
    cells = []
    for score, value in result.scores.items():
        others = [other.scores[score] for other in fit.results]
        best = max(others) if score in HIGHER else min(others)
        cells.append((number(value), value == best))
    return {
        "name": result.name,
        "cells": cells,
        "fit": f"{result.fit_seconds:.1f}",
        "predict": f"{result.predict_seconds:.1f}",
    }


def _pictures(fit: Fit) -> Iterator[Picture]:
    if fit.model.target.is_classification:
        yield from _classification(fit)
    else:
        yield from _regression(fit)
    score = next(iter(fit.results[0].scores))
    yield Picture(
        "Learning curve",
        figures.learning(fit.curves, score),
        f"{score} on held-out rows against rows learned from. A line still rising asks for more. "
        "On fewer rows, mercer keeps the kernel it chose on all.",
    )


def _regression(fit: Fit) -> Iterator[Picture]:
    predicted = fit.results[0].predicted
    residuals = fit.y - predicted
    yield Picture(
        "Predicted against true",
        figures.predicted_against_true(fit.y, predicted, fit.model.target.name),
        "Held-out rows; on the line the two agree. The middle 99% is shown.",
    )
    yield Picture(
        "Residuals",
        figures.residual_histogram(residuals),
        f"Half of the held-out rows are off by less than {number(np.median(np.abs(residuals)))}.",
    )
    yield Picture(
        "Residuals against predicted",
        figures.residuals_against_predicted(residuals, predicted),
        "A cloud centred on the line says that no level is systematically missed.",
    )
    if fit.model.intervals is not None:
        nominal, found = calibration(fit, fit.model.intervals)
        yield Picture(
            "Calibration of intervals",
            figures.coverage(nominal, found),
            "How often the held-out truth lies inside the interval, against how often it should.",
        )


def _classification(fit: Fit) -> Iterator[Picture]:
    probabilities = fit.results[0].predicted
    chosen = probabilities.argmax(axis=1)
    yield Picture(
        "Confusion",
        figures.confusion(fit.y, chosen, fit.model.target.classes),
        "Of the held-out rows of each true class, the share given to each class.",
    )
    if probabilities.shape[1] == 2:
        picture = figures.reliability(probabilities[:, 1], fit.y == 1)
        what = f"the class {fit.model.target.classes[1]!r}"
    else:
        picture = figures.reliability(probabilities.max(axis=1), chosen == fit.y)
        what = "the class predicted"
    yield Picture(
        "Reliability", picture, f"Probability given to {what}, against how often it was so."
    )


def calibration(fit: Fit, intervals: Intervals) -> tuple[np.ndarray, np.ndarray]:
    """Coverages asked for, and those found on the held-out rows."""
    widths = np.array(intervals.widths)
    off = np.abs(fit.y - fit.results[0].predicted)
    nominal = np.array([5, *range(10, 95, 10), 95])
    nominal = nominal[np.isfinite(widths[nominal - 1])]
    return nominal / 100, np.array([(off <= widths[percent - 1]).mean() for percent in nominal])


def _interval(fit: Fit) -> str:
    intervals = fit.model.intervals
    if intervals is None or not np.isfinite(intervals.widths[89]):
        return ""
    off = np.abs(fit.y - fit.results[0].predicted)
    width = intervals.widths[89]
    return (
        f"90% intervals are the prediction ± {number(width)}; "
        f"{(off <= width).mean():.1%} of the held-out rows lie inside."
    )


def _drivers(fit: Fit) -> list[dict[str, Any]]:
    largest = max([*fit.importance.values(), 1e-12])
    return [
        {"name": name, "rise": f"{rise:.3g}", "share": f"{max(0.0, 100 * rise / largest):.1f}"}
        for name, rise in list(fit.importance.items())[:20]
    ]
