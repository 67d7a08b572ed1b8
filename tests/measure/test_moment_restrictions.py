"""Methods of moments against closed forms, statsmodels and quadratic programs by hand."""

import math
import warnings

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torch import nn

from mercer.features import RandomFourierFeatures
from mercer.kernels import RBF
from mercer.linalg import ConvergenceWarning
from mercer.measure.moments import (
    FGEL,
    GEL,
    GMM,
    KMM,
    MMR,
    SMD,
    VMM,
    ConditionalKMM,
    KernelMomentsIV,
    LeastSquares,
    MomentProblem,
    NeuralKMM,
    NeuralVMM,
    residual_problem,
)
from mercer.measure.moments.concave_dual import Dual, maximise
from mercer.measure.moments.divergence import CONJUGATES, conjugate
from mercer.measure.moments.reference import reference_points
from mercer.testing import check_estimator

F64 = torch.float64


def residual(x, theta):
    return x[:, -1:] - x[:, :-1] @ theta[:, None]


def linear(p=1):
    return MomentProblem(residual, torch.zeros(p, dtype=F64))


def confounded(n, seed, slope=2.0, noise=1.0):
    """``y = slope t + e`` with e in t, and instruments that are not linear in what they move."""
    g = torch.Generator().manual_seed(seed)
    z = torch.randn(n, 2, generator=g, dtype=F64)
    e = torch.randn(n, 1, generator=g, dtype=F64)
    t = z[:, :1] + 0.5 * z[:, 1:] + noise * e
    return torch.cat([t, slope * t + e], dim=1), z


def rbf(a, scale):
    a = a.numpy() / np.asarray(scale)
    return np.exp(-((a[:, None] - a[None]) ** 2).sum(-1) / 2)


def test_first_step_is_two_stage_least_squares():
    x, z = confounded(80, 0)
    t, y = x[:, :1].numpy(), x[:, 1:].numpy()
    hat = z.numpy() @ np.linalg.lstsq(z.numpy(), t, rcond=None)[0]
    wanted = np.linalg.lstsq(hat, y, rcond=None)[0]
    found = GMM(linear(), steps=1).fit(x, z)
    np.testing.assert_allclose(found.numpy(), wanted[:, 0], rtol=1e-6)


def overidentified():
    """Two coefficients, three instruments, and statsmodels' model of them."""
    from statsmodels.sandbox.regression.gmm import IVGMM

    x, z = confounded(60, 1)
    x = torch.cat([z[:, :1] ** 2, x], dim=1)
    z = torch.cat([z, z[:, :1] ** 2], dim=1)
    return x, z, IVGMM(x[:, 2].numpy(), x[:, :2].numpy(), z.numpy())


@pytest.mark.parametrize("steps", [2, 4])
def test_gmm_against_statsmodels(steps):
    x, z, model = overidentified()
    fit = model.fit(
        maxiter=steps,
        inv_weights=(z.mT @ z / len(z)).numpy(),
        weights_method="cov",
        wargs={"centered": False},
        start_params=np.ones(2),
        optim_args={"disp": 0, "gtol": 1e-10},
    )
    found = GMM(linear(2), steps=steps).fit(x, z)
    np.testing.assert_allclose(found.numpy(), fit.params, rtol=1e-5)


def test_continuous_updating_against_statsmodels_and_chi_square_likelihood():
    x, z, model = overidentified()
    # Its own fit cannot be told to leave the moments uncentred; its objective can.
    best = minimize(
        lambda b: 60 * model.gmmobjective_cu(b, wargs={"centered": False}),
        np.ones(2),
        method="Nelder-Mead",
        options={"xatol": 1e-9, "fatol": 1e-14},
    )
    found = GMM(linear(2), weighting="continuous", tolerance=1e-8).fit(x, z)
    np.testing.assert_allclose(found.numpy(), best.x, atol=1e-6)
    # Newey and Smith: the likelihood of the chi-square divergence has the same minimum.
    first = GMM(linear(2), steps=1).fit(x, z)
    same = GEL(linear(2), divergence="chi2", tolerance=1e-8).fit(x, z, start=first)
    np.testing.assert_allclose(same.numpy(), best.x, atol=1e-6)


