"""What the qmcpy paper measures, and its picture."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch


class Curve(NamedTuple):
    """Root mean square errors of one kind of points."""

    kind: str
    sizes: list[int]
    errors: list[float]
    order: float  # of the theory

    def slope(self) -> float:
        """The order seen, over the upper half of the sizes above rounding."""
        kept = [(n, e) for n, e in zip(self.sizes, self.errors) if e > 1e-13]
        kept = kept[len(kept) // 2 :]
        x = torch.tensor([[math.log(n), 1.0] for n, _ in kept], dtype=torch.float64)
        y = torch.tensor([math.log(e) for _, e in kept], dtype=torch.float64)
        return float(torch.linalg.lstsq(x, y).solution[0])


class Timing(NamedTuple):
    """Seconds of one solve."""

    method: str
    n: int
    seconds: float


class Trial(NamedTuple):
    """One integral: what was asked for and what came out."""

    rule: str
    points: str
    asked: float
    error: float
    evaluations: int


def draw(figure: Any, curves: list[Curve], timings: list[Timing], trials: list[Trial]) -> None:
    """The order of the error, the time of a solve, the true error beside the requested one."""
    error, seconds, request = figure.subplots(1, 3)
    for k, curve in enumerate(curves):
        error.loglog(curve.sizes, curve.errors, "o-", ms=3, color=f"C{k}", label=curve.kind)
    n = curves[0].sizes
    for order in (-1.0, -1.5, -2.5):
        guide = [2.0 * (size / n[0]) ** order * curves[0].errors[0] for size in n]
        error.loglog(n, guide, ":", color="grey", lw=0.8)
        error.annotate(
            f"{order:g}", (n[-1], guide[-1]), color="grey", fontsize=7, xytext=(2, 0),
            textcoords="offset points", va="center",
        )  # fmt: skip
    error.set(xlabel="points", ylabel="root mean square error", title="integration")
    error.set(xlim=(n[0] / 1.5, 6 * n[-1]), ylim=(1e-3 * min(curves[-1].errors), 1))
    error.legend(fontsize=6, loc="lower left")
    for k, method in enumerate(dict.fromkeys(t.method for t in timings)):
        line = [(t.n, t.seconds) for t in timings if t.method == method]
        seconds.loglog(*zip(*line), "o-", ms=3, color=f"C{k}", label=method)
    seconds.set(xlabel="points", ylabel="seconds", title="(K + noise I) x = b")
    seconds.legend(fontsize=7)
    for k, rule in enumerate(dict.fromkeys(t.rule for t in trials)):
        of_rule = [t for t in trials if t.rule == rule]
        x = [t.asked * 1.3 ** (k - 1) for t in of_rule]
        y = [max(t.error, 1e-9) for t in of_rule]
        request.loglog(x, y, ".", ms=4, color=f"C{k}", alpha=0.7, label=rule)
    ends = [5e-5, 2e-2]
    request.loglog(ends, ends, "-", color="grey", lw=0.8)
    request.set(xlabel="requested error", ylabel="true error", title="cubature")
    request.legend(fontsize=7, loc="lower right")
    for axes in (error, seconds, request):
        axes.grid(True, alpha=0.3)
