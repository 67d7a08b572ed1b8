"""An embedding that stays as it is, and where new points belong in it."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from mercer.learn.progress import Progress
from mercer.measure.tsne.exact import ExactSums
from mercer.measure.tsne.interpolation import Interpolation
from mercer.measure.tsne.neighbours import exact_neighbours, unit
from mercer.measure.tsne.placing import place
from mercer.measure.tsne.similarities import neighbours_weighted
from mercer.measure.tsne.student import Student


class Embedding(NamedTuple):
    """Points and their places.

    Parameters
    ----------
    points : Tensor, shape (n, d)
        What is embedded.
    places : Tensor, shape (n, c)
        Where.
    student : Student
        The similarity of places.
    sums : Interpolation or ExactSums
        How its sums are computed.
    """

    points: Tensor
    places: Tensor
    student: Student
    sums: Interpolation | ExactSums

    def place(
        self, X: Tensor, *, perplexity: float, iterations: int, backend: str, verbose: bool
    ) -> Tensor:
        """Where new points belong, each by itself.

        Parameters
        ----------
        X : Tensor, shape (m, d)
            The points.
        perplexity : float
            Of their similarities; less where fewer points are embedded.
        iterations : int
            Of gradient descent.
        backend : {"compiled", "torch"}
            Who selects neighbours.
        verbose : bool
            Whether to show progress.

        Returns
        -------
        Tensor, shape (m, c)
        """
        n = len(self.points)
        perplexity = min(float(perplexity), n - 1.0)
        k = neighbours_weighted(perplexity, n)
        X = X.to(self.points.dtype)
        scale = unit(X, self.points)
        found = exact_neighbours(X / scale, k, self.points / scale, backend=backend)
        with Progress(verbose, "new points") as progress:
            return place(
                found,
                self.places,
                self.sums.field(self.places),
                self.student,
                perplexity=perplexity,
                iterations=iterations,
                progress=progress,
            )
