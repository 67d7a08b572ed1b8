"""Lattices against qmcpy, their definition and theory."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from scipy.special import zeta

from mercer.features.points import Lattice, component_by_component

ORDERS = {"radical inverse": "RADICAL INVERSE", "gray": "GRAY", "natural": "LINEAR"}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("order", ORDERS)
def test_points_are_those_of_qmcpy(order):
    qmcpy = pytest.importorskip("qmcpy")
    theirs = qmcpy.Lattice(7, randomize=False, order=ORDERS[order])
    z = theirs.gen_vec[0].astype(np.int64)
    ours = Lattice(7, generating_vector=z, randomisation=None, order=order)
    assert np.array_equal(ours.points(512).numpy(), theirs(512))
    if order != "natural":
        expected = theirs.gen_samples(n_min=256, n_max=512)
        assert np.array_equal(ours.points(256, 256).numpy(), expected)


@pytest.mark.filterwarnings("ignore")
def test_vectors_of_replications_are_those_of_qmcpy():
    qmcpy = pytest.importorskip("qmcpy")
    theirs = qmcpy.Lattice(3, replications=2, generating_vector=16, seed=1)
    ours = Lattice(3, generating_vector=theirs.gen_vec.astype(np.int64), replications=2)
    moved = (ours.points(64).numpy() - ours.shift.numpy()[:, None]) % 1
    expected = (theirs(64) - theirs.shift[:, None]) % 1
    gap = np.abs(moved - expected)
    assert np.minimum(gap, 1 - gap).max() < 1e-14


def test_shifts_are_exact_to_the_last_digit():
    lattice = Lattice(5, generator=torch.Generator().manual_seed(2), replications=3)
    bare = Lattice(5, randomisation=None).points(1 << 12)
    x = lattice.points(1 << 12)
    assert torch.equal((x - lattice.shift[:, None]) % 1, bare.expand_as(x))


def squared_error(z, m, order_weights, gamma):
    """The worst-case error by its definition, set by set of coordinates."""
    k = np.arange(2**m)[:, None]
    x = k * np.asarray(z) % 2**m / 2**m
    omega = 2 * np.pi**2 * (x * x - x + 1 / 6) * np.asarray(gamma)
    return sum(
        weight * omega[:, list(u)].prod(1).mean()
        for size, weight in enumerate(order_weights, 1)
        for u in itertools.combinations(range(len(z)), size)
    )


def test_each_component_is_the_best_compromise_of_all_sizes():
    orders, gamma, bits, least = (1.0, 0.7, 0.3), [1.0, 0.8, 0.5, 0.4], 7, 5
    z = component_by_component(
        4, bits, least_bits=least, order_weights=orders, coordinate_weights=gamma
    ).tolist()
    assert z[0] == 1
    for j in range(1, 4):
        odd = range(1, 2**bits, 2)
        errors = np.array(
            [
                [squared_error([*z[:j], c], m, orders, gamma[: j + 1]) for c in odd]
                for m in range(least, bits + 1)
            ]
        )
        worst = (errors / errors.min(1, keepdims=True)).max(0)  # by candidate
        taken = {c % 2**bits for known in z[:j] for c in (known, -known)}
        best = min(w for c, w in zip(odd, worst) if c not in taken)
        assert worst[z[j] // 2] == pytest.approx(best, rel=1e-9)


def test_the_error_keeps_the_bound_of_the_theory():
    orders, gamma, m = (1.0, 0.5, 0.5), [1.0, 0.9, 0.8, 0.7, 0.6], 9
    z = component_by_component(
        5, m, least_bits=m, order_weights=orders, coordinate_weights=gamma
    ).tolist()

    def bound(power):
        total = sum(
            (weight * math.prod(gamma[j] for j in u)) ** power * (2 * zeta(2 * power)) ** size
            for size, weight in enumerate(orders, 1)
            for u in itertools.combinations(range(5), size)
        )
        return (total / 2 ** (m - 1)) ** (1 / power)

    assert 0 < squared_error(z, m, orders, gamma) < min(bound(p) for p in np.linspace(0.55, 1, 10))


def test_the_vector_that_is_shipped_is_the_one_described():
    z = Lattice(4096).generating_vector
    weights = [j**-0.5 for j in range(1, 4)]
    assert torch.equal(z[:3], component_by_component(3, 20, coordinate_weights=weights))
    assert len(set(z.tolist())) == 4096
    assert bool((z % 2 == 1).all() and (z < 2**20).all())


def test_periodic_functions_are_integrated_at_the_rate_of_their_coefficients():
    # Fourier coefficients of B_2 are of order h^-2: the error of good lattices is nearly n^-2.
    sizes = 2 ** np.arange(6, 17, 2)
    x = Lattice(3, generator=torch.Generator().manual_seed(0), replications=10).points(2**16)
    f = (1 + 3 * (x * x - x + 1 / 6)).prod(-1)
    errors = [float((f[:, :n].mean(-1) - 1).square().mean().sqrt()) for n in sizes]
    assert np.polyfit(np.log(sizes), np.log(errors), 1)[0] < -1.6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"dimension": 9, "bits": 5, "least_bits": 4},
            "dimension must be at most 2\\*\\*\\(bits - 2\\), got 9",
        ),
        ({"dimension": 2, "bits": 2}, "bits must be at least 3"),
        ({"dimension": 2, "bits": 8}, "least_bits must be between 2 and 8, got 10"),
        ({"dimension": 2, "bits": 12, "order_weights": ()}, "order_weights must not be empty"),
        ({"dimension": 2, "bits": 12, "order_weights": (1, -1)}, "or negative"),
        ({"dimension": 2, "bits": 12, "coordinate_weights": [1]}, "must have 2 entries, got 1"),
        ({"dimension": 1, "bits": 12, "coordinate_weights": [-1]}, "must be positive, got -1"),
    ],
)
def test_a_construction_that_cannot_be_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        component_by_component(**arguments)
