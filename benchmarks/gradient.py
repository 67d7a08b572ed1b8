"""The gradient of ``v^T K v`` in X, Y, v and the lengthscale, and peak memory at many points.

python benchmarks/gradient.py [--n 20000] [--many 200000] [--out benchmarks/results]
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import torch
from _harness import Table, median_seconds

from mercer.kernels import RBF


def energy(X: torch.Tensor, Y: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """``v^T K v`` with every input a leaf of the graph."""
    X, Y, v = (t.detach().clone().requires_grad_() for t in (X, Y, v))
    lengthscale = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    return (v * (RBF(lengthscale)(X, Y) @ v)).sum()


def peak_mib() -> float:
    """The most memory that the process has had since the last reset, in MiB."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def reset_peak() -> float:
    """Start the peak anew; return what is in use now."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak_mib()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=20_000)
    parser.add_argument("--many", type=int, default=200_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", default=None)
    args = parser.parse_args()
    table = Table("gradient", args.out)
    generator = torch.Generator().manual_seed(0)
    for d in (3, 10, 30, 300):
        X, Y = (torch.randn(args.n, d, generator=generator) / math.sqrt(d) for _ in "XY")
        v = torch.randn(args.n, 1, generator=generator)
        K = RBF(1.0)(X, Y)
        forward = median_seconds(lambda: K @ v, args.repeats)
        both = median_seconds(lambda: energy(X, Y, v).backward(), args.repeats)
        table.add(
            {
                "n": args.n,
                "d": d,
                "forward": forward,
                "forward and gradient": both,
                "gradient/forward": (both - forward) / forward,
            }
        )
    if args.many:
        X, Y = (torch.randn(args.many, 10, generator=generator) for _ in "XY")
        v = torch.randn(args.many, 1, generator=generator)
        before = reset_peak()
        RBF(3.0)(X, Y) @ v
        table.add({"n": args.many, "d": 10, "forward peak MiB above inputs": peak_mib() - before})
        before = reset_peak()
        energy(X, Y, v).backward()
        table.add({"n": args.many, "d": 10, "gradient peak MiB above inputs": peak_mib() - before})
    table.close()


if __name__ == "__main__":
    main()
