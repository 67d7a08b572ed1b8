"""Rows that stay where they are and come to the device by blocks."""

import numpy as np
import pytest
import torch

from mercer.kernels import RBF
from mercer.learn import KernelClassifier, KernelRegressor
from mercer.learn.merge import Merged
from mercer.learn.placement import place
from mercer.learn.problem import Problem
from mercer.learn.solvers import row_blocks as blocks
from mercer.learn.solvers import solve_eigenpro, solve_nystrom
from mercer.learn.solvers.gram import PANEL, gram
from mercer.learn.solvers.row_blocks import FEW, RowBlocks
from mercer.learn.solvers.streamed_rows import StreamedRows

KEPT, ANEW = 1e9, 1.0


def problem(**changes):
    g = torch.Generator().manual_seed(0)
    X = torch.randn(700, 3, generator=g, dtype=torch.float64)
    Y = torch.stack([X[:, 0].sin(), X[:, 1] * X[:, 2]], 1)
    weights = torch.rand(700, generator=g, dtype=torch.float64) + 0.5
    values = dict(centers=X[:60], validation=torch.arange(600, 700), memory_budget=KEPT)
    return Problem(X, Y, weights, RBF(1.5), (0.01, 0.1, 1.0), **(values | changes))


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(blocks, "ROWS", 128)
    monkeypatch.setattr(blocks, "STRIP_BYTES", 8 * 60 * 50)


def test_rows_come_in_the_order_asked_for():
    p = problem()
    asked = [torch.tensor([3, 1, 699]), torch.tensor([], dtype=torch.long), torch.tensor([5])]
    found = list(StreamedRows(p).blocks(iter(asked)))
    for index, rows in zip(asked, found, strict=True):
        for mine, whole in zip(rows, (p.X, p.Y, p.weights)):
            np.testing.assert_array_equal(mine.numpy(), whole.numpy()[index.numpy()])
    assert not list(StreamedRows(p).blocks([]))


