"""One rank of test_sharded: the same inputs on every rank, and what comes out."""

from __future__ import annotations

import itertools

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh

from mercer.distributed import Ranks, Sharded, shard, share
from mercer.kernels import RBF
from mercer.linalg import NystromPreconditioner, RandomlyPivotedCholesky, solve
from mercer.operators import Dense, Identity, LowRank
from tests.ranks import Arrays, fork_ranks

OUT: dict[str, torch.Tensor] = {}


def inputs(n: int = 11, m: int = 7) -> dict[str, torch.Tensor]:
    g = torch.Generator().manual_seed(4)
    shapes = {"X": (n, 2), "Y": (m, 2), "V": (m, 3), "U": (n, 3), "b": (n, 2)}
    made = {k: torch.randn(s, generator=g, dtype=torch.float64) for k, s in shapes.items()}
    made["length"] = torch.tensor(0.8, dtype=torch.float64)
    made["noise"] = torch.tensor(0.3, dtype=torch.float64)
    return {k: t.requires_grad_() for k, t in made.items()}


def keep(name: str, *tensors: torch.Tensor) -> None:
    for position, tensor in enumerate(tensors):
        OUT[f"{name}/{position}"] = tensor.detach()


def rectangular(name: str, n: int) -> None:
    t = inputs(n)
    K = shard(RBF(lengthscale=t["length"])(t["X"], t["Y"]))
    leaves = [t[k] for k in ("X", "Y", "length", "V", "U")]
    P, Q = K @ t["V"], K.mT @ t["U"]
    keep(f"{name}/products", P, Q)
    first = torch.autograd.grad((P.sin().sum() + Q.square().sum()), leaves, create_graph=True)
    keep(f"{name}/gradients", *first)
    second = torch.autograd.grad(sum(g.square().sum() for g in first), leaves, retain_graph=True)
    keep(f"{name}/second", *second)
    i, j = torch.tensor([n - 1, 0, n // 2, 0]), torch.tensor([0, 6, 3, 3])
    keep(f"{name}/entries", K._entries(i, j), K.dense(), K.diagonal(), K.columns(j), K.rows(i))
    keep(f"{name}/parts", K[1:, ::2].dense(), K[i, j] @ torch.eye(4, dtype=torch.float64))
    W = torch.arange(float(4), dtype=torch.float64)
    keep(f"{name}/entry_gradients", *torch.autograd.grad(W @ K._entries(i, j), leaves[:3]))


def square() -> None:
    t = inputs()
    mesh = init_device_mesh("cpu", (dist.get_world_size(),))
    K = shard(RBF(lengthscale=t["length"])(t["X"]), mesh)
    assert K.mT is K
    assert {"symmetric", "psd"} <= K.tags
    leaves = [t["X"], t["length"], t["U"]]
    P = K @ t["U"]
    keep("square/product", P, K._adjoint() @ t["U"])
    keep("square/gradients", *torch.autograd.grad(P.sin().sum(), leaves))


def blocks(rank: int, size: int) -> None:
    """Uneven blocks that each rank makes from rows of its own."""
    t = inputs()
    cuts = [0, *range(1, size), 11]
    X = t["X"].detach()[cuts[rank] : cuts[rank + 1]].clone().requires_grad_()
    Y, length = share(None, t["Y"], t["length"])
    K = Sharded(RBF(lengthscale=length)(X, Y))
    assert K.sizes == tuple(b - a for a, b in itertools.pairwise(cuts))
    P = K @ t["V"]
    keep("blocks/product", P, K.mT @ t["U"])
    mine, *rest = torch.autograd.grad(P.sin().sum(), [X, t["Y"], t["length"], t["V"]])
    keep("blocks/gradients", Ranks().gather(mine, K.sizes), *rest)


def batches() -> None:
    g = torch.Generator().manual_seed(5)
    F, G = (torch.randn(2, n, 3, generator=g, dtype=torch.float64) for n in (5, 4))
    V = torch.randn(2, 4, 2, generator=g, dtype=torch.float64)
    K = shard(LowRank(F, G))
    keep("batch/inputs", F, G, V)
    keep("batch/products", K @ V, K.mT @ (K @ V), K[1] @ V[1], K.dense())
    for dtype in (torch.float32, torch.bfloat16):
        A, v = (F @ G.mT)[0].to(dtype), V[0].to(dtype)
        S = shard(Dense(A))
        assert (S @ v).dtype == dtype
        keep(f"batch/{dtype}", (S @ v).double(), (S.mT @ (S @ v)).double())


def systems() -> None:
    ways = {
        "default": lambda K: {},
        "cg": lambda K: {"method": "cg"},
        "nystrom": lambda K: {"preconditioner": NystromPreconditioner(K, rank=4)},
        "pivoted": lambda K: {"preconditioner": RandomlyPivotedCholesky(K, rank=4)},
    }
    for name, options in ways.items():
        t = inputs()
        K = shard(RBF(lengthscale=t["length"])(t["X"])) + t["noise"] * Identity(11)
        leaves = [t["X"], t["length"], t["noise"], t["b"]]
        x = solve(K, t["b"], tol=1e-13, **options(K)).x
        keep(f"solve/{name}", x, *torch.autograd.grad(x.square().sum(), leaves))


def refusals(rank: int) -> None:
    for make, error, words in (
        (lambda: Sharded(Dense(torch.ones(2, 3 + rank))), ValueError, "as many columns"),
        (lambda: Sharded(Dense(torch.ones(*[1] * rank, 2, 3))), ValueError, "batch axes"),
        (lambda: shard(shard(Dense(torch.ones(2, 3)))), TypeError, "sharded already"),
    ):
        try:
            make()
        except error as raised:
            if words in str(raised):
                continue
        raise AssertionError(f"expected {error.__name__}: {words}")


def work(rank: int, size: int) -> Arrays:
    rectangular("rectangular", 11)
    rectangular("few", 2)  # with three ranks, one holds no row
    square()
    blocks(rank, size)
    batches()
    systems()
    refusals(rank)
    return {name: tensor.numpy() for name, tensor in OUT.items()}


if __name__ == "__main__":
    fork_ranks(work, (2, 3))
