"""How smooth the regression function is relative to a kernel, estimated from labels."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from scipy.optimize import minimize
from scipy.stats import chi2
from torch import Tensor

from mercer import checks
from mercer.kernels import Kernel
from mercer.learn.smoothness.rate import OptimalRate
from mercer.linalg import eigh
from mercer.linalg.eigh import Eigen
from mercer.operators import Dense

LEAST = 32  # rows
SMALL = 4096  # rows up to which the matrix is formed
CHANCE = 0.01  # of taking noise for a signal


class InterpolationSmoothness(NamedTuple):
    r"""The smoothness ``s`` and what it was read off."""

    smoothness: float
    standard_error: float
    decay: float
    truncation: int
    eigenvalues: Tensor  # [J], of K / n, falling
    energies: Tensor  # [J], squared coefficients of the labels
    signal: Tensor  # [J], what the fit takes for those of the regression function
    noise: float

    @property
    def rate(self) -> OptimalRate:
        """The rate that follows; refused where the smoothness came out negative."""
        return OptimalRate(self.decay, self.smoothness)


@torch.no_grad()
def interpolation_smoothness(
    X: Tensor,
    y: Tensor,
    kernel: Kernel,
    *,
    components: int | None = None,
    skip: int = 0,
    eigen: Eigen | None = None,
    tol: float = 1e-7,
    generator: torch.Generator | None = None,
) -> InterpolationSmoothness:
    r"""Estimate the largest ``s`` with :math:`2\eta - 1` in the interpolation space :math:`[H]^s`.

    With eigenpairs :math:`(\lambda_j, u_j)` of ``K / n``, the energies
    :math:`p_j^2 = (u_j^T y)^2 / n` of the labels are those of the regression function, of which
    what lies beyond ``j`` falls as :math:`\lambda_j^s`, and of the noise:

    .. math:: E\, p_j^2 \approx C \lambda_j^s / j + \sigma^2 / n

    The floor :math:`\sigma^2` is the energy of all components that were not computed. ``C`` and
    ``s`` maximise the likelihood in which :math:`p_j^2` is its mean times a chi-squared variable of
    one degree of freedom; the standard error is that of this law. Components under the floor hardly
    count; ``truncation`` says how many lie above it.

    Parameters
    ----------
    X : Tensor, shape (n, d)
        Points.
    y : Tensor, shape (n,)
        Labels -1 and 1, or real targets.
    kernel : Kernel
        Positive definite.
    components : int, optional
        ``J``, the largest eigenvalues that are computed, at most ``n / 4``; default
        :math:`2 \sqrt n`.
    skip : int
        How many of the first not to fit, where the law of powers has not set in.
    eigen : Eigen, optional
        The ``J`` largest eigenpairs of ``kernel(X)``, as :func:`mercer.linalg.eigh` gives them, for
        several labels of the same points.
    tol : float, positive
        Residual of the eigenpairs over the largest eigenvalue; far below the smallest that is
        fitted, or energies come out too small there and ``s`` too large.
    generator : torch.Generator, optional
        Of the start of their iteration.

    Returns
    -------
    InterpolationSmoothness

    Raises
    ------
    ValueError
        If arguments do not fit, or the labels do not stand out from noise.

    Examples
    --------
    >>> from mercer.kernels.brownian import Brownian
    >>> generator = torch.Generator().manual_seed(0)
    >>> x = torch.rand(400, 1, generator=generator, dtype=torch.float64)
    >>> found = interpolation_smoothness(x, torch.sign(x[:, 0] - 0.5), Brownian())
    >>> abs(found.smoothness - 0.5) < 2 * found.standard_error
    True

    References
    ----------
    J. Lai, Z. Li, D. Huang, Q. Lin, "The Optimality of Kernel Classifiers in Sobolev Space", ICLR
    2024, section on truncation estimation. https://arxiv.org/abs/2402.01148
    """
    n = len(X)
    _check(X, y, kernel, n)
    if components is None:
        components = 2 * math.isqrt(n) if eigen is None else len(eigen.values)
    J = checks.count("components", components)
    if n < 4 * J:
        raise ValueError(f"components must be at most n / 4 = {n // 4}, got {J}")
    skip = checks.count("skip", skip, least=0)
    if J - skip < 4:
        raise ValueError(f"skip must leave 4 of {J} components, got {skip}")
    if eigen is None:
        eigen = largest_eigenpairs(X, kernel, J, tol=tol, generator=generator)
    elif eigen.vectors.shape != (n, J):
        raise ValueError(
            f"eigen must have vectors of shape ({n}, {J}), got {tuple(eigen.vectors.shape)}"
        )
    lam, U = eigen.values.flip(0).double() / n, eigen.vectors.flip(1).double()
    y = y.double()
    energies = (U.mT @ y).square() / n  # [J]
    floor = max(float(y.square().sum()) / n - float(energies.sum()), 0.0) / (n - J)
    _require_signal(energies[skip:], floor)
    j = torch.arange(1, J + 1, dtype=torch.float64, device=lam.device)
    log_c, s, error = _fit(lam[skip:], energies[skip:], j[skip:], floor)
    signal = torch.exp(log_c + s * lam.log()) / j
    above = int((signal > floor).sum())
    return InterpolationSmoothness(
        s, error, _decay(lam, j), above, lam, energies, signal, floor * n
    )


def largest_eigenpairs(
    X: Tensor, kernel: Kernel, rank: int, *, tol: float, generator: torch.Generator | None = None
) -> Eigen:
    """Return the largest eigenpairs of ``kernel(X)`` in float64, ascending.

    Parameters
    ----------
    X : Tensor, shape (n, d)
    kernel : Kernel
    rank : int
        How many.
    tol, generator
        As in :func:`interpolation_smoothness`.

    Returns
    -------
    Eigen

    Examples
    --------
    >>> from mercer.kernels.brownian import Brownian
    >>> x = torch.tensor([[0.5], [1.0]])
    >>> largest_eigenpairs(x, Brownian(), 1, tol=1e-7).values
    tensor([1.3090], dtype=torch.float64)
    """
    K = kernel(X.double())
    if len(X) <= SMALL:  # many products with the same matrix
        K = Dense(K.dense(), tags=K.tags)
    return eigh(K, rank, method="krylov", tol=tol, generator=generator)


def _fit(lam: Tensor, energies: Tensor, j: Tensor, floor: float) -> tuple[float, float, float]:
    """``log C``, ``s`` and the standard error of ``s``."""
    z, rank = energies.cpu().numpy(), j.cpu().numpy()
    x = lam.log().cpu().numpy()
    centre = float(x[0])  # C is fitted where the components are largest
    x = x - centre

    def mean(theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        signal = np.exp(np.clip(theta[0] + theta[1] * x, -300, 300)) / rank
        return signal, signal + floor

    def loss(theta: np.ndarray) -> tuple[float, np.ndarray]:
        signal, v = mean(theta)
        slope = (1 - z / v) * signal / v
        return float((z / v + np.log(v)).sum()), np.array([slope.sum(), (slope * x).sum()])

    size = math.log(float((z * rank)[:4].max()))
    starts = [np.array([size, s]) for s in (0.25, 0.5, 1.0, 2.0)]
    best = min((minimize(loss, start, jac=True) for start in starts), key=lambda f: float(f.fun))
    signal, v = mean(best.x)
    D = (signal / v)[:, None] * np.stack([np.ones_like(x), x], axis=1)  # [J, 2], of log v
    variance = 2 * np.linalg.inv(D.T @ D)  # that of a chi-squared variable is 2
    s = float(best.x[1])
    return float(best.x[0]) - s * centre, s, math.sqrt(variance[1, 1])


def _decay(lam: Tensor, j: Tensor) -> float:
    """Minus the slope of log eigenvalues in log ``j``, each octave of equal weight."""
    root = j.rsqrt()
    A = torch.stack([torch.ones_like(j), j.log()], dim=1) * root[:, None]
    return -float(torch.linalg.lstsq(A, (lam.log() * root)[:, None]).solution[1])


def _require_signal(energies: Tensor, floor: float) -> None:
    """Refuse energies whose first 1, 2, 4, ... sums are all within the law of noise."""
    sums = (energies.cumsum(0) / floor).tolist() if floor > 0 else []
    counts = [2**k for k in range(len(sums).bit_length())]
    if sums and min(chi2.sf(sums[c - 1], c) for c in counts) * len(counts) > CHANCE:
        raise ValueError(
            f"y does not stand out from noise in the {len(energies)} components that are fitted; "
            "more rows or another kernel are needed"
        )


def _check(X: Tensor, y: Tensor, kernel: Kernel, n: int) -> None:
    checks.floating("X", X)
    checks.floating("y", y)
    if not isinstance(kernel, Kernel):
        raise TypeError(f"kernel must be a Kernel, got {type(kernel).__name__}")
    if X.ndim != 2 or n < LEAST:
        raise ValueError(f"X must have shape (n, d) with n >= {LEAST}, got {tuple(X.shape)}")
    if y.shape != (n,):
        raise ValueError(f"y must have shape ({n},), got {tuple(y.shape)}")
    checks.finite("X", X)
    checks.finite("y", y)
