"""A picture of the embedding that is drawn while it moves."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from mercer.learn.atomic import write_file


class Picture:
    """Writes a scatter plot of the embedding; the file is always a whole one.

    Parameters
    ----------
    path : str or Path
        A PNG file.
    labels : array, shape (n,), optional
        Classes, one colour each, or numbers, on a scale.

    Raises
    ------
    ValueError
        If the path does not end in ``.png``, or its folder does not exist.
    """

    def __init__(self, path: str | Path, labels: Any = None) -> None:
        self.path = Path(path)
        if self.path.suffix != ".png":
            raise ValueError(f"live must name a .png file, got {str(path)!r}")
        if not self.path.parent.is_dir():
            raise ValueError(
                f"live must name a file in a folder that exists, there is no folder "
                f"{str(self.path.parent)!r}"
            )
        self.colours: np.ndarray | None = None
        if labels is not None:
            values = np.asarray(labels)
            continuous = values.dtype.kind == "f" and len(np.unique(values)) > 20
            self.colours = values if continuous else np.unique(values, return_inverse=True)[1]

    def __call__(self, record: dict[str, Any], Y: Tensor) -> None:
        """Draw the points ``Y [n, c]``; one-dimensional ones over their row."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        points = Y.cpu().numpy()
        x = points[:, 0]
        y = points[:, 1] if points.shape[1] == 2 else np.arange(len(x))
        figure = Figure(figsize=(7, 7), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots()
        size = float(np.clip(20000 / len(x), 0.5, 20))
        colours: dict[str, Any] = (
            {} if self.colours is None else {"c": self.colours, "cmap": "tab10"}
        )
        axes.scatter(x, y, s=size, linewidths=0, rasterized=True, **colours)
        axes.set(xticks=[], yticks=[], aspect="equal" if points.shape[1] == 2 else "auto")
        axes.set_title(
            f"iteration {record['iteration']} of {record['of']}, "
            f"KL divergence {record['kl_divergence']:.3f}"
        )
        content = io.BytesIO()
        figure.savefig(content, format="png", dpi=110)
        write_file(self.path, content.getvalue())
