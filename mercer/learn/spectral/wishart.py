"""The high-dimensional model: Gaussian features, whose Gram matrix is a Wishart matrix."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from mercer import checks
from mercer.learn.spectral.generalisation_error import GeneralisationError, spectrum_and_target

CONTINUATION = 0.3  # factor between the imaginary parts of successive Newton solves
LEAST_IMAGINARY = 1e-9  # of z, relative to its real part, where the density is read off
OUTSIDE = 1e-6  # of Im m / |m|, above what that imaginary part leaves outside the spectrum


def wishart(
    eigenvalues: Tensor,
    target: Tensor,
    *,
    samples: int,
    noise: float,
    nodes: int = 1500,
) -> GeneralisationError:
    r"""Return the error in the limit of many Gaussian features, by the resolvent of ``K / N``.

    The kernel is :math:`\sum_l \lambda_l \phi_l(x) \phi_l(x')` with independent standard normal
    :math:`\phi_l(x)`, the target :math:`\sum_l c_l \phi_l`. With :math:`m(z)` the Stieltjes
    transform of the spectrum of ``K / N``,

    .. math:: \frac1m = -z + \frac1N \sum_l \frac{\lambda_l}{1 + m \lambda_l},

    and :math:`S = \sum_l c_l^2 / (1 + m \lambda_l)`, :math:`u = 1 / (z m)`, two resolvents around
    the covariance have the mean
    :math:`\frac{u_1 u_2 (m_1 S_1 - m_2 S_2)}{z_1 - z_2}`, whose jump over the real axes is the
    measure of :math:`(1 - h)(\lambda)\,(1 - h)(\lambda')` in the error: a density on the diagonal
    :math:`\lambda = \lambda'`, a smooth one off it, and atoms at zero.

    Parameters
    ----------
    eigenvalues : Tensor, shape (P,)
        :math:`\lambda_l`, positive.
    target : Tensor, shape (P,)
        :math:`c_l^2`.
    samples : int, at least 1
        ``N``, below ``P``.
    noise : float, at least 0
        Standard deviation of the observations.
    nodes : int, at least 100
        Of the quadrature of the density, evenly spaced in :math:`\log \lambda`.

    Returns
    -------
    GeneralisationError
        Its first node is 0, for what the sample does not see.

    Examples
    --------
    >>> from mercer.learn.spectral import Ridge
    >>> spectrum = (torch.arange(300.0) + 1) ** -2
    >>> error = wishart(spectrum, spectrum, samples=50, noise=1.0, nodes=400)
    >>> error(Ridge(0.1)) < min(error(Ridge(1e-3)), error(Ridge(10.0)))
    True

    References
    ----------
    M. Velikanov, M. Panov, D. Yarotsky, "Generalization error of spectral algorithms", ICLR 2024.
    https://arxiv.org/abs/2403.11696
    J. W. Silverstein, "Strong convergence of the empirical distribution of eigenvalues of large
    dimensional random matrices". https://doi.org/10.1006/jmva.1995.1083
    """
    lam, c2 = spectrum_and_target(eigenvalues, target, samples, noise)
    checks.count("nodes", nodes, least=100)
    if not bool((lam > 0).all()) or samples >= len(lam):
        raise ValueError(
            f"eigenvalues must be positive and more than samples, got {int((lam > 0).sum())} "
            f"positive ones and samples={samples}"
        )
    zero = companion_at_zero(lam, samples)
    a, weight = _support(lam, samples, nodes)  # [g] each
    m = companion(a, lam, samples)  # [g], complex
    inside = m.imag > OUTSIDE * m.abs()  # elsewhere there are no eigenvalues
    a, weight, m = a[inside], weight[inside], m[inside]
    S = (c2 / (1 + m[:, None] * lam)).sum(dim=1)
    alpha, beta = S.imag / a, (1 / (a * m)).imag  # imaginary parts of u m S and of u
    # The atom at (0, 0), then 0 with the density, then the density with itself.
    S0 = float((c2 / (1 + zero * lam)).sum())
    slope = 1 / float(zero**-2 - (lam.square() / (1 + zero * lam).square()).sum() / samples)
    corner = slope / zero**2 * float((c2 / (1 + zero * lam).square()).sum())
    edge = -(alpha - zero * S0 * beta) / (math.pi * zero * a) * weight
    density = -beta / (math.pi * a) * weight
    diagonal = density * (m * S).imag / m.imag
    off = _off_diagonal(a, alpha, beta) * weight * weight[:, None]
    bias = torch.zeros(len(a) + 1, len(a) + 1, dtype=a.dtype, device=a.device)
    bias[0, 0] = corner
    bias[0, 1:] = bias[1:, 0] = edge
    bias[1:, 1:] = off + diagonal.diag()
    first = a.new_zeros(1)
    return GeneralisationError(
        torch.cat([first, a]), bias, variance=noise**2 * torch.cat([first, density])
    )


def companion(a: Tensor, eigenvalues: Tensor, samples: int) -> Tensor:
    """Return ``m(z)`` just above real ``z = a``, by Newton's method from large imaginary parts.

    Parameters
    ----------
    a : Tensor, shape (g,)
        Positive.
    eigenvalues : Tensor, shape (P,)
    samples : int

    Returns
    -------
    Tensor, shape (g,), complex
    """
    height = 16.0
    m = -1 / torch.complex(a, height * a)
    while height > LEAST_IMAGINARY:
        height = max(height * CONTINUATION, LEAST_IMAGINARY)
        z = torch.complex(a, height * a)
        for _ in range(3):
            shrunk = eigenvalues / (1 + m[:, None] * eigenvalues)  # [g, P]
            value = -1 / m + shrunk.sum(dim=1) / samples - z
            slope = m**-2 - shrunk.square().sum(dim=1) / samples
            m = m - value / slope
    return m


def companion_at_zero(eigenvalues: Tensor, samples: int) -> Tensor:
    """Return ``m(0)``: the root of ``sum_l m lambda_l / (1 + m lambda_l) = N``."""

    def excess(m: Tensor) -> Tensor:
        return (m * eigenvalues / (1 + m * eigenvalues)).sum() - samples

    low = samples / eigenvalues.sum() * 0.5
    high = 2 * low
    while excess(high) < 0:
        high = 2 * high
    return _bisect(excess, low, high)


def _support(eigenvalues: Tensor, samples: int, nodes: int) -> tuple[Tensor, Tensor]:
    """Nodes and weights between the edges of the spectrum, where ``dz / dm = 0`` for real m."""

    def z(m: Tensor) -> Tensor:
        return -1 / m + (eigenvalues / (1 + m * eigenvalues)).sum() / samples

    def falling(m: Tensor) -> Tensor:
        shrunk = m * eigenvalues / (1 + m * eigenvalues)
        return shrunk.square().sum() - samples

    pole = -1 / eigenvalues.max()
    upper = z(_bisect(falling, pole * 1e-6, pole * (1 - 1e-12)))
    low = companion_at_zero(eigenvalues, samples)
    high = 2 * low
    while falling(high) < 0:
        high = 2 * high
    lower = z(_bisect(falling, low, high))
    step = float((upper / lower).log()) / nodes
    middle = torch.arange(nodes, dtype=lower.dtype, device=lower.device) + 0.5
    a = lower * (middle * step).exp()
    return a, a * step


def _bisect(f: Callable[[Tensor], Tensor], low: Tensor, high: Tensor) -> Tensor:
    """The root of ``f`` between ``low``, where it is negative, and ``high``; of one sign both."""
    for _ in range(100):
        middle = (low * high).sqrt() * low.sign()
        low, high = (middle, high) if f(middle) < 0 else (low, middle)
    return middle


def _off_diagonal(a: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    """``(alpha_i beta_j - beta_i alpha_j) / (pi^2 (a_i - a_j))``, ``[g, g]``, and its limit."""
    difference = a[:, None] - a
    difference.fill_diagonal_(1.0)
    off = (alpha[:, None] * beta - beta[:, None] * alpha) / difference
    slopes = [torch.gradient(f, spacing=(a,))[0] for f in (alpha, beta)]
    off.diagonal().copy_(slopes[0] * beta - alpha * slopes[1])
    return off / math.pi**2
