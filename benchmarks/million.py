"""One million points in ten dimensions: 20,000 centres beside an exact solve on a tenth of them.

python benchmarks/million.py [--device cuda] [--rows 1000000] [--centers 20000] [--out DIR]

The target is a draw of a Gaussian process, ``f(x) = sqrt(2 / W) sum_k cos(omega_k . x + b_k)`` with
``W`` waves of frequencies ``N(0, I / LENGTH^2)``, at points ``N(0, I)``, plus normal noise of
deviation ``NOISE``. The kernel of that process with ``lambda = NOISE^2`` is the best predictor of
such a draw, so both models are given them: nothing is selected. The exact model is
``(K + lambda I) alpha = y`` on ``--exact-rows``, by conjugate gradients.

A fit counts everything from the rows on the host to coefficients; the first one compiles. It runs
again with no room for the matrix, whose products are then made anew in each step. Stages are timed
with the GPU waited for at their ends.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import math
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import torch
from _harness import Table, synchronise, wall_seconds
from torch import Tensor

from mercer.kernels import RBF
from mercer.learn import KernelRegressor, machine
from mercer.learn.solvers import nystrom, row_blocks
from mercer.linalg import randomly_pivoted_cholesky

D, LENGTH, NOISE, WAVES = 10, 2.0, 0.3, 4096
TESTED = 50_000
BAR = 60.0  # seconds
STAGES = (
    (machine, "merge_repeated"),
    (machine, "place"),
    (nystrom._Nystrom, "__init__"),
    (nystrom, "gram"),
    (nystrom._Nystrom, "_solve_core"),
    (row_blocks.RowBlocks, "targets"),
    (row_blocks.RowBlocks, "normal"),
    (randomly_pivoted_cholesky, "partial_cholesky"),
    (randomly_pivoted_cholesky.RandomlyPivotedCholesky, "apply"),
    (torch.linalg, "cholesky"),
    (torch.linalg, "solve_triangular"),
    (torch.linalg, "svd"),
)


def data(rows: int, device: str) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Rows on the host ``[n, D], [n]``, and points held out with the function without noise."""
    g = torch.Generator().manual_seed(0)
    X = torch.randn(rows + TESTED, D, generator=g)
    omega = (torch.randn(D, WAVES, generator=g) / LENGTH).to(device)
    phase = (2 * math.pi * torch.rand(WAVES, generator=g)).to(device)
    parts = [(part.to(device) @ omega + phase).cos_().sum(1) for part in X.split(20_000)]
    f = math.sqrt(2 / WAVES) * torch.cat(parts).cpu()
    y = f + NOISE * torch.randn(len(X), generator=g)
    return X[:rows], y[:rows], X[rows:], y[rows:]


@contextlib.contextmanager
def stages(device: str) -> Iterator[dict[str, list[float]]]:
    """Seconds of every call of the functions in ``STAGES``, by name; nested ones count in both."""
    spent: dict[str, list[float]] = defaultdict(list)
    before = [(owner, name, getattr(owner, name)) for owner, name in STAGES]

    def timed(name: str, run: Any) -> Any:
        @functools.wraps(run)
        def call(*args: Any, **kwargs: Any) -> Any:
            result, seconds = wall_seconds(lambda: run(*args, **kwargs), device)
            spent[name].append(seconds)
            return result

        return call

    try:
        for owner, name, run in before:
            where = owner.__name__.rpartition(".")[2]
            setattr(owner, name, timed(f"{where}.{name}", run))
        yield spent
    finally:
        for owner, name, run in before:
            setattr(owner, name, run)


