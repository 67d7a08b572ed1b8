"""Base kernels and transformations against autograd, closed forms and the authors' package."""

import contextlib
import io
import math

import numpy as np
import pytest
import torch
from scipy.integrate import dblquad
from torch import nn

from mercer.kernels import RBF, Laplace
from mercer.learn.active import (
    NNGP,
    AcsGradient,
    AcsRandom,
    KhatriRao,
    LastLayer,
    Posterior,
    Scale,
    Sketch,
    SketchedGradient,
    TangentLinear,
    select_batch,
    tangent_factors,
    tangent_kernel,
)
from mercer.operators import LowRank
from mercer.testing import check_feature_map, check_kernel, check_operator


def normal(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def network(seed=0, width=7, d=3):
    torch.manual_seed(seed)
    hidden = nn.Sequential(nn.Linear(width, 5, bias=False), nn.Dropout(0.5), nn.Tanh())
    made = nn.Sequential(nn.Linear(d, width), nn.SiLU(), hidden, nn.Linear(5, 1))
    return made.double()


def jacobian(net, X):
    """Gradients of the outputs in all parameters, ``[n, P]``, one backward pass a row."""
    net.eval()
    rows = []
    for x in X:
        grads = torch.autograd.grad(net(x[None]).sum(), list(net.parameters()))
        rows.append(torch.cat([g.flatten() for g in grads]))
    return torch.stack(rows)


def tangent_network():
    generator = torch.Generator().manual_seed(1)
    gains = {"weight_gain": 0.7, "bias_gain": 0.3, "generator": generator}
    net = nn.Sequential(TangentLinear(3, 6, **gains), nn.ReLU(), TangentLinear(6, 1, **gains))
    return net.double()


@pytest.mark.parametrize("make", [network, tangent_network])
def test_the_tangent_kernel_is_that_of_the_jacobian(make):
    net, X = make().train(), normal(9, 3)
    K = tangent_kernel(net, X)
    assert net.training
    J = jacobian(net, X)
    torch.testing.assert_close(K.dense(), J @ J.mT)
    torch.testing.assert_close(K.diagonal(), J.square().sum(1))
    v = normal(9, seed=3)
    torch.testing.assert_close(K @ v, J @ (J.mT @ v))
    assert all(p.grad is None for p in net.parameters())


def test_frozen_networks_and_blocks_of_rows_change_nothing(monkeypatch):
    net, X = network(), normal(9, 3)
    whole = tangent_kernel(net, X).dense()
    phi = SketchedGradient(net, 4, generator=torch.Generator().manual_seed(0))
    features = phi(X)
    for module in ("tangent", "sketched_gradient"):
        monkeypatch.setattr(f"mercer.learn.active.{module}.ROWS", 4)
    torch.testing.assert_close(tangent_kernel(net.requires_grad_(False), X).dense(), whole)
    torch.testing.assert_close(phi(X), features)


def test_last_layer_features_are_its_gradient():
    for net in (network(), tangent_network()):
        X = normal(5, 3)
        J = jacobian(net, X)
        phi = LastLayer(net)
        torch.testing.assert_close(phi(X), J[:, -phi.dimension :])


def test_maps_do_not_follow_the_training_of_the_network():
    net, X = network(), normal(4, 3)
    maps = [LastLayer(net), SketchedGradient(net, 3)]
    before = [phi(X) for phi in maps]
    with torch.no_grad():
        for p in net.parameters():
            p.add_(1.0)
    for phi, features in zip(maps, before):
        assert torch.equal(phi(X), features)


def sketch_variance(factors, left, right, dimension):
    """Of an entry of the sketched kernel, from fourth moments of Gaussians and of signs."""

    def fourth(F, G):  # E (u F)^2 (u G)^2, [n, m]
        if F.shape[1] == 1:
            return F.square() @ G.square().mT
        return F.square().sum(1)[:, None] * G.square().sum(1) + 2 * (F @ G.mT).square()

    total, excess, xx, yy = 0.0, 0.0, 0.0, 0.0
    for A, B in factors:
        F, G, H, I = A[left], A[right], B[left], B[right]
        k = (F @ G.mT) * (H @ I.mT)
        x, y = F.square().sum(1) * H.square().sum(1), G.square().sum(1) * I.square().sum(1)
        excess = excess + fourth(F, G) * fourth(H, I) - x[:, None] * y - 2 * k.square()
        total, xx, yy = total + k, xx + x, yy + y
    return (excess + xx[:, None] * yy + total.square()) / dimension


def test_sketched_gradients_are_unbiased_with_the_variance_of_gaussian_products():
    net, points = network(), normal(6, 3)
    X, Y = points[:4], points[4:]
    J = jacobian(net, points)
    variance = sketch_variance(tangent_factors(net, points), slice(0, 4), slice(4, 6), 5)
    check_feature_map(
        lambda g: SketchedGradient(net, 5, generator=g),
        X,
        Y,
        J[:4] @ J[4:].mT,
        draws=150,
        variance=variance,
    )


def test_the_last_layer_is_a_feature_map():
    net, X, Y = network(), normal(4, 3), normal(2, 3, seed=1)
    F, G = (jacobian(net, points)[:, -6:] for points in (X, Y))
    check_feature_map(lambda g: LastLayer(net), X, Y, F @ G.mT, draws=2, exact=True)


def test_the_sum_of_products_is_an_operator():
    def make(A, B, C, D):
        return KhatriRao([(A, B), (C, D)])

    factors = normal(4, 2), normal(4, 3), normal(4, 1), normal(4, 2)
    check_operator(make, *factors, compiled=False)


def test_products_of_rows_and_columns_that_differ():
    A, B, C, D = normal(4, 2), normal(4, 3), normal(6, 2), normal(6, 3)
    K = KhatriRao([(A, B)], [(C, D)])
    rows = torch.einsum("np,nq->npq", A, B).flatten(1)
    columns = torch.einsum("np,nq->npq", C, D).flatten(1)
    torch.testing.assert_close(K.dense(), rows @ columns.mT)
    v = normal(6, 2)
    torch.testing.assert_close(K @ v, rows @ (columns.mT @ v))
    torch.testing.assert_close(K[1:3, [0, 5]].dense(), rows[1:3] @ columns[[0, 5]].mT)
    torch.testing.assert_close(K.mT.dense(), columns @ rows.mT)


def test_the_kernel_of_a_wide_relu_network():
    """Two layers are a Gaussian integral; more follow layer by layer."""
    x, y = torch.tensor([[1.0, 0.5], [-0.3, 0.8]], dtype=torch.float64)

    def expected(a, b, c):  # 2 E relu(u) relu(v) with variances a, b and covariance c
        lower = math.sqrt(b - c**2 / a)

        def integrand(t, s):
            u, v = math.sqrt(a) * s, c / math.sqrt(a) * s + lower * t
            weight = math.exp(-(s**2 + t**2) / 2) / math.pi
            return max(u, 0.0) * max(v, 0.0) * weight

        kink = -c / math.sqrt(a) / lower  # where v = 0
        return dblquad(integrand, 0, 9, lambda s: kink * s, 9, epsabs=1e-9)[0]

    a, b, c = float(x @ x), float(y @ y), float(x @ y)
    points = torch.stack([x, y])
    for depth in (2, 3, 4):
        c = expected(a, b, c)  # the variances of layers stay
        assert float(NNGP(depth)(points)[0, 1]) == pytest.approx(c, abs=1e-7)


def test_the_kernel_of_a_wide_network_is_a_kernel():
    check_kernel(NNGP(3), gradients=False, compiled=False)


def test_scaling_makes_the_mean_variance_of_labelled_points_one():
    F = normal(8, 3)
    factors = [(F, normal(8, 2, seed=1))]
    for K in (LowRank(F), RBF(1.0)(F) * 3.0, KhatriRao(factors)):
        scaled = Scale()(K, slice(5, 8))
        assert float(scaled.diagonal()[5:].mean()) == pytest.approx(1.0)
        torch.testing.assert_close(Scale(2.5)(K, slice(0, 1)).dense(), 2.5 * K.dense())


def test_the_posterior_is_that_of_gaussian_process_regression():
    """Against scikit-learn's predictive covariance."""
    from sklearn.gaussian_process import GaussianProcessRegressor, kernels

    X, train, noise = normal(12, 2), slice(8, 12), 1e-3
    theirs = GaussianProcessRegressor(kernels.RBF(0.9), alpha=noise, optimizer=None)
    theirs.fit(X[train], np.zeros(4))
    expected = torch.from_numpy(theirs.predict(X, return_cov=True)[1])
    K = Posterior(noise)(RBF(0.9)(X), train)
    torch.testing.assert_close(K.dense(), expected, rtol=1e-7, atol=1e-9)

    F = normal(12, 5)
    linear = GaussianProcessRegressor(kernels.DotProduct(0.0), alpha=noise, optimizer=None)
    linear.fit(F[train], np.zeros(4))
    expected = torch.from_numpy(linear.predict(F, return_cov=True)[1])
    low_rank = Posterior(noise)(LowRank(F), train)
    assert isinstance(low_rank, LowRank)
    torch.testing.assert_close(low_rank.dense(), expected, rtol=1e-6, atol=1e-9)


def test_acs_gradient_is_the_product_of_prior_and_posterior():
    F, train = normal(9, 4), slice(6, 9)
    K = LowRank(F)
    expected = K.dense() * Posterior(0.2)(K, train).dense() / 0.2**2
    torch.testing.assert_close(AcsGradient(0.2)(K, train).dense(), expected)


def test_acs_random_features_average_over_the_posterior():
    """The mean over f of L(x) L(y), by a grid over draws of f at the two points."""
    F, train, noise = normal(5, 3), slice(2, 5), 0.5
    V = Posterior(noise)(LowRank(F), train).dense()[:2, :2]
    v = V.diagonal()
    nodes, weights = np.polynomial.hermite_e.hermegauss(20)
    nodes, weights = torch.from_numpy(nodes), torch.from_numpy(weights / math.sqrt(2 * math.pi))
    grid = torch.cartesian_prod(nodes, nodes) @ torch.linalg.cholesky(V).mT  # [400, 2]
    values = 0.5 * torch.log1p(v / noise) - (grid.square() + v) / (2 * noise)
    w = (weights[:, None] * weights).flatten()
    expected = (w * values[:, 0] * values[:, 1]).sum()
    generator = torch.Generator().manual_seed(0)
    K = AcsRandom(200_000, noise)(LowRank(F), train, generator)
    spread = (w * (values[:, 0] * values[:, 1] - expected).square()).sum().sqrt()
    assert abs(float(K[0, 1] - expected)) < 5 * float(spread) / math.sqrt(200_000)


def test_sketches_are_unbiased():
    F, G = normal(3, 4), normal(3, 2, seed=1)
    for K in (LowRank(F), KhatriRao([(F, G), (G, F)])):
        mean = torch.stack(
            [
                Sketch(50)(K, slice(0, 1), torch.Generator().manual_seed(seed)).dense()
                for seed in range(200)
            ]
        )
        error = (mean.mean(0) - K.dense()).abs()
        assert bool((error < 5 * mean.std(0) / math.sqrt(200)).all())


@pytest.fixture
def theirs(monkeypatch):
    """The batch of the authors' package."""
    if not hasattr(np, "Inf"):  # the package is of the time of NumPy 1
        monkeypatch.setattr(np, "Inf", np.inf, raising=False)
    algorithms = pytest.importorskip("bmdal_reg.bmdal.algorithms")
    from bmdal_reg.bmdal.feature_data import TensorFeatureData

    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)  # some of the package's state has the default type

    def run(net, train, pool, base, transforms, method, count, **options):
        data = {"train": TensorFeatureData(train), "pool": TensorFeatureData(pool)}
        with contextlib.redirect_stdout(io.StringIO()):
            found, status = algorithms.select_batch(
                count, [net], data, None, base, transforms, method, verbosity=0, **options
            )
        assert status["selection_status"] is None
        return found.tolist()

    yield run
    torch.set_default_dtype(before)


