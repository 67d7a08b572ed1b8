"""``(K + noise I) x = b`` with a Gaussian ``K``: mercer, GPyTorch and Cholesky to one tolerance.

python benchmarks/solve.py [--device cuda] [--n 2000 10000] [--out benchmarks/results]

The points are normal in ten dimensions, ``b`` a smooth function of them with noise. mercer never
forms ``K``; GPyTorch's conjugate gradients and ``torch.linalg`` are given the time to form it. Each
residual is ``|(K + noise I) x - b| / |b|`` on at most ``ROWS`` rows, in float64 by differences,
whatever the method says of itself. A peer that is not installed, or that runs out of memory, is
named; one that would start after ``--seconds`` is skipped.
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import math
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import torch
from _harness import Table, wall_seconds
from torch import Tensor

from mercer.kernels import RBF
from mercer.linalg import RandomlyPivotedCholesky, solve
from mercer.operators import Identity

SIZES = {"cpu": (2_000, 10_000), "cuda": (20_000, 50_000, 100_000)}
ROWS = 2048  # of the residual
D = 10
MOST = 2000  # iterations
OURS = "mercer, CG and randomly pivoted Cholesky"


def problem(n: int, device: str) -> tuple[Tensor, Tensor]:
    """Points ``[n, D]`` and targets ``[n, 1]``."""
    g = torch.Generator().manual_seed(0)
    X = torch.randn(n, D, generator=g)
    b = X[:, :1].sin() + X[:, 1:2] * X[:, 2:3] + 0.3 * torch.randn(n, 1, generator=g)
    return X.to(device), b.to(device)


def residual(X: Tensor, b: Tensor, x: Tensor, length: float, noise: float) -> float:
    """The true relative residual in float64, on some rows."""
    g = torch.Generator().manual_seed(1)
    rows = torch.randperm(len(X), generator=g)[:ROWS].to(X.device)
    Z, x = X.double() / length, x.double()
    parts = []
    for part in rows.split(128):
        s = sum((Z[part, None, k] - Z[None, :, k]).square() for k in range(Z.shape[1]))
        parts.append(torch.exp(-s / 2) @ x + noise * x[part] - b[part].double())
    return float(torch.cat(parts).norm() / b[rows].double().norm())


class Methods:
    """Ways to solve one system; each returns ``x`` and what there is to say of it."""

    def __init__(self, X: Tensor, b: Tensor, args: argparse.Namespace) -> None:
        self.X, self.b = X, b
        self.length, self.noise, self.tol = args.lengthscale, args.noise, args.tol
        self.precision = args.precision

    def mercer(self) -> tuple[Tensor, dict[str, Any]]:
        """Nothing is formed but the factor of the preconditioner."""
        generator = torch.Generator(self.X.device).manual_seed(0)
        K = RBF(self.length)(self.X, precision=self.precision) + self.noise * Identity(len(self.X))
        P = RandomlyPivotedCholesky(K, rank=self.rank(), generator=generator)
        found = solve(K, self.b, method="cg", tol=self.tol, preconditioner=P, max_iterations=MOST)
        return found.x, {"iterations": found.iterations, "rank": self.rank()}

    def gpytorch(self, rank: int) -> tuple[Tensor, dict[str, Any]]:
        """The kernel matrix as GPyTorch makes it, and the solver of linear_operator."""
        import gpytorch

        kernel = gpytorch.kernels.RBFKernel().to(self.X)
        kernel.lengthscale = self.length
        settings = gpytorch.settings
        with (
            torch.no_grad(),
            settings.max_cholesky_size(0),
            settings.cg_tolerance(self.tol),
            settings.max_cg_iterations(MOST),
            settings.min_preconditioning_size(1),
            settings.max_preconditioner_size(rank),
        ):
            A = kernel(self.X).add_diagonal(torch.tensor(self.noise).to(self.X))
            return A.solve(self.b), {"rank": rank}

    def cholesky(self) -> tuple[Tensor, dict[str, Any]]:
        """The matrix by one product with norms, factored in place."""
        Z = self.X / self.length
        norms = Z.square().sum(1) / 2
        A = torch.addmm(norms[None], Z, Z.T, beta=-1).sub_(norms[:, None]).clamp_(max=0).exp_()
        A.diagonal().add_(self.noise)
        L = torch.linalg.cholesky(A, out=A)
        return torch.cholesky_solve(self.b, L), {}

    def rank(self) -> int:
        """Of mercer's preconditioner: its default."""
        n = len(self.X)
        return min(n, 1000, int(2 * math.sqrt(n)) + 10)

    def all(self, peers: bool) -> dict[str, Callable[[], tuple[Tensor, dict[str, Any]]]]:
        """Every method by name."""
        found: dict[str, Any] = {OURS: self.mercer}
        if not peers:
            return found
        if importlib.util.find_spec("gpytorch") is not None:
            found["GPyTorch, CG, pivoted Cholesky"] = lambda: self.gpytorch(15)  # its default
            found["GPyTorch, the rank of mercer"] = lambda: self.gpytorch(self.rank())
        else:
            print("gpytorch is not installed")
        return found | {"torch.linalg, Cholesky": self.cholesky}


def measure(run: Callable[[], tuple[Tensor, dict[str, Any]]], device: str, warm: bool) -> Any:
    """``x``, what is said of it and the seconds; the best of two where the first compiles."""
    (x, said), seconds = wall_seconds(run, device)
    if warm:
        said = {**said, "first seconds": seconds}
        (x, _), seconds = wall_seconds(run, device)
    return x, said, seconds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--n", type=int, nargs="*")
    parser.add_argument("--lengthscale", type=float, default=3.0)
    parser.add_argument("--noise", type=float, default=0.1)
    parser.add_argument("--tol", type=float, default=1e-4)
    parser.add_argument("--precision", default="high")
    parser.add_argument("--seconds", type=float, default=80.0)
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--out", default=None)
    args = parser.parse_args()
    began = time.perf_counter()
    kind, failures = torch.device(args.device).type, 0
    table = Table(f"solve-{kind}", args.out, args.device)
    for n in args.n or SIZES[kind]:
        X, b = problem(n, args.device)
        ours = math.nan
        for name, run in Methods(X, b, args).all(not args.no_peers).items():
            row: dict[str, Any] = {"n": n, "d": D, "method": name, "tolerance": args.tol}
            if time.perf_counter() - began > args.seconds:
                table.add(row | {"skipped": f"after {args.seconds:g} s"})
                continue
            if kind == "cuda":
                gc.collect()
                torch.cuda.empty_cache()
                torch.cuda.reset_peak_memory_stats()
            try:
                with warnings.catch_warnings():
                    # What did not converge is seen by its residual.
                    warnings.simplefilter("ignore")
                    x, said, seconds = measure(run, args.device, name == OURS and kind == "cuda")
            except Exception as failure:
                full = isinstance(failure, (torch.OutOfMemoryError, MemoryError))
                why = "out of memory" if full else f"{type(failure).__name__}: {failure}"[:500]
                table.add(row | {"failed": why})
                failures += not full
                continue
            if kind == "cuda":
                row["peak GB"] = torch.cuda.max_memory_allocated() / 1e9
            if name == OURS:
                ours = seconds
            true = residual(X, b, x, args.lengthscale, args.noise)
            row |= {"seconds": seconds, "seconds/mercer": seconds / ours, **said}
            row |= {"true residual": true, "reached": true <= 1.05 * args.tol}
            table.add(row)
            table.close()
    print(f"{time.perf_counter() - began:.0f} s in all")
    table.close()
    return min(failures, 1)


if __name__ == "__main__":
    sys.exit(main())
