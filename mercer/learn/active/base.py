"""The base kernels that a batch is selected by, by name."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn

from mercer import checks
from mercer.features import FeatureMap
from mercer.features.random.random_fourier import RandomFourierFeatures
from mercer.kernels import Kernel, Laplace
from mercer.learn.active.last_layer import LastLayer
from mercer.learn.active.nngp import NNGP
from mercer.learn.active.sketched_gradient import SketchedGradient
from mercer.learn.active.tangent import linear_layers, tangent_kernel
from mercer.operators import Operator

NAMES = ("gradient", "last_layer", "linear", "nngp", "laplace")


class Base(Protocol):
    """A kernel on the points of a network's inputs."""

    def operator(self, X: Tensor) -> Operator:
        """Inner products of all points."""


class Gradient:
    """The tangent kernel of a network; its sketch never holds factors of all points."""

    def __init__(self, network: nn.Module) -> None:
        self.network = network

    def operator(self, X: Tensor) -> Operator:
        """The kernel itself, :class:`mercer.learn.active.KhatriRao`."""
        return tangent_kernel(self.network, X)

    def sketch(self, dimension: int, generator: torch.Generator | None) -> FeatureMap:
        """Random features of it."""
        return SketchedGradient(self.network, dimension, generator=generator)


class Linear(FeatureMap):
    """The points themselves."""

    def features(self, X: Tensor) -> Tensor:
        """``X``."""
        return X


class OfKernel:
    """A kernel of points with ``d`` coordinates, or random Fourier features of it."""

    def __init__(self, kernel: Kernel, d: int) -> None:
        self.kernel, self.d = kernel, d

    def operator(self, X: Tensor) -> Operator:
        """The kernel's operator."""
        return self.kernel(X)

    def sketch(self, dimension: int, generator: torch.Generator | None) -> FeatureMap:
        """Cosines and sines at frequencies drawn from the spectral law."""
        if checks.count("dimension", dimension) % 2:
            raise ValueError(f"dimension must be even for cosines and sines, got {dimension}")
        return RandomFourierFeatures(self.kernel, self.d, dimension // 2, generator=generator)


def base_kernel(base: str | Kernel | FeatureMap, network: nn.Module | None, d: int) -> Base:
    """The base kernel of a name, a kernel or a feature map.

    Parameters
    ----------
    base : str, Kernel or FeatureMap
        ``gradient``, ``last_layer``, ``linear``, ``nngp`` with as many layers as the network, or
        ``laplace`` of lengthscale 1.
    network : nn.Sequential, optional
        Where the base needs one.
    d : int
        Coordinates of a point.

    Returns
    -------
    Base

    Raises
    ------
    TypeError, ValueError
        If it is none of these, or its network is missing.
    """
    if isinstance(base, Kernel):
        return OfKernel(base, d)
    if isinstance(base, FeatureMap):
        return base
    if base not in NAMES:
        raise ValueError(
            f"base must be one of {', '.join(NAMES)}, a kernel or a feature map, got {base!r}"
        )
    if base == "linear":
        return Linear()
    if base == "laplace":
        return OfKernel(Laplace(1.0), d)
    if network is None:
        raise ValueError(f"the base {base!r} needs a network, got None")
    if base == "nngp":
        return OfKernel(NNGP(len(linear_layers(network))), d)
    return Gradient(network) if base == "gradient" else LastLayer(network)