POSTERIOR = (Scale(), Posterior(1e-2))


@pytest.mark.parametrize(
    ("base", "their_base", "transforms", "their_transforms", "method", "their_method"),
    [
        ("gradient", "grad", (), [], "lcmd", "lcmd"),
        ("last_layer", "ll", (), [], "lcmd", "lcmd"),
        ("linear", "linear", (), [], "maxdist", "maxdist"),
        ("nngp", "nngp", (), [], "lcmd", "lcmd"),
        ("laplace", "laplace", (), [], "maxdist", "maxdist"),
        ("gradient", "grad", POSTERIOR, [("train", [0.1, None])], "maxdet", "maxdet"),
        ("last_layer", "ll", POSTERIOR, [("train", [0.1, None])], "maxdet", "maxdet"),
        ("last_layer", "ll", POSTERIOR, [("train", [0.1, None])], "bait", "bait"),
        ("last_layer", "ll", (AcsGradient(1.0),), [("acs-grad", [1.0])], "frankwolfe", "fw"),
    ],
)  # fmt: skip
def test_batches_are_those_of_the_authors_package(
    base, their_base, transforms, their_transforms, method, their_method, theirs
):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 12), nn.ReLU(), nn.Linear(12, 1))
    train, pool = normal(20, 4), normal(150, 4, seed=1)
    options, their_options = {}, {}
    if method in ("maxdet", "bait"):
        options = {"noise_variance": 0.01}
        their_options = {"maxdet_sigma": 0.1, "bait_sigma": 0.1}
    if base == "nngp":
        their_options = {"n_nngp_layers": 3}
    found = select_batch(
        net, train, pool, batch_size=10, base=base, transforms=transforms, method=method, **options
    )
    expected = theirs(
        net, train, pool, their_base, their_transforms, their_method, 10, **their_options
    )
    assert found.tolist() == expected


