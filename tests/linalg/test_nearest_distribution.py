"""Projection onto the probability simplex against its quadratic programme."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from mercer.linalg import nearest_distribution


def best_face(v):
    """The minimiser of ``|q - v|^2`` over the simplex: the nearest of all faces' own minimisers."""
    best, least = None, np.inf
    for size in range(1, len(v) + 1):
        for face in map(list, combinations(range(len(v)), size)):
            q = np.zeros_like(v)
            q[face] = v[face] - (v[face].sum() - 1) / size
            distance = ((q - v) ** 2).sum()
            if (q >= 0).all() and distance < least:
                best, least = q, distance
    return best


@pytest.mark.parametrize(("scale", "c"), [(0.05, 5), (0.5, 6), (3.0, 6), (1.0, 2), (1.0, 1)])
def test_it_is_the_nearest_point_of_the_simplex(scale, c):
    V = np.random.default_rng(0).normal(0.2, scale, (12, c))
    P = nearest_distribution(torch.from_numpy(V)).numpy()
    np.testing.assert_allclose(P, [best_face(v) for v in V], atol=1e-14)
    single = nearest_distribution(torch.from_numpy(V).float())
    assert single.dtype == torch.float32
    np.testing.assert_allclose(single, P, atol=2e-6)


def test_a_quadratic_programme_finds_the_same():
    V = np.random.default_rng(1).normal(0.3, 0.8, (6, 4))
    for v, p in zip(V, nearest_distribution(torch.from_numpy(V)).numpy()):
        nearest = minimize(
            lambda q, v=v: ((q - v) ** 2).sum(),
            np.full(4, 0.25),
            bounds=[(0, 1)] * 4,
            constraints={"type": "eq", "fun": lambda q: q.sum() - 1},
            options={"ftol": 1e-14},
        )
        np.testing.assert_allclose(p, nearest.x, atol=1e-6)


def test_ties_and_large_entries():
    V = torch.tensor([[1e9, 1e9, 0.0], [-1e9, -1e9, -1e9], [3e38, -3e38, 0.0]])
    expected = torch.tensor([[0.5, 0.5, 0.0], [1 / 3, 1 / 3, 1 / 3], [1.0, 0.0, 0.0]])
    torch.testing.assert_close(nearest_distribution(V[:2]), expected[:2])
    torch.testing.assert_close(nearest_distribution(V[2:].double()).float(), expected[2:])


def test_batches_and_gradients():
    V = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    P = nearest_distribution(V)
    assert P.shape == V.shape
    assert torch.equal(P[1, 2], nearest_distribution(V[1, 2]))
    assert torch.autograd.gradcheck(nearest_distribution, V.requires_grad_())


def test_refusals():
    with pytest.raises(ValueError, match="V has NaN"):
        nearest_distribution(torch.tensor([[0.0, torch.nan]]))
    with pytest.raises(TypeError, match="V must hold floating-point numbers"):
        nearest_distribution(torch.tensor([1, 2]))
    with pytest.raises(ValueError, match="at least one entry, got shape \\(3, 0\\)"):
        nearest_distribution(torch.zeros(3, 0))