@pytest.mark.parametrize("columns", [1, FEW, FEW + 1])
def test_products_of_normal_equations(small_blocks, columns):
    p = problem()
    kept, held = p.split()
    K = RowBlocks(p, p.centers, [kept, held])
    X, Z = p.X.numpy(), p.centers.numpy()
    dense = np.exp(-((X[:, None] - Z) ** 2).sum(-1) / (2 * 1.5**2))  # [n, m]
    V = torch.randn(60, columns, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    W = p.weights.numpy()[:, None]
    for groups, rows in ((range(1), slice(0, 600)), (range(2), slice(None))):
        G = dense[rows].T @ (W[rows] * (dense[rows] @ V.numpy()))
        np.testing.assert_allclose(K.normal(groups, V), G, rtol=1e-12, atol=1e-12)
        T = dense[rows].T @ (W[rows] * p.Y.numpy()[rows])
        np.testing.assert_allclose(K.targets(groups), T, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(K.product(1, V), dense[600:] @ V.numpy(), rtol=1e-12, atol=1e-12)


def test_some_blocks_are_kept_and_no_more_than_fit(small_blocks):
    p = problem(memory_budget=300 * 60 * 8)  # 300 of 700 rows: two blocks of 128
    kept, held = p.split()
    K = RowBlocks(p, p.centers, [kept, held])
    V = torch.ones(60, 1, dtype=torch.float64)
    first = K.normal(range(2), V)
    assert torch.equal(K.normal(range(2), V), first)
    assert sum(len(block.K) for block in K._blocks.values()) == 256
    assert "37% of them kept and the others made anew in each step" in K.explain


@pytest.mark.parametrize("budget", [KEPT, 300 * 60 * 8.0, ANEW])
def test_nystrom_from_streamed_rows_is_the_same_to_the_last_bit(small_blocks, budget):
    whole = solve_nystrom(problem())
    streamed = solve_nystrom(problem(memory_budget=budget, streamed=True))
    assert torch.equal(streamed.coefficients, whole.coefficients)
    assert torch.equal(streamed.held_out.predictions, whole.held_out.predictions)
    assert ("rows brought to cpu by blocks" in streamed.why) == (budget < KEPT)


def test_eigenpro_goes_on_in_the_middle_of_an_epoch():
    p = problem(epochs=3, streamed=True, memory_budget=1e5)  # batches of 52 rows
    states = []
    whole = solve_eigenpro(p, on_step=lambda record, state: states.append(state()))
    assert len(states) > 30
    for state in (states[4], states[len(states) // 2]):
        assert torch.equal(solve_eigenpro(p, state).coefficients, whole.coefficients)


@pytest.mark.parametrize("method", ["nystrom", "eigenpro"])
def test_estimator_streams_what_does_not_fit(method):
    g = np.random.default_rng(0)
    X = g.standard_normal((1500, 12))
    y = np.sin(X[:, 0]) + X[:, 1]
    budget = 1e5  # the rows take 168 kB, the matrix of the centres less
    model = KernelRegressor(
        "rbf", method=method, lengthscale=4.0, centers=50, random_state=0, memory_budget=budget
    )
    resident = model.fit(X, y).predict(X)
    streamed = model.set_params(device="cpu").fit(X, y)
    assert np.array_equal(streamed.predict(X), resident)
    if method == "nystrom":
        assert "rows brought to cpu by blocks" in streamed.explain_


def test_classifier_streams_too():
    X = np.random.default_rng(0).standard_normal((400, 2))
    labels = np.where(X[:, 0] > 0, "yes", "no")
    model = KernelClassifier("rbf", method="nystrom", centers=40, random_state=0, lengthscale=1.0)
    resident = model.fit(X, labels).predict_proba(X)
    streamed = model.set_params(device="cpu", memory_budget=1000.0).fit(X, labels)
    np.testing.assert_allclose(streamed.predict_proba(X), resident, rtol=1e-9)


def test_methods_that_need_all_rows_refuse():
    X = torch.zeros(1000, 3)
    rows = Merged(X, X[:, :1], X[:, 0])
    with pytest.raises(ValueError, match=r"method='cg' needs all 1,000 rows on meta, 2e-05 GB"):
        place(rows, "cg", "meta", 1e4)
    moved, placed = place(rows, "cg", "meta", 1e5)
    assert moved.X.device.type == "meta"
    assert (placed.streamed, placed.memory_budget) == (False, 1e5 - 4 * 5000)
    _, placed = place(rows, "cg", "cpu", 1.0)  # they are there already
    assert not placed.streamed
    with pytest.raises(ValueError, match="device must be one of torch, such as 'cuda', got 'gpu'"):
        place(rows, "nystrom", "gpu", None)
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="device='cuda' needs a GPU"):
            KernelRegressor(device="cuda").fit([[0.0], [1.0]], [0.0, 1.0])


@pytest.mark.parametrize("m", [3, PANEL, 2 * PANEL + 7])
def test_gram_is_the_product_and_symmetric(m):
    g = torch.Generator().manual_seed(0)
    phi = torch.randn(90, m, generator=g)
    found = gram(phi.split(40), m, phi.device)
    assert torch.equal(found, found.mT)
    exact = phi.double().numpy().T @ phi.double().numpy()
    np.testing.assert_allclose(found, exact, atol=2e-5)


@pytest.mark.gpu
@pytest.mark.parametrize("method", ["nystrom", "eigenpro"])
def test_gpu_streams_what_is_in_the_memory_of_the_host(method):
    solve = {"nystrom": solve_nystrom, "eigenpro": solve_eigenpro}[method]
    there = torch.device("cuda")
    host = problem(epochs=5)
    Z = host.centers.to(there)
    resident = problem(epochs=5, centers=Z, validation=host.validation.to(there))
    moved = {name: getattr(resident, name).to(there) for name in ("X", "Y", "weights")}
    resident = Problem(**{**vars(resident), **moved, "device": there})
    streamed = problem(epochs=5, centers=Z, device=there, streamed=True)
    one, two = solve(resident), solve(streamed)
    assert two.coefficients.device.type == "cuda"
    torch.testing.assert_close(two.coefficients, one.coefficients, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(
        two.held_out.predictions, one.held_out.predictions.cpu(), rtol=1e-9, atol=1e-9
    )
