"""Hashed and sampled Gaussian matrices against closed forms, simulation and brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.spatial.distance
import scipy.special
import torch

from mercer.features.sparse import (
    BallCarving,
    SparseGaussian,
    collision_probability,
    gaussian_matvec,
    head_and_tail,
    near_pairs,
)
from mercer.testing import check_operator


def _generator(seed=0):
    return torch.Generator().manual_seed(seed)


def _points(n=60, m=50, d=6, separation=3.0, seed=0, dtype=torch.float64):
    """Queries and keys around shared centres, and others far from any."""
    g = _generator(seed)
    centres = separation * torch.randn(10, d, generator=g, dtype=torch.float64)
    queries = centres[torch.randint(10, (n,), generator=g)]
    keys = centres[torch.randint(10, (m,), generator=g)]
    noise = [torch.randn(k, d, generator=g, dtype=torch.float64) for k in (n, m)]
    return (queries + 0.4 * noise[0]).to(dtype), (keys + 0.4 * noise[1]).to(dtype)


def _exact(queries, keys, lengthscale):
    squared = scipy.spatial.distance.cdist(queries.numpy(), keys.numpy(), "sqeuclidean")
    return torch.from_numpy(np.exp(-squared / (2 * lengthscale**2)))


def _vectors(m):
    """Signed vectors of several shapes: signs, Gaussian, heavy-tailed, one entry."""
    g = _generator(9)
    gaussian = torch.randn(m, generator=g, dtype=torch.float64)
    return torch.stack((gaussian.sign(), gaussian, gaussian**5, torch.eye(m)[3].double()), dim=1)


# -- hashing ------------------------------------------------------------------------------------


def test_collisions_on_the_line_have_the_closed_form_of_datar_et_al():
    r = np.array([0.01, 0.3, 1.0, 2.5, 9.0])
    c = r / 3.0  # intervals of length 2 w = 3
    wanted = scipy.special.erf(1 / (c * math.sqrt(2)))
    wanted -= c * math.sqrt(2 / math.pi) * (1 - np.exp(-1 / (2 * c**2)))
    found = collision_probability(torch.from_numpy(r), 1.5, 1)
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-10)


def test_collisions_of_balls_against_an_independent_integral():
    def disc_overlap(distance, w):  # of two discs, as a share of one
        half = min(distance / (2 * w), 1)
        return 2 / math.pi * (math.acos(half) - half * math.sqrt(1 - half**2))

    def integrand(delta, r, w):
        x = disc_overlap(delta, w)
        return x / (2 - x) * delta / r**2 * math.exp(-(delta**2) / (2 * r**2))  # Rayleigh

    for r in (0.2, 1.0, 4.0):
        wanted = scipy.integrate.quad(integrand, 0, 2.6, args=(r, 1.3), epsabs=1e-12)[0]
        found = collision_probability(torch.tensor(r, dtype=torch.float64), 1.3, 2)
        assert float(found) == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("dimension", [1, 2, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_simulated_collisions(dimension, dtype):
    tables = 4000
    r = torch.tensor([0.3, 1.0, 2.0])
    X = torch.nn.functional.pad(torch.cat((torch.zeros(1), r))[:, None], (0, 4)).to(dtype) + 7
    hashes = BallCarving(5, 1.2, 2, tables, dimension=dimension, generator=_generator(1))
    codes = hashes(X)
    p = hashes.collision_probability(r)
    share = (codes[:, 1:] == codes[:, :1]).double().mean(0)
    z = (share - p) / (p * (1 - p) / tables).sqrt()
    assert float(z.abs().max()) < 4
    separate = torch.cat([hashes(X[k : k + 1]) for k in range(4)], dim=1)
    assert torch.equal(codes, separate)


@pytest.mark.parametrize("dimension", [1, 2])
def test_near_pairs_are_those_of_brute_force(dimension):
    queries, keys = _points(n=150, m=100)
    wanted = (torch.cdist(queries, keys) <= 1.5).nonzero().T
    options = {"width": 1.5, "concatenations": 2, "dimension": dimension}
    found = near_pairs(queries, keys, 1.5, **options, failure_probability=1e-4)
    assert torch.equal(found, wanted)
    assert 0 < wanted.shape[1] < 5000


def test_near_pairs_miss_any_with_no_more_than_the_stated_probability():
    queries = torch.zeros(8, 3, dtype=torch.float64)
    queries[:, 0] = torch.arange(8) * 50.0
    keys = queries + torch.tensor([0.0, 1.999, 0.0])  # all at the radius: the hardest case
    draws, missed = 40, 0
    for seed in range(draws):
        found = near_pairs(
            queries,
            keys,
            2.0,
            width=1.0,
            concatenations=1,
            failure_probability=0.3,
            generator=_generator(seed),
        )
        missed += found.shape[1] < 8
    assert missed <= 0.3 * draws
    assert missed > 0  # the guarantee is not had by looking at all pairs


def test_near_pairs_in_pieces_smaller_than_a_bucket(monkeypatch):
    import importlib

    module = importlib.import_module("mercer.features.sparse.near_pairs")
    queries, keys = _points(n=80, m=70)
    options = {"width": 4.0, "concatenations": 1, "failure_probability": 1e-4}
    wanted = near_pairs(queries, keys, 1.5, **options)
    monkeypatch.setattr(module, "_BUDGET", 37)
    monkeypatch.setattr(module, "_CACHED", 50)
    assert torch.equal(near_pairs(queries, keys, 1.5, **options), wanted)


# -- the operator -------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_operator_contract(dtype):
    queries, keys = _points(n=21, m=17, separation=1.2, dtype=dtype)
    A = SparseGaussian(queries, keys, 1.0, error=1.0, failure_probability=0.5, threshold=0.3)
    assert 0 < A.sampled.numel() < 17
    assert A.pairs.shape[1]
    check_operator(A, compiled=False)


@pytest.mark.slow
def test_operator_contract_compiled():
    queries, keys = _points(n=21, m=17, separation=1.2)
    check_operator(
        SparseGaussian(queries, keys, 1.0, error=1.0, failure_probability=0.5, threshold=0.3)
    )


def test_exact_plan_is_the_matrix():
    queries, keys = _points(n=21, m=17)
    A = SparseGaussian(queries, keys, 1.3, error=0.1)
    assert A.plan.exact
    assert "exact" in A.explain()
    torch.testing.assert_close(A.dense(), _exact(queries, keys, 1.3), rtol=1e-12, atol=1e-14)
    check_operator(A, gradients=False, compiled=False)


@pytest.fixture(scope="module")
def draws():
    """Errors of many draws: ``[draws, n, vectors]``, and the exact product."""
    queries, keys = _points(n=80, m=60, separation=1.2)
    x = _vectors(60)
    K = _exact(queries, keys, 1.0) @ x
    errors, sampled = [], []
    for seed in range(100):
        A = SparseGaussian(
            queries,
            keys,
            1.0,
            error=2.0,
            failure_probability=0.4,
            threshold=0.4,
            generator=_generator(seed),
        )
        errors.append(A @ x - K)
        sampled.append(A.sampled.numel() / 60)
    assert 0.05 < np.mean(sampled) < 0.95  # the errors below are those of sampling
    return torch.stack(errors), x


def test_unbiased_for_signed_vectors(draws):
    errors, _ = draws
    # Sums over random signs of rows: each z has its law whatever the rows share.
    signs = torch.randn(20, errors.shape[1], generator=_generator(3), dtype=torch.float64).sign()
    sums = (signs @ errors[:, :, :3]).flatten(1)  # [draws, sums]
    z = sums.mean(0) / (sums.std(0) / math.sqrt(len(sums)))
    assert float(z.abs().max()) < 4.5


def test_mean_squared_error_and_quantile_are_within_the_bound(draws):
    errors, x = draws
    squared = errors.square().sum(1) / x.square().sum(0)  # [draws, vectors]
    assert float(squared.mean(0).max()) <= 0.4 * 2.0**2 / 2
    assert float((squared > 2.0**2).double().mean(0).max()) <= 0.4
    assert float(squared.mean(0).min()) > 0


def test_a_small_error_is_kept_by_sampling_every_column_that_matters():
    queries, keys = _points(n=150, m=100)
    x, K = _vectors(100), _exact(queries, keys, 1.0)
    for seed in range(10):
        A = SparseGaussian(
            queries, keys, 1.0, error=0.05, threshold=0.1, generator=_generator(seed)
        )
        assert ((A @ x - K @ x).norm(dim=0) <= 0.05 * x.norm(dim=0)).all()


def test_every_heavy_entry_is_found():
    queries, keys = _points(n=150, m=100)
    heavy = (_exact(queries, keys, 1.0) >= 0.2).nonzero().T
    for dimension in (1, 2):
        A = SparseGaussian(
            queries,
            keys,
            1.0,
            error=1.0,
            failure_probability=1e-3,
            threshold=0.2,
            dimension=dimension,
        )
        assert torch.equal(A.pairs, heavy)


def test_plan_hashes_where_the_matrix_is_sparse():
    g = _generator(2)
    centres = 60 * torch.randn(4000, 16, generator=g)
    queries, keys = (
        centres.repeat(2, 1) + 0.1 * torch.randn(8000, 16, generator=g) for _ in range(2)
    )
    A = SparseGaussian(queries, keys, 1.0, error=0.5, precision="high", generator=g)
    assert A.plan.hashed
    assert "16000 entries" in A.explain()
    assert A.plan.work < A.plan.exact_work
    x = torch.randn(8000, generator=g)
    rows = torch.arange(0, 8000, 100)
    wanted = _exact(queries[rows].double(), keys.double(), 1.0) @ x.double()
    assert float(((A @ x)[rows] - wanted).norm() / wanted.norm()) < 1e-3


def test_gradients_are_those_of_the_drawn_matrix():
    queries, keys = _points(n=13, m=11, separation=1.2)
    lengthscale = torch.tensor(1.1, dtype=torch.float64)
    leaves = [t.requires_grad_() for t in (queries, keys, lengthscale)]
    A = SparseGaussian(*leaves, error=1.0, failure_probability=0.5, threshold=0.3)
    assert 0 < A.sampled.numel() < 11
    x = _vectors(11)
    found = torch.autograd.grad((A @ x).square().sum(), leaves)
    K = (-(leaves[0][:, None] - leaves[1]).square().sum(2) / (2 * lengthscale**2)).exp()
    weights = torch.zeros(11, dtype=torch.float64)
    weights[A.sampled] = 1 / A.probabilities[A.sampled]
    mask = torch.zeros(13, 11, dtype=torch.float64).index_put(
        tuple(A.pairs), torch.ones(()).double()
    )
    wanted = torch.autograd.grad(
        ((K * (mask * (1 - weights) + weights)) @ x).square().sum(), leaves
    )
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


def test_the_draw_is_that_of_the_generator():
    queries, keys = _points()
    options = {"error": 2.0, "failure_probability": 0.5, "threshold": 0.3}
    first, again, other = (
        SparseGaussian(queries, keys, 1.0, **options, generator=_generator(s)) for s in (1, 1, 2)
    )
    assert torch.equal(first.dense(), again.dense())
    assert not torch.equal(first.sampled, other.sampled)


# -- one vector ---------------------------------------------------------------------------------


def test_columns_are_drawn_by_what_they_weigh():
    queries, keys = _points(n=80, m=60, separation=1.2)
    x = _vectors(60)[:, 2].clone()  # few large entries
    x[::3] = 0
    options = {"error": 2.0, "failure_probability": 0.4, "threshold": 0.4}
    K = _exact(queries, keys, 1.0) @ x
    plain, drawn, squared = [], [], []
    for seed in range(25):
        A, B = (
            SparseGaussian(queries, keys, 1.0, **options, vector=v, generator=_generator(seed))
            for v in (None, x)
        )
        assert not (B.sampled % 3 == 0).any()
        plain.append(A.sampled.numel())
        drawn.append(B.sampled.numel())
        squared.append(float((B @ x - K).square().sum() / x.square().sum()))
    assert np.mean(drawn) < 0.6 * np.mean(plain)
    assert np.mean(squared) <= 0.4 * 2.0**2 / 2
    assert np.mean(np.array(squared) > 2.0**2) <= 0.4


def test_matvec_is_a_product():
    queries, keys = _points()
    x = _vectors(50)[:, 1]
    wanted = _exact(queries, keys, 0.8) @ x
    found = gaussian_matvec(queries, keys, x, 0.8, error=0.01)
    assert float((found - wanted).norm()) <= 0.01 * float(x.norm())
    assert not gaussian_matvec(queries, keys, torch.zeros_like(x), 0.8, error=0.01).any()


# -- the assumption and the edges ---------------------------------------------------------------


def test_head_and_tail_by_sorting():
    queries, keys = _points(n=12, m=9)
    entries = np.sort(_exact(queries, keys, 2.0).numpy().ravel())[::-1]
    head, tail = head_and_tail(torch.stack((queries, queries)), torch.stack((keys, keys)), 2.0)
    np.testing.assert_allclose(head.numpy(), [entries[:12].sum()] * 2, rtol=1e-12)
    np.testing.assert_allclose(tail.numpy(), [entries[12:].sum()] * 2, rtol=1e-12)


@pytest.mark.parametrize(("n", "m"), [(0, 3), (3, 0), (1, 1)])
@pytest.mark.parametrize("threshold", [None, 0.5])
def test_few_points(n, m, threshold):
    queries, keys = torch.zeros(n, 2), torch.ones(m, 2)
    A = SparseGaussian(queries, keys, 1.0, error=0.1, threshold=threshold)
    assert A.shape == (n, m)
    torch.testing.assert_close(A @ torch.ones(m), torch.full((n,), m * math.exp(-1)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"error": 0.0}, "error must be positive, got 0"),
        ({"failure_probability": 1.0}, "failure_probability must be between 0 and 1, got 1"),
        ({"threshold": 1.5}, "threshold must be between 0 and 1, got 1.5"),
        ({"lengthscale": -1.0}, "lengthscale must be positive, got -1"),
        ({"keys": torch.zeros(3, 5)}, r"queries and keys must have shapes \(n, d\) and \(m, d\)"),
        ({"queries": torch.full((2, 4), torch.nan)}, "queries has NaN at row 0, column 0"),
        ({"vector": torch.zeros(4)}, r"vector must have shape \(3,\), got \(4,\)"),
        ({"vector": torch.tensor([0.0, torch.inf, 0.0])}, "vector has infinity"),
        ({"precision": "low"}, "precision"),
    ],
)
def test_bad_input_is_refused(change, message):
    options = {"queries": torch.zeros(2, 4), "keys": torch.zeros(3, 4), "lengthscale": 1.0}
    with pytest.raises(ValueError, match=message):
        SparseGaussian(**{**options, "error": 0.1, **change})


def test_mixed_precisions_are_refused():
    with pytest.raises(TypeError, match=r"keys is .*float64 but queries is .*float32"):
        SparseGaussian(torch.zeros(2, 4), torch.zeros(3, 4).double(), 1.0, error=0.1)
    with pytest.raises(ValueError, match="width must be comparable to the radius 50"):
        near_pairs(
            torch.zeros(2, 4),
            torch.zeros(2, 4),
            50.0,
            width=0.001,
            concatenations=4,
            failure_probability=0.1,
        )
