"""The point set: a sequence in the unit cube, random or not, read in pieces."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from mercer import checks


class PointSet:
    """Points of low discrepancy in ``[0, 1)^d``.

    A set writes :meth:`_points` and sets ``limit``. What is random is drawn by the constructor, so
    that ``points(n)`` are the first rows of ``points(2 * n)``, and ``points(n, start=n)`` the rest.

    Parameters
    ----------
    dimension : int
        ``d``.
    randomisation : str or None
        One of ``randomisations``; None leaves the points as they are.
    replications : int, optional
        Number of independent randomisations, kept in a leading axis; no such axis by default.

    Attributes
    ----------
    shift : Tensor, shape (*replications, d), or None
        What was added to the points, modulo one or digit by digit.
    limit : int
        Number of points of the whole sequence.
    """

    randomisations: ClassVar[tuple[str, ...]]
    limit: int
    shift: Tensor | None = None

    def __init__(
        self,
        dimension: int,
        *,
        randomisation: str | None,
        replications: int | None,
    ) -> None:
        self.dimension = checks.count("dimension", dimension)
        self.randomisation = randomisation
        if randomisation is not None:
            check_choice("randomisation", randomisation, self.randomisations)
        self.replications = replications
        if replications is not None:
            checks.count("replications", replications)
            if randomisation is None:
                raise ValueError(
                    f"replications must be None without a randomisation, got {replications}: "
                    "they would all be the same points"
                )
        self._batch = () if replications is None else (replications,)

    def points(self, n: int, start: int = 0) -> Tensor:
        """The points ``start`` to ``start + n - 1`` of the sequence.

        Parameters
        ----------
        n : int
            How many, at least 1.
        start : int
            The first, at least 0.

        Returns
        -------
        Tensor, shape (*replications, n, d)
            float64 in ``[0, 1)``.

        Raises
        ------
        TypeError, ValueError
            If ``n`` or ``start`` is out of its domain, or the points end beyond ``limit``.
        """
        self._check_range(n, start)
        return self._points(n, start)

    def _points(self, n: int, start: int) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} must define _points")

    def _check_range(self, n: int, start: int) -> None:
        checks.count("n", n)
        checks.count("start", start, 0)
        if start + n > self.limit:
            raise ValueError(
                f"start + n must be at most {self.limit}, the number of points of this "
                f"{type(self).__name__}, got {start + n}"
            )


def check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Raise ``ValueError`` unless ``value`` is one of ``choices``."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")


def as_integers(name: str, value: Any) -> Tensor:
    """Return ``value`` as a tensor of int64, or raise ``TypeError`` if it holds other numbers."""
    tensor = torch.as_tensor(value)
    if tensor.is_floating_point() or tensor.is_complex() or tensor.dtype == torch.bool:
        raise TypeError(f"{name} must hold integers, got {tensor.dtype}")
    return tensor.long()
