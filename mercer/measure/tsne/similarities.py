"""The similarities of a sample: near neighbours, weighted to a perplexity."""

from __future__ import annotations

from torch import Tensor

from mercer.learn.progress import Progress
from mercer.measure.tsne.affinities import Affinities, symmetric_affinities
from mercer.measure.tsne.neighbours import approximate_neighbours, choose, exact_neighbours

NEIGHBOURS_A_PERPLEXITY = 3  # beyond them the weights are below exp(-4) or so


def neighbours_weighted(perplexity: float, n: int) -> int:
    """How many neighbours of ``n`` points are weighted."""
    return min(int(NEIGHBOURS_A_PERPLEXITY * perplexity), n - 1)


def check_perplexity(perplexity: float, n: int) -> None:
    """Raise ValueError unless ``n`` points can have so many neighbours that count."""
    if not 1 < perplexity < n:
        raise ValueError(
            f"perplexity must be above 1 and below the number of rows, {n}, got {perplexity:g}"
        )


def similarities(
    X: Tensor, perplexity: float, *, neighbours: str, backend: str, seed: int, verbose: bool
) -> tuple[Affinities, str]:
    """Joint similarities of points, and how neighbours were found.

    Parameters
    ----------
    X : Tensor, shape (n, d)
        The points.
    perplexity : float
        How many neighbours count, softly.
    neighbours : {"auto", "exact", "approximate"}
        All distances, or pynndescent's search; "auto" is exact up to a size where that is faster.
    backend : {"compiled", "torch"}
        Who selects the exact ones.
    seed : int
        Of the approximate ones.
    verbose : bool
        Whether to show progress.

    Returns
    -------
    tuple of Affinities and {"exact", "approximate"}
    """
    n, d = X.shape
    k = neighbours_weighted(perplexity, n)
    method = choose(neighbours, n, n, d, X.device)
    if method == "exact":
        with Progress(verbose, "neighbours") as progress:
            found = exact_neighbours(X, k, backend=backend, progress=progress)
    else:
        found = approximate_neighbours(X, k, seed=seed, progress=verbose)
    return symmetric_affinities(found, float(perplexity)), method
