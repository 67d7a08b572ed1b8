"""Fits on a GPU to rows in the memory of the host, beside fits to the same rows on the GPU.

    python benchmarks/stream.py [--rows 1000000] [--columns 10] [--centers 5000] [--out DIR]

Both take the same steps on the same blocks; what differs is where the rows are. A cell gives the
seconds of each, the most memory that each had on the GPU, and the largest difference between their
predictions in units of the predictions' standard deviation; above ``ALLOWED`` the script fails.
``nystrom`` runs with blocks of the kernel matrix kept and with all of them made anew in each step,
as they are where the matrix does not fit; ``eigenpro`` makes them anew in any case.
"""

from __future__ import annotations

import argparse
import sys
import time

import torch
from _harness import Table
from torch import Tensor

from mercer.kernels import RBF
from mercer.learn.problem import Fitted, Problem
from mercer.learn.solvers import SOLVERS

ALLOWED = 1e-4
TESTED = 10_000


def data(rows: int, columns: int) -> tuple[Tensor, Tensor]:
    """A smooth function of a few columns with noise, in float32 on the host."""
    g = torch.Generator().manual_seed(0)
    X = torch.randn(rows + TESTED, columns, generator=g)
    y = X[:, :1].sin() + X[:, 1:2] * X[:, 2:3] + 0.3 * torch.randn(len(X), 1, generator=g)
    return X, y


def problem(
    X: Tensor, Y: Tensor, centers: int, epochs: int, budget: float, *, streamed: bool
) -> Problem:
    """The same problem with its rows on the host or on the GPU."""
    there = torch.device("cuda", torch.cuda.current_device())
    n, d = X.shape
    here = X.device if streamed else there
    order = torch.randperm(n, generator=torch.Generator().manual_seed(1))
    return Problem(
        X.to(here),
        Y.to(here),
        torch.ones(n, dtype=torch.float64, device=here),
        RBF(0.8 * d**0.5),
        (1.0,),
        centers=X[order[:centers]].to(there),
        validation=order[-TESTED:].sort().values.to(here),
        epochs=epochs,
        memory_budget=budget,
        device=there,
        streamed=streamed,
    )


def timed(method: str, given: Problem) -> tuple[Fitted, float, float]:
    """The fit, its seconds, and the most GB on the GPU."""
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    torch.cuda.synchronize()
    start = time.perf_counter()
    fitted = SOLVERS[method](given)
    torch.cuda.synchronize()
    seconds = time.perf_counter() - start
    return fitted, seconds, torch.cuda.max_memory_allocated() / 1e9


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--columns", type=int, default=10)
    parser.add_argument("--centers", type=int, default=5_000)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--out", default=None)
    args = parser.parse_args()
    if not torch.cuda.is_available():
        print("benchmarks/stream.py needs a GPU that torch can use, and there is none.")
        return 0
    table = Table("stream", args.out)
    X, y = data(args.rows, args.columns)
    T = X[args.rows :].cuda()
    X, Y = X[: args.rows], y[: args.rows]
    entries = 4.0 * args.rows * args.centers
    fits_in = 0.5 * torch.cuda.mem_get_info()[0]
    cells = [("nystrom", "kept", entries)] if entries < fits_in else []
    cells += [("nystrom", "made anew", 1.0), ("eigenpro", "made anew", 4e9)]
    worst = 0.0
    for method, blocks, budget in cells:
        few = problem(X[:30_000], Y[:30_000], min(args.centers, 1000), 1, budget, streamed=True)
        SOLVERS[method](few)  # compiles what is to be compiled
        row: dict = {"method": method, "blocks": blocks, **vars(args)}
        del row["out"]
        found = []
        for where in ("GPU", "host"):
            given = problem(X, Y, args.centers, args.epochs, budget, streamed=where == "host")
            fitted, seconds, most = timed(method, given)
            found.append(given.operator(T, fitted.centers) @ fitted.coefficients)
            row |= {f"seconds, rows on {where}": seconds, f"GB, rows on {where}": most}
            del given, fitted
        apart = float((found[0] - found[1]).abs().max() / found[0].std())
        worst = max(worst, apart)
        row["difference"] = apart
        table.add(row | {"gpu": torch.cuda.get_device_name()})
    table.close()
    if not worst <= ALLOWED:
        print(f"predictions differ by {worst:.2g}, above {ALLOWED:g}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
