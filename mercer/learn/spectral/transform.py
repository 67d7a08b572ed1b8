"""Spectral transformations: which functions count as smooth on the data."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from mercer import checks
from mercer.learn.spectral.polynomial_operator import PolynomialOperator
from mercer.linalg import conjugate_gradients, eigh
from mercer.linalg.eigh import Eigen
from mercer.operators.base import Operator


class Fit(NamedTuple):
    """``f(X) = N G coefficients`` at all points, labelled or not, and how it was found."""

    coefficients: Tensor  # [N, c]
    iterations: int
    converged: bool


class Transform(abc.ABC):
    r"""The kernel :math:`K_s = \sum_i s(\lambda_i) \psi_i \psi_i` from :math:`K = s^{-1}(K_s)`.

    On ``N`` points, labelled or not, with :math:`G = K / N`, its Gram matrix is :math:`N s(G)`, and
    its functions are :math:`k(x, X)\, w`. A subclass applies :math:`s(G) G^{-1}`, without the
    inverse.

    References
    ----------
    R. Zhai, R. Pukdee, R. Jin, M.-F. Balcan, P. Ravikumar, "Spectrally Transformed Kernel
    Regression", ICLR 2024. https://arxiv.org/abs/2402.00645
    """

    @abc.abstractmethod
    def __call__(self, eigenvalues: Tensor) -> Tensor:
        """Return :math:`s` at eigenvalues of ``G``."""

    @abc.abstractmethod
    def apply(self, G: Operator, V: Tensor, tol: float) -> Tensor:
        r"""Return :math:`s(G) G^{-1} V`, ``[N, c]``."""

    def fit(self, G: Operator, rows: Tensor, Y: Tensor, shift: float, tol: float) -> Fit:
        r"""Minimise :math:`\sum_{i \in rows} (y_i - f(x_i))^2 + shift\, \|f\|_{K_s}^2`.

        Conjugate gradients on the labelled rows: :math:`(N s(G)_{ll} + shift)\, a = y`, then
        :math:`w = s(G) G^{-1} a`.

        Parameters
        ----------
        G : Operator, shape (N, N)
            ``K / N``, positive semidefinite.
        rows : Tensor of int64, shape (n,)
            Which points are labelled.
        Y : Tensor, shape (n, c)
            Their targets.
        shift : float
            Positive.
        tol : float
            Relative.

        Returns
        -------
        Fit
        """
        found = conjugate_gradients(_Labelled(self, G, rows, shift, tol), Y, tol=tol)
        w = self.apply(G, spread(found.x, rows, G.n), tol)
        return Fit(w, found.iterations, bool(found.converged.all()))


@dataclass(frozen=True)
class Polynomial(Transform):
    r"""A polynomial without constant: :math:`s(\lambda) = \sum_{p \ge 1} \pi_p \lambda^p`.

    Parameters
    ----------
    coefficients : sequence of float
        :math:`\pi_1, \pi_2, \dots`, none negative, one positive.

    Examples
    --------
    >>> Polynomial([0.0, 1.0])(torch.tensor([0.5]))
    tensor([0.2500])
    """

    coefficients: Sequence[float]

    def __post_init__(self) -> None:
        values = torch.as_tensor(self.coefficients, dtype=torch.float64)
        checks.finite("coefficients", values)
        if values.ndim != 1 or bool((values < 0).any()) or not bool((values > 0).any()):
            raise ValueError(
                "coefficients of a transform must be at least 0 and some positive, "
                f"got {list(self.coefficients)}"
            )

    def __call__(self, eigenvalues: Tensor) -> Tensor:
        """Return :math:`s`."""
        return eigenvalues * horner(self.coefficients, eigenvalues)

    def apply(self, G: Operator, V: Tensor, tol: float) -> Tensor:
        """Products with ``G``, one less than the degree."""
        return PolynomialOperator(G, self.coefficients) @ V


@dataclass(frozen=True)
class InversePolynomial(Transform):
    r"""The inverse is a polynomial: :math:`\lambda / s(\lambda) = \sum_{p \ge 0} \xi_p \lambda^p`.

    ``(1, -eta)`` is the inverse Laplacian, :math:`s^{-1}(\lambda) = \lambda^{-1} - \eta`.

    Parameters
    ----------
    coefficients : sequence of float
        :math:`\xi_0, \xi_1, \dots`; the sum positive on the spectrum of ``G``.

    Examples
    --------
    >>> InversePolynomial([1.0, -0.5])(torch.tensor([1.0]))
    tensor([2.])
    """

    coefficients: Sequence[float]

    def __post_init__(self) -> None:
        checks.finite("coefficients", torch.as_tensor(self.coefficients, dtype=torch.float64))

    def __call__(self, eigenvalues: Tensor) -> Tensor:
        """Return :math:`s`."""
        return eigenvalues / horner(self.coefficients, eigenvalues)

    def apply(self, G: Operator, V: Tensor, tol: float) -> Tensor:
        """Conjugate gradients with the polynomial."""
        return conjugate_gradients(PolynomialOperator(G, self.coefficients), V, tol=tol).x

    def fit(self, G: Operator, rows: Tensor, Y: Tensor, shift: float, tol: float) -> Fit:
        r"""Solve for ``w`` at once, without solves inside of solves.

        With :math:`q(G) w = a` and :math:`shift\, a = y - f`:
        :math:`(\tfrac{shift}{N} q(G) + I_l G) w = \tfrac1N y`, which is self-adjoint in the inner
        product of ``G``. Conjugate gradients in it take one product with ``G`` a step where the
        polynomial is of degree one. Parts of ``w`` in the null space of ``G`` change no value.
        """
        high = PolynomialOperator(G, self.coefficients[1:] or (0.0,))
        labelled = spread(torch.ones_like(Y[:, :1]), rows, G.n)  # [N, 1]
        scale = shift / G.n
        R = spread(Y, rows, G.n) / G.n
        W, P = torch.zeros_like(R), R
        GR = GP = G @ R
        size = energy = (R * GR).sum(dim=0)  # [c]
        limit, step = 10 * G.n + 10, 0
        active = energy > 0
        while bool(active.any()) and step < limit:
            BP = scale * (self.coefficients[0] * P + high @ GP) + labelled * GP
            curvature = (GP * BP).sum(dim=0)
            active = active & (curvature > 0)
            length = torch.where(active, energy / torch.where(active, curvature, 1.0), 0.0)
            W, R = W + length * P, R - length * BP
            GR, before = G @ R, energy
            energy = (R * GR).sum(dim=0)
            active = active & (energy > tol**2 * size)
            ratio = torch.where(active, energy / before, 0.0)
            P, GP = R + ratio * P, GR + ratio * GP
            step += 1
        return Fit(W, step, bool((energy <= tol**2 * size).all()))


@dataclass(frozen=True, eq=False)
class TopComponents(Transform):
    r"""Kernel principal components: :math:`s` is 1 on the largest eigenvalues and 0 on the others.

    The representation for a transformation that is not known; its linear functions are
    :math:`k(x, X)\, w`.

    Parameters
    ----------
    values, vectors : Tensor, shapes (r,) and (N, r)
        The largest eigenpairs of ``G``, ascending; those at rounding level are left out.
    """

    values: Tensor = field(repr=False)
    vectors: Tensor = field(repr=False)

    @classmethod
    def of(cls, G: Operator, rank: int, generator: torch.Generator | None = None) -> TopComponents:
        """Return the ``rank`` largest components of an operator."""
        rank = min(checks.count("rank", rank), G.n)
        found: Eigen = eigh(G, rank, generator=generator)
        least = G.n * torch.finfo(G.dtype).eps * found.values[-1]
        kept = found.values > least
        return cls(found.values[kept], found.vectors[:, kept])

    def largest(self, rank: int) -> TopComponents:
        """Return the ``rank`` largest of these components."""
        return TopComponents(self.values[-rank:], self.vectors[:, -rank:])

    def __call__(self, eigenvalues: Tensor) -> Tensor:
        """Return :math:`s`."""
        return (eigenvalues >= self.values[0]).to(eigenvalues)

    def apply(self, G: Operator, V: Tensor, tol: float) -> Tensor:
        """Projection onto the components, each over its eigenvalue."""
        return self.vectors @ ((self.vectors.mT @ V) / self.values[:, None])


class _Labelled(Operator):
    """``N s(G)`` on the labelled rows, plus a multiple of the identity."""

    def __init__(
        self, transform: Transform, G: Operator, rows: Tensor, shift: float, tol: float
    ) -> None:
        super().__init__((len(rows), len(rows)), G.dtype, G.device, {"psd"})
        self.parts = (transform, G, rows, shift, tol)

    def _matmul(self, V: Tensor) -> Tensor:
        transform, G, rows, shift, tol = self.parts
        values = G @ transform.apply(G, spread(V, rows, G.n), tol)
        return G.n * values[rows] + shift * V


def spread(V: Tensor, rows: Tensor, n: int) -> Tensor:
    """Return ``[n, c]`` with ``V`` at ``rows`` and zero elsewhere."""
    return V.new_zeros(n, V.shape[1]).index_copy_(0, rows, V)


def horner(coefficients: Sequence[float], x: Tensor) -> Tensor:
    """Return the polynomial with the given coefficients, the constant first, at ``x``."""
    out = torch.zeros_like(x)
    for c in reversed(coefficients):
        out = out * x + c
    return out
