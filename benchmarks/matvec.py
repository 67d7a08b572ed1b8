"""Gaussian kernel times vectors: mercer beside KeOps, scikit-learn and the bare operations.

python benchmarks/matvec.py [--n 20000] [--repeats 5] [--out benchmarks/results]
"""

from __future__ import annotations

import argparse
import math

import numpy as np
import torch
from _harness import Table, median_seconds

from mercer.kernels import RBF


def bare(
    X: torch.Tensor, Y: torch.Tensor, V: torch.Tensor, rows: int, columns: int
) -> torch.Tensor:
    """Two matrix products and one ``exp`` over the same tiles: what a product must cost."""
    out = torch.zeros(len(X), V.shape[1])
    tile = torch.empty(rows, columns)
    for i in range(0, len(X), rows):
        for j in range(0, len(Y), columns):
            x, y = X[i : i + rows], Y[j : j + columns]
            K = tile[: len(x), : len(y)] if len(x) < rows or len(y) < columns else tile
            torch.mm(x, y.T, out=K).exp_()
            out[i : i + rows].addmm_(K, V[j : j + columns])
    return out


def exact(X: torch.Tensor, Y: torch.Tensor, V: torch.Tensor, count: int = 256) -> torch.Tensor:
    """The first rows in float64."""
    X, Y, V = X[:count].double(), Y.double(), V.double()
    return torch.exp(-(torch.cdist(X, Y, compute_mode="donot_use_mm_for_euclid_dist") ** 2) / 2) @ V


def keops(X: torch.Tensor, Y: torch.Tensor, V: torch.Tensor):
    """The same product through pykeops' generic reduction, compiled before it is timed."""
    from pykeops.torch import LazyTensor

    x, y = LazyTensor(X[:, None, :].contiguous()), LazyTensor(Y[None, :, :].contiguous())
    K = (-((x - y) ** 2).sum(-1) / 2).exp()
    return lambda: K @ V


def scikit(X: np.ndarray, Y: np.ndarray, V: np.ndarray):
    """scikit-learn's matrix and a product."""
    from sklearn.metrics.pairwise import rbf_kernel

    return lambda: rbf_kernel(X, Y, gamma=0.5) @ V


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--peer-repeats", type=int, default=1)
    parser.add_argument("--out", default=None)
    parser.add_argument("--no-peers", action="store_true")
    args = parser.parse_args()
    table = Table("matvec", args.out)
    generator = torch.Generator().manual_seed(0)
    for d in (3, 30, 300):
        X = torch.randn(args.n, d, generator=generator) / math.sqrt(d)
        Y = torch.randn(args.n, d, generator=generator) / math.sqrt(d)
        for c in (1, 16):
            V = torch.randn(args.n, c, generator=generator)
            K = RBF(1.0)(X, Y)
            seconds = {"mercer": median_seconds(lambda: K @ V, args.repeats)}
            seconds["bare"] = median_seconds(lambda: bare(X, Y, V, 512, 2048), args.repeats)
            if not args.no_peers:
                seconds["scikit-learn"] = median_seconds(
                    scikit(X.numpy(), Y.numpy(), V.numpy()), args.peer_repeats, warm=0
                )
                keops(X[:100], Y[:100], V[:100])()  # compiles
                seconds["pykeops"] = median_seconds(keops(X, Y, V), args.peer_repeats, warm=0)
            reference = exact(X, Y, V)
            error = ((K @ V)[: len(reference)] - reference).norm() / reference.norm()
            row = {"n": args.n, "d": d, "columns": c, "error": float(error), **seconds}
            ours = seconds["mercer"]
            row |= {f"{k}/mercer": s / ours for k, s in seconds.items() if k != "mercer"}
            table.add(row)
    table.close()


if __name__ == "__main__":
    main()
