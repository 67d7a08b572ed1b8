"""Row sums of exponentials against torch's over the matrix, in value and gradients."""

from __future__ import annotations

import pytest
import torch

from mercer.engine import Mask, log_sum_exp, planner
from tests.engine.cases import inputs

TOLERANCE = {torch.float32: 2e-5, torch.float64: 1e-11}


@pytest.fixture(params=["whole", "tiles", "tiny tiles"])
def path(request, monkeypatch):
    if request.param != "whole":
        monkeypatch.setattr(planner, "SMALL", 0)
    if request.param == "tiny tiles":
        monkeypatch.setattr(
            "mercer.engine.tiles.plan_tiles",
            lambda B, n, m, *rest: planner.Plan(min(B, 2), min(n, 5), min(m, 7), "a test"),
        )


def dense(g, V, allowed=None):
    """``log sum_j exp(g_ij) V_jc`` of exponents ``[*b, n, m]``."""
    if allowed is not None:
        g = g.masked_fill(~allowed, -torch.inf)
    return torch.logsumexp(g[..., None] + V.log()[..., None, :, :], dim=-2)


def squared(x, y):
    return (x[..., :, None, :] - y[..., None, :, :]).square().sum(-1)


# name: exponent, scores, parameters, the same of points in torch
EXPONENTS = {
    "gaussian": ("-s0/2", ["squared_distance"], 0, lambda X, Y, p: -squared(X[0], Y[0]) / 2),
    "attention": ("p0*s0", ["dot"], 1, lambda X, Y, p: p[0][..., None, None] * X[0] @ Y[0].mT),
    "cauchy": ("-log(1+s0)", ["squared_distance"], 0, lambda X, Y, p: -squared(X[0], Y[0]).log1p()),
    "two scores": (
        "s1-s0*p0",
        ["squared_distance", "dot"],
        1,
        lambda X, Y, p: X[1] @ Y[1].mT - squared(X[0], Y[0]) * p[0][..., None, None],
    ),
}


@pytest.mark.parametrize("name", EXPONENTS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("batch", [(), (2,)])
def test_values_and_gradients_are_those_of_the_matrix(name, dtype, batch, path):
    text, kinds, P, exact = EXPONENTS[name]
    torch.manual_seed(0)
    X, Y, p, V = inputs(kinds, P, 23, 17, 4, 2, batch=batch, dtype=dtype)
    given = [t.requires_grad_() for t in (*X, *Y, *p, V.exp())]
    wide = [t.detach().double().requires_grad_() for t in given]
    S = len(kinds)
    found = log_sum_exp(
        kinds, text, given[:S], given[S : 2 * S], given[-1], parameters=given[2 * S : -1]
    )
    expected = dense(exact(wide[:S], wide[S : 2 * S], wide[2 * S : -1]), wide[-1])
    tolerance = {"rtol": TOLERANCE[dtype], "atol": TOLERANCE[dtype]}
    assert found.dtype == dtype
    torch.testing.assert_close(found.double(), expected, **tolerance)
    U = torch.randn(expected.shape, dtype=torch.float64)
    ours = torch.autograd.grad((found * U).sum(), given)
    theirs = torch.autograd.grad((expected * U).sum(), wide)
    for a, b in zip(ours, theirs):
        torch.testing.assert_close(
            a.double(), b, rtol=TOLERANCE[dtype], atol=10 * tolerance["atol"]
        )


def test_second_derivatives(path):
    X, Y, _, V = inputs(["squared_distance"], 0, 5, 4, 2, 1)
    tensors = [t.requires_grad_() for t in (X[0], Y[0], V.abs() + 0.1)]
    assert torch.autograd.gradgradcheck(
        lambda x, y, v: log_sum_exp("squared_distance", "-s0/2", x, y, v), tensors
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("scale", [-1e4, 1e4])  # SymPy draws exp(2 scale) out of the exponential
def test_neither_overflow_nor_underflow(dtype, scale, path):
    X, Y, _, V = inputs(["dot"], 0, 9, 11, 3, 1, dtype=dtype)
    found = log_sum_exp("dot", f"{scale}*(2+s0**2)", X, Y, V.exp())
    expected = dense(scale * (2 + (X[0].double() @ Y[0].double().mT) ** 2), V.double().exp())
    torch.testing.assert_close(
        found.double(), expected, rtol=2 * torch.finfo(dtype).eps * 8, atol=0
    )


def test_masks_and_rows_without_a_pair(path):
    X, Y, _, V = inputs(["dot"], 0, 12, 10, 3, 2)
    x, V = X[0].requires_grad_(), V.exp()
    mask = Mask(upper=-2)  # rows 0 and 1 see nothing
    i, j = torch.arange(12)[:, None], torch.arange(10)
    found = log_sum_exp("dot", "s0", x, Y, V, mask=mask)
    assert torch.equal(found[:2], torch.full_like(found[:2], -torch.inf))
    expected = dense(x @ Y[0].mT, V, j - i <= -2)
    torch.testing.assert_close(found[2:], expected[2:])
    (ours,) = torch.autograd.grad(found[2:].sum() + found[:2].exp().sum(), x)
    (theirs,) = torch.autograd.grad(expected[2:].sum(), x)
    torch.testing.assert_close(ours, theirs)
    nothing = log_sum_exp("dot", "s0", x, Y[0][:0], V[:0])
    assert torch.equal(nothing, torch.full((12, 2), -torch.inf, dtype=torch.float64))


def test_half_precision_is_computed_in_float32(path):
    X, Y, _, V = inputs(["dot"], 0, 20, 30, 4, 1, dtype=torch.bfloat16, scale=3.0)
    V = V.abs() + 1
    found = log_sum_exp("dot", "s0", X, Y, V)
    assert found.dtype == torch.bfloat16
    expected = dense(X[0].double() @ Y[0].double().mT, V.double())
    torch.testing.assert_close(found, expected.bfloat16())


def test_refusals():
    x, v = torch.zeros(3, 2), torch.ones(3, 1)
    with pytest.raises(ValueError, match="precision must be one of"):
        log_sum_exp("dot", "s0", x, x, v, precision="low")
    with pytest.raises(ValueError, match="Y has 3 points but V has 2 rows"):
        log_sum_exp("dot", "s0", x, x, v[:2])
    with pytest.raises(ValueError, match="backend must be one of auto, torch, compiled, triton"):
        log_sum_exp("dot", "s0", x, x, v, backend="cuda")
