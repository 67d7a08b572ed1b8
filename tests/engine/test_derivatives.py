"""Gradients and second gradients of the tile loop against finite differences and the definition."""

from __future__ import annotations

import pytest
import torch

from mercer.engine import Mask, definition, make, planner, reduce
from tests.engine.cases import CASES, inputs


@pytest.fixture(params=["whole", "tiles"])
def path(request, monkeypatch):
    if request.param == "tiles":
        monkeypatch.setattr(planner, "SMALL", 0)


def flat(kinds, P, text, mask=None, normalise=None):
    """The reduction as a function of a flat list of tensors."""
    S = len(kinds)

    def run(*tensors):
        X, Y, p, V = tensors[:S], tensors[S : 2 * S], tensors[2 * S : -1], tensors[-1]
        return reduce(kinds, text, X, Y, V, parameters=p, mask=mask, normalise=normalise)

    return run


def leaves(X, Y, p, V):
    return [t.detach().clone().requires_grad_() for t in (*X, *Y, *p, V)]


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("d", [2, 5])
def test_finite_differences(name, d, path):
    text, kinds, P = CASES[name]
    tensors = leaves(*inputs(kinds, P, 4, 3, d, 2))
    run = flat(kinds, P, text)
    along_one_direction = d > 2 or len(kinds) > 2  # instead of entry by entry
    assert torch.autograd.gradcheck(run, tensors)
    assert torch.autograd.gradgradcheck(run, tensors, fast_mode=along_one_direction)


@pytest.mark.parametrize("normalise", [None, "rows"])
def test_masked_finite_differences(normalise, path):
    tensors = leaves(*inputs(["dot"], 0, 5, 5, 2, 2))
    run = flat(["dot"], 0, "exp(s0)", Mask(upper=0), normalise)
    assert torch.autograd.gradcheck(run, tensors)
    assert torch.autograd.gradgradcheck(run, tensors)


@pytest.mark.parametrize("name", CASES)
def test_gradient_equals_that_of_the_definition(name, path):
    """At a size with several tiles and batches, where the definition is differentiated by torch."""
    text, kinds, P = CASES[name]
    tensors = leaves(*inputs(kinds, P, 60, 50, 4, 3, batch=(2,)))
    S = len(kinds)
    X, Y, p, V = tensors[:S], tensors[S : 2 * S], tensors[2 * S : -1], tensors[-1]
    expected = definition.reduce(make(text, kinds, P), X, Y, p, V)
    U = torch.randn_like(expected)
    want = torch.autograd.grad((U * expected).sum(), tensors, allow_unused=True)
    got = torch.autograd.grad(
        (U * flat(kinds, P, text)(*tensors)).sum(), tensors, allow_unused=True
    )
    for tensor, g, w in zip(tensors, got, want):
        g, w = (torch.zeros_like(tensor) if a is None else a for a in (g, w))
        torch.testing.assert_close(g, w, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("d", [2, 5])
def test_second_derivative_at_coincident_points(d, path):
    """d^2 k / dx dy at x = y is f''-like and not zero: -2 k'(0) I, here 3 I for Matern 3/2."""
    x = torch.randn(1, d, dtype=torch.float64, requires_grad=True)
    y = x.detach().clone().requires_grad_()
    one = torch.ones(1, 1, dtype=torch.float64)
    text, kinds, _ = CASES["matern32"]
    k = reduce(kinds, text, x, y, one)
    (dx,) = torch.autograd.grad(k.sum(), x, create_graph=True)
    rows = [torch.autograd.grad(dx[0, e], y, retain_graph=True)[0][0] for e in range(d)]
    torch.testing.assert_close(torch.stack(rows), 3 * torch.eye(d, dtype=torch.float64))


@pytest.mark.parametrize("d", [2, 5])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradient_of_a_rough_kernel_is_finite_at_coincident_points(d, dtype, path):
    x = torch.randn(9, d, dtype=dtype, requires_grad=True)
    text, kinds, _ = CASES["matern12"]
    reduce(kinds, text, x, x, torch.ones(9, 1, dtype=dtype)).sum().backward()
    far = x.detach().double().requires_grad_()
    distance = (far[:, None] - far).square().sum(-1) + torch.eye(9, dtype=torch.float64)
    (torch.exp(-distance.sqrt()) * (1 - torch.eye(9))).sum().backward()
    torch.testing.assert_close(x.grad.double(), far.grad, rtol=1e-4, atol=1e-5)


def test_torch_func(path):
    X, Y, _, V = inputs(["squared_distance"], 0, 7, 6, 5, 2, batch=(3,))
    Y, V = Y[0][0], V[0]

    def energy(x):
        return reduce("squared_distance", "exp(-s0/2)", x, Y, V).square().sum()

    one_by_one = torch.stack([energy(x) for x in X[0]])
    torch.testing.assert_close(torch.func.vmap(energy)(X[0]), one_by_one)
    slopes = torch.stack([torch.func.grad(energy)(x) for x in X[0]])
    torch.testing.assert_close(torch.func.vmap(torch.func.grad(energy))(X[0]), slopes)
    hessian = torch.func.jacrev(torch.func.jacrev(energy))(X[0][0])
    torch.testing.assert_close(
        hessian, torch.autograd.functional.hessian(energy, X[0][0]), rtol=1e-9, atol=1e-9
    )


def test_vmap_over_columns_and_parameters(path):
    X, Y, _, V = inputs(["squared_distance"], 0, 7, 6, 5, 4)
    columns = torch.func.vmap(
        lambda v: reduce("squared_distance", "exp(-s0/2)", X, Y, v[:, None])[:, 0], 1, 1
    )(V)
    torch.testing.assert_close(columns, reduce("squared_distance", "exp(-s0/2)", X, Y, V))
    p = torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64)

    def scaled(q):
        return reduce("squared_distance", "exp(-s0*p0)", X, Y, V, parameters=[q])

    torch.testing.assert_close(torch.func.vmap(scaled)(p), torch.stack([scaled(q) for q in p]))


def test_compiles_to_one_graph(path):
    X, Y, _, V = inputs(["squared_distance"], 0, 30, 20, 5, 2)
    V.requires_grad_()

    kinds = ("squared_distance",)
    formula = make("exp(-s0/2)", kinds, 0)

    def run(v):
        return reduce(kinds, formula, X, Y, v)

    compiled = torch.compile(run, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(V), run(V))
    (got,) = torch.autograd.grad(compiled(V).square().sum(), V)
    (want,) = torch.autograd.grad(run(V).square().sum(), V)
    torch.testing.assert_close(got, want)
