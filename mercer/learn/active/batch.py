"""Choose the next points to be labelled for a network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mercer import checks
from mercer.features import FeatureMap
from mercer.features.base import check_points
from mercer.kernels import Kernel
from mercer.learn.active.base import Gradient, OfKernel, base_kernel
from mercer.learn.active.select import method_of, select
from mercer.learn.active.selection import Selection
from mercer.learn.active.transforms import Sketch, Transform

MODES = ("P", "TP")


def select_batch(
    network: nn.Module | None,
    X_train: Tensor,
    X_pool: Tensor,
    *,
    batch_size: int,
    base: str | Kernel | FeatureMap = "gradient",
    transforms: Sequence[Transform] = (Sketch(512),),
    method: str | type[Selection] = "lcmd",
    mode: str | None = None,
    generator: torch.Generator | None = None,
    **options: Any,
) -> Tensor:
    """Choose a batch of points to be labelled: base kernel, transformations, selection.

    The defaults are the method that the paper proposes.

    Parameters
    ----------
    network : nn.Sequential
        Trained; of ``nn.Linear`` and modules without parameters, with one output. None where the
        base needs no network.
    X_train, X_pool : Tensor, shapes (n, d) and (m, d)
        Points with labels and without, as the network takes them.
    batch_size : int
        How many to choose, at most ``m``.
    base : str, Kernel or FeatureMap
        ``gradient``, the tangent kernel of the network; ``last_layer``; ``linear``; ``nngp``, that
        of an infinitely wide network; ``laplace``; or any kernel or feature map.
    transforms : sequence of Transform
        Applied in this order: :class:`Scale`, :class:`Sketch`, :class:`Posterior`,
        :class:`AcsGradient`, :class:`AcsRandom`. A sketch that comes first is taken by blocks of
        points.
    method : str or type of Selection
        See :func:`mercer.learn.active.select`.
    mode : {"P", "TP"}, optional
        Whether the points with labels count as selected (``TP``) or not (``P``, where a posterior
        may bring them in). By default ``TP`` for the methods of distances, else ``P``.
    generator : torch.Generator, optional
        Of sketches and methods that draw.
    **options
        Of the method, see :func:`mercer.learn.active.select`.

    Returns
    -------
    Tensor of int64, shape (batch_size,)
        Rows of ``X_pool``, in the order of selection.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above.

    References
    ----------
    D. Holzmüller, V. Zaverkin, J. Kästner, I. Steinwart, "A Framework and Benchmark for Deep Batch
    Active Learning for Regression". https://arxiv.org/abs/2203.09410

    Examples
    --------
    >>> network = nn.Sequential(nn.Linear(1, 16), nn.Tanh(), nn.Linear(16, 1))
    >>> X_pool = torch.linspace(0, 1, 11)[:, None]
    >>> batch = select_batch(network, X_pool[:2], X_pool, batch_size=3)
    >>> len(batch)
    3
    """
    check_points("X_train", X_train)
    check_points("X_pool", X_pool)
    checks.alike("X_train", X_train, "X_pool", X_pool)
    if X_train.shape[1:] != X_pool.shape[1:] or not len(X_train):
        raise ValueError(
            f"X_train must have rows of {X_pool.shape[1]} coordinates as X_pool, got shape "
            f"{tuple(X_train.shape)}"
        )
    if mode not in (None, *MODES):
        raise ValueError(f"mode must be P, TP or None, got {mode!r}")
    n, X = len(X_pool), torch.cat([X_pool, X_train])
    kernel, steps = base_kernel(base, network, X.shape[1]), list(transforms)
    if steps and isinstance(steps[0], Sketch) and isinstance(kernel, (Gradient, OfKernel)):
        kernel = kernel.sketch(steps[0].dimension, generator)
        del steps[0]
    K = kernel.operator(X)
    for transform in steps:
        K = transform(K, slice(n, len(X)), generator)
    rows = torch.arange(len(X), device=X.device)
    with_train = mode == "TP" if mode else method_of(method).chosen_take_part
    return select(
        K,
        batch_size,
        method=method,
        candidates=rows[:n],
        chosen=rows[n:] if with_train else (),
        generator=generator,
        **options,
    )
