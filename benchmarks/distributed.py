"""Products with divided rows: seconds, bytes and ratios for each number of ranks, and a model.

torchrun --nproc-per-node=2 benchmarks/distributed.py [--n 8000] [--d 10] [--device cpu]
python benchmarks/distributed.py --rate 1.9e12 [--n 1000000] [--centers 20000]
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable

import torch
import torch.distributed as dist

from mercer import distributed
from mercer.distributed import Ranks, shard
from mercer.kernels import RBF

RANKS = (1, 8, 64, 1024)
NODE = 8  # GPUs in a node
# Assumed, not measured: bytes and seconds a hop, for a GPU within a node and between nodes.
BANDWIDTH, LATENCY = {True: 450e9, False: 50e9}, {True: 2e-6, False: 5e-6}
MEMORY = 4.8e12  # bytes a second of an H200's memory, as its maker states


class Counted(Ranks):
    """Ranks that count the bytes that each collective delivers to one of them."""

    bytes = 0

    def gather(self, local, sizes):
        out = super().gather(local, sizes)
        self.bytes += out.numel() * out.element_size() * (self.size - 1) // self.size
        return out

    def sum(self, part):
        # Each entry travels to the rank that adds it up, and back.
        self.bytes += 2 * part.numel() * part.element_size() * (self.size - 1) // self.size
        return super().sum(part)


def seconds(run: Callable[[], object], repeats: int, device: str) -> tuple[float, float]:
    """The least of several wall and processor times of a rank; all ranks start together."""
    wall, busy = [], []
    for _ in range(repeats + 1):
        distributed.barrier()
        start = time.perf_counter(), time.process_time()
        run()
        if device == "cuda":
            torch.cuda.synchronize()
        wall.append(time.perf_counter() - start[0])
        busy.append(time.process_time() - start[1])
    return min(wall[1:]), min(busy[1:])


def measure(n: int, d: int, c: int, device: str, repeats: int) -> None:
    torch.set_num_threads(1)
    if not distributed.initialise():
        dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    ranks = Counted()
    g = torch.Generator().manual_seed(0)
    X = torch.randn(n, d, generator=g).to(device)
    V = torch.randn(n, c, generator=g).to(device)
    K = shard(RBF()(X), ranks)
    local = K.block @ V
    cells = {
        "product": lambda: K @ V,
        "adjoint": lambda: K._adjoint() @ V,
        "block": lambda: K.block @ V,
        "gather": lambda: ranks.gather(local, K.sizes),
        "sum": lambda: ranks.sum(V),
    }
    for name, run in cells.items():
        took, busy = seconds(run, repeats, device)
        ranks.bytes = 0
        run()
        if distributed.is_main():
            cell = {"n": n, "d": d, "columns": c, "device": device, "ranks": ranks.size}
            entries = K.sizes[0] * n if name in ("product", "adjoint", "block") else 0
            cell |= {"what": name, "seconds": took, "processor_seconds": busy}
            cell |= {"bytes": ranks.bytes, "entries": entries}
            print(json.dumps(cell))
    distributed.finish()


def model(rate: float, n: float, m: float, c: int, columns: float, k: int) -> None:
    """Seconds of a product and of steps of ``cg`` and ``nystrom``, for each number of ranks."""
    print("ranks | product | gather | cg step | efficiency | nystrom step | sum | efficiency")
    first: tuple[float, float] | None = None
    for R in RANKS:
        near = R <= NODE
        gather = 4 * n * c * (R - 1) / R / BANDWIDTH[near] + math.ceil(math.log2(R)) * LATENCY[near]
        total = 16 * m * columns * (R - 1) / R / BANDWIDTH[near]
        total += 2 * math.ceil(math.log2(R)) * LATENCY[near]
        product = n * n / (R * rate)
        # The preconditioner reads its factor [n, k] five times; each rank does all of it.
        cg = product + gather + 5 * 4 * n * k / MEMORY
        # K_mm once and four triangles of half its size, in float64, by each rank.
        nystrom = n * m / (R * rate) + total + 3 * 8 * m * m / MEMORY
        first = first or (cg, nystrom)
        parts = (product, gather, cg, first[0] / R / cg, nystrom, total, first[1] / R / nystrom)
        print(R, *(f"{part:.2g}" for part in parts), sep=" | ")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=float, default=8000)
    parser.add_argument("--d", type=int, default=10)
    parser.add_argument("--columns", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--rate", type=float, help="entries a second of a rank: print the model")
    parser.add_argument("--centers", type=float, default=20_000)
    parser.add_argument("--rank", type=int, default=1000, help="of cg's preconditioner")
    a = parser.parse_args()
    if a.rate:
        model(a.rate, a.n, a.centers, a.columns, a.columns, a.rank)
    else:
        measure(int(a.n), a.d, a.columns, a.device, a.repeats)


if __name__ == "__main__":
    main()
