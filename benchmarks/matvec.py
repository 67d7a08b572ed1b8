"""Gaussian kernel times vectors: mercer beside its peers, on a CPU or on a GPU.

python benchmarks/matvec.py [--n 20000] [--repeats 5] [--out benchmarks/results]
python benchmarks/matvec.py --device cuda [--n 131072] [--seconds 110] [--out benchmarks/results]

On a CPU the peers are KeOps, scikit-learn and the bare operations. On a GPU they are chunked
PyTorch and, where it is installed, KeOps; times are medians of calls without a pause between them,
caches are empty at the start, and what ``--seconds`` leaves no time for is named as skipped.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import tempfile
import time
from typing import Any

import torch
from _harness import Table, median_milliseconds, median_seconds, show, wall_seconds
from _peers import bare, chunked, exact, has_keops, keops, scikit
from torch import Tensor

from mercer.engine import reduce
from mercer.kernels import RBF

ROWS = 131_072
HIGH_ERROR, FIRST_CALL, GRADIENT = 2e-6, 5.0, 3.5  # bars: relative, seconds, times the forward
# Bars in milliseconds on one H200 for n = m = ROWS: (d, columns): (high, medium).
BARS = {
    (3, 1): (9.0, 6.0),
    (16, 1): (9.0, 6.0),
    (64, 1): (22.0, 9.0),
    (256, 1): (90.0, 40.0),
    (3, 16): (16.0, 9.0),
    (64, 16): (30.0, 12.0),
    (256, 16): (105.0, 45.0),
}
RATIOS = {(3, 1): 10.0, (256, 1): 3.0}  # bars for chunked PyTorch / mercer, at "high"


def points(n: int, d: int, c: int, device: str) -> tuple[Tensor, Tensor, Tensor]:
    """Two sets of normal points at distances near one, and columns."""
    g = torch.Generator(device).manual_seed(0)
    X, Y = (torch.randn(n, d, generator=g, device=device) / math.sqrt(d) for _ in "XY")
    return X, Y, torch.randn(n, c, generator=g, device=device)


def relative_error(found: Tensor, X: Tensor, Y: Tensor, V: Tensor, rows: Tensor) -> float:
    """The error of some rows of a product against float64."""
    reference = exact(X[rows], Y, V)
    return float((found[rows] - reference).norm() / reference.norm())


class OnGPU:
    """The cells of the table, measured in the order of their importance."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args, self.device = args, args.device
        self.began = time.perf_counter()
        self.table = Table(f"matvec-{args.device}", args.out, args.device)
        self.cells: dict[tuple[int, int, str], dict[str, Any]] = {}
        self.peers: dict[tuple[int, int], dict[str, float]] = {}
        self.failures = 0

    def run(self) -> int:
        """Measure; the number of measurements that failed."""
        wide = max(d for d, _ in BARS)
        low = [cell for cell in BARS if cell[0] < wide]
        high = [cell for cell in BARS if cell[0] == wide]
        fast = ("high", "medium")
        order = [(self.forward, cell, p) for cell in BARS for p in fast]
        order += [(self.gradient, cell, p) for cell in low for p in fast]
        required = len(BARS) * len(fast)
        order += [(self.forward, cell, "highest") for cell in BARS]
        order += [(self.gradient, cell, p) for cell in high for p in fast]
        order += [(self.gradient, cell, "highest") for cell in BARS]
        for k, (measure, (d, c), precision) in enumerate(order):
            row = self._row(d, c, precision)
            spent = time.perf_counter() - self.began
            if k >= required and spent > self.args.seconds:
                row["skipped"].append(measure.__name__)
                continue
            try:
                measure(row)
            except Exception as failure:
                what = f"{measure.__name__}: {type(failure).__name__}: {failure}"[:500]
                row.setdefault("failed", []).append(what)
                self.failures += 1
            show({k: v for k, v in row.items() if k not in ("machine", "skipped")})
            self.table.close()
        skipped = [f"{name} {key}" for key, row in self.cells.items() for name in row["skipped"]]
        print(f"{time.perf_counter() - self.began:.0f} s; skipped: {', '.join(skipped) or 'none'}")
        return self.failures

    def forward(self, row: dict[str, Any]) -> None:
        """First call, time, error, and the peers once for each ``d`` and ``columns``."""
        d, c, precision = row["d"], row["columns"], row["precision"]
        X, Y, V = points(row["n"], d, c, self.device)
        K = RBF(1.0)(X, Y, precision=precision)
        found, row["first call s"] = wall_seconds(lambda: self._product(K, V), self.device)
        row["first call met"] = row["first call s"] < FIRST_CALL
        rows = torch.arange(0, len(X), max(len(X) // 130, 1), device=self.device)
        row["error"] = relative_error(found, X, Y, V, rows)
        row["mercer ms"] = ours = self._time(lambda: self._product(K, V))
        if (d, c) not in self.peers:
            self.peers[d, c] = self._peer_times(X, Y, V)
        row |= self.peers[d, c]
        row |= {f"{k[:-3]}/mercer": ms / ours for k, ms in self.peers[d, c].items()}
        if row["n"] != ROWS or precision == "highest":
            return
        row["bar ms"] = BARS[d, c][precision == "medium"]
        exact_enough = precision == "medium" or row["error"] < HIGH_ERROR
        row["bar met"] = ours <= row["bar ms"] and exact_enough
        if (d, c) in RATIOS and precision == "high":
            row["ratio met"] = row["chunked/mercer"] >= RATIOS[d, c]

    def gradient(self, row: dict[str, Any]) -> None:
        """The gradient in X, Y, V and the lengthscale, relative to the forward product."""
        X, Y, V = points(row["n"], row["d"], row["columns"], self.device)
        lengthscale = torch.ones((), dtype=torch.float64, device=self.device)
        leaves = [t.requires_grad_() for t in (X, Y, V, lengthscale)]
        U = torch.ones_like(V)

        def both() -> tuple[Tensor, ...]:
            K = RBF(lengthscale)(X, Y, precision=row["precision"])
            return torch.autograd.grad(self._product(K, V), leaves, U)

        _, row["first gradient s"] = wall_seconds(both, self.device)
        row["with gradient ms"] = self._time(both)
        row["gradient/forward"] = (row["with gradient ms"] - row["mercer ms"]) / row["mercer ms"]
        row["gradient met"] = row["gradient/forward"] < GRADIENT

    def _peer_times(self, X: Tensor, Y: Tensor, V: Tensor) -> dict[str, float]:
        times = {"chunked ms": self._time(chunked(X, Y, V))}
        if has_keops() and not self.args.no_peers:
            keops(X[:100], Y[:100], V[:100])()  # compiles
            times["pykeops ms"] = self._time(keops(X, Y, V))
        return times

    def _product(self, K: Any, V: Tensor) -> Tensor:
        if self.args.backend == "auto":
            return K @ V
        how = {"precision": K.precision, "backend": self.args.backend}
        return reduce(K.formula.kinds, K.formula, K.X, K.Y, V, parameters=K.parameters, **how)

    def _time(self, run: Any) -> float:
        return median_milliseconds(run, self.device, self.args.each)

    def _row(self, d: int, c: int, precision: str) -> dict[str, Any]:
        key = (d, c, precision)
        if key not in self.cells:
            n = self.args.n or ROWS
            row = {"n": n, "d": d, "columns": c, "precision": precision, "skipped": []}
            row |= {"machine": self.table.machine}
            self.cells[key] = row
            self.table.rows.append(row)
        return self.cells[key]


def on_cpu(args: argparse.Namespace) -> int:
    """Mercer, the bare operations, scikit-learn and KeOps in turn."""
    n = args.n or 20_000
    table = Table("matvec", args.out)
    generator = torch.Generator().manual_seed(0)
    for d in args.dimensions:
        X = torch.randn(n, d, generator=generator) / math.sqrt(d)
        Y = torch.randn(n, d, generator=generator) / math.sqrt(d)
        for c in (1, 16):
            V = torch.randn(n, c, generator=generator)
            K = RBF(1.0)(X, Y)
            seconds = {"mercer": median_seconds(lambda: K @ V, args.repeats)}
            seconds["bare"] = median_seconds(lambda: bare(X, Y, V, 512, 2048), args.repeats)
            if not args.no_peers:
                seconds["scikit-learn"] = median_seconds(
                    scikit(X.numpy(), Y.numpy(), V.numpy()), args.peer_repeats, warm=0
                )
                keops(X[:100], Y[:100], V[:100])()  # compiles
                seconds["pykeops"] = median_seconds(keops(X, Y, V), args.peer_repeats, warm=0)
            error = relative_error(K @ V, X, Y, V, torch.arange(min(n, 256)))
            row = {"n": n, "d": d, "columns": c, "error": error, **seconds}
            ours = seconds["mercer"]
            row |= {f"{k}/mercer": s / ours for k, s in seconds.items() if k != "mercer"}
            table.add(row)
    table.close()
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--n", type=int, help="20,000 on a CPU, 131,072 on a GPU")
    parser.add_argument("--dimensions", type=int, nargs="*", default=(3, 30, 300), help="on a CPU")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--peer-repeats", type=int, default=1)
    parser.add_argument("--out", default=None)
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--seconds", type=float, default=110.0, help="then the rest is skipped")
    parser.add_argument("--each", type=float, default=0.5, help="seconds of one measurement")
    parser.add_argument("--backend", default="auto", help="other than auto: the GPU's table")
    args = parser.parse_args()
    if args.device == "cpu" and args.backend == "auto":
        return on_cpu(args)
    with tempfile.TemporaryDirectory() as empty:
        # Read when the first kernel is made: what was compiled by an earlier run must not count.
        os.environ["XDG_CACHE_HOME"] = os.environ["TRITON_CACHE_DIR"] = empty
        return min(OnGPU(args).run(), 1)


if __name__ == "__main__":
    sys.exit(main())
