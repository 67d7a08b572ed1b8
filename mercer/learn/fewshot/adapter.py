"""What the adapters share: embeddings on the sphere, and texts for the classes."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from mercer import checks
from mercer.kernels import Kernel
from mercer.learn.classification import ClassificationEstimator


class Adapter(ClassificationEstimator):
    """A classifier on frozen embeddings whose scores start from directions of the classes."""

    def predict_proba(self, X: Any) -> Any:
        """The softmax of the scores, ``[n, C]``, which is not calibrated."""
        return self._give_probabilities(self._scores_of(X).softmax(dim=1), X)

    def _read_support(self, X: Any, y: Any) -> tuple[Tensor, Tensor]:
        """Points ``[n, d]`` and the class of each ``[n]``."""
        points, index, _ = self._read(X, y, None)
        return points, index

    def _texts(self, name: str, given: Any, points: Tensor) -> Tensor | None:
        """Texts of the classes, ``[C, d]``, in the order of ``classes_``."""
        if given is None:
            return None
        texts = embeddings(name, given, points)
        if len(texts) != len(self.classes_):
            raise ValueError(
                f"{name} must have one row for each of the {len(self.classes_)} classes of y, "
                f"got {len(texts)}"
            )
        return texts


def embeddings(name: str, given: Any, points: Tensor) -> Tensor:
    """Read a table beside ``X``, ``[m, d]``, in the dtype and on the device of its points."""
    table = given if isinstance(given, Tensor) else torch.from_numpy(np.array(given, dtype=float))
    if table.ndim != 2 or table.shape[1] != points.shape[1]:
        raise ValueError(
            f"{name} must have shape (rows, {points.shape[1]}), got {tuple(table.shape)}"
        )
    return checks.finite(name, table.detach().to(points))


def sphere(points: Tensor, power: float = 1.0) -> Tensor:
    r"""The rows divided by their length, after :math:`\mathrm{sign}(x) |x|^p` in each entry.

    Parameters
    ----------
    points : Tensor, shape (n, d)
    power : float
        ``p``, in (0, 1]; below 1 it draws large and small coordinates together.

    Returns
    -------
    Tensor, shape (n, d)
        Rows of length 1; a row of zeros stays one.

    Examples
    --------
    >>> sphere(torch.tensor([[9.0, -16.0]]), power=0.5)
    tensor([[ 0.6000, -0.8000]])
    """
    if not 0 < power <= 1:
        raise ValueError(f"power must be above 0 and at most 1, got {power:g}")
    return normalize(points if power == 1 else points.sign() * points.abs() ** power, dim=1)


def checked_kernel(kernel: Any, default: Kernel) -> Kernel:
    """``kernel``, or the default where there is none."""
    if kernel is None:
        return default
    if not isinstance(kernel, Kernel):
        raise TypeError(f"kernel must be a Kernel, got {type(kernel).__name__}")
    return kernel
