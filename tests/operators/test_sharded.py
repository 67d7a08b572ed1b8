"""Rows over two and three processes against the matrix in one, written down by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
from sharded_worker import inputs

from mercer.distributed import Sharded, shard
from mercer.kernels import RBF, Laplace
from mercer.operators import Dense
from mercer.testing import check_operator
from tests.ranks import results, run_worker


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("ranks")
    run_worker(Path(__file__).parent / "sharded_worker.py", place)
    return place


@pytest.fixture(params=[2, 3])
def found(request, folder):
    """What each rank got."""
    return results(folder, request.param)


@pytest.fixture
def alone(tmp_path):
    """A process group of one."""
    dist.init_process_group(
        "gloo", init_method=f"file://{tmp_path / 'store'}", rank=0, world_size=1
    )
    yield
    dist.destroy_process_group()


def gaussian(X, Y, length):
    return (-((X[:, None] - Y) / length).square().sum(-1) / 2).exp()


def agrees(found, name, *expected, rtol=1e-11):
    for position, value in enumerate(expected):
        value = value.detach().numpy()
        np.testing.assert_allclose(
            found[0][f"{name}/{position}"], value, rtol=rtol, atol=rtol * np.abs(value).max()
        )


def test_every_rank_has_the_same_bits(found):
    for name, value in found[0].items():
        for other in found[1:]:
            np.testing.assert_array_equal(other[name], value, err_msg=name)


@pytest.mark.parametrize(("name", "n"), [("rectangular", 11), ("few", 2)])
def test_products_entries_and_gradients(found, name, n):
    t = inputs(n)
    K = gaussian(t["X"], t["Y"], t["length"])
    P, Q = K @ t["V"], K.mT @ t["U"]
    agrees(found, f"{name}/products", P, Q)
    leaves = [t[k] for k in ("X", "Y", "length", "V", "U")]
    first = torch.autograd.grad(P.sin().sum() + Q.square().sum(), leaves, create_graph=True)
    agrees(found, f"{name}/gradients", *first)
    second = torch.autograd.grad(sum(g.square().sum() for g in first), leaves, retain_graph=True)
    agrees(found, f"{name}/second", *second)
    i, j = torch.tensor([n - 1, 0, n // 2, 0]), torch.tensor([0, 6, 3, 3])
    agrees(found, f"{name}/entries", K[i, j], K, K.diagonal(), K[:, j], K[i])
    agrees(found, f"{name}/parts", K[1:, ::2], K[i][:, j])
    W = torch.arange(4.0, dtype=torch.float64)
    agrees(found, f"{name}/entry_gradients", *torch.autograd.grad(W @ K[i, j], leaves[:3]))


def test_symmetric(found):
    t = inputs()
    P = gaussian(t["X"], t["X"], t["length"]) @ t["U"]
    agrees(found, "square/product", P, P)
    leaves = [t["X"], t["length"], t["U"]]
    agrees(found, "square/gradients", *torch.autograd.grad(P.sin().sum(), leaves))


def test_blocks_that_ranks_made_themselves(found):
    t = inputs()
    K = gaussian(t["X"], t["Y"], t["length"])
    P = K @ t["V"]
    agrees(found, "blocks/product", P, K.mT @ t["U"])
    leaves = [t[k] for k in ("X", "Y", "length", "V")]
    agrees(found, "blocks/gradients", *torch.autograd.grad(P.sin().sum(), leaves))


def test_batches_and_precisions(found):
    F, G, V = (torch.from_numpy(found[0][f"batch/inputs/{k}"]) for k in range(3))
    K = F @ G.mT
    agrees(found, "batch/products", K @ V, K.mT @ (K @ V), (K @ V)[1], K)
    for dtype in (torch.float32, torch.bfloat16):
        # A rounding of the input, the product, and each of three sums.
        allowed = 8 * torch.finfo(dtype).eps
        A, v = K[0].to(dtype).double(), V[0].to(dtype).double()
        agrees(found, f"batch/{dtype}", A @ v, A.mT @ (A @ v), rtol=allowed)


@pytest.mark.parametrize("way", ["default", "cg", "nystrom", "pivoted"])
def test_solve_and_its_gradients(found, way):
    t = inputs()
    K = gaussian(t["X"], t["X"], t["length"]) + t["noise"] * torch.eye(11, dtype=torch.float64)
    x = torch.linalg.solve(K, t["b"])
    leaves = [t["X"], t["length"], t["noise"], t["b"]]
    gradients = torch.autograd.grad(x.square().sum(), leaves)
    agrees(found, f"solve/{way}", x, *gradients, rtol=1e-9)


def test_contract_of_operators(alone):
    g = torch.Generator().manual_seed(1)
    X, Y = torch.randn(5, 2, generator=g), torch.randn(4, 2, generator=g)
    check_operator(lambda X, Y: shard(RBF(lengthscale=0.7)(X, Y)), X, Y)
    check_operator(lambda X: shard(Laplace()(X)), X, dtypes=[torch.float32])
    check_operator(lambda M: Sharded(Dense(M)), torch.randn(2, 3, 4, generator=g))
    check_operator(lambda M: shard(Dense(M)), torch.zeros(0, 3), gradients=False)


def test_what_is_said(alone):
    K = shard(RBF()(torch.zeros(3, 1)))
    assert K.explain().startswith("Sharded(3 x 3, float32, psd, symmetric) over 1 ranks; rank 0")
    assert "rows 0 to 3: 3 x 3 entries of exp(-s0/2)" in K.explain()


def test_without_a_process_group():
    with pytest.raises(RuntimeError, match="torchrun"):
        shard(Dense(torch.ones(2, 2)))


def test_a_hidden_tensor_is_refused(alone):
    class Hidden(Dense):
        def __init__(self, scale):
            super().__init__(torch.ones(2, 2))
            self._entries = lambda i, j: scale * torch.ones(i.shape)

    with pytest.raises(TypeError, match="keep it in one"):
        shard(Hidden(torch.tensor(2.0, requires_grad=True)))
