"""The report's pictures, each a data address that a page can hold.

Text is mid-grey on no background, which reads on light and on dark pages alike.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import Any

import matplotlib
import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from mercer.cli.learning_curve import Curve

GREY, BLUE, ORANGE, GREEN = "#7d848d", "#3b8eea", "#e8893b", "#3fa66b"
STYLE = {
    "text.parse_math": False,  # names of columns and classes are not formulas
    "font.size": 11,
    "axes.edgecolor": GREY,
    "axes.labelcolor": GREY,
    "text.color": GREY,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "svg.fonttype": "path",
    "svg.hashsalt": "mercer",
}
# Without its darkest part, which a dark page would hide.
COUNTS = ListedColormap(matplotlib.colormaps["viridis"](np.linspace(0.25, 0.97, 128)))
SHOWN = 10  # classes in the confusion matrix


def draw(paint: Callable[[Any], None], *, raster: bool = False) -> str:
    """Paint on fresh axes and return the picture as ``data:image/...;base64,...``."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(4.4, 3.3), layout="constrained")
        paint(figure.add_subplot())
        stream = io.BytesIO()
        kind = "png" if raster else "svg"
        figure.savefig(stream, format=kind, dpi=200, transparent=True, metadata=_dateless(kind))
    mime = "image/png" if raster else "image/svg+xml"
    return f"data:{mime};base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"


def predicted_against_true(y: np.ndarray, predicted: np.ndarray, name: str) -> str:
    """Hexagons of counts, with the line where both agree."""
    low, high = _range(np.concatenate([y, predicted]))

    def paint(axes: Any) -> None:
        extent = (low, high, low, high)
        if len(y) < 300:
            axes.scatter(predicted, y, s=14, color=BLUE, alpha=0.6, linewidth=0)
        else:
            axes.hexbin(predicted, y, gridsize=45, bins="log", mincnt=1, extent=extent, cmap=COUNTS)
        axes.plot([low, high], [low, high], color=ORANGE, linewidth=1.2)
        axes.set(
            xlim=(low, high), ylim=(low, high), xlabel="predicted", ylabel=f"true {_short(name)}"
        )

    return draw(paint, raster=True)


def residual_histogram(residuals: np.ndarray) -> str:
    """How far off, and how often."""

    def paint(axes: Any) -> None:
        bins = min(60, max(5, int(np.sqrt(len(residuals)))))
        axes.hist(residuals, bins=bins, range=_range(residuals), color=BLUE)
        axes.axvline(0.0, color=ORANGE, linewidth=1.2)
        axes.set(xlabel="true minus predicted", ylabel="held-out rows")

    return draw(paint)


def residuals_against_predicted(residuals: np.ndarray, predicted: np.ndarray) -> str:
    """Where it is off."""
    across, up = _range(predicted), _range(residuals)

    def paint(axes: Any) -> None:
        if len(residuals) < 300:
            axes.scatter(predicted, residuals, s=14, color=BLUE, alpha=0.6, linewidth=0)
        else:
            axes.hexbin(
                predicted,
                residuals,
                gridsize=45,
                bins="log",
                mincnt=1,
                extent=(*across, *up),
                cmap=COUNTS,
            )
        axes.axhline(0.0, color=ORANGE, linewidth=1.2)
        axes.set(xlim=across, ylim=up, xlabel="predicted", ylabel="true minus predicted")

    return draw(paint, raster=True)


def coverage(nominal: np.ndarray, empirical: np.ndarray) -> str:
    """How often intervals hold, against how often they say."""

    def paint(axes: Any) -> None:
        axes.plot([0, 1], [0, 1], color=ORANGE, linewidth=1.2)
        axes.plot(nominal, empirical, "o-", color=BLUE, markersize=4)
        axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="coverage asked for", ylabel="coverage found")

    return draw(paint)


def confusion(y: np.ndarray, chosen: np.ndarray, classes: tuple[str, ...]) -> str:
    """Shares of each true class by predicted class; beyond ten classes, the smaller are one."""
    counts = np.bincount(y, minlength=len(classes))
    shown = np.sort(np.argsort(-counts, kind="stable")[:SHOWN])
    labels = [_short(classes[code], 12) for code in shown]
    place = np.full(len(classes), len(shown))
    place[shown] = np.arange(len(shown))
    if len(shown) < len(classes):
        labels.append("(others)")
    table = np.zeros((len(labels), len(labels)))
    np.add.at(table, (place[y], place[chosen]), 1.0)
    shares = table / np.maximum(table.sum(axis=1, keepdims=True), 1.0)

    def paint(axes: Any) -> None:
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        ticks = range(len(labels))
        rotation = 45 if max(map(len, labels)) > 4 else 0
        axes.set_xticks(ticks, labels, rotation=rotation, ha="right" if rotation else "center")
        axes.set_yticks(ticks, labels)
        axes.set(xlabel="predicted", ylabel="true")
        for i in ticks:
            for j in ticks:
                colour = "white" if shares[i, j] > 0.5 else "#30363d"
                size = 11 if len(labels) < 6 else 7
                axes.text(
                    j, i, f"{shares[i, j]:.0%}", ha="center", va="center", color=colour, size=size
                )

    return draw(paint)


def reliability(confidence: np.ndarray, right: np.ndarray) -> str:
    """How often a prediction is right, against the probability it was given; ten equal groups."""
    groups = np.array_split(np.argsort(confidence, kind="stable"), min(10, len(confidence)))

    def paint(axes: Any) -> None:
        axes.plot([0, 1], [0, 1], color=ORANGE, linewidth=1.2)
        axes.plot(
            [confidence[g].mean() for g in groups],
            [right[g].mean() for g in groups],
            "o-",
            color=BLUE,
            markersize=4,
        )
        axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="probability given", ylabel="share found")

    return draw(paint)


def learning(curves: list[Curve], score: str) -> str:
    """The headline score of each model against the number of rows."""

    def paint(axes: Any) -> None:
        for curve, colour in zip(curves, (BLUE, GREY, GREEN)):
            width = 2.2 if curve.name == "mercer" else 1.4
            axes.plot(
                curve.sizes,
                curve.scores,
                "o-",
                color=colour,
                label=curve.name,
                linewidth=width,
                markersize=4,
            )
        axes.set_xscale("log")
        sizes = max((curve.sizes for curve in curves), key=len)
        axes.set_xticks(sizes, [_thousands(size) for size in sizes])
        axes.minorticks_off()
        axes.set_xlim(sizes[0] / 1.3, sizes[-1] * 1.3)
        lowest = min(score for curve in curves for score in curve.scores)
        if lowest < -0.5:  # a bad fit on few rows would flatten everything else
            axes.set_ylim(bottom=-0.5)
        axes.set(xlabel="rows to learn from", ylabel=score)
        axes.figure.legend(
            loc="outside upper center",
            ncols=len(curves),
            fontsize=9,
            handlelength=1.2,
            columnspacing=1.0,
        )

    return draw(paint)


def _range(values: np.ndarray) -> tuple[float, float]:
    """The middle 99% with a margin, so that a few far values do not squeeze the rest."""
    low, high = np.quantile(values, [0.005, 0.995])
    margin = 0.05 * (high - low) or max(abs(high), 1.0) * 0.05
    return float(low - margin), float(high + margin)


def _thousands(count: int) -> str:
    return f"{count / 1000:.3g}k" if count >= 1000 else str(count)


def _short(text: str, length: int = 24) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def _dateless(kind: str) -> dict[str, None]:
    return {"Date": None} if kind == "svg" else {}
