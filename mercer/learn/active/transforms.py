"""Transformations of a kernel before points are selected by it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from mercer import checks
from mercer.learn.active.khatri_rao import KhatriRao
from mercer.learn.active.selection import features_of
from mercer.operators import LowRank, Operator


class Transform(Protocol):
    """What makes one kernel matrix of another.

    It is called with the kernel of all points, the rows of those that have labels, and a generator.
    """

    def __call__(
        self, K: Operator, train: slice, generator: torch.Generator | None = None
    ) -> Operator:
        """The transformed matrix, of the same rows."""


@dataclass(frozen=True)
class Scale:
    """Multiply the kernel by a number.

    Parameters
    ----------
    factor : float, optional
        Positive; by default one over the mean of ``k(x, x)`` over the points with labels.

    Examples
    --------
    >>> K = LowRank(torch.tensor([[2.0], [1.0]]))
    >>> Scale()(K, slice(0, 1)).dense()
    tensor([[1.0000, 0.5000],
            [0.5000, 0.2500]])
    """

    factor: float | None = None

    def __call__(
        self, K: Operator, train: slice, generator: torch.Generator | None = None
    ) -> Operator:
        """``factor * K``; features stay features."""
        factor = self.factor
        if factor is None:
            mean = float(K.diagonal()[train].double().mean())
            if not mean > 0:
                raise ValueError(f"the mean of k(x, x) must be positive to scale it, got {mean:g}")
            factor = 1 / mean
        root = math.sqrt(float(checks.positive("factor", factor)))
        if isinstance(K, LowRank) and K.A is K.B:
            return LowRank(root * K.A)
        if isinstance(K, KhatriRao):
            return KhatriRao([(root * A, B) for A, B in K.left])
        return K * factor


@dataclass(frozen=True)
class Sketch:
    """Replace features by random projections of them.

    Parameters
    ----------
    dimension : int
        How many.

    Examples
    --------
    >>> Sketch(3)(LowRank(torch.eye(5)), slice(0, 1)).rank
    3
    """

    dimension: int

    def __call__(
        self, K: Operator, train: slice, generator: torch.Generator | None = None
    ) -> LowRank:
        """Gaussian projections, of features or of a sum of products of features."""
        if isinstance(K, KhatriRao):
            return K.sketch(self.dimension, generator)
        features = features_of(K, "sketch")
        return LowRank(features @ _gaussian(features, self.dimension, generator))


@dataclass(frozen=True)
class Posterior:
    r"""The posterior covariance of a Gaussian process given the points with labels.

    .. math:: k(x, x') - k(x, X) (k(X, X) + \sigma^2 I)^{-1} k(X, x')

    With D features that is :math:`\sigma^2 \phi^T (\Phi^T \Phi + \sigma^2 I)^{-1} \phi'`, again a
    kernel with D features, found by a D x D Cholesky factorisation. Both are solved in float64;
    where there are no features, ``k`` should be in float64 itself, since variances that are nearly
    zero are differences there.

    Parameters
    ----------
    noise_variance : float
        :math:`\sigma^2`, positive, in the units of the kernel.

    Raises
    ------
    ValueError
        If the matrix to be inverted is singular at that noise.

    Examples
    --------
    >>> K = LowRank(torch.tensor([[1.0], [2.0]]))
    >>> Posterior(noise_variance=1.0)(K, slice(0, 1)).diagonal()
    tensor([0.5000, 2.0000])
    """

    noise_variance: float = 1e-6

    def __call__(
        self, K: Operator, train: slice, generator: torch.Generator | None = None
    ) -> Operator:
        """``LowRank`` stays ``LowRank``."""
        noise = float(checks.positive("noise_variance", self.noise_variance))
        if isinstance(K, LowRank) and K.A is K.B:
            X = K.A[train].double()
            L = self._cholesky(X.mT @ X, noise)  # [D, D]
            root = torch.eye(len(L), dtype=L.dtype, device=L.device) * math.sqrt(noise)
            W = torch.linalg.solve_triangular(L, root, upper=False).mT  # sigma L^-T
            return LowRank(torch.cat([(F.double() @ W).to(K.A) for F in K.A.split(8192)]))
        L = self._cholesky(K[train, train].dense().double(), noise)
        cross = K[train, :].dense().double()  # [n_train, N]
        Z = torch.linalg.solve_triangular(L, cross, upper=False).mT
        return K - LowRank(Z.to(K.dtype))

    def _cholesky(self, matrix: Tensor, noise: float) -> Tensor:
        matrix.diagonal().add_(noise)
        L, failed = torch.linalg.cholesky_ex(matrix)
        if int(failed):
            raise ValueError(
                f"noise_variance is {noise:g}, too small for kernel values up to "
                f"{float(matrix.diagonal().max()):g}; scale the kernel or raise it"
            )
        return L


@dataclass(frozen=True)
class AcsGradient:
    r"""The kernel of gradients of the expected log likelihood in the weights.

    :math:`k(x, x') \, k_{post}(x, x') / \sigma^4`, for active learning by sparse subset
    approximation; :class:`Posterior` says what :math:`k_{post}` is.

    Parameters
    ----------
    noise_variance : float
        :math:`\sigma^2`, positive, in the units of the kernel.

    References
    ----------
    R. Pinsler et al., "Bayesian Batch Active Learning as Sparse Subset Approximation".
    https://arxiv.org/abs/1908.02144
    """

    noise_variance: float = 1e-6

    def __call__(
        self, K: Operator, train: slice, generator: torch.Generator | None = None
    ) -> KhatriRao:
        """The entrywise product of two low-rank matrices."""
        features = features_of(K, "acs")
        posterior = features_of(Posterior(self.noise_variance)(K, train), "acs")
        return KhatriRao([(features, posterior / self.noise_variance)])  # over sigma^2 twice


@dataclass(frozen=True)
class AcsRandom:
    r"""Random features of the expected log likelihood under the posterior.

    With :math:`f_j` drawn from the posterior (of mean zero) and its variance :math:`v(x)`,
    feature j is
    :math:`\frac12 \log(1 + v / \sigma^2) - (f_j(x)^2 + v) / (2 \sigma^2)`, over :math:`\sqrt{D}`.

    Parameters
    ----------
    dimension : int
        ``D``.
    noise_variance : float
        :math:`\sigma^2`, positive, in the units of the kernel.

    References
    ----------
    R. Pinsler et al., "Bayesian Batch Active Learning as Sparse Subset Approximation".
    https://arxiv.org/abs/1908.02144
    """

    dimension: int
    noise_variance: float = 1e-6

    def __call__(
        self, K: Operator, train: slice, generator: torch.Generator | None = None
    ) -> LowRank:
        """Features of ``dimension`` entries."""
        posterior = features_of(Posterior(self.noise_variance)(K, train), "acs")
        v = posterior.square().sum(1, keepdim=True) / self.noise_variance  # [N, 1]
        draws = posterior @ _gaussian(posterior, self.dimension, generator)  # f_j / sqrt(D)
        squared = draws.square() * self.dimension / self.noise_variance
        features = 0.5 * torch.log1p(v) - 0.5 * (squared + v)
        return LowRank(features / math.sqrt(self.dimension))


def _gaussian(features: Tensor, dimension: int, generator: torch.Generator | None) -> Tensor:
    """Normal draws of variance one over ``dimension``, ``[D, dimension]``."""
    checks.count("dimension", dimension)
    device = torch.device("cpu") if generator is None else generator.device
    size = (features.shape[1], dimension)
    draws = torch.randn(size, generator=generator, dtype=torch.float64, device=device)
    return draws.to(features) / math.sqrt(dimension)
