"""Chains of partitions against enumeration, the Chinese restaurant, and their own prior."""

import itertools
import math
from collections import Counter

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.metrics import adjusted_rand_score
from sklearn.utils.estimator_checks import check_estimator as check_scikit_learn

from mercer import load
from mercer.learn.progress import Progress
from mercer.measure.mixtures import DirichletProcessMixture, MixingMeasure, log_partition_prior
from mercer.measure.mixtures.blocked import blocked_sweep
from mercer.measure.mixtures.clusters import Clusters
from mercer.measure.mixtures.collapsed import collapsed_sweep
from mercer.measure.mixtures.prior import normal_prior, wishart_prior
from mercer.testing.estimator import check_resuming, check_saving, check_seed

SWEEPS = {"blocked": blocked_sweep, "collapsed": collapsed_sweep}
X4 = np.array([[-1.2, 0.1], [-0.8, -0.4], [0.9, 0.5], [1.6, 0.2]])
MEAN, SPREAD = np.array([0.2, -0.1]), np.array([[2.0, 0.5], [0.5, 1.0]])
NOISE = np.array([[0.5, 0.1], [0.1, 0.3]])
KAPPA, NU, ALPHA = 0.5, 4.0, 1.5


def partitions(n):
    """All set partitions as labels in order of appearance."""
    for labels in itertools.product(range(n), repeat=n):
        if all(k <= max(labels[:i], default=-1) + 1 for i, k in enumerate(labels)):
            yield labels


def in_order(labels):
    """The same partition, labelled by appearance."""
    seen = {}
    return tuple(seen.setdefault(int(k), len(seen)) for k in labels)


def known_covariance(rows):
    """The log density of rows of one cluster: jointly normal."""
    m = len(rows)
    joint = np.kron(np.eye(m), NOISE) + np.kron(np.ones((m, m)), SPREAD)
    return stats.multivariate_normal(np.tile(MEAN, m), joint).logpdf(rows.ravel())


def unknown_covariance(rows):
    """The same as a product of Student densities of each row given those before."""
    total, kappa, nu, mean, scale = 0.0, KAPPA, NU, MEAN, SPREAD
    for x in rows:
        df = nu - 1  # nu - d + 1
        shape = scale * (kappa + 1) / (kappa * df)
        total += stats.multivariate_t(mean, shape, df).logpdf(x)
        gap = x - mean
        scale = scale + kappa / (kappa + 1) * np.outer(gap, gap)
        mean, kappa, nu = (kappa * mean + x) / (kappa + 1), kappa + 1, nu + 1
    return float(total)


MODELS = {
    "location": (known_covariance, normal_prior(MEAN, SPREAD, NOISE)),
    "full": (unknown_covariance, wishart_prior(MEAN, SPREAD, KAPPA, NU)),
}


def enumerated(X, log_fit):
    """The posterior of partitions and the log joint, from the restaurant's definition."""
    logs = {}
    for labels in partitions(len(X)):
        sizes, log_p = Counter(), 0.0
        for i, k in enumerate(labels):
            log_p += math.log((sizes[k] or ALPHA) / (i + ALPHA))
            sizes[k] += 1
        index = np.array(labels)
        logs[labels] = log_p + sum(log_fit(X[index == k]) for k in sizes)
    return logs


def chain(X, sweep, prior, sweeps, seed=0):
    rows, labels = prior.standardised(X), np.zeros(len(X), dtype=int)
    rng = np.random.default_rng(seed)
    for _ in range(sweeps):
        labels = SWEEPS[sweep](rows, labels, prior.family, ALPHA, rng)
        yield labels


@pytest.mark.parametrize("sweep", list(SWEEPS))
@pytest.mark.parametrize("model", list(MODELS))
def test_the_posterior_of_partitions_by_enumeration(model, sweep):
    log_fit, prior = MODELS[model]
    logs = enumerated(X4, log_fit)
    keys = sorted(logs)
    wanted = np.exp([logs[k] for k in keys] - np.logaddexp.reduce([logs[k] for k in keys]))
    draws, worth = (400, 3) if sweep == "collapsed" else (1000, 9)
    found = Counter(in_order(labels) for labels in chain(X4, sweep, prior, draws))
    shares = np.array([found[k] for k in keys]) / draws
    # Draws depend on each other: so many sweeps are worth an independent one.
    noise = np.sqrt(wanted * (1 - wanted) / (draws / worth))
    assert len(keys) == 15
    assert (np.abs(shares - wanted) < 4 * noise + 2e-3).all()


