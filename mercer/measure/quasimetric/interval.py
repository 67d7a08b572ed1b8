"""Interval quasimetrics: lengths of unions of intervals."""

from __future__ import annotations

import torch
from torch import Tensor

from mercer import checks
from mercer.measure.quasimetric.parts import part_shape
from mercer.measure.quasimetric.reduction import Reduction, reduce_components


def interval_union(left: Tensor, right: Tensor) -> Tensor:
    r"""Length of :math:`\bigcup_j [x_j, \max(x_j, y_j)]` in O(L log L).

    With the intervals in order of their left ends, each adds the part of it that lies beyond all
    before: :math:`\sum_j (y_j - \max(x_j, \max_{i<j} y_i))_+`. Only ``x`` is sorted, so that a row
    of a matrix of distances is sorted once; and as a sum of terms that are not negative the length
    has no cancellation between far intervals.

    Parameters
    ----------
    left, right : Tensor, shapes (*s, L)
        x and y; their shapes broadcast.

    Returns
    -------
    Tensor, shape (*s)

    Examples
    --------
    >>> interval_union(torch.tensor([0.0, 1.0, 7.0]), torch.tensor([2.0, 4.0, 6.0]))
    tensor(4.)
    """
    shape = torch.broadcast_shapes(left.shape, right.shape)
    left, order = left.sort(-1)
    left, order = left.expand(shape), order.expand(shape)
    right = right.expand(shape).gather(-1, order)
    reach = right.cummax(-1).values  # [*s, L]
    begin = torch.cat([left[..., :1], torch.maximum(left[..., 1:], reach[..., :-1])], -1)
    return (right - begin).relu().sum(-1)


def interval_quasimetric(
    x: Tensor,
    y: Tensor,
    components: int,
    *,
    reduction: Reduction = "sum",
    alpha: Tensor | float | None = None,
) -> Tensor:
    r"""The interval quasimetric between latent vectors.

    .. math:: d_i(x, y) = \Big| \bigcup_{j=1}^L [x_{ij}, \max(x_{ij}, y_{ij})] \Big|,
       \qquad i = 1, \dots, K

    for vectors in K parts of L coordinates each. It fulfils the triangle inequality since
    :math:`[x, z] \subseteq [x, y] \cup [y, z]` for each coordinate, and scales with its arguments.

    Parameters
    ----------
    x, y : Tensor, shapes (*s, D)
        Latent vectors, finite; their shapes broadcast.
    components : int
        K, a divisor of D.
    reduction : {"sum", "mean", "max", "maxmean"}
        From :math:`d_i` to d, see :func:`reduce_components`.
    alpha : Tensor or float, in [0, 1], optional
        The share of the maximum in ``"maxmean"``.

    Returns
    -------
    Tensor, shape (*s)
        Distances from ``x`` to ``y``, with gradients of any order (the second is zero wherever
        it is defined).

    Raises
    ------
    TypeError, ValueError
        If vectors are no finite floating-point numbers, or ``components`` does not divide D.

    References
    ----------
    T. Wang, P. Isola, Improved Representation of Asymmetrical Distances with Interval Quasimetric
    Embeddings. https://arxiv.org/abs/2211.15120

    Examples
    --------
    >>> x, y = torch.tensor([0.0, 1.0, 5.0, 5.0]), torch.tensor([2.0, 4.0, 6.0, 3.0])
    >>> interval_quasimetric(x, y, 2), interval_quasimetric(y, x, 2)
    (tensor(5.), tensor(2.))
    """
    for name, value in (("x", x), ("y", y)):
        checks.finite(name, checks.floating(name, value))
    checks.alike("y", y, "x", x)
    if not x.ndim or not y.ndim or x.shape[-1] != y.shape[-1]:
        raise ValueError(
            f"x and y must be vectors of one dimension, got shapes {tuple(x.shape)} and "
            f"{tuple(y.shape)}"
        )
    checks.broadcast("x", x, "y", y)
    shape = part_shape(x.shape[-1], components)
    d = interval_union(x.unflatten(-1, shape), y.unflatten(-1, shape))  # [*s, K]
    return reduce_components(d, reduction, alpha=alpha)
