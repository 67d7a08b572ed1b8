"""A thousand small solves, and what importing mercer costs beyond torch.

python benchmarks/small.py [--out benchmarks/results]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

import torch
from _harness import Table, median_seconds

from mercer.kernels import RBF
from mercer.linalg import solve
from mercer.operators import Dense, Identity


def import_seconds(statement: str) -> float:
    """Median time of a fresh interpreter that runs ``statement``."""
    times = []
    for _ in range(5):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", statement], check=True)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default=None)
    args = parser.parse_args()
    table = Table("small", args.out)
    x = torch.randn(50, 3)
    b = torch.randn(50)
    K = RBF(1.0)(x)
    A = K.dense() + 0.1 * torch.eye(50)
    dense = Dense(A, tags={"symmetric", "psd"})
    runs = {
        "torch.linalg.solve": lambda: torch.linalg.solve(A, b),
        "solve(Dense)": lambda: solve(dense, b).x,
        "solve(K + noise I), K evaluated": lambda: solve(K + 0.1 * Identity(50), b).x,
    }

    def thousand(run):
        for _ in range(1000):
            run()

    seconds = {name: median_seconds(lambda r=run: thousand(r), 5) for name, run in runs.items()}
    alone = seconds["torch.linalg.solve"]
    for name, spent in seconds.items():
        table.add({"what": name, "seconds per 1000": spent, "times torch": spent / alone})
    torch_only = import_seconds("import torch")
    table.add({"what": "import mercer beyond torch",
               "seconds": import_seconds("import torch, mercer") - torch_only})  # fmt: skip
    everything = "import torch, mercer.kernels, mercer.linalg, mercer.operators"
    table.add({"what": "import the spine beyond torch",
               "seconds": import_seconds(everything) - torch_only})  # fmt: skip
    table.close()


if __name__ == "__main__":
    main()
