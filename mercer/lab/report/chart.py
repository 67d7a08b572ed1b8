"""A small picture in SVG, written into the page itself."""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup, escape

WIDTH, HEIGHT = 640.0, 300.0
LEFT, RIGHT, TOP, BOTTOM = 64.0, 16.0, 14.0, 40.0


class Chart:
    """Axes, lines, dots and words in the units of the data.

    Parameters
    ----------
    x, y : (float, float)
        Ranges; positive where the axis is logarithmic.
    xlabel, ylabel, title : str
        The title is what a reader who cannot see the picture is told.
    logarithmic : str, optional
        "", "x", "y" or "xy".
    """

    def __init__(
        self,
        x: tuple[float, float],
        y: tuple[float, float],
        *,
        xlabel: str,
        ylabel: str,
        title: str,
        logarithmic: str = "",
    ) -> None:
        self.ranges = {"x": x, "y": y}
        self.logarithmic = logarithmic
        self.title = title
        self.parts: list[Markup] = []
        self._axes(xlabel, ylabel)

    def x(self, value: float) -> float:
        """Return where a value lies on the page."""
        return LEFT + self._share("x", value) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        """Return where a value lies on the page, downwards."""
        return TOP + (1 - self._share("y", value)) * (HEIGHT - TOP - BOTTOM)

    def _share(self, axis: str, value: float) -> float:
        low, high = self.ranges[axis]
        if axis in self.logarithmic:
            low, high, value = math.log(low), math.log(high), math.log(value)
        return (value - low) / (high - low)

    def _axes(self, xlabel: str, ylabel: str) -> None:
        bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
        for value in ticks(*self.ranges["y"], logarithmic="y" in self.logarithmic):
            at = self.y(value)
            self._add('<line class="grid" x1="{}" x2="{}" y1="{}" y2="{}"/>', LEFT, right, at, at)
            self._word(LEFT - 6, at + 4, f"{value:g}", "end")
        for value in ticks(*self.ranges["x"], logarithmic="x" in self.logarithmic):
            self._word(self.x(value), bottom + 16, f"{value:g}", "middle")
        self._add('<path class="axis" d="M{} {}V{}H{}"/>', LEFT, TOP, bottom, right)
        self._word((LEFT + right) / 2, HEIGHT - 6, xlabel, "middle")
        at = (TOP + bottom) / 2
        self._add(
            '<text class="word" text-anchor="middle" transform="translate(14 {}) rotate(-90)">{}'
            "</text>",
            at,
            ylabel,
        )

    def line(self, points: Sequence[tuple[float, float]], kind: str) -> None:
        """Draw a line through points; `kind` is its class in the page's style."""
        path = "L".join(f"{self.x(x):.1f} {self.y(y):.1f}" for x, y in points)
        self._add('<path class="{}" d="M{}"/>', kind, path)

    def dot(self, x: float, y: float, kind: str, *, says: str, link: str = "") -> None:
        """Draw a dot that says something when pointed at, and leads somewhere."""
        circle = Markup(
            '<circle class="{}" cx="{:.1f}" cy="{:.1f}" r="4"><title>{}</title></circle>'
        )
        drawn = circle.format(kind, self.x(x), self.y(y), says)
        self.parts.append(Markup('<a href="{}">{}</a>').format(link, drawn) if link else drawn)

    def word(self, x: float, y: float, text: str, *, anchor: str = "start") -> None:
        """Write a few words above a point of the data."""
        self._word(self.x(x), self.y(y) - 7, text, anchor)

    def _word(self, x: float, y: float, text: str, anchor: str) -> None:
        self._add('<text class="word" x="{}" y="{}" text-anchor="{}">{}</text>', x, y, anchor, text)

    def _add(self, template: str, *values: object) -> None:
        rounded = [f"{v:.1f}" if isinstance(v, float) else v for v in values]
        self.parts.append(Markup(template).format(*rounded))

    def svg(self) -> Markup:
        """Return the picture."""
        head = Markup('<svg viewBox="0 0 {:g} {:g}" role="img" aria-label="{}">').format(
            WIDTH, HEIGHT, escape(self.title)
        )
        return head + Markup("\n").join(self.parts) + Markup("</svg>")


def ticks(low: float, high: float, *, logarithmic: bool = False, most: int = 7) -> list[float]:
    """Return round numbers between two bounds.

    Examples
    --------
    >>> ticks(0, 10), ticks(0.4, 9.0, logarithmic=True)
    ([0.0, 2.0, 4.0, 6.0, 8.0, 10.0], [0.5, 1.0, 2.0, 5.0])
    """
    if logarithmic:
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        found = [d * 10.0**e for e in powers for d in (1, 2, 5) if low <= d * 10.0**e <= high]
        if len(found) > most:
            tens = [10.0**e for e in powers if low <= 10.0**e <= high]
            found = tens[:: -(-len(tens) // most)]
        if len(found) > 1:
            return found
    rough = (high - low) / (most - 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * (1 - 1e-9))
    start = math.ceil(low / step - 1e-9)
    return [round(k * step, 12) + 0.0 for k in range(start, math.floor(high / step + 1e-9) + 1)]
