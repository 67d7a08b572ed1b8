"""The highest mode of a kernel density estimate, by random projection and ascent."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from mercer import checks
from mercer.kernels import Kernel
from mercer.measure.modes.exhaustive import highest_mode
from mercer.measure.modes.mean_shift import mean_shift
from mercer.measure.modes.projection import lift, mode_bound, random_projection
from mercer.measure.modes.radial import Radial

SEARCHES = ("mean_shift", "exhaustive")
CONTRACTIONS = (1.0, 0.7, 0.4, 0.2, 0.1)


class Mode(NamedTuple):
    """The highest point found."""

    location: Tensor  # [d]
    value: float  # sum_i w_i k(x, x_i) / sum_i w_i
    lifted_value: float  # before the ascent among all dimensions
    projected_value: float  # the highest found in the projected space
    bound: float  # on the mode, with the probability asked for; NaN after mean shift
    explain: str


def find_mode(
    X: Tensor,
    kernel: Kernel,
    *,
    dimension: int | None = None,
    search: str = "mean_shift",
    sample_weight: Tensor | None = None,
    projections: int = 1,
    starts: int = 30,
    polish: int = 500,
    epsilon: float = 0.01,
    failure: float = 0.05,
    tolerance: float = 1e-9,
    max_iterations: int = 500,
    generator: torch.Generator | None = None,
) -> Mode:
    r"""Find where :math:`\sum_i w_i k(x, x_i)` is highest.

    The sample is projected at random to few dimensions, the mode sought there, mapped back as a
    convex combination of the sample, and improved by mean shift among all dimensions.

    Parameters
    ----------
    X : Tensor, shape (n, d)
        The sample.
    kernel : Stationary
        A function of the Euclidean distance, convex in its square: Gaussian, logistic, sigmoid,
        generalized Gaussian, Student (:class:`mercer.kernels.RationalQuadratic`), Matérn.
    dimension : int, optional
        To how many dimensions to project; by default not at all. The theorem's may be more than
        d, at which :func:`projection_dimension` still guarantees a value, with nothing saved.
    search : {"mean_shift", "exhaustive"}
        ``mean_shift`` climbs from points of the sample; ``exhaustive`` proves that it is within
        ``epsilon`` of the highest, in 3 dimensions or fewer.
    sample_weight : Tensor, shape (n,), optional
        Not negative.
    projections : int
        How many are tried; the highest mode is kept.
    starts : int
        From how many points, those of the highest density, mean shift climbs.
    polish : int
        Most steps of mean shift among all dimensions; zero for none.
    epsilon : float
        Of an exhaustive search, between 0 and 1.
    failure : float
        The probability with which ``bound`` may fail, over all projections.
    tolerance, max_iterations
        Of mean shift.
    generator : torch.Generator, optional
        Of the projections.

    Returns
    -------
    Mode

    References
    ----------
    X. Luo, C. Musco, C. Widdershoven, "Dimensionality Reduction for General KDE Mode Finding".
    https://arxiv.org/abs/2305.18755

    Examples
    --------
    >>> from mercer.kernels import RBF
    >>> X = torch.cat([torch.zeros(5, 20), 9 + torch.eye(20)[:3]])
    >>> mode = find_mode(X, RBF(), dimension=2, generator=torch.Generator().manual_seed(0))
    >>> round(mode.value, 4), bool(mode.location.abs().max() < 1e-6)
    (0.625, True)
    """
    radial, weights = Radial(kernel), _read(X, sample_weight)
    if search not in SEARCHES:
        raise ValueError(f"search must be 'mean_shift' or 'exhaustive', got {search!r}")
    if dimension is not None:
        checks.count("dimension", dimension)
    checks.count("projections", projections)
    checks.count("starts", starts)
    checks.count("polish", polish, least=0)
    climb = {"tolerance": tolerance, "max_iterations": max_iterations}
    P = radial.points(X)  # [n, d]
    found = []
    for _ in range(1 if dimension is None else projections):
        Q = P
        if dimension is not None:
            Q = P @ random_projection(P.shape[1], dimension, generator).to(P)  # [n, dimension]
        if search == "exhaustive":
            summit = highest_mode(Q, radial, weights, epsilon=epsilon)
            y, projected, bound = summit.location, summit.value, summit.bound
            if dimension is not None:
                n, risk = len(P), failure / projections
                bound = mode_bound(bound, radial, n, dimension, failure=risk)
        else:
            y, projected = _climbed(Q, radial, weights, starts, climb)
            bound = float("nan")
        x, value = _lifted(y, Q, P, radial, weights)
        found.append((value, x, projected, bound))
    lifted, x, projected, _ = max(found, key=lambda one: one[0])
    value, steps = lifted, 0
    if polish:
        ascent = mean_shift(x[None], P, radial, weights, tolerance=tolerance, max_iterations=polish)
        x, value, steps = ascent.locations[0], float(ascent.values[0]), ascent.iterations
    return Mode(
        radial.back(x).to(X),
        value,
        lifted,
        projected,
        min(one[3] for one in found),
        _explain(P.shape[1], dimension, projections, search, steps),
    )


def _read(X: Tensor, sample_weight: Tensor | None) -> Tensor:
    """Weights that sum to one."""
    checks.finite("X", checks.floating("X", X))
    if X.ndim != 2 or X.numel() == 0:
        raise ValueError(
            f"X must have shape (n, d) with a row and a column at least, got {tuple(X.shape)}"
        )
    if sample_weight is None:
        return torch.full((len(X),), 1 / len(X), dtype=torch.float64, device=X.device)
    weights = checks.finite("sample_weight", checks.floating("sample_weight", sample_weight))
    if weights.shape != X.shape[:1]:
        raise ValueError(f"sample_weight must have shape ({len(X)},), got {tuple(weights.shape)}")
    if bool((weights < 0).any()) or not bool((weights > 0).any()):
        raise ValueError("sample_weight must not be negative, and somewhere positive")
    return weights.detach().double() / weights.detach().double().sum()


def _climbed(
    Q: Tensor, radial: Radial, weights: Tensor, starts: int, climb: dict[str, Any]
) -> tuple[Tensor, float]:
    values = radial.sums(Q, Q, weights)
    first = values.topk(min(starts, len(Q))).indices
    ascent = mean_shift(Q[first], Q, radial, weights, **climb)
    k = int(ascent.values.argmax())
    return ascent.locations[k], float(ascent.values[k])


def _lifted(
    y: Tensor, Q: Tensor, P: Tensor, radial: Radial, weights: Tensor
) -> tuple[Tensor, float]:
    """The highest of what contractions of several sizes give, and of the nearest point."""
    nearest = P[(Q - y).square().sum(1).argmin()]  # where a kernel has a cusp, the mode may be one
    lifted = [lift(y, Q, P, radial, weights, contraction=c) for c in CONTRACTIONS]
    points = torch.stack([*lifted, nearest])  # [6, d]
    values = radial.sums(points, P, weights)
    k = int(values.argmax())
    return points[k], float(values[k])


def _explain(d: int, dimension: int | None, projections: int, search: str, steps: int) -> str:
    where = f"all {d} dimensions"
    if dimension is not None:
        where = f"{dimension} of {d} dimensions"
    if dimension is not None and dimension > d:
        where = f"{dimension} dimensions, more than the {d} of the points"
    how = "mean shift" if search == "mean_shift" else "an exhaustive search"
    times = f", {projections} projections" if dimension is not None else ""
    return f"Sought by {how} in {where}{times}; {steps} steps among all of them."
