"""How repulsion is summed: over all pairs of few points, on a grid where there are many."""

from __future__ import annotations

from mercer import checks
from mercer.measure.tsne.exact import ExactSums
from mercer.measure.tsne.interpolation import Interpolation
from mercer.measure.tsne.student import Student

GRADIENTS = ("auto", "interpolation", "exact")
SMALL = 256  # points up to which all pairs are as fast as the grid


def check_repulsion(gradient: str, *, spacing: float, nodes: int) -> None:
    """Raise ValueError unless there is such a way and such a grid."""
    checks.positive("spacing", spacing)
    if nodes not in (2, 4, 6):
        raise ValueError(f"nodes must be 2, 4 or 6, got {nodes!r}")
    if gradient not in GRADIENTS:
        raise ValueError(f"gradient must be one of {', '.join(GRADIENTS)}, got {gradient!r}")


def choose_gradient(gradient: str, n: int) -> str:
    """How the repulsion of ``n`` points is summed: "exact" or "interpolation".

    Examples
    --------
    >>> choose_gradient("auto", 100), choose_gradient("auto", 1000)
    ('exact', 'interpolation')
    """
    if gradient == "auto":
        return "exact" if n <= SMALL else "interpolation"
    return gradient


def repulsive_sums(
    gradient: str, student: Student, *, spacing: float, nodes: int, backend: str
) -> Interpolation | ExactSums:
    """What sums repulsion.

    Parameters
    ----------
    gradient : {"interpolation", "exact"}
        Which.
    student : Student
        The similarity.
    spacing, nodes, backend
        See :class:`mercer.measure.tsne.Interpolation`.
    """
    if gradient == "exact":
        return ExactSums(student)
    return Interpolation(student, spacing=float(spacing), nodes=nodes, backend=backend)
