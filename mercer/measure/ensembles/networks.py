"""The networks that ensembles are made of by default."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import nn

from mercer import checks

Factory = Callable[[int, int], nn.Module]


def mlp(features: int, classes: int, hidden: Sequence[int] = (128, 128)) -> nn.Sequential:
    """A fully connected network with ReLU between its layers.

    Parameters
    ----------
    features, classes : int
        Of rows that come in, and of logits that go out.
    hidden : sequence of int
        Widths of the hidden layers.

    Returns
    -------
    torch.nn.Sequential
        From ``[n, features]`` to ``[n, classes]``.

    Examples
    --------
    >>> mlp(2, 3, hidden=(8,))(torch.zeros(5, 2)).shape
    torch.Size([5, 3])
    """
    sizes = (features, *(checks.count("hidden", width) for width in hidden), classes)
    layers = [layer for p, q in pairwise(sizes) for layer in (nn.Linear(p, q), nn.ReLU())]
    return nn.Sequential(*layers[:-1])


def cnn(features: int, classes: int, channels: Sequence[int] = (16, 32)) -> nn.Sequential:
    """Convolutions of square grey images, each halving the side, then one linear layer.

    Parameters
    ----------
    features, classes : int
        Pixels of an image, a square number, and logits that go out.
    channels : sequence of int
        Of the convolutions, 3 by 3.

    Returns
    -------
    torch.nn.Sequential
        From rows of pixels, ``[n, side * side]``, to ``[n, classes]``.

    Raises
    ------
    ValueError
        If rows are no square images.

    Examples
    --------
    >>> cnn(64, 10)(torch.zeros(5, 64)).shape
    torch.Size([5, 10])
    """
    side = math.isqrt(features)
    if side**2 != features:
        raise ValueError(f"network='cnn' needs rows of side * side pixels, got {features} columns")
    layers: list[nn.Module] = [nn.Unflatten(1, (1, side, side))]
    for p, q in pairwise((1, *(checks.count("channels", width) for width in channels))):
        layers += [nn.Conv2d(p, q, 3, stride=2, padding=1), nn.ReLU()]
        side = (side + 1) // 2
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels[-1] * side**2, classes))


def build(factory: Factory, features: int, classes: int, seed: int) -> nn.Module:
    """A network with weights from a seed; torch's own stream stays where it was."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        network = factory(features, classes)
    if not isinstance(network, nn.Module):
        raise TypeError(
            f"network must make a torch.nn.Module, got {type(network).__name__} from it"
        )
    return network