def measure(
    name: str, model: KernelRegressor, rows: tuple[Tensor, ...], args: argparse.Namespace
) -> tuple[KernelRegressor, dict[str, Any]]:
    """Fit, predict what was held out, and say what it cost."""
    X, y, T, truth = rows
    on_gpu = torch.device(args.device).type == "cuda"
    if on_gpu:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    with stages(args.device) as spent:
        _, seconds = wall_seconds(lambda: model.fit(X, y), args.device)
    row: dict[str, Any] = {"model": name, "rows": len(X), "d": D, "precision": args.precision}
    row |= {"centers": len(model.centers_), "fit seconds": seconds}
    if on_gpu:
        row["peak GB"] = torch.cuda.max_memory_allocated() / 1e9
    predicted, row["predict seconds"] = wall_seconds(lambda: model.predict(T), args.device)
    rmse = float((predicted.cpu() - truth).double().square().mean().sqrt())
    row |= {"rmse": rmse, "noise": NOISE, "steps": model.n_iter_}
    for stage, times in spent.items():
        print(f"    {stage:48s} {len(times):4d} calls {sum(times):9.3f} s", flush=True)
    print("    " + model.explain_.replace("\n", "\n    "), flush=True)
    row["stages"] = {stage: sum(times) for stage, times in spent.items()}
    return model, row


def true_residual(model: KernelRegressor, X: Tensor, y: Tensor, count: int = 256) -> float:
    """``|(K + lambda I) alpha - y| / |y|`` of the exact model on a few rows, in float64."""
    Z = model.centers_.double() / LENGTH
    alpha = model.coefficients_.double()  # [n, 1], in the order of centers_
    target = dict(zip(map(tuple, X.tolist()), y.tolist()))
    mean = float(model.intercept_)
    left, right = [], []
    for i in range(0, len(Z), max(len(Z) // count, 1)):
        k = torch.exp(-(Z - Z[i]).square().sum(1) / 2)
        left.append(float(k @ alpha[:, 0] + NOISE**2 * alpha[i, 0]))
        right.append(target[tuple(model.centers_[i].tolist())] - mean)
    apart, size = torch.tensor(left) - torch.tensor(right), torch.tensor(right)
    return float(apart.norm() / size.norm())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--centers", type=int, default=20_000)
    parser.add_argument("--exact-rows", type=int, default=100_000)
    parser.add_argument("--tolerance", type=float, default=1e-5, help="of the exact solve")
    parser.add_argument("--precision", default="high")
    parser.add_argument("--seconds", type=float, default=100.0, help="start no fit after these")
    parser.add_argument("--out", default=None)
    args = parser.parse_args()
    began = time.perf_counter()
    table = Table("million", args.out, args.device)
    X, y, T, truth = data(args.rows, args.device)
    synchronise(args.device)
    print(f"data {time.perf_counter() - began:.1f} s, variance {float(y.var()):.3g}", flush=True)
    common: dict[str, Any] = {
        "kernel": RBF(LENGTH),
        "regularisation": NOISE**2,
        "precision": args.precision,
        "device": args.device,
        "random_state": 0,
    }
    fits = {
        "nystrom": KernelRegressor(method="nystrom", centers=args.centers, **common),
        "exact": KernelRegressor(method="cg", tolerance=args.tolerance, **common),
        "nystrom, made anew": KernelRegressor(
            method="nystrom", centers=args.centers, memory_budget=1e8, **common
        ),
    }
    found: dict[str, dict[str, Any]] = {}
    for name, model in fits.items():
        if time.perf_counter() - began > args.seconds:
            print(f"{name}: skipped after {args.seconds:g} s")
            continue
        n = args.exact_rows if name == "exact" else len(X)
        model, row = measure(name, model, (X[:n], y[:n], T, truth), args)
        if name == "exact":
            row["true residual"] = true_residual(model, X[:n], y[:n])
        elif "exact" in found:
            row["rmse/exact"] = row["rmse"] / found["exact"]["rmse"]
        table.add(row)
        found[name] = table.rows[-1]
        table.close()
    for name in found:
        if name != "exact" and "exact" in found:
            accurate = found[name]["rmse"] <= found["exact"]["rmse"]
            found[name]["bar met"] = accurate and found[name]["fit seconds"] < BAR
            print(f"{name}: {found[name]['fit seconds']:.1f} s, bar met: {found[name]['bar met']}")
    table.close()
    print(f"{time.perf_counter() - began:.0f} s in all")
    return 0


if __name__ == "__main__":
    sys.exit(main())
