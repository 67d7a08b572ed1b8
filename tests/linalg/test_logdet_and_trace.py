"""Determinants and traces against torch.linalg on the dense matrix."""

import sys

import pytest
import torch
from matrices import F64, gaussian_gram, generator, randn, spd
from test_solve_structure import CASES

from mercer.linalg import hutchpp, logdet, trace
from mercer.operators import Block, Circulant, Dense, Diagonal, Identity, Kronecker, Product, Sum

PSD = {"symmetric", "psd"}


@pytest.mark.parametrize("name", [n for n in CASES if n not in ("banded", "permuted-rows")])
def test_logdet_of_structure(name):
    make, tensors, _ = CASES[name]
    K = make(*tensors)
    sign, expected = torch.linalg.slogdet(K.dense())
    if not bool((sign > 0).all()):
        with pytest.raises(ValueError, match="determinant must be positive"):
            logdet(K)
        return
    torch.testing.assert_close(logdet(K), expected, rtol=1e-10, atol=1e-10)
    inputs = [t.clone().requires_grad_() for t in tensors]
    assert torch.autograd.gradcheck(lambda *t: logdet(make(*t)), inputs)


def test_enough_cases_have_a_logarithm():
    positive = [
        bool((torch.linalg.slogdet(make(*tensors).dense())[0] > 0).all())
        for make, tensors, _ in CASES.values()
    ]
    assert sum(positive) >= 15


@pytest.mark.parametrize("method", [None, "cholesky", "lu"])
def test_logdet_dense(method):
    A = spd(8, 3)
    found = logdet(Dense(A, PSD), method=method)
    torch.testing.assert_close(found, torch.logdet(A))


def test_stochastic_logdet_value():
    K = Dense(gaussian_gram(300), PSD) + 1e-2 * Identity(300)
    exact = torch.logdet(K.dense())
    found = torch.stack(
        [logdet(K, method="lanczos", probes=10, generator=generator(s)) for s in range(5)]
    )
    # Preconditioned, an estimate is good to a fraction of a percent.
    torch.testing.assert_close(found, exact.expand(5), rtol=2e-3, atol=0)


def test_stochastic_logdet_is_unbiased_without_preconditioner():
    A = spd(30, 2, condition=20.0)
    exact = torch.logdet(A)
    found = torch.stack(
        [
            logdet(Dense(A, PSD), method="lanczos", probes=20, steps=30, generator=generator(s))
            for s in range(30)
        ]
    )
    error = found.mean(0) - exact
    assert bool((error.abs() < 4 * found.std(0) / 30**0.5).all())


def test_stochastic_logdet_derivatives():
    """With as many sign vectors as rows, made orthogonal by chance only, compare the mean."""
    X = torch.rand(40, 2, generator=generator(), dtype=F64)

    def make(scale, noise):
        gram = torch.exp(-torch.cdist(X, X).square() / scale)
        return Dense(gram, PSD) + noise * Identity(40)

    inputs = [torch.tensor(v, dtype=F64, requires_grad=True) for v in (0.5, 0.1)]
    exact = torch.autograd.grad(torch.logdet(make(*inputs).dense()), inputs, create_graph=True)
    exact_second = torch.autograd.grad(exact[0] + exact[1], inputs)
    first, second = [], []
    for seed in range(20):
        value = logdet(make(*inputs), method="lanczos", probes=20, generator=generator(seed))
        found = torch.autograd.grad(value, inputs, create_graph=True)
        first.append(torch.stack(found).detach())
        second.append(torch.stack(torch.autograd.grad(found[0] + found[1], inputs)))
    for found, wanted in ((first, exact), (second, exact_second)):
        found = torch.stack(found)
        wanted = torch.stack(wanted).detach()
        error = found.mean(0) - wanted
        bound = 4 * found.std(0) / 20**0.5 + 1e-8 * wanted.abs()
        assert bool((error.abs() < bound).all())
        assert bool((error.abs() < 0.05 * wanted.abs()).all())


