"""How much two coupled projection vectors lower the error of positive random features."""

from __future__ import annotations

import functools

import torch
from scipy import special
from torch import Tensor

CLOSED = ("orthogonal", "simplex")
TERMS = 100_000  # of the series
NODES = 40  # the singularity nearest to [0, 1] is at 2: of a quadrature the error is below 1e-30


def conformity_deficit(v2: Tensor, d: int, coupling: str, tolerance: float = 1e-14) -> Tensor:
    r"""How far the RF-conformity of a coupled pair is below that of an independent one.

    The conformity is :math:`\rho = E \exp(z \cdot (w_1 + w_2))` for
    :math:`v = \|z\|` and a pair of one block; it is :math:`e^{v^2}` where the pair is independent.
    With :math:`E \|w_1 + w_2\|^{2k} = r_k \, 4^k \, (d/2)_k` the series over Gamma functions is a
    mean over a Poisson law:

    .. math::

        \rho = \sum_k \frac{v^{2k} E \|w_1 + w_2\|^{2k}}{4^k \, k! \, (d/2)_k},
        \qquad 1 - \rho e^{-v^2} = E (1 - r_K), \quad K \sim \text{Poisson}(v^2) .

    Since :math:`0 \le r_k \le 1`, what is left out of the series is at most the law's tail.

    Parameters
    ----------
    v2 : Tensor
        :math:`v^2`, at least 0, of any shape.
    d : int
        Dimension of the vectors, at least 2.
    coupling : {"orthogonal", "simplex"}
        Of the pair.
    tolerance : float
        Largest part of the series that may be left out.

    Returns
    -------
    Tensor
        :math:`1 - \rho e^{-v^2}`, between 0 and 1, in float64 and of the shape of ``v2``.

    Raises
    ------
    ValueError
        If the coupling has no closed form, or ``v2`` is so large that the series is too long.

    Examples
    --------
    >>> v2 = torch.tensor([1.0])
    >>> conformity_deficit(v2, 8, "orthogonal"), conformity_deficit(v2, 8, "simplex")
    (tensor([0.0421], dtype=torch.float64), tensor([0.1538], dtype=torch.float64))

    References
    ----------
    I. Reid et al., "Simplex Random Features", theorem 3.2 and appendix.
    https://arxiv.org/abs/2301.13856
    """
    if coupling not in CLOSED:
        raise ValueError(f"coupling must be one of {', '.join(CLOSED)}, got {coupling!r}")
    rate = v2.detach().double()
    largest = float(rate.max()) if rate.numel() else 0.0
    terms = int(special.pdtrik(1 - tolerance, largest)) + 2 if largest else 1
    if terms > TERMS:
        raise ValueError(f"v2 must be at most {TERMS / 2:g}, got {largest:g}")
    nodes, weights = angles(d, coupling)
    rising = torch.ones((), dtype=torch.float64)  # (d)_k / (2^k (d/2)_k)
    powers = torch.ones_like(nodes)
    deficit = torch.zeros_like(rate)
    for k in range(1, terms + 1):
        rising = rising * (d + k - 1) / (d + 2 * k - 2)
        powers = powers * nodes
        missing = float(1 - rising * (weights * powers).sum())  # 1 - r_k
        deficit += missing * (torch.xlogy(k, rate) - rate - special.gammaln(k + 1)).exp()
    return deficit


@functools.lru_cache(maxsize=64)
def angles(d: int, coupling: str) -> tuple[Tensor, Tensor]:
    r"""Nodes and weights for the law of :math:`\|w_1 + w_2\|^2 / (\|w_1\|^2 + \|w_2\|^2)`.

    With norms :math:`(R \cos\theta, R \sin\theta)`, :math:`R^2 \sim \chi^2_{2d}` is independent of
    :math:`q = 1 - \sin 2 \theta`, which has the density :math:`(1 - q)^{d-1} q^{-1/2} (2-q)^{-1/2}`
    on :math:`[0, 1]` up to a constant, and the ratio is :math:`1 + c (1 - q)` for vectors whose
    directions have the inner product :math:`c`.

    Examples
    --------
    >>> [t.tolist() for t in angles(3, "orthogonal")]
    [[1.0], [1.0]]
    """
    if coupling == "orthogonal":
        return torch.ones(1, dtype=torch.float64), torch.ones(1, dtype=torch.float64)
    x, w = _gauss_jacobi(NODES, d - 1.0, -0.5)
    q = (x + 1) / 2
    w = w / (2 - q).sqrt()
    return 1 - (1 - q) / (d - 1), w / w.sum()


def _gauss_jacobi(n: int, a: float, b: float) -> tuple[Tensor, Tensor]:
    """Nodes, and weights that add up to 1, for ``(1 - x)^a (1 + x)^b`` on [-1, 1], ``a + b > 0``.

    By the eigenvectors of the Jacobi matrix, since SciPy's weights, which add up to the integral of
    the weight function, overflow for ``a`` above a thousand.
    """
    k = torch.arange(n, dtype=torch.float64)
    s = 2 * k + a + b
    diagonal = (b * b - a * a) / (s * (s + 2))
    k, s = k[1:], s[1:]
    squared = 4 * k * (k + a) * (k + b) * (k + a + b) / (s.square() * (s + 1) * (s - 1))
    off = squared.sqrt()
    nodes, vectors = torch.linalg.eigh(diagonal.diag() + off.diag(1) + off.diag(-1))
    return nodes, vectors[0].square()