@pytest.mark.parametrize("model", list(MODELS))
def test_log_posterior_and_predictive_density_by_enumeration(model):
    log_fit, _ = MODELS[model]
    how = {"covariance": NOISE} if model == "location" else {"degrees_of_freedom_prior": NU}
    mixture = DirichletProcessMixture(
        ALPHA,
        mean_prior=MEAN,
        covariance_prior=SPREAD,
        mean_precision_prior=KAPPA,
        n_draws=3,
        burn_in=5,
        initial_clusters=2,
        random_state=1,
        **how,
    ).fit(X4)
    logs = enumerated(X4, log_fit)
    wanted = [logs[in_order(labels)] for labels in mixture.partitions_]
    np.testing.assert_allclose(mixture.log_posterior_, wanted, rtol=1e-10)
    assert in_order(mixture.labels_) == in_order(mixture.partitions_[int(np.argmax(wanted))])
    # p(x | partition) = p(rows and x | ...) / p(rows | ...), summed over where x may sit.
    x, densities = np.array([[0.4, 0.3]]), []
    for labels in mixture.partitions_.numpy():
        with_x = [np.append(labels, k) for k in range(labels.max() + 2)]
        joint = enumerated(np.vstack([X4, x]), log_fit)
        joined = np.logaddexp.reduce([joint[in_order(z)] for z in with_x])
        densities.append(joined - logs[in_order(labels)])
    wanted = np.logaddexp.reduce(densities) - math.log(3)
    np.testing.assert_allclose(mixture.score_samples(x), wanted, rtol=1e-9)


def stirling(n, alpha):
    """The Chinese-restaurant law of the number of blocks, by recursion over the rows."""
    p = np.array([1.0])
    for i in range(n):
        p = np.append(p, 0) * i / (i + alpha) + np.insert(p, 0, 0) * alpha / (i + alpha)
    return p[1:]


@pytest.mark.parametrize("sweep", list(SWEEPS))
def test_a_flat_likelihood_leaves_the_chinese_restaurant(sweep):
    prior = normal_prior(np.zeros(1), np.eye(1), 1e12 * np.eye(1))
    X = np.arange(6.0)[:, None]
    every, draws = 3 if sweep == "collapsed" else 6, 200
    counts = Counter(
        len(set(z)) for i, z in enumerate(chain(X, sweep, prior, draws * every)) if i % every == 0
    )
    found = np.array([counts[k] for k in range(1, 7)])
    wanted = draws * stirling(6, ALPHA)
    found, wanted = np.append(found[:4], found[4:].sum()), np.append(wanted[:4], wanted[4:].sum())
    assert stats.chisquare(found, wanted).pvalue > 1e-3