def test_every_base_works_with_a_sketch():
    net, train, pool = network(), normal(10, 3), normal(40, 3, seed=1)
    for base in ("gradient", "last_layer", "linear", "laplace", RBF(0.5), LastLayer(net)):
        batches = [
            select_batch(
                net,
                train,
                pool,
                batch_size=5,
                base=base,
                transforms=(Sketch(16), Scale(), Posterior(1e-3)),
                generator=torch.Generator().manual_seed(0),
            )
            for _ in range(2)
        ]
        assert torch.equal(*batches)
        assert len(batches[0].unique()) == 5


def test_random_features_select_nearly_as_their_kernel_does():
    """The distances that are left are those of the kernel itself, with many features."""
    train, pool = normal(5, 2), normal(60, 2, seed=1)

    def left(transforms):
        found = select_batch(
            None, train, pool, batch_size=10, base=Laplace(2.0), transforms=transforms,
            method="maxdist", generator=torch.Generator().manual_seed(0),
        )  # fmt: skip
        centres = torch.cat([train, pool[found]])
        return float(torch.cdist(pool, centres).min(1).values.max())

    assert left((Sketch(4096),)) == pytest.approx(left(()), rel=0.15)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda X: tangent_kernel(nn.Linear(3, 1), X), TypeError, "an nn.Sequential of nn.Linear"),
        (
            lambda X: tangent_kernel(nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 1)), X),
            TypeError,
            "nn.Linear and modules without parameters, got BatchNorm1d",
        ),
        (
            lambda X: tangent_kernel(nn.Sequential(nn.Linear(3, 2)).double(), X),
            ValueError,
            "one output, got 2",
        ),
        (lambda X: tangent_kernel(network().float(), X), TypeError, "X is torch.float64 but net"),
        (lambda X: SketchedGradient(network(), 0), ValueError, "dimension must be at least 1"),
        (lambda X: LastLayer(nn.Sequential(nn.Linear(3, 1), nn.ReLU())), ValueError, "nothing may"),
        (lambda X: Sketch(4)(RBF(1.0)(X), slice(0, 1)), TypeError, "sketch needs features"),
        (lambda X: Posterior(0.0)(LowRank(X), slice(0, 1)), ValueError, "noise_variance must be p"),
        (
            lambda X: select_batch(None, X, X, batch_size=1),
            ValueError,
            "'gradient' needs a network",
        ),
        (
            lambda X: select_batch(None, X, X, batch_size=1, base="ntk"),
            ValueError,
            "base must be one of gradient, last_layer, .* got 'ntk'",
        ),
        (
            lambda X: select_batch(None, X, X, batch_size=1, base="linear", mode="T"),
            ValueError,
            "mode must be P, TP or None, got 'T'",
        ),
        (lambda X: select_batch(None, X[:0], X, batch_size=1), ValueError, "X_train must have"),
    ],
)
def test_bad_arguments_get_one_sentence(call, error, message):
    with pytest.raises(error, match=message):
        call(normal(4, 3))
