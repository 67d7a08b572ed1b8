"""Blocks of a kernel matrix that are never formed, and memory that is given back."""

import gc
import weakref

import numpy as np
import pytest
import torch

from mercer.kernels import RBF, White
from mercer.learn import KernelRegressor
from mercer.learn.problem import Problem
from mercer.learn.solvers import row_blocks as blocks
from mercer.learn.solvers import solve_nystrom
from mercer.learn.solvers.row_blocks import RowBlocks
from mercer.linalg.eigenpro import EigenPro
from mercer.operators import KernelOperator

SOME, NONE = 300 * 60 * 8.0, 1.0  # bytes: two of the small blocks, or no block


def problem(dtype=torch.float64, device="cpu", **changes):
    g = torch.Generator().manual_seed(0)
    X = torch.randn(700, 3, generator=g, dtype=torch.float64)
    Y = torch.stack([X[:, 0].sin(), X[:, 1] * X[:, 2]], 1)
    weights = torch.rand(700, generator=g, dtype=torch.float64) + 0.5
    X, Y = X.to(device, dtype), Y.to(device, dtype)
    values = {"centers": X[:60], "memory_budget": NONE} | changes
    return Problem(X, Y, weights.to(device), RBF(1.5), (0.1,), **values)


@pytest.fixture
def fused(monkeypatch):
    """Blocks of 128 rows where they are kept, of 250 where they are not, never formed."""
    monkeypatch.setattr(blocks, "ROWS", 128)
    monkeypatch.setattr(blocks, "FUSED_ROWS", 250)
    monkeypatch.setattr(blocks, "FUSED_DIMENSION", 0)
    monkeypatch.setattr(blocks, "_is_fused", lambda problem, centers: True)


def test_entries_of_few_coordinates_are_not_kept(fused, monkeypatch):
    monkeypatch.setattr(blocks, "FUSED_DIMENSION", 3)
    p = problem(memory_budget=1e9)
    K = RowBlocks(p, p.centers, [torch.arange(700)])
    assert len(K.parts[0]) == 3
    assert all(isinstance(block.K, KernelOperator) for block in K.blocks(0))
    assert "made anew" in K.explain


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("budget", [SOME, NONE])
@pytest.mark.parametrize("columns", [1, 5])
def test_products_without_the_blocks(fused, monkeypatch, columns, budget, streamed):
    formed = []
    dense = KernelOperator.dense
    monkeypatch.setattr(KernelOperator, "dense", lambda K: formed.append(K.n) or dense(K))
    p = problem(memory_budget=budget, streamed=streamed)
    K = RowBlocks(p, p.centers, [torch.arange(600), torch.arange(600, 700)])
    X, Z = p.X.numpy(), p.centers.numpy()
    matrix = np.exp(-((X[:, None] - Z) ** 2).sum(-1) / (2 * 1.5**2))  # [n, m]
    V = torch.randn(60, columns, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    W = p.weights.numpy()[:, None]
    for groups, rows in ((range(1), slice(0, 600)), (range(2), slice(None))):
        G = matrix[rows].T @ (W[rows] * (matrix[rows] @ V.numpy()))
        np.testing.assert_allclose(K.normal(groups, V), G, rtol=1e-11, atol=1e-11)
        T = matrix[rows].T @ (W[rows] * p.Y.numpy()[rows])
        np.testing.assert_allclose(K.targets(groups), T, rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(K.product(1, V), matrix[600:] @ V.numpy(), rtol=1e-11, atol=1e-11)
    assert formed == ([128, 128] if budget == SOME else [])
    assert [len(part) for part in K.parts[0]] == (
        [128, 128, 250, 94] if budget == SOME else [250, 250, 100]
    )


def test_nystrom_without_the_blocks(fused):
    found = solve_nystrom(problem())
    K = torch.exp(-(torch.cdist(problem().centers, problem().centers) ** 2) / (2 * 1.5**2))
    p = problem()
    B = torch.exp(-(torch.cdist(p.X, p.centers) ** 2) / (2 * 1.5**2))
    A = B.T @ (p.weights[:, None] * B) + 0.1 * K
    exact = torch.linalg.solve(A, B.T @ (p.weights[:, None] * p.Y))
    np.testing.assert_allclose(B @ found.coefficients, B @ exact, atol=1e-6)


@pytest.mark.parametrize(
    ("d", "rows"), [(3, blocks.FUSED_ROWS), (10**4, blocks.ROWS), (784, 2**26 // (784 * 4))]
)
def test_points_of_a_block_stay_within_bounds(d, rows):
    assert blocks._fused_rows(torch.empty(2, d)) == rows


def test_without_a_fused_pass_blocks_are_formed():
    x = torch.zeros(2, 1)
    p = Problem(x, x, x[:, 0], RBF(), (1.0,))
    assert not blocks._is_fused(p, x)
    white = Problem(x, x, x[:, 0], White(), (1.0,))
    assert not blocks._is_fused(white, x)


@pytest.mark.parametrize(("method", "holder"), [("nystrom", RowBlocks), ("eigenpro", EigenPro)])
def test_what_a_fit_held_is_freed_at_its_end(monkeypatch, method, holder):
    held = []
    init = holder.__init__

    def watched(self, *args, **kwargs):
        init(self, *args, **kwargs)
        held.append(weakref.ref(self))

    monkeypatch.setattr(holder, "__init__", watched)
    X = torch.randn(300, 3, generator=torch.Generator().manual_seed(0))
    model = KernelRegressor(RBF(1.5), method=method, centers=40, regularisation=0.1, epochs=2)
    gc.collect()
    gc.disable()  # so that a cycle would be seen
    try:
        model.fit(X, X[:, 0].sin())
        assert held
        assert all(kept() is None for kept in held)
    finally:
        gc.enable()


@pytest.mark.gpu
def test_gpu_never_forms_what_it_does_not_keep(monkeypatch):
    how = {"precision": "high", "tolerance": 1e-6}
    p = problem(torch.float32, "cuda", **how)
    assert blocks._is_fused(p, p.centers)
    assert not blocks._is_fused(problem(torch.float64, "cuda"), p.centers.double())
    anew = solve_nystrom(p)
    monkeypatch.setattr(blocks, "FUSED_DIMENSION", 0)
    kept = solve_nystrom(problem(torch.float32, "cuda", memory_budget=1e9, **how))
    B = RBF(1.5)(p.X, p.centers).dense()
    torch.testing.assert_close(B @ anew.coefficients, B @ kept.coefficients, rtol=0, atol=2e-3)
