"""Closed forms of what hyperparameters are chosen by."""

import numpy as np
import pytest
import torch
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF as SkRBF
from sklearn.gaussian_process.kernels import ConstantKernel, WhiteKernel
from sklearn.kernel_ridge import KernelRidge
from sklearn.metrics.pairwise import rbf_kernel

from mercer.kernels import RBF
from mercer.learn import plan
from mercer.learn.leave_one_out import LeaveOneOut
from mercer.learn.marginal_likelihood import maximise, negative_log_likelihood
from mercer.learn.merge import merge_repeated


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((30, 2))
    return X, rng.standard_normal((30, 2)), rng.uniform(0.5, 2, 30)


def test_leave_one_out_is_refitting(data):
    X, Y, w = data
    found = LeaveOneOut(
        torch.from_numpy(rbf_kernel(X, gamma=0.5)), torch.from_numpy(Y), torch.from_numpy(w)
    )
    for alpha in (1e-3, 0.3, 10.0):
        residuals = []
        for i in range(30):
            rest = np.arange(30) != i
            model = KernelRidge(alpha=alpha, kernel="rbf", gamma=0.5)
            model.fit(X[rest], Y[rest], sample_weight=w[rest])
            residuals.append(Y[i] - model.predict(X[i : i + 1])[0])
        np.testing.assert_allclose(found.residuals(alpha).numpy(), residuals, rtol=1e-6)
        error = np.average(np.square(residuals).sum(axis=1), weights=w)
        assert found.errors([alpha])[0] == pytest.approx(error)


def test_likelihood_is_that_of_a_gaussian_process_at_its_best_scale(data):
    X, Y, _ = data
    y, n = Y[:, 0], 30
    K = torch.from_numpy(rbf_kernel(X, gamma=0.5))
    value, _, _ = negative_log_likelihood(
        K, torch.from_numpy(y[:, None]), torch.ones(30, dtype=torch.float64), 0.2
    )
    C = K.numpy() + 0.2 * np.eye(n)
    scale = y @ np.linalg.solve(C, y) / n
    kernel = ConstantKernel(scale) * SkRBF(1.0) + WhiteKernel(0.2 * scale)
    process = GaussianProcessRegressor(kernel, optimizer=None, alpha=0).fit(X, y)
    constant = 0.5 * n * (1 + np.log(2 * np.pi) - np.log(n))
    assert value + constant == pytest.approx(-process.log_marginal_likelihood_value_)


def test_likelihood_derivatives_by_differences(data):
    X, Y, w = (torch.from_numpy(t) for t in data)
    log_l = torch.tensor([0.1, -0.3], dtype=torch.float64)

    def at(log_l, log_noise):
        K = RBF(log_l.exp())(X).dense()
        return negative_log_likelihood(K.detach(), Y, w, float(np.exp(log_noise)))

    z = log_l.clone().requires_grad_()
    _, G, slope = at(log_l, -1.0)
    (gradient,) = torch.autograd.grad(RBF(z.exp())(X).dense(), z, G)
    h = 1e-5
    for k in range(2):
        step = h * torch.eye(2, dtype=torch.float64)[k]
        difference = (at(log_l + step, -1.0)[0] - at(log_l - step, -1.0)[0]) / (2 * h)
        assert float(gradient[k]) == pytest.approx(difference, rel=1e-6)
    difference = (at(log_l, -1.0 + h)[0] - at(log_l, -1.0 - h)[0]) / (2 * h)
    assert slope == pytest.approx(difference, rel=1e-6)


def test_likelihood_finds_lengthscales_and_noise():
    rng = np.random.default_rng(1)
    X = rng.uniform(0, 10, (250, 2))
    K = np.exp(-((X[:, None, 0] - X[None, :, 0]) ** 2) / (2 * 1.5**2))  # no second dimension
    y = np.linalg.cholesky(K + 1e-9 * np.eye(250)) @ rng.standard_normal(250)
    y = torch.from_numpy(y + 0.2 * rng.standard_normal(250))[:, None]
    P = torch.from_numpy(X)
    log_l, noise, _ = maximise(
        lambda z: RBF(z.exp())(P).dense(),
        torch.zeros(2, dtype=torch.float64) + 1.0,
        y,
        torch.ones(250, dtype=torch.float64),
        0.1,
    )
    assert float(log_l[0].exp()) == pytest.approx(1.5, rel=0.35)
    assert float(log_l[1].exp()) > 10
    assert noise == pytest.approx(0.04, rel=1.0)


def test_merging_keeps_the_objective_up_to_a_constant():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 3, (40, 2)).astype(float)
    X[0, 0] = -0.0
    Y, w = rng.standard_normal((40, 2)), rng.integers(0, 4, 40).astype(float)
    merged = merge_repeated(*(torch.from_numpy(t) for t in (X, Y, w)))
    keys = {tuple(x + 0.0) for x in X[w > 0]}
    assert len(merged.X) == len(keys) == len({tuple(x + 0.0) for x in merged.X.numpy()})
    for x, y, total in zip(*(t.numpy() for t in merged)):
        same = (x == X).all(axis=1)
        assert total == w[same].sum()
        np.testing.assert_allclose(y, np.average(Y[same], axis=0, weights=w[same]))
    order = rng.permutation(40)
    again = merge_repeated(*(torch.from_numpy(t[order]) for t in (X, Y, w)))
    assert torch.equal(again.X, merged.X)
    assert torch.equal(again.weights, merged.weights)


def test_plan():
    assert plan(4000, 5).method == "exact"
    assert plan(4001, 5).method == "nystrom"
    assert plan(100, 5, centers=10).method == "nystrom"
    assert plan(10**7, 5).centers == 5000
    assert plan(300, 5, method="nystrom").centers == 300
    assert "cg" in str(plan(10**6, 5, method="cg"))
    with pytest.raises(ValueError, match="needs 320 GB for 100,000 rows"):
        plan(100_000, 5, method="exact", memory_budget=1e9)
    with pytest.raises(ValueError, match="rows must be at least 1"):
        plan(0, 5)
