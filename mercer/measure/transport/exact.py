"""Wasserstein distances between point clouds, exactly."""

from __future__ import annotations

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment, linprog
from scipy.sparse import coo_array
from torch import Tensor

from mercer import checks
from mercer.measure.transport.sinkhorn import masses


def wasserstein(
    X: Tensor,
    Y: Tensor,
    a: Tensor | None = None,
    b: Tensor | None = None,
    *,
    p: float = 2.0,
) -> Tensor:
    r"""Return :math:`W_p^p`, the least mean of :math:`|x - y|^p` over all couplings.

    Samples of one size and equal masses are an assignment, solved in about n^3 steps; others are
    a linear program of n m variables.

    Parameters
    ----------
    X : Tensor, shape (n, d)
        One sample.
    Y : Tensor, shape (m, d)
        The other.
    a, b : Tensor, shapes (n,), (m,), optional
        Positive masses of equal sums; equal masses that sum to one by default.
    p : float, at least 1
        The power of the Euclidean distance.

    Returns
    -------
    Tensor, shape ()
        Differentiable in ``X`` and ``Y``: at the optimum the coupling counts as a constant.

    Examples
    --------
    >>> X, Y = torch.tensor([[0.0, 0.0], [1.0, 0.0]]), torch.tensor([[1.0, 1.0], [0.0, 1.0]])
    >>> wasserstein(X, Y)
    tensor(1.)

    References
    ----------
    G. Peyré, M. Cuturi, "Computational Optimal Transport", section 3.
    https://arxiv.org/abs/1803.00567
    """
    for name, points in (("X", X), ("Y", Y)):
        checks.finite(name, checks.floating(name, points))
        if points.ndim != 2 or len(points) == 0:
            raise ValueError(f"{name} must have shape (n, d), got {tuple(points.shape)}")
    checks.alike("Y", Y, "X", X)
    if X.shape[1] != Y.shape[1]:
        raise ValueError(f"X has {X.shape[1]} coordinates but Y has {Y.shape[1]}")
    if not p >= 1:
        raise ValueError(f"p must be at least 1, got {p:g}")
    equal = a is None and b is None and len(X) == len(Y)
    a, b = masses("a", a, X, len(X)), masses("b", b, X, len(Y))
    C = torch.cdist(X.detach().double(), Y.detach().double()) ** p
    i, j, mass = assigned_coupling(C) if equal else optimal_coupling(C, a, b)
    moved = torch.linalg.vector_norm(X[i] - Y[j], dim=1) ** p  # [pairs]
    return mass.to(X) @ moved


def assigned_coupling(C: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The cheapest pairing of equal masses: rows, columns and the mass of each pair."""
    rows, columns = linear_sum_assignment(C.cpu().numpy())
    i, j = torch.from_numpy(rows).to(C.device), torch.from_numpy(columns).to(C.device)
    return i, j, C.new_full((len(i),), 1 / len(i))


def optimal_coupling(C: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The cheapest coupling of masses: rows, columns and mass of the pairs that have any."""
    n, m = C.shape
    if abs(float(a.sum() - b.sum())) > 1e-6 * float(a.sum()):
        raise ValueError(f"a and b must have equal sums, got {float(a.sum())} and {float(b.sum())}")
    masses_a, masses_b = a.double().cpu().numpy(), b.double().cpu().numpy()
    masses_b = masses_b * (masses_a.sum() / masses_b.sum())
    pair = np.arange(n * m)
    margins = coo_array(
        (np.ones(2 * n * m), (np.r_[pair // m, n + pair % m], np.r_[pair, pair])),
        shape=(n + m, n * m),
    )
    found = linprog(
        C.flatten().cpu().numpy(),
        A_eq=margins.tocsr()[:-1],  # one constraint follows from the others
        b_eq=np.r_[masses_a, masses_b][:-1],
        method="highs",
    )
    if found.status != 0:
        raise RuntimeError(f"the linear program of transport was not solved: {found.message}")
    used = np.flatnonzero(found.x > 0)
    i, j = torch.from_numpy(used // m).to(C.device), torch.from_numpy(used % m).to(C.device)
    return i, j, torch.from_numpy(found.x[used]).to(C.device)