def test_large_parts_are_not_made_dense(monkeypatch):
    monkeypatch.setattr(sys.modules["mercer.linalg.logdet"], "SMALL", 20)
    A = spd(30)
    K = Dense(A, PSD)
    assert torch.equal(logdet(K, probes=50), logdet(K, method="lanczos", probes=50))
    assert float(logdet(K)) != float(torch.logdet(A))
    with pytest.raises(ValueError, match="no exact rule for a part with 30 rows"):
        logdet(Dense(A))
    with pytest.raises(ValueError, match="no exact rule for a part with 30 rows"):
        logdet(Product(K, Dense(A)))


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: logdet(torch.ones(2, 3)), ValueError, "square, got 2 x 3"),
        (lambda: logdet(torch.eye(2), method="magic"), ValueError, "method must be one of"),
        (lambda: logdet(torch.eye(2), method="lanczos"), ValueError, "tagged psd"),
        (lambda: logdet(torch.eye(2), method="structure"), ValueError, "no exact rule"),
        (lambda: logdet(-torch.eye(3)), ValueError, "must be positive"),
        (lambda: logdet(torch.ones(2, 2)), torch.linalg.LinAlgError, "determinant is zero"),
        (lambda: logdet(Dense(-torch.eye(2), PSD)), torch.linalg.LinAlgError, "eigenvalue is -1"),
        (lambda: trace(torch.ones(2, 3)), ValueError, "square, got 2 x 3"),
        (lambda: trace(torch.eye(2), method="magic"), ValueError, "method must be"),
        (lambda: hutchpp(Dense(torch.eye(2)), products=2), ValueError, "at least 3"),
    ],
)
def test_refusals(call, error, match):
    with pytest.raises(error, match=match):
        call()


TRACES = [
    Dense(randn(2, 5, 5)),
    Diagonal(randn(4)),
    3.0 * Identity(4, dtype=F64),
    Kronecker(Dense(randn(2, 3, 3)), Circulant(randn(4))),
    Kronecker(Dense(randn(2, 3)), Dense(randn(3, 2))),
    Product(Dense(randn(4, 3)), Dense(randn(3, 4, seed=1))),
    Sum(Dense(randn(2, 4, 4)), Diagonal(randn(4))),
    Sum(Dense(randn(2, 4, 4)), Dense(randn(3, 1, 4, 4))),
    Block([[randn(2, 2), None], [None, randn(3, 3)]]),
]


@pytest.mark.parametrize("K", TRACES, ids=lambda K: type(K).__name__)
def test_trace(K):
    expected = torch.diagonal(K.dense(), dim1=-2, dim2=-1).sum(-1)
    torch.testing.assert_close(trace(K), expected)


def test_trace_derivative():
    A, B = randn(3, 3).requires_grad_(), randn(2, 2).requires_grad_()
    assert torch.autograd.gradcheck(lambda A, B: trace(Kronecker(Dense(A), Dense(B))), (A, B))


def test_hutchpp_is_exact_on_low_rank_and_unbiased_elsewhere():
    G = randn(100, 5)
    K = Dense(G @ G.mT, PSD)
    torch.testing.assert_close(hutchpp(K, products=30), G.square().sum())
    A = randn(50, 50)
    found = torch.stack(
        [trace(Dense(A), method="hutch++", products=15, generator=generator(s)) for s in range(200)]
    )
    assert abs(float(found.mean() - A.trace())) < 4 * float(found.std()) / 200**0.5


def test_hutchpp_derivative_is_unbiased():
    A = randn(12, 12).requires_grad_()
    found = torch.stack(
        [
            torch.autograd.grad(hutchpp(Dense(A), products=9, generator=generator(s)), A)[0]
            for s in range(400)
        ]
    )
    error = found.mean(0) - torch.eye(12, dtype=F64)
    assert float((error.abs() / (found.std(0) / 20 + 1e-12)).max()) < 5