@pytest.mark.parametrize("name", CONJUGATES)
def test_conjugates_and_their_derivatives(name):
    grid = np.linspace(1e-6, 40, 400_001)
    divergence = {
        "kl": grid * np.log(grid) - grid + 1,
        "log": -np.log(grid) + grid - 1,
        "chi2": (grid - 1) ** 2 / 2,
    }[name]
    phi = conjugate(name)
    u = torch.tensor([-0.6, 0.0, 0.3, 0.8], dtype=F64)
    wanted = [np.max(grid * v - divergence) for v in u.tolist()]
    np.testing.assert_allclose(phi.value(u).numpy(), wanted, atol=1e-6)
    h = 1e-5
    slope = (phi.value(u + h) - phi.value(u - h)) / (2 * h)
    torch.testing.assert_close(phi.slope(u), slope, rtol=1e-8, atol=0)
    curvature = (phi.slope(u + h) - phi.slope(u - h)) / (2 * h)
    torch.testing.assert_close(phi.curvature(u), curvature, rtol=1e-7, atol=0)
    assert name != "log" or math.isinf(phi.value(torch.tensor(1.0)))


@pytest.mark.parametrize("name", CONJUGATES)
def test_dual_is_at_its_maximum(name):
    g = torch.Generator().manual_seed(0)
    A = torch.randn(30, 4, generator=g, dtype=F64)
    c, P = torch.randn(4, generator=g, dtype=F64) / 5, torch.tensor([1.0, 0.0, 0.2, 0.0]).double()
    dual = Dual(A, c, P, 1.7, conjugate(name))
    found = maximise(dual)
    assert found.converged
    h, best = 1e-4, dual.payoff(found.s)
    for e in h * torch.eye(4, dtype=F64):
        up, down = dual.payoff(found.s + e), dual.payoff(found.s - e)
        assert abs(float(up - down)) / (2 * h) < 1e-7
        assert max(up, down) < best


@pytest.mark.parametrize("divergence", CONJUGATES)
def test_the_mean_is_estimated_by_the_mean(divergence):
    # Exactly identified: the weights stay equal, whatever the divergence.
    g = torch.Generator().manual_seed(3)
    x = torch.randn(20, 2, generator=g, dtype=F64) + torch.tensor([1.0, -2.0])
    problem = MomentProblem(lambda x, theta: x - theta, x[0])
    for estimator in (
        GEL(problem, divergence=divergence),
        KMM(problem, divergence=divergence, entropy=5.0),
    ):
        torch.testing.assert_close(estimator.fit(x), x.mean(dim=0), rtol=0, atol=1e-5)
        torch.testing.assert_close(
            estimator.weights_, torch.full_like(x[:, 0], 1 / 20), rtol=1e-4, atol=0
        )


def two_moments(x, theta):
    """Mean and variance of a Poisson law, one parameter."""
    return torch.cat([x - theta, (x - theta) ** 2 - theta], dim=1)


def poisson(n, seed, mean=4.0):
    g = torch.Generator().manual_seed(seed)
    return torch.poisson(torch.full((n, 1), mean, dtype=F64), generator=g)


def test_large_entropy_is_empirical_likelihood():
    x = poisson(50, 0)
    problem = MomentProblem(two_moments, torch.tensor([4.0], dtype=F64))
    wanted = GEL(problem, tolerance=1e-8).fit(x)
    kmm = KMM(problem, entropy=1e5, tolerance=1e-3)
    near = kmm.fit(x)
    far = KMM(problem, entropy=1e-2).fit(x)
    torch.testing.assert_close(near, wanted, rtol=0, atol=1e-4)
    assert abs(float(far - wanted)) > 1e-2
    torch.testing.assert_close(
        (kmm.weights_ @ two_moments(x, near)), torch.zeros(2, dtype=F64), rtol=0, atol=1e-6
    )


