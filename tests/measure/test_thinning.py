"""Thinning against a plain sequential walk, brute force and the authors' package."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.integrate import simpson, solve_ivp

from mercer.kernels import RBF, Laplace, Linear, Matern, RationalQuadratic
from mercer.measure.thinning import (
    compress,
    halve,
    kernel_plus,
    power_kernel,
    refine,
    split,
    standard_thinning,
    thin,
)
from mercer.measure.thinning.halving import Sample, halve_blocks, symmetrised
from mercer.measure.thinning.halving_loop import LOOP

BACKENDS = ["compiled", "torch"]
KERNELS = [
    RBF(1.3),
    Matern(0.7, 2.5) + RBF(1.0),
    Laplace(1.0, norm="l1"),
    2.0 * RBF([0.6, 1.0, 2.0]) * Laplace(2.0),
    RationalQuadratic(1.0, 0.7),
]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def points(n, d=3, dtype=torch.float64, seed=0):
    return torch.randn(n, d, generator=seeded(seed), dtype=dtype)


def plain_walk(K, uniforms, delta):
    """Algorithm 1a of the paper for one halving, entry by entry."""
    halves, variance = ([], []), 0.0
    for i, u in enumerate(uniforms):
        x, y = 2 * i, 2 * i + 1
        b2 = K[x, x] + K[y, y] - 2 * K[x, y]
        a = max(math.sqrt(b2 * variance * 2 * math.log(2 / delta)), b2)
        if variance == 0:
            variance = b2
        elif a > 0:
            variance += b2 * max(0.0, 1 + (b2 - 2 * a) * variance / a**2)
        earlier = halves[0] + halves[1]
        alpha = sum(K[l, x] - K[l, y] for l in earlier)
        alpha -= 2 * sum(K[l, x] - K[l, y] for l in halves[0])
        swapped = u <= 0.5 * (1 - alpha / (a or 1.0))
        halves[0].append(y if swapped else x)
        halves[1].append(x if swapped else y)
    return halves


def relative_discrepancy(K, chosen):
    """The squared discrepancy of the chosen points to all, by weights."""
    w = np.full(len(K), -1 / len(K))
    np.add.at(w, chosen, 1 / len(chosen))
    return w @ K @ w


def plain_swaps(K, chosen, distinct):
    """Algorithm 1b: each point gives way to that of the least discrepancy, by trying all."""
    chosen = list(chosen)
    for i in range(len(chosen)):
        others = chosen[:i] + chosen[i + 1 :]
        allowed = [j for j in range(len(K)) if not (distinct and j in others)]
        values = [relative_discrepancy(K, [*others, j]) for j in allowed]
        chosen[i] = allowed[int(np.argmin(values))]
    return chosen


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kernel", KERNELS, ids=repr)
def test_halving_is_the_plain_walk(kernel, backend):
    X = points(340)
    index = torch.randperm(340, generator=seeded(1)).view(2, 170)  # 85 pairs: a panel and a part
    u = torch.rand(2, 85, generator=seeded(2), dtype=torch.float64)
    found = halve_blocks(Sample.of(X, kernel, backend), index, 1e-3, uniforms=u)
    for b in range(2):
        K = kernel(X[index[b]]).dense().numpy()
        expected = plain_walk(K, u[b].tolist(), 1e-3)
        assert found[b].tolist() == index[b][torch.tensor(expected)].tolist()


@pytest.mark.parametrize("backend", BACKENDS)
def test_swaps_of_a_halving_are_those_of_brute_force(backend):
    kernel, X = RBF(0.8), points(24, 2)
    u = torch.rand(1, 12, generator=seeded(3), dtype=torch.float64)
    index = torch.arange(24)[None]
    chosen, rest = halve_blocks(Sample.of(X, kernel, backend), index, 0.1, swaps=True, uniforms=u)[
        0
    ].tolist()
    K = kernel(X).dense().numpy()
    walked, standard = plain_walk(K, u[0].tolist(), 0.1)[0], list(range(1, 24, 2))
    best = min([walked, standard], key=lambda c: relative_discrepancy(K, c))
    assert chosen == plain_swaps(K, best, distinct=True)
    assert rest == sorted(set(range(24)) - set(chosen))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("distinct", [False, True])
def test_refinement_is_that_of_brute_force(backend, distinct):
    kernel, X = Matern(1.0, 1.5), points(60, 2, seed=4)
    candidates = torch.randperm(60, generator=seeded(5))[:24].view(3, 8)
    K = kernel(X).dense().numpy()
    best = min(candidates.tolist(), key=lambda c: relative_discrepancy(K, c))
    found = refine(X, kernel, candidates, distinct=distinct, backend=backend)
    assert found.tolist() == plain_swaps(K, best, distinct)


def test_equal_points_are_split_without_harm():
    X = torch.ones(64, 2)
    halves = halve(X, RBF(), generator=seeded())
    assert halves.flatten().sort().values.tolist() == list(range(64))


def test_rows_that_are_kept_and_rows_that_are_not_swap_alike():
    X = points(600, 2)
    index = torch.arange(600)[None]
    u = torch.rand(1, 300, generator=seeded(6), dtype=torch.float64)
    sample = Sample.of(X, RBF(), "compiled")
    kept = halve_blocks(sample, index, 1e-3, swaps=True, uniforms=u)
    found = torch.empty_like(kept)
    multiplier = torch.tensor([2 * math.log(2e3)], dtype=torch.float64)
    assert "KEPT = 1 << 24" in LOOP
    sample.rows.run(LOOP.replace("1 << 24", "1"), index, (True,), (u, multiplier), (found,))
    assert found.tolist() == kept.tolist()


def test_splitting_halves_all_parts_with_the_thresholds_of_the_paper():
    kernel, X = RBF(), points(64, 2)
    parts = split(X, kernel, 3, delta=0.5, generator=seeded(7), backend="compiled")
    K = kernel(X).dense().numpy()
    g, expected = seeded(7), [list(range(64))]
    for j in range(3):
        u = torch.rand(2**j, 32 // 2**j, generator=g, dtype=torch.float64)
        halves = []
        for part, draws in zip(expected, u.tolist()):
            pair = 2**j * 0.5 / (3 * 64)
            for half in plain_walk(K[np.ix_(part, part)], draws, pair):
                halves.append([part[i] for i in half])
        expected = halves
    assert parts.tolist() == expected


def test_symmetrised_tosses_a_fair_coin_for_each_block():
    halves = torch.arange(2).view(1, 2, 1).expand(4000, 2, 1)
    share = symmetrised(halves, seeded()).double().mean().item()
    assert abs(share - 0.5) < 4 * 0.5 / math.sqrt(4000)


def test_compress_keeps_distinct_points_of_every_leaf_tree():
    X = points(5 * 256 + 3, 2)
    kept = compress(X, RBF(), 3, blocks=2, generator=seeded())
    assert kept.shape == (2 * 10 * 8,)
    assert kept.unique().numel() == 160


@pytest.mark.parametrize("oversampling", [None, 0, 2])
@pytest.mark.parametrize(("n", "size"), [(1000, 30), (1000, 7), (500, 250), (333, 333), (64, 1)])
def test_any_size_is_thinned(n, size, oversampling):
    X = points(n, 2)
    options = {"method": "target", "distinct": True, "generator": seeded()}
    kept = thin(X, RBF(), size, oversampling=oversampling, **options)
    assert kept.shape == (size,)
    assert kept.unique().numel() == size
    assert 0 <= kept.min() <= kept.max() < n


@pytest.mark.parametrize("oversampling", [None, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_thinning_beats_standard_thinning_and_equals_the_authors(dtype, oversampling):
    kt = pytest.importorskip("goodpoints.kt")
    peer = pytest.importorskip("goodpoints.compress")
    kernel, n, size, repetitions = RBF(2**0.5), 1024, 32, 8
    ours, theirs, standard = [], [], []
    for seed in range(repetitions):
        X = points(n, 2, seed=100 + seed)
        K = kernel(X).dense().numpy()
        kept = thin(
            X.to(dtype),
            kernel,
            size,
            method="target",
            oversampling=oversampling,
            generator=seeded(seed),
        )
        if oversampling is None:
            other = kt.thin_K(K, K, 5, seed=seed)
        else:
            width = np.array([4.0])
            other = peer.compresspp_kt(X.numpy(), b"gaussian", width, g=oversampling, seed=seed)
        ours.append(relative_discrepancy(K, kept.numpy()) ** 0.5)
        theirs.append(relative_discrepancy(K, other) ** 0.5)
        standard.append(relative_discrepancy(K, standard_thinning(n, size).numpy()) ** 0.5)
    gap = np.array(ours) - theirs
    assert abs(gap.mean()) < 4 * gap.std(ddof=1) / math.sqrt(repetitions)
    assert np.mean(ours) < np.mean(standard) / 4


def test_seeds_decide():
    X = points(512, 2)
    a, b, c = (thin(X, RBF(), 16, oversampling=1, generator=seeded(s)).tolist() for s in (1, 1, 2))
    assert a == b != c


@pytest.mark.parametrize("method", ["kt+", "power", "target", "standard"])
def test_methods_give_low_discrepancy(method):
    kernel, X = Matern(1.5, 2.5), points(512, 2)
    kept = thin(X, kernel, 16, method=method, generator=seeded())
    K = kernel(X).dense().numpy()
    bound = 0.05 if method != "standard" else 1.0
    assert relative_discrepancy(K, kept.numpy()) ** 0.5 < bound


# -- power kernels ----------------------------------------------------------------------------


def spectral_density(kernel, frequency):
    """The Fourier integral of a stationary kernel in one dimension."""
    x = torch.linspace(0, 60, 120_001, dtype=torch.float64)
    values = kernel(x[:, None], torch.zeros(1, 1).double()).dense()[:, 0]
    return simpson((values * (frequency * x).cos()).numpy(), x=x.numpy())


@pytest.mark.parametrize(
    ("kernel", "exponent"),
    [(RBF(1.4), 0.5), (RBF(0.8), 0.75), (Matern(1.2, 2.5), 2 / 3), (Matern(1.2, 1.5), 0.75)],
)
def test_power_kernels_have_the_power_of_the_spectral_density(kernel, exponent):
    power = power_kernel(kernel, 1, exponent)
    ratios = [
        spectral_density(power, w) / spectral_density(kernel, w) ** exponent
        for w in (0.2, 1.0, 2.0)
    ]
    np.testing.assert_allclose(ratios, ratios[0], rtol=1e-6)


def test_power_of_laplace_is_that_of_matern():
    a, b = power_kernel(Laplace(0.7), 2), power_kernel(Matern(0.7, 0.5), 2)
    assert a.nu == b.nu == 0.25
    assert a.lengthscale.item() == b.lengthscale.item() == pytest.approx(0.7 * 0.5**0.5)


def test_kernel_plus_weighs_both_alike():
    kernel = kernel_plus(RBF(2.0), 3)
    assert kernel(torch.zeros(1, 3))[0, 0].item() == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("error", "match", "call"),
    [
        (TypeError, "power kernels are known of", lambda X: thin(X, Linear(), 4)),
        (TypeError, "L2 norm", lambda X: power_kernel(Laplace(norm="l1"), 2)),
        (ValueError, "exponent must be at least 0.5", lambda X: power_kernel(RBF(), 2, 0.3)),
        (ValueError, "exponent must be above 0.6667", lambda X: power_kernel(Laplace(), 2, 0.6)),
        (ValueError, "method must be one of", lambda X: thin(X, RBF(), 4, method="best")),
        (ValueError, "at most the 64 points", lambda X: thin(X, RBF(), 65)),
        (ValueError, "size must be at least 1, got 0", lambda X: thin(X, RBF(), 0)),
        (ValueError, "at least two points, got 1", lambda X: thin(X[:1], RBF(), 1)),
        (ValueError, "NaN at row 3, column 1", lambda X: thin(spoilt(X), RBF(), 4)),
        (ValueError, "lengthscale must be positive, got 0", lambda X: thin(X, RBF(0.0), 4)),
        (ValueError, "delta must be above 0", lambda X: thin(X, RBF(), 4, delta=1.0)),
        (ValueError, "backend must be one of", lambda X: thin(X, RBF(), 4, backend="c")),
        (
            ValueError,
            'backend="compiled" cannot be used',
            lambda X: thin(X, Linear(), 4, method="target", backend="compiled"),
        ),
        (ValueError, "need at least 256 points", lambda X: compress(X, RBF(), 4)),
        (ValueError, "two points, got 1", lambda X: halve(X[:1], RBF())),
    ],
)
def test_bad_input_is_one_sentence(error, match, call):
    with pytest.raises(error, match=match):
        call(points(64, 2))


def spoilt(X):
    X = X.clone()
    X[3, 1] = math.nan
    return X


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_is_trained_is_a_constant_here(backend):
    kernel, X = Matern(nu=1.5), points(128, 2)
    expected = thin(X, kernel, 8, oversampling=1, generator=seeded(), backend=backend)
    kernel.requires_grad_()
    found = thin(X.requires_grad_(), kernel, 8, oversampling=1, generator=seeded(), backend=backend)
    assert found.tolist() == expected.tolist()


def test_kernels_without_distances_run_by_torch():
    kept = thin(points(64, 2), Linear(), 8, method="target", generator=seeded())
    assert kept.shape == (8,)


def lotka_volterra(t, u, a, b, c, d):
    return [a * u[0] - b * u[0] * u[1], d * u[0] * u[1] - c * u[1]]


def goodwin(t, u, a1, a2, k, alpha):
    return [a1 / (1 + a2 * u[1] ** 10) - alpha * u[0], k * u[0] - alpha * u[1]]


@pytest.mark.parametrize(
    ("name", "slope", "start", "noise"),
    [
        ("LOTKA_VOLTERRA", lotka_volterra, 1.0, [0.2, 0.2]),
        ("GOODWIN", goodwin, 0.0, [0.1, 0.05]),
    ],
)
def test_posteriors_of_the_examples_are_those_by_scipy(name, slope, start, noise):
    from mercer.papers.measure import _ode_posteriors

    system = getattr(_ode_posteriors, name)
    rng = np.random.default_rng(0)
    x = np.log(system.truth) + 0.1 * rng.standard_normal((3, 4))
    T = system.observations
    data = rng.standard_normal((T, 2))
    found = system.log_posterior(data)(x)
    for log_parameters, value, path in zip(x, found, system.path(np.exp(x))):
        solution = solve_ivp(
            slope,
            (0, T),
            [start, start],
            t_eval=range(1, T + 1),
            args=tuple(np.exp(log_parameters)),
            rtol=1e-9,
            atol=1e-12,
        )
        np.testing.assert_allclose(path, solution.y.T, atol=2e-5)
        expected = stats.norm.logpdf(data, solution.y.T, noise).sum()
        expected += stats.norm.logpdf(log_parameters).sum()
        expected -= stats.norm.logpdf(0, 0, noise).sum() * T + 4 * stats.norm.logpdf(0)
        assert value == pytest.approx(expected, rel=1e-4)


def test_chains_reach_a_posterior_in_closed_form():
    """Straight lines whose slopes are log-parameters: a normal posterior; two are not observed."""
    from mercer.papers.measure._ode_posteriors import System

    noise, T = np.array([4.0, 8.0]), np.arange(1, 6)
    truth = np.exp([1.0, -0.5, 0.3, 0.0])
    lines = System("lines", lambda p, u: np.log(p[:2]), 0.0, truth, len(T), noise)
    data = T[:, None] * np.log(truth[:2])
    data = data + noise * np.random.default_rng(3).standard_normal(data.shape)  # the first draws
    precision = np.r_[1 + (T**2).sum() / noise**2, 1, 1]
    mean = np.r_[(T[:, None] * data).sum(0) / noise**2, 0, 0] / precision
    X = lines.sample(200, 160, 3)
    assert X.shape == (200 * 80, 4)
    z = (X.numpy() - mean) * precision**0.5
    np.testing.assert_allclose(z.mean(0), 0, atol=0.12)
    np.testing.assert_allclose(np.cov(z.T), np.eye(4), atol=0.15)


def test_discrepancies_of_mixtures_are_those_of_large_samples():
    from mercer.papers.measure._thinning_targets import mixture

    target = mixture()
    X = target.sample(40, seeded(1))
    Y = target.sample(200_000, seeded(2))
    cross = target.kernel(X, Y).dense().mean().item()
    pairs = target.kernel(Y[:2000], Y[2000:4000]).dense().mean().item()
    own = target.kernel(X).dense().mean().item()
    assert target.discrepancy(X) ** 2 == pytest.approx(own - 2 * cross + pairs, abs=3e-3)


def test_triton_halves_and_swaps_as_torch():
    pytest.importorskip("triton")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    X = points(36, 2).to(device)
    u = torch.rand(2, 9, generator=seeded(8), dtype=torch.float64).to(device)
    index = torch.arange(36, device=device).view(2, 18)
    for swaps in (False, True):
        found, expected = (
            halve_blocks(Sample.of(X, RBF(), b), index, 1e-3, swaps=swaps, uniforms=u)
            for b in ("triton", "torch")
        )
        assert found.tolist() == expected.tolist()
    candidates = torch.randperm(36, generator=seeded(5))[:8].view(2, 4).to(device)
    found, expected = (refine(X, RBF(), candidates, backend=b) for b in ("triton", "torch"))
    assert found.tolist() == expected.tolist()


@pytest.mark.gpu
def test_a_gpu_thins_as_a_cpu():
    X = points(1024, 2)
    u = torch.rand(4, 128, generator=seeded(8), dtype=torch.float64)
    index = torch.arange(1024).view(4, 256)
    for swaps in (False, True):
        here = halve_blocks(Sample.of(X, RBF(), "torch"), index, 1e-3, swaps=swaps, uniforms=u)
        for backend in ("auto", "torch"):
            there = Sample.of(X.cuda(), RBF(), backend)
            found = halve_blocks(there, index.cuda(), 1e-3, swaps=swaps, uniforms=u.cuda())
            assert found.tolist() == here.tolist()
