"""Selection for many rows, on data whose best kernel and regularisation are known."""

from __future__ import annotations

import pytest
import torch

from mercer.kernels import RBF
from mercer.learn import KernelRegressor, at_scale
from mercer.learn.at_scale import select_at_scale, worth_while
from mercer.learn.selection import select


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(at_scale, "TRAINED", 800)
    monkeypatch.setattr(at_scale, "HELD_OUT", 400)
    monkeypatch.setattr(at_scale, "CENTERS", 150)
    monkeypatch.setattr(at_scale, "ENOUGH", 1000)


def both(X, Y, **given):
    weights = torch.ones(len(X), dtype=X.dtype)
    options = {"kernel": None, "regularisation": None, "seed": 0} | given
    first = select(X, Y, weights, lengthscale=None, **options)
    return first, select_at_scale(X, Y, weights, first, **options)


def test_finds_that_the_target_is_a_sum_of_kinks(small):
    """Absolute values coordinate by coordinate: the L1 Laplace kernel is made for them."""
    X = torch.randn(1500, 8)
    Y = X.abs().sum(1, keepdim=True) - X.abs().sum(1).mean()
    _, found = both(X, Y + 0.05 * torch.randn(1500, 1))
    assert found.kernel == "laplace"
    assert "first choice" in found.why
    assert found.error < float((Y**2).mean()) / 10


def test_reaches_the_noise(small):
    """On a draw from a Gaussian process no held-out error is below the variance of the noise."""
    X = torch.rand(1500, 2, dtype=torch.float64)
    f = torch.linalg.cholesky(RBF(0.4)(X).dense() + 1e-8 * torch.eye(1500)) @ torch.randn(
        1500, 1, dtype=torch.float64
    )
    _, found = both(X, f + 0.3 * torch.randn_like(f), kernel="rbf")
    assert found.kernel == "rbf"
    assert found.error == pytest.approx(0.09, rel=0.15)


def test_keeps_what_is_given(small):
    X = torch.rand(1200, 2)
    _, found = both(X, X[:, :1] - 0.5, kernel="matern52", regularisation=0.25)
    assert (found.kernel, found.regularisation) == ("matern52", 0.25)


def test_is_used_where_it_is_worth_it(small):
    assert worth_while(1000, None, "nystrom")
    assert not worth_while(1000, None, "exact")
    assert not worth_while(999, None, "nystrom")
    assert not worth_while(1000, 2.0, "nystrom")
    X = torch.rand(1100, 2)
    model = KernelRegressor(method="nystrom", centers=100, random_state=0)
    model.fit(X.numpy(), X[:, 0].numpy())
    assert "Nyström models of 150 centres" in model.explain_