@pytest.mark.parametrize("entropy", [1e-3, 0.1])
def test_chi_square_profile_is_a_quadratic_program(entropy):
    # min (p - u) K (p - u) / 2 + entropy n |p - u|^2 / 2 with u = 1/n, sum p = 1 and p m = 0
    g = torch.Generator().manual_seed(5)
    x, n = torch.randn(12, 1, generator=g, dtype=F64), 12
    m = x - 0.9 * x.mean()
    problem = MomentProblem(lambda x, t: m + 0 * t, torch.zeros(1, dtype=F64))
    estimator = KMM(problem, kernel=RBF(0.3), entropy=entropy, divergence="chi2")
    estimator.fit(x)
    H = rbf(x, 0.3) + entropy * n * np.eye(n)
    C = np.stack([np.ones(n), m[:, 0].numpy()])
    u = np.full(n, 1 / n)
    step = -np.linalg.inv(H) @ C.T @ np.linalg.solve(C @ np.linalg.inv(H) @ C.T, C @ u - [1, 0])
    np.testing.assert_allclose(estimator.weights_.numpy(), u + step, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(estimator.value_, step @ H @ step / 2, rtol=1e-6)


def test_weights_leave_the_sample_for_the_reference_points():
    g = torch.Generator().manual_seed(2)
    x = torch.rand(20, 1, generator=g, dtype=F64)
    problem = MomentProblem(lambda x, t: x - 1.02 + 0 * t, torch.zeros(1, dtype=F64))
    inside = KMM(problem, entropy=0.1, regularisation=1e-3)
    outside = KMM(
        problem,
        entropy=0.1,
        regularisation=1e-3,
        reference="kde",
        reference_count=60,
        bandwidth=1.0,
        generator=g,
    )
    inside.fit(x), outside.fit(x)
    reached = [float((e.weights_ @ e.reference_)[0]) for e in (inside, outside)]
    assert outside.reference_.shape == (80, 1)
    assert torch.equal(outside.reference_[:20], x)
    assert abs(reached[1] - 1.02) < 0.02 < 1.02 - reached[0]
    assert float(outside.weights_[20:].sum()) > 0.7


@pytest.mark.parametrize("measure", ["uniform", "kde"])
def test_reference_points_follow_their_law(measure):
    g = torch.Generator().manual_seed(0)
    x = torch.randn(50, 2, generator=g, dtype=F64) * torch.tensor([1.0, 5.0])
    more = reference_points(x, measure, 20_000, bandwidth=0.5, generator=g)[50:]
    low, high = x.amin(0), x.amax(0)
    variance = (high - low) ** 2 / 12 if measure == "uniform" else 1.25 * x.var(0, correction=0)
    torch.testing.assert_close(more.var(0), variance, rtol=0.04, atol=0)


@pytest.mark.parametrize(
    "make",
    [
        lambda p: GEL(p, divergence="log"),
        lambda p: FGEL(p, regularisation=0.1, rank=20),
        lambda p: KMM(p, entropy=2.0, regularisation=0.01, rank=20),
        lambda p: ConditionalKMM(p, entropy=2.0, regularisation=0.1, rank=20),
        lambda p: VMM(p, regularisation=0.1, rank=20),
        lambda p: SMD(p, knots=2, degree=1),
        lambda p: MMR(p),
    ],
    ids=["gel", "fgel", "kmm", "ckmm", "vmm", "smd", "mmr"],
)
def test_first_order_conditions_by_finite_differences(make):
    x, z = confounded(60, 4)
    estimator = make(linear())
    captured = {}
    minimise = estimator._minimise

    def capture(objective, start):
        captured["objective"] = objective
        return minimise(objective, start)

    estimator._minimise = capture
    theta, objective = estimator.fit(x, z), captured["objective"]
    assert estimator.converged_

    def value(t):
        return float(objective(torch.tensor([t], dtype=F64)).detach())

    h = 1e-4
    best = float(theta)
    assert abs(value(best + h) - value(best - h)) / (2 * h) < 1e-5
    assert min(value(best + 0.05), value(best - 0.05)) > value(best)
    # away from the minimum the gradient by the envelope theorem is that of differences
    away = torch.tensor([best + 0.1], dtype=F64, requires_grad=True)
    (slope,) = torch.autograd.grad(objective(away), away)
    numeric = (value(best + 0.1 + h) - value(best + 0.1 - h)) / (2 * h)
    assert float(slope) == pytest.approx(numeric, rel=1e-5)


def test_closed_forms_of_kernel_methods():
    x, z = confounded(50, 6)
    t, y = x[:, :1].numpy(), x[:, 1:].numpy()
    K = rbf(z, 1.3)
    mmr = MMR(linear(), kernel=RBF(1.3)).fit(x, z)
    np.testing.assert_allclose(mmr.numpy(), (t.T @ K @ y / (t.T @ K @ t))[0], rtol=1e-5)
    # Variational moments: psi K (K D K / n + lambda K)^-1 K psi with D = diag(psi^2), second step.
    vmm = VMM(linear(), kernel=RBF(1.3), regularisation=0.1, rank=50, steps=2, tolerance=1e-9)
    found = vmm.fit(x, z)
    first = VMM(linear(), kernel=RBF(1.3), regularisation=0.1, rank=50, steps=1).fit(x, z)
    D = np.diag((residual(x, first).numpy()[:, 0]) ** 2)
    M = K @ np.linalg.pinv(K @ D @ K / 50 + 0.1 * K, rcond=1e-13) @ K
    np.testing.assert_allclose(found.numpy(), (t.T @ M @ y / (t.T @ M @ t))[0], rtol=1e-4)


def test_sieve_distance_in_one_step_is_two_stage_least_squares_on_splines():
    from sklearn.preprocessing import SplineTransformer

    x, z = confounded(90, 7)
    t, y = x[:, :1].numpy(), x[:, 1:].numpy()
    parts = [SplineTransformer(n_knots=3, degree=2).fit_transform(z[:, [k]]) for k in (0, 1)]
    B = np.einsum("ni,nj->nij", *parts).reshape(90, -1)
    P = B @ np.linalg.pinv(B)
    found = SMD(linear(), knots=3, steps=1).fit(x, z)
    np.testing.assert_allclose(found.numpy(), (t.T @ P @ y / (t.T @ P @ t))[0], rtol=1e-6)


CONSISTENT = {
    "gmm": lambda p: GMM(p),
    "gel": lambda p: GEL(p, divergence="kl"),
    "smd": lambda p: SMD(p, knots=2, degree=1),
    "mmr": lambda p: MMR(p),
    "vmm": lambda p: VMM(p, regularisation=1e-2, rank=20),
    "fgel": lambda p: FGEL(p, regularisation=1e-1, rank=20),
    "kmm": lambda p: KMM(p, entropy=10.0, rank=20),
    "conditional kmm": lambda p: ConditionalKMM(p, entropy=10.0, regularisation=0.1, rank=20),
    "random features": lambda p: ConditionalKMM(
        p,
        entropy=10.0,
        regularisation=0.1,
        kernel=RandomFourierFeatures(RBF(2.0), 4, 15, coupling="independent"),
        kernel_z=RandomFourierFeatures(RBF(1.0), 2, 10),
    ),
    "reference": lambda p: ConditionalKMM(
        p, entropy=10.0, regularisation=0.1, rank=20, reference="kde", reference_count=50
    ),
}


@pytest.mark.parametrize("name", CONSISTENT)
def test_instruments_take_the_bias_of_least_squares_away(name):
    slopes = []
    for seed in range(4):
        x, z = confounded(200, 10 + seed)
        slopes.append(float(CONSISTENT[name](linear()).fit(x, z)))
    x, z = confounded(200, 10)
    biased = float(LeastSquares(linear()).fit(x))
    # cov(t, e) / var(t) = 1 / 2.25; the standard error of instruments is 1/sqrt(1.25 n) each time
    assert biased == pytest.approx(2.44, abs=0.1)
    assert float(np.mean(slopes)) == pytest.approx(2.0, abs=3 / (1.25 * 800) ** 0.5)


def test_conditional_restrictions_use_what_means_do_not():
    # The instrument moves t only through its square: a linear instrument says nothing.
    g = torch.Generator().manual_seed(0)
    z = torch.randn(300, 1, generator=g, dtype=F64)
    e = torch.randn(300, 1, generator=g, dtype=F64)
    t = z**2 - 1 + e
    x = torch.cat([t, 2 * t + e], dim=1)
    found = ConditionalKMM(linear(), entropy=10.0, regularisation=0.1, rank=30).fit(x, z)
    assert float(found) == pytest.approx(2.0, abs=0.12)


@pytest.mark.slow
def test_network_as_model_and_as_instrument_function():
    x, z = confounded(150, 21)
    torch.manual_seed(0)
    model = nn.Linear(1, 1, bias=False).double()
    with torch.no_grad():
        model.weight.fill_(2.5)
    problem = residual_problem(model, 1)
    network = nn.Sequential(nn.Linear(2, 10), nn.LeakyReLU(), nn.Linear(10, 1)).double()
    neural = NeuralKMM(
        problem, network, entropy=10.0, steps=300, step=1e-2, dual_step=3e-2, rank=20
    )
    theta = neural.fit(x, z)
    assert float(theta) == pytest.approx(2.0, abs=0.2)
    assert model.weight.item() == 2.5  # the model itself is not touched
    nn.utils.vector_to_parameters(theta, model.parameters())
    assert model.weight.item() == float(theta)
    with pytest.warns(ConvergenceWarning, match="infinite numbers after"):
        NeuralKMM(problem, network, entropy=1e-4, steps=500, dual_step=10.0, rank=5).fit(x, z)
    assert not neural.converged_ or math.isfinite(neural.value_)


@pytest.mark.parametrize("regularisation", [0.0, 0.2])
def test_a_linear_network_rests_where_the_generalised_method_of_moments_does(regularisation):
    """There its best answer is known, and neither side can gain."""
    x, z = confounded(80, 3)
    z = z @ torch.linalg.inv(torch.linalg.cholesky(z.mT @ z / len(z)).mT)  # now z'z / n is 1
    estimator = GMM(linear(), steps=20, regularisation=4 * regularisation, tolerance=1e-10)
    oracle = estimator.fit(x, z)
    m = z * linear()(x, oracle)  # [n, 2]
    answer = torch.linalg.solve(
        m.mT @ m / (2 * len(m)) + 2 * regularisation * torch.eye(2, dtype=F64), m.mean(dim=0)
    )
    network = nn.Linear(2, 1, bias=False).double()
    with torch.no_grad():
        network.weight.copy_(answer)
    neural = NeuralVMM(
        linear(), network, steps=200, step=1e-2, dual_step=3e-2, regularisation=regularisation
    )
    theta = oracle.clone().requires_grad_()
    slopes = torch.autograd.grad(neural._payoff(x, z, theta), [theta, network.weight])
    assert max(float(slope.abs().max()) for slope in slopes) < 1e-8
    found = neural.fit(x, z, start=oracle + 0.5)  # and there it comes back to
    assert float(found) == pytest.approx(float(oracle), abs=0.1)
    assert neural.converged_


def test_a_game_that_comes_to_infinite_numbers_says_so():
    x, z = confounded(40, 0)
    network = nn.Linear(2, 1, bias=False).double()
    wild = NeuralVMM(linear(), network, steps=50, step=1e200, dual_step=1e200)
    with pytest.warns(ConvergenceWarning, match="NeuralVMM has infinite numbers after . of 50"):
        wild.fit(x, z)
    assert not wild.converged_
    assert math.isnan(wild.value_)
    for make in (NeuralVMM, NeuralKMM):
        with pytest.raises(ValueError, match="z must be given"):
            make(linear(), network).fit(x)


def test_warnings_say_what_did_not_converge():
    x, z = confounded(40, 0)
    found = MMR(linear(2), max_iterations=1, tolerance=1e-12)
    both = torch.cat([x[:, :1], 100 * z[:, :1], x[:, 1:]], dim=1)
    with pytest.warns(ConvergenceWarning, match="MMR stopped after 1 iterations at a gradient"):
        found.fit(both, z)
    assert not found.converged_
    far = MomentProblem(lambda x, t: x**2 + 1 + 0 * t, torch.zeros(1, dtype=F64))
    for divergence in ("kl", "log"):
        with pytest.warns(ConvergenceWarning, match="no maximum of the dual"):
            GEL(far, divergence=divergence).fit(x[:, :1])


def test_refusals():
    x, z = confounded(20, 0)
    problem = linear()
    with pytest.raises(TypeError, match=r"x must be float64, got torch.float32; use x.double\(\)"):
        MMR(problem).fit(x.float(), z)
    bad = z.clone()
    bad[3, 1] = math.nan
    with pytest.raises(ValueError, match="z has NaN at row 3, column 1"):
        MMR(problem).fit(x, bad)
    with pytest.raises(ValueError, match="x has 20 rows but z has 19"):
        MMR(problem).fit(x, z[1:])
    for make in (MMR, SMD, VMM, FGEL, ConditionalKMM):
        with pytest.raises(ValueError, match="z must be given"):
            make(problem).fit(x)
    with pytest.raises(ValueError, match="linearly dependent"):
        GMM(problem).fit(x, torch.cat([z, z], dim=1))
    with pytest.raises(ValueError, match="divergence must be one of kl, log, chi2, got 'tv'"):
        KMM(problem, divergence="tv")
    with pytest.raises(ValueError, match="entropy must be positive, got 0"):
        KMM(problem, entropy=0.0)
    with pytest.raises(ValueError, match="reference_count must be 0"):
        KMM(problem, reference_count=3).fit(x)
    with pytest.raises(ValueError, match=r"moment must return shape \(20, q\)"):
        GEL(MomentProblem(lambda x, t: t, torch.zeros(1, dtype=F64))).fit(x)
    with pytest.raises(ValueError, match="36 products of splines of 2 instruments"):
        SMD(problem).fit(x, z)
    with pytest.raises(ValueError, match="penalty must be at least 0, got -1"):
        MMR(problem, penalty=-1.0)
    with pytest.raises(ValueError, match="method must be one of kmm"):
        KernelMomentsIV(method="2sls").fit(x[:, :1], x[:, 1])
    with pytest.raises(ValueError, match="Z must have shape"):
        KernelMomentsIV().fit(x[:, :1], x[:, 1], z[1:])


@pytest.mark.parametrize("method", ["kmm", "fgel", "vmm", "mmr"])
def test_regressor_with_instruments(method):
    x, z = confounded(250, 30)
    options = {} if method == "mmr" else {"regularisation": 0.1, "rank": 30}
    model = KernelMomentsIV(method=method, options=options, random_state=0)
    model.fit(100 * x[:, :1].numpy() + 7, x[:, 1].numpy(), z.numpy())
    low, high = model.predict(np.array([[7.0], [107.0]]))
    assert model.converged_
    assert high - low == pytest.approx(2.0, abs=0.2)
    plain = KernelMomentsIV(method="ols").fit(x[:, :1].numpy(), x[:, 1].numpy())
    assert np.diff(plain.predict(np.array([[0.0], [1.0]])))[0] == pytest.approx(2.44, abs=0.12)


@pytest.mark.slow
def test_regressor_finds_a_curve():
    x, z = confounded(300, 31)
    t = x[:, :1]
    e = x[:, 1:] - 2 * t
    y = torch.sin(t) + e
    model = KernelMomentsIV(RBF(1.0), centers=8, penalty=1e-3, options={"rank": 20}, random_state=0)
    plain = KernelMomentsIV(RBF(1.0), centers=8, penalty=1e-3, method="ols", random_state=0)
    grid = torch.linspace(-2, 2, 50, dtype=F64)[:, None]
    truth = torch.sin(grid)[:, 0]
    errors = [
        float((m.fit(t, y[:, 0], z).predict(grid) - truth).square().mean()) for m in (model, plain)
    ]
    assert errors[0] < 0.03
    assert errors[1] > 3 * errors[0]


def test_regressor_keeps_the_contract():
    check_estimator(KernelMomentsIV(method="mmr"), scikit_learn=False)


@pytest.mark.slow
def test_regressor_of_kernel_moments_keeps_the_contract():
    # Which points span the spaces of a sample depends on the order of its rows.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        check_estimator(KernelMomentsIV(random_state=0), order=False)
        check_estimator(KernelMomentsIV(method="mmr"))
