"""Positive and Fourier features: unbiased, with the variance of their closed forms."""

import functools

import mpmath
import numpy as np
import pytest
import torch

from mercer.features.random.positive import PositiveRandomFeatures
from mercer.features.random.projections import COUPLINGS
from mercer.features.random.random_fourier import RandomFourierFeatures
from mercer.kernels import RBF, Laplace, Linear, Matern, White
from mercer.testing import check_feature_map

CLOSED = ("independent", "orthogonal", "simplex")
DRAWS = {"independent": 200, "orthogonal": 300, "simplex": 300, "simplex+": 60}


def points(n, d, scale, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(n, d, generator=generator, dtype=torch.float64)


X, Y = points(4, 4, 0.25), points(3, 4, 0.25, seed=2)


def softmax(A, B):
    return torch.exp(A @ B.mT)


def gaussian(A, B):
    return torch.exp(-(A[:, None] - B).square().sum(-1) / 2)


@pytest.mark.parametrize(
    ("kernel", "coupling"), [("softmax", c) for c in COUPLINGS] + [("gaussian", "simplex")]
)
def test_positive_features(kernel, coupling):
    exact = {"softmax": softmax, "gaussian": gaussian}[kernel]
    make = functools.partial(_positive, kernel, coupling)
    closed = coupling in CLOSED
    variance = make(torch.Generator()).variance(X, Y) if closed else None
    # 10 features in 4 dimensions: two blocks and half of one.
    check_feature_map(make, X, Y, exact(X / 0.8, Y / 0.8), draws=DRAWS[coupling], variance=variance)


def _positive(kernel, coupling, generator):
    return PositiveRandomFeatures(
        4, 10, kernel=kernel, coupling=coupling, lengthscale=0.8, generator=generator
    )


def test_the_variance_of_an_orthogonal_block_by_brute_force():
    """E exp(z.w_1) exp(z.w_2) for orthogonal vectors is Kummer's M(d, d/2, v^2 / 2)."""
    d, x, y = 4, X[:1], Y[:1]
    phi = PositiveRandomFeatures(d, d, coupling="orthogonal")
    v2 = float((x + y).square().sum())
    rho = float(mpmath.hyp1f1(d, d / 2, v2 / 2))
    shrink = float(torch.exp(-(x.square().sum() + y.square().sum())))
    wanted = shrink / d * (np.exp(2 * v2) - np.exp(v2) + (d - 1) * (rho - np.exp(v2)))
    assert phi.variance(x, y).item() == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("d", [8, 16, 32, 64])
def test_simplex_beats_orthogonal_beats_independent(d):
    x = points(6, d, 0.5 / d**0.5)
    by_coupling = [
        PositiveRandomFeatures(d, d, kernel="gaussian", coupling=c).variance(x) for c in CLOSED
    ]
    assert bool((by_coupling[2] < by_coupling[1]).all())
    assert bool((by_coupling[1] < by_coupling[0]).all())


def test_positive_features_in_float32_do_not_overflow_and_their_logarithms_do_not_underflow():
    d = 64
    phi = PositiveRandomFeatures(d, 256, coupling="simplex")
    far = 40.0 * torch.nn.functional.normalize(points(5, d, 1.0), dim=1).float()
    near_projections = phi.projections[:5].float()  # where exponents are largest
    for at in (far, near_projections):
        assert bool(phi(at).isfinite().all())
        assert bool(phi.log_features(at).isfinite().all())
    assert bool((phi(far) == 0).any())
    torch.testing.assert_close(phi.log_features(far / 40).exp(), phi(far / 40))


def test_lengthscales_of_each_dimension():
    scale = torch.tensor([0.5, 1.0, 2.0, 4.0], dtype=torch.float64)
    w = PositiveRandomFeatures(4, 6).projections
    one = PositiveRandomFeatures(4, 6, lengthscale=scale, projections=w)
    torch.testing.assert_close(one(X), PositiveRandomFeatures(4, 6, projections=w)(X / scale))


@pytest.mark.parametrize("coupling", CLOSED)
def test_fourier_features_of_the_gaussian_kernel(coupling):
    make = functools.partial(RandomFourierFeatures, 2.0 * RBF(0.7), 4, 10, coupling=coupling)
    x, y = points(4, 4, 0.6), points(3, 4, 0.6, seed=2)
    exact = 2 * gaussian(x / 0.7, y / 0.7)
    variance = make().variance(x, y) if coupling in CLOSED else None
    check_feature_map(
        lambda g: make(generator=g), x, y, exact, draws=DRAWS[coupling], variance=variance
    )


@pytest.mark.parametrize("coupling", ["independent", "orthogonal"])
def test_fourier_features_of_other_kernels(coupling):
    scale = torch.tensor([0.5, 1.0, 2.0, 1.0], dtype=torch.float64)
    make = functools.partial(RandomFourierFeatures, Matern(scale, nu=1.5), 4, 6, coupling=coupling)
    r = 3**0.5 * torch.cdist(X / scale, Y / scale)
    variance = None
    if coupling == "independent":
        exact = (1 + r) * torch.exp(-r)
        variance = ((1 + (1 + 2 * r) * torch.exp(-2 * r)) / 2 - exact.square()) / 6
        torch.testing.assert_close(make().variance(X, Y), variance)
    check_feature_map(lambda g: make(generator=g), X, Y, (1 + r) * torch.exp(-r), draws=200,
                      variance=variance)  # fmt: skip


def test_the_variance_of_orthogonal_fourier_features_is_less():
    x = points(6, 16, 0.3)
    by = [
        RandomFourierFeatures(RBF(), 16, 16, coupling=c).variance(x)
        for c in ("independent", "orthogonal")
    ]
    off = ~torch.eye(6, dtype=torch.bool)
    assert bool((by[1][off] < by[0][off]).all())
    # A point with itself: the sum of squares of cosine and sine is 1 whatever the frequencies.
    assert float(by[1].diagonal().abs().max()) < 1e-14


def test_what_is_refused():
    with pytest.raises(ValueError, match="kernel must be one of softmax, gaussian"):
        PositiveRandomFeatures(2, 4, kernel="rbf")
    with pytest.raises(ValueError, match=r"lengthscale must be positive, got -0\.3"):
        PositiveRandomFeatures(2, 4, lengthscale=-0.3)
    with pytest.raises(ValueError, match=r"lengthscale must have shape \(\) or \(2,\)"):
        PositiveRandomFeatures(2, 4, lengthscale=[1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match=r"projections must have shape \(4, 2\)"):
        PositiveRandomFeatures(2, 4, projections=torch.zeros(3, 2))
    with pytest.raises(ValueError, match="points must have 2 coordinates, got 4"):
        PositiveRandomFeatures(2, 4)(X)
    with pytest.raises(NotImplementedError, match=r"simplex\+.* has no closed form"):
        PositiveRandomFeatures(4, 4, coupling="simplex+").variance(X)
    with pytest.raises(ValueError, match="kernel must be stationary, got Linear"):
        RandomFourierFeatures(Linear(), 2, 4)
    with pytest.raises(ValueError, match="kernel must be stationary, got White"):
        RandomFourierFeatures(White(), 2, 4)
    with pytest.raises(ValueError, match=r"points must have 2 coordinates, got 4"):
        RandomFourierFeatures(RBF(), 2, 4)(X)
    with pytest.raises(NotImplementedError, match="has no closed form for Laplace"):
        RandomFourierFeatures(Laplace(), 4, 4, coupling="orthogonal").variance(X)