def test_the_partition_prior_sums_to_one():
    for alpha in (0.3, 2.0):
        total = sum(math.exp(log_partition_prior(np.bincount(z), alpha)) for z in partitions(5))
        assert total == pytest.approx(1, rel=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("sweep", list(SWEEPS))
@pytest.mark.parametrize("model", list(MODELS))
def test_joint_draws_of_labels_and_rows_keep_the_prior(model, sweep):
    # Geweke: rows drawn anew from their labels, labels from the rows, together as the prior.
    _, prior = MODELS[model]
    rng, n, every, draws = np.random.default_rng(0), 6, 10, 1500
    labels, blocks, radii = np.zeros(n, dtype=int), [], []
    rows = rng.standard_normal((n, 2))
    for i in range(every * draws):
        k = labels.max() + 1
        clusters = Clusters.of(rows, labels, k, outer=prior.family.outer)
        atoms = prior.family.draw(clusters, rng)
        z = rng.standard_normal((n, 2))
        if atoms.roots is not None:
            z = np.einsum("nde,ne->nd", atoms.roots[labels], z)
        rows = atoms.means[labels] + z
        labels = SWEEPS[sweep](rows, labels, prior.family, ALPHA, rng)
        if i % every == 0:
            blocks.append(len(set(labels)))
            radii.append(rows[0, 0])
    found = np.bincount(blocks, minlength=n + 1)[1:]
    assert stats.chisquare(found, draws * stirling(n, ALPHA)).pvalue > 1e-3
    if model == "location":  # a row alone is N(0, 1 + spread)
        law = stats.norm(0, math.sqrt(1 + prior.family.spread[0]))
    else:  # Student's t with nu - d + 1 degrees, in the coordinates where the scale is one
        law = stats.t(NU - 1, 0, math.sqrt((KAPPA + 1) / (KAPPA * (NU - 1))))
    assert stats.kstest(radii, law.cdf).pvalue > 1e-3


def test_draws_of_normal_inverse_wishart_parameters():
    _, prior = MODELS["full"]
    rows = prior.standardised(X4)
    one = Clusters.of(rows, np.zeros(4, dtype=int), 1, outer=True)
    many = Clusters(*(np.repeat(v, 4000, axis=0) for v in vars(one).values()))
    atoms = prior.family.draw(many, np.random.default_rng(0))
    covariances = atoms.roots @ atoms.roots.swapaxes(1, 2)
    kappa, nu, mean = KAPPA + 4, NU + 4, rows.sum(0) / (KAPPA + 4)
    scale = np.eye(2) + rows.T @ rows - kappa * np.outer(mean, mean)
    law = stats.invwishart(nu, scale)
    reference = law.rvs(4000, random_state=1)
    for pick in (lambda S: S[:, 0, 0], lambda S: S[:, 0, 1], np.linalg.det):
        assert stats.ks_2samp(pick(covariances), pick(reference)).pvalue > 1e-3
    shape = math.sqrt(scale[0, 0] / (kappa * (nu - 1)))
    assert stats.kstest(atoms.means[:, 0], stats.t(nu - 1, mean[0], shape).cdf).pvalue > 1e-3


def three_groups(seed=0):
    rng = np.random.default_rng(seed)
    centres = np.array([[0.0, 0.0], [8.0, 0.0], [0.0, 8.0]])
    truth = np.repeat([0, 1, 2], 25)
    return centres[truth] + rng.standard_normal((75, 2)), truth


@pytest.mark.parametrize(
    ("how", "sweeps"),
    [({}, 60), ({"covariance": 1.0}, 100), ({"covariance": 1.0, "sampler": "collapsed"}, 12)],
)
def test_groups_are_found(how, sweeps):
    X, truth = three_groups()
    mixture = DirichletProcessMixture(n_draws=sweeps, burn_in=sweeps, random_state=0, **how).fit(X)
    assert adjusted_rand_score(truth, mixture.labels_) > 0.95
    assert adjusted_rand_score(truth, mixture.predict(X)) > 0.95
    grid = np.stack(np.meshgrid(np.linspace(-25, 33, 100), np.linspace(-25, 33, 100)), -1)
    density = np.exp(mixture.score_samples(grid.reshape(-1, 2)))
    assert density.sum() * (58 / 99) ** 2 == pytest.approx(1, abs=0.02)


def test_mixing_measures():
    X, _ = three_groups()
    X = X @ np.array([[2.0, 0.3], [0.0, 1.0]]) + 5
    mixture = DirichletProcessMixture(n_draws=40, burn_in=20, random_state=0).fit(X)
    measures = mixture.mixing_measures(random_state=0)
    assert len(measures) == 40
    G = measures[0]
    assert float(G.weights.sum()) == pytest.approx(1, rel=1e-12)
    mean = np.mean([(G.weights @ G.means).numpy() for G in measures], axis=0)
    np.testing.assert_allclose(mean, X.mean(0), atol=0.5)
    # The law of the data under a draw, beside the rows' own covariance.
    drawn = G.density().sample(20_000, torch.Generator().manual_seed(0)).numpy()
    np.testing.assert_allclose(np.cov(drawn.T), np.cov(X.T), rtol=0.35, atol=2)
    support = torch.tensor([[0.0], [1.0]], dtype=torch.float64)
    H = MixingMeasure(torch.tensor([0.7, 0.3]), torch.tensor([[1.5], [4.0]]), torch.eye(1))
    assert float(H.mass_beyond(support, 1.0)) == pytest.approx(0.3)


def test_weights_beside_the_occupied_atoms_have_their_law():
    # Of n rows the rest of the measure has Beta(alpha, n) mass, and its atoms are the prior's.
    mixture = DirichletProcessMixture(
        2.0, covariance=1.0, mean_prior=[0.0], covariance_prior=1.0, n_draws=300, burn_in=10
    ).set_params(random_state=0)
    mixture.fit(np.array([[0.0], [0.1], [0.2]]))
    rest = [
        float(G.weights[k:].sum())
        for k, G in zip(mixture.n_clusters_, mixture.mixing_measures(random_state=1))
    ]
    assert stats.kstest(rest, stats.beta(2, 3).cdf).pvalue > 1e-3


def test_estimator():
    mixture = DirichletProcessMixture(n_draws=5, burn_in=5)
    check_scikit_learn(mixture, on_skip=None)
    X, _ = three_groups()
    seeded = DirichletProcessMixture(n_draws=4, burn_in=2, thinning=2, random_state=0)
    for check in (check_seed, check_saving, check_resuming):
        check(seeded, X, None)


def test_a_stopped_fit_keeps_what_was_drawn(tmp_path, monkeypatch):
    X, _ = three_groups()
    whole = DirichletProcessMixture(n_draws=6, burn_in=3, random_state=0).fit(X)
    shown = Progress.__call__

    def stop(self, record):
        shown(self, record)
        if record["iteration"] == 7:
            raise KeyboardInterrupt

    monkeypatch.setattr(Progress, "__call__", stop)
    stopped = DirichletProcessMixture(n_draws=6, burn_in=3, random_state=0)
    with pytest.raises(KeyboardInterrupt, match="holds 4 of 6 draws"):
        stopped.fit(X)
    assert torch.equal(stopped.partitions_, whole.partitions_[:4])
    stopped.save(tmp_path / "mixture")
    assert torch.equal(load(tmp_path / "mixture").partitions_, stopped.partitions_)


def test_containers():
    pandas = pytest.importorskip("pandas")
    X, _ = three_groups()
    how = {"n_draws": 4, "burn_in": 4, "random_state": 0}
    wanted = DirichletProcessMixture(**how).fit(X)
    frame = pandas.DataFrame(X, columns=["a", "b"], index=range(75, 0, -1))
    found = DirichletProcessMixture(**how).fit(frame).score_samples(frame)
    assert found.index.equals(frame.index)
    np.testing.assert_array_equal(found.to_numpy(), wanted.score_samples(X))
    tensor = DirichletProcessMixture(**how).fit(torch.from_numpy(X)).predict(torch.from_numpy(X))
    np.testing.assert_array_equal(tensor.numpy(), wanted.predict(X))


def test_refusals():
    X = np.zeros((3, 2)) + np.arange(3.0)[:, None]
    cases = [
        ({"concentration": 0.0}, "concentration must be positive"),
        ({"sampler": "fast"}, "sampler must be"),
        ({"n_draws": 0}, "n_draws must be at least 1"),
        ({"covariance": -1.0}, "covariance must be positive definite"),
        ({"covariance": np.eye(3)}, "covariance must be a number or have shape"),
        ({"mean_prior": [0.0]}, "mean_prior must be 2 finite numbers"),
        ({}, "X does not span its 2 columns"),
        ({"covariance_prior": 1.0, "degrees_of_freedom_prior": 1.0}, "must be above 1"),
    ]
    for how, message in cases:
        with pytest.raises(ValueError, match=message):
            DirichletProcessMixture(**how).fit(X)
    with pytest.raises(ValueError, match="n_samples=1"):
        DirichletProcessMixture().fit(X[:1])
    fitted = DirichletProcessMixture(covariance_prior=1.0, n_draws=1, burn_in=0).fit(X)
    with pytest.raises(ValueError, match="remainder must be between 0 and 1"):
        fitted.mixing_measures(remainder=0.0)
