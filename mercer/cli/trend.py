"""A straight line first, and the kernel machine for what it leaves."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import Ridge

TREND = "trend.json"


class WithTrend:
    """A regressor ``y = w x + b + f(x)``: ridge regression first, then ``f``, a kernel machine.

    A kernel that decays returns to the mean away from the data; with the line it returns to the
    line, so far values of a column that matters in proportion are not lost.

    Parameters
    ----------
    machine : object
        An unfitted regressor for the residuals, with ``fit``, ``predict`` and ``save``.

    References
    ----------
    Rasmussen and Williams, *Gaussian Processes for Machine Learning*, section 2.7,
    https://gaussianprocess.org/gpml/

    Examples
    --------
    >>> from sklearn.neighbors import KNeighborsRegressor
    >>> X = np.linspace(0.0, 10.0, 20)[:, None]
    >>> model = WithTrend(KNeighborsRegressor()).fit(X, 3.0 * X[:, 0])
    >>> bool(model.predict(np.array([[20.0]]))[0] > 55.0)
    True
    """

    def __init__(self, machine: Any) -> None:
        self.machine = machine

    def fit(self, X: np.ndarray, y: np.ndarray) -> WithTrend:
        """Fit the line, then the machine, to rows ``(n, d)`` and values ``(n,)``."""
        line = Ridge().fit(X.astype(np.float64), y)
        self.weights, self.offset = line.coef_, float(line.intercept_)
        residuals = y - self._line(X)
        share = 1.0 - float(np.var(residuals) / np.var(y))
        self.machine.fit(X, residuals.astype(X.dtype))
        self.explain_ = (
            f"A linear trend was fitted first and explains {share:.1%} of the variance; "
            "what follows is of the machine that learned the rest. "
            f"{getattr(self.machine, 'explain_', '')}"
        ).strip()
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Values ``(n,)`` for rows ``(n, d)``, float64."""
        return self._line(X) + np.asarray(self.machine.predict(X), dtype=np.float64)

    def _line(self, X: np.ndarray) -> np.ndarray:
        return X.astype(np.float64) @ self.weights + self.offset  # [n]

    def save(self, directory: Path) -> None:
        """Write the line and the machine into ``directory``, which is made."""
        directory.mkdir()
        line = {"weights": self.weights.tolist(), "offset": self.offset, "explain": self.explain_}
        (directory / TREND).write_text(json.dumps(line, allow_nan=False), encoding="utf-8")
        self.machine.save(directory / "machine")

    @classmethod
    def load(cls, directory: Path, load_machine: Callable[[Path], Any]) -> WithTrend:
        """Read what :meth:`save` wrote, the machine with ``load_machine``."""
        line = json.loads((directory / TREND).read_text(encoding="utf-8"))
        model = cls(load_machine(directory / "machine"))
        model.weights, model.offset = np.array(line["weights"]), line["offset"]
        model.explain_ = line["explain"]
        return model
