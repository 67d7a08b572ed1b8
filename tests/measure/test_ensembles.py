"""Ensembles as mixtures: divergences, submodularity, greedy selection, diversity."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.spatial.distance import jensenshannon
from scipy.special import rel_entr
from scipy.stats import norm

from mercer.kernels import RBF, Cosine, Laplace, Wendland
from mercer.measure.ensembles import (
    DIVERGENCES,
    Divergence,
    MixtureObjective,
    diversity,
    f_divergence,
    function_points,
    mutual_information,
    predictive_entropy,
    select_members,
)

BY_DEFINITION = {
    "kl": lambda p, q: rel_entr(p, q).sum(),
    "reverse-kl": lambda p, q: rel_entr(q, p).sum(),
    "chi-square": lambda p, q: ((q - p) ** 2 / p).sum(),
    "hellinger": lambda p, q: ((np.sqrt(p) - np.sqrt(q)) ** 2).sum() / 2,
    "jensen-shannon": lambda p, q: jensenshannon(p, q) ** 2,
    "total-variation": lambda p, q: np.abs(p - q).sum() / 2,
}
NAMES = sorted(BY_DEFINITION)


def laws(n=7, rows=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.ones(n)), rng.dirichlet(np.ones(n), rows)


@pytest.mark.parametrize("name", NAMES)
def test_divergences_are_their_definitions(name):
    p, q = laws()
    found = f_divergence(torch.tensor(p), torch.tensor(q), name)
    np.testing.assert_allclose(found, [BY_DEFINITION[name](p, row) for row in q], rtol=1e-12)
    assert abs(float(f_divergence(torch.tensor(p), torch.tensor(p), name))) < 1e-15


@pytest.mark.parametrize("name", NAMES)
def test_divergences_where_one_law_is_zero(name):
    p, q = np.array([0.5, 0.5, 0.0]), np.array([0.25, 0.0, 0.75])
    wanted = {
        "kl": math.inf,
        "reverse-kl": math.inf,
        "chi-square": math.inf,
        "hellinger": 1 - math.sqrt(0.125),
        "jensen-shannon": jensenshannon(p, q) ** 2,
        "total-variation": 0.75,
    }
    found = float(f_divergence(torch.tensor(p), torch.tensor(q), name))
    assert found == pytest.approx(wanted[name], rel=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_slopes_and_gradients_are_finite_differences(name):
    f, t, h = DIVERGENCES[name], torch.tensor([0.2, 0.7, 1.9, 40.0]).double(), 1e-6
    numeric = (f.value(t + h) - f.value(t - h)) / (2 * h)
    torch.testing.assert_close(f.slope(t), numeric, rtol=1e-6, atol=1e-7)
    if math.isfinite(f.recession):
        far = torch.tensor(1e12).double()
        assert float(f.slope(far)) == pytest.approx(f.recession, abs=1e-5)
    p, q = laws()
    q = torch.tensor(q, requires_grad=True)
    if name != "total-variation":
        assert torch.autograd.gradcheck(lambda q: f_divergence(torch.tensor(p), q, name), (q,))


def test_divergence_of_normals_against_quadrature():
    x = torch.linspace(-12, 12, 4001, dtype=torch.float64)
    p, q = (torch.tensor(norm.pdf(x.numpy(), m, s)) for m, s in ((0, 1), (0.7, 1.3)))
    step = float(x[1] - x[0])
    wanted = quad(
        lambda u: (math.sqrt(norm.pdf(u)) - math.sqrt(norm.pdf(u, 0.7, 1.3))) ** 2 / 2, -12, 12
    )[0]
    found = float(f_divergence(p * step, q * step, "hellinger"))
    assert found == pytest.approx(wanted, rel=1e-8)


def test_bad_laws_are_refused():
    p = torch.tensor([0.5, 0.5])
    with pytest.raises(ValueError, match="q must not be negative, got -1"):
        f_divergence(p, torch.tensor([-1.0, 2.0]))
    with pytest.raises(ValueError, match="p has NaN"):
        f_divergence(torch.tensor([math.nan, 1.0]), p)
    with pytest.raises(ValueError, match=r"got \(2,\) and \(3,\)"):
        f_divergence(p, torch.ones(3))
    with pytest.raises(ValueError, match="divergence must be one of kl"):
        f_divergence(p, p, "kld")


def ground_set(name, *, seed=0, background=0.05, kernel=None, size=3, m=6):
    """Functions at random, a posterior at random."""
    rng = np.random.default_rng(seed)
    z = torch.tensor(rng.standard_normal((m + 5, 2)))
    weights = torch.tensor(rng.gamma(1.0, size=m + 5) + 0.05)
    how = {"members": z[:m], "divergence": name, "background": background}
    return MixtureObjective(z, kernel or RBF(0.7), size, weights=weights, **how)


def by_hand(F, members, kernel=None):
    """F of a set in numpy, its term in the slope apart."""
    K = (kernel or (lambda r: np.exp(-(r**2) / (2 * 0.7**2))))(
        np.linalg.norm(F.points.numpy()[:, None] - F.members.numpy()[None], axis=2)
    )
    K = K / K.sum(axis=0)
    n, b = len(K), F.background
    q = b / n + (1 - b) / F.size * K[:, list(members)].sum(axis=1)
    t = q / F.p.numpy()
    f = F.f.value(torch.tensor(t)).numpy()
    return -(F.p.numpy() * f).sum(), q.sum() - 1


@pytest.mark.parametrize("name", NAMES)
def test_objective_is_submodular_and_monotone_by_brute_force(name):
    for seed, kernel in ((0, RBF(0.7)), (1, Laplace(0.4))):
        F = ground_set(name, seed=seed, kernel=kernel)
        assert math.isfinite(F.slope)
        m = len(F.members)
        subsets = [c for k in range(m + 1) for c in itertools.combinations(range(m), k)]
        value = {frozenset(c): F.value(c) for c in subsets}
        for S in value:
            for s, t in itertools.permutations(set(range(m)) - S, 2):
                gain, later = value[S | {s}] - value[S], value[S | {s, t}] - value[S | {t}]
                assert gain >= later - 1e-12
                if len(S) < 2 * F.size:
                    assert gain >= -1e-12


def test_without_its_linear_term_the_objective_need_not_be_monotone():
    F = ground_set("chi-square", background=0.3)
    F.slope = 0.0
    assert any(F.value(range(k + 1)) < F.value(range(k)) - 1e-6 for k in range(6))


@pytest.mark.parametrize("name", NAMES)
def test_objective_against_numpy(name):
    F = ground_set(name)
    for members in ((), (1,), (0, 4), (2, 3, 5)):
        value, excess = by_hand(F, members)
        assert F.value(members) == pytest.approx(value + F.slope * excess, rel=1e-10, abs=1e-12)
    assert F.divergence([2, 3, 5]) == pytest.approx(-by_hand(F, (2, 3, 5))[0], rel=1e-10)
    assert F.divergence([2, 3, 5]) == pytest.approx(
        BY_DEFINITION[name](F.p.numpy(), F.mixture([2, 3, 5]).numpy()), rel=1e-10
    )


@pytest.mark.parametrize("name", NAMES)
def test_greedy_selection_and_its_guarantee(name):
    for seed in range(3):
        F = ground_set(name, seed=seed, m=9)
        lazy, greedy, best = (
            select_members(F, method=how) for how in ("lazy", "greedy", "exhaustive")
        )
        assert lazy.members == greedy.members
        np.testing.assert_allclose(lazy.gains, greedy.gains, rtol=1e-10, atol=1e-12)
        assert lazy.evaluations <= greedy.evaluations == 9 + 8 + 7
        values = {c: by_hand(F, c)[0] for c in itertools.combinations(range(9), 3)}
        assert tuple(best.members) == max(values, key=values.get)
        assert best.evaluations == len(values) == math.comb(9, 3)
        assert best.divergence == pytest.approx(-max(values.values()), rel=1e-9)
        alone = [by_hand(F, (s,))[0] for s in range(9)]
        assert greedy.members[0] == int(np.argmax(alone))
        gained, most = (F.value(e.members) - F.value(()) for e in (greedy, best))
        assert most > 0
        assert gained >= (1 - 1 / math.e) * most - 1e-12
        assert greedy.divergence == pytest.approx(-values[tuple(sorted(greedy.members))], rel=1e-9)


def test_lazy_selection_where_an_empty_ensemble_is_infinitely_bad():
    for seed in range(4):
        F = ground_set("kl", seed=seed, background=0.0, m=12, size=5)
        assert math.isinf(F.value(()))
        lazy, greedy = select_members(F), select_members(F, method="greedy")
        assert lazy.members == greedy.members


def test_lazy_selection_from_a_pool_of_networks_saves_evaluations():
    generator = torch.Generator().manual_seed(0)
    P = torch.randn(200, 10, 3, generator=generator, dtype=torch.float64).softmax(dim=-1)
    loss = torch.rand(200, generator=generator, dtype=torch.float64)
    F = MixtureObjective(
        function_points(P), RBF(0.1), 12, log_density=-5 * loss, divergence="jensen-shannon"
    )
    lazy, greedy = select_members(F), select_members(F, method="greedy")
    assert lazy.members == greedy.members
    assert lazy.evaluations < greedy.evaluations / 3


def test_weights_and_log_densities_of_any_scale_are_one_posterior():
    z = torch.linspace(-2, 2, 8).double()[:, None]
    logs = -(z[:, 0] ** 2)
    one = MixtureObjective(z, RBF(), 2, weights=7 * logs.exp())
    two = MixtureObjective(z, RBF(), 2, log_density=logs - 900)
    np.testing.assert_allclose(one.p, two.p, rtol=1e-12)
    assert one.divergence([2, 5]) == pytest.approx(two.divergence([2, 5]), rel=1e-12)


def test_a_divergence_of_ones_own():
    squared = Divergence(lambda t: (t - 1) ** 2 / (t + 1), lambda t: 1 - 4 / (t + 1) ** 2, 1.0)
    p, q = laws()
    wanted = ((p - q) ** 2 / (p + q)).sum(axis=1)
    np.testing.assert_allclose(
        f_divergence(torch.tensor(p), torch.tensor(q), squared), wanted, rtol=1e-12
    )
    F = ground_set(squared)
    assert select_members(F).members == select_members(F, method="greedy").members


def test_infinite_and_negative_choices_are_refused():
    z = torch.tensor([[0.0], [10.0], [20.0]]).double()
    weights = torch.ones(3).double()
    F = MixtureObjective(z, Wendland(lengthscale=1.0), 2, weights=weights)
    with pytest.raises(ValueError, match="every choice has infinite divergence"):
        select_members(F)
    with pytest.raises(ValueError, match="member 1 has no mass on the points"):
        MixtureObjective(z[:1], Wendland(lengthscale=1.0), 1, weights=weights[:1], members=z[:2])
    with pytest.raises(ValueError, match="kernel must not be negative, got -"):
        MixtureObjective(
            torch.tensor([[0.0], [0.5], [0.1]]).double(),
            Cosine(1.0),
            1,
            weights=weights,
            members=z[:1],
        ).components([0])
    with pytest.raises(ValueError, match="pool of 3"):
        select_members(MixtureObjective(z, RBF(), 4, weights=weights))
    with pytest.raises(ValueError, match="either weights or log_density"):
        MixtureObjective(z, RBF(), 2)
    with pytest.raises(ValueError, match="weights must not be negative"):
        MixtureObjective(z, RBF(), 2, weights=-weights)
    with pytest.raises(ValueError, match="members must be 2, got 1"):
        F.divergence([0])


def test_function_points_have_the_distances_of_functions():
    rng = np.random.default_rng(0)
    P, w = rng.dirichlet(np.ones(3), (4, 6)), rng.random(6)
    Z = function_points(torch.tensor(P), torch.tensor(w))
    for i, j in itertools.combinations(range(4), 2):
        wanted = (w / w.sum() * ((P[i] - P[j]) ** 2).sum(axis=1)).sum()
        assert float((Z[i] - Z[j]).square().sum()) == pytest.approx(wanted, rel=1e-12)
    even = function_points(torch.tensor(P), torch.full((6,), 3.0))
    torch.testing.assert_close(function_points(torch.tensor(P)), even, rtol=1e-12, atol=0)
    with pytest.raises(ValueError, match="weights must be positive"):
        function_points(torch.tensor(P), torch.zeros(6))


def test_diversity_is_minus_the_logarithm_of_the_mixture():
    rng = np.random.default_rng(0)
    f, S = rng.standard_normal((2, 3)), rng.standard_normal((4, 3))
    squares = ((f[:, None] - S[None]) ** 2).sum(axis=2)
    wanted = -np.log(np.exp(-squares / (2 * 0.6**2)).mean(axis=1))
    f = torch.tensor(f, requires_grad=True)
    found = diversity(f, torch.tensor(S), RBF(0.6))
    np.testing.assert_allclose(found.detach(), wanted, rtol=1e-10)
    assert torch.autograd.gradcheck(lambda f: diversity(f, torch.tensor(S), RBF(0.6)), (f,))
    far = diversity(torch.full((3,), 1e3).double(), torch.tensor(S), RBF(0.6))
    assert math.isfinite(float(far))
    with pytest.raises(ValueError, match="kernel must not be negative, got -"):
        diversity(torch.tensor([0.5]).double(), torch.zeros(1, 1).double(), Cosine(1.0))
    with pytest.raises(ValueError, match=r"got \(0, 3\)"):
        diversity(f[0], torch.zeros(0, 3).double(), RBF())


@pytest.mark.parametrize("name", [n for n in NAMES if n != "total-variation"])
def test_every_divergence_has_the_best_infinitesimal_component_of_the_diversity(name):
    """Where a little mass at one function lowers D_f most, log p - log q is largest."""
    z = torch.linspace(-3, 3, 41).double()[:, None]
    p = (-((z[:, 0] - 1) ** 2)).softmax(dim=0)
    S = z[[10, 16]]
    q = (-diversity(z, S, RBF(0.8))).exp()
    q = q / q.sum()
    little = 1e-7
    D = [f_divergence(p, q + little * torch.eye(41).double()[i], name) for i in range(41)]
    assert int(torch.stack(D).argmin()) == int((p.log() - q.log()).argmax())


def test_uncertainties_against_scipy():
    from scipy.stats import entropy

    P = np.random.default_rng(0).dirichlet(np.ones(4), (3, 5))
    total = predictive_entropy(torch.tensor(P))
    np.testing.assert_allclose(total, entropy(P.mean(axis=0), axis=1), rtol=1e-12)
    wanted = entropy(P, P.mean(axis=0)[None], axis=2).mean(axis=0)  # the mean divergence from it
    np.testing.assert_allclose(mutual_information(torch.tensor(P)), wanted, rtol=1e-10)
    agreed = torch.tensor(P[:1]).expand(3, 5, 4)
    assert float(mutual_information(agreed).max()) < 1e-12
    with pytest.raises(ValueError, match="probabilities must have shape"):
        predictive_entropy(torch.tensor(P[0]))
