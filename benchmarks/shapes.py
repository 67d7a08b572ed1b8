"""Time the Triton kernel over tile shapes: the measurements behind ``mercer/engine/gpu/chip.py``.

``python benchmarks/shapes.py [--out FOLDER] [--cells d,c,precision ...]`` prints, for each
cell, the median time of the quickest shapes with registers and spills, and the error of the chosen.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from pathlib import Path

import torch

from mercer.engine import reduce
from mercer.engine.gpu import build as builder
from mercer.engine.gpu import launch
from mercer.engine.gpu.chip import Shape
from mercer.engine.gpu.chip import shape as chosen

N = 131_072
CELLS = [(d, c, p) for p in ("high", "medium") for d, c in
         ((3, 1), (16, 1), (64, 1), (256, 1), (3, 16), (64, 16), (256, 16))]  # fmt: skip
REGISTER_SHAPES = [
    Shape(BM, BN, w, 2)
    for BM, BN, w in ((64, 64, 4), (128, 32, 4), (64, 32, 4), (32, 32, 4), (64, 64, 8), (32, 64, 4),
                      (128, 64, 8), (128, 32, 8), (64, 32, 2), (32, 32, 2))
]  # fmt: skip
PRODUCT_SHAPES = [
    Shape(BM, BN, w, s)
    for (BM, BN, w), s in itertools.product(
        ((128, 128, 8), (128, 64, 4), (128, 64, 8), (64, 64, 4), (64, 128, 4), (128, 32, 4)), (2, 3)
    )
]


def time_once(f, repeats: int = 5) -> float:
    """Median milliseconds of calls that follow each other without a pause."""
    f()
    marks = [torch.cuda.Event(enable_timing=True) for _ in range(repeats + 1)]
    marks[0].record()
    for mark in marks[1:]:
        f()
        mark.record()
    torch.cuda.synchronize()
    return sorted(a.elapsed_time(b) for a, b in itertools.pairwise(marks))[repeats // 2]


def main() -> None:
    """Run the cells."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path)
    parser.add_argument("--cells", nargs="*")
    parser.add_argument("--seconds", type=float, default=400)
    args = parser.parse_args()
    cells = CELLS
    if args.cells:
        cells = [(int(a), int(b), p) for a, b, p in (cell.split(",") for cell in args.cells)]
    began = time.perf_counter()
    lines = []
    for d, c, precision in cells:
        x = torch.randn(N, d, device="cuda") / d**0.5
        v = torch.randn(N, c, device="cuda")
        seen = {}

        def run(x=x, v=v, precision=precision):
            return reduce("squared_distance", "exp(-s0/2)", x, x, v, precision=precision)

        def watch(spec, n, m, seen=seen):
            seen["spec"] = spec
            seen["chosen"] = chosen(spec, n, m)
            return seen["chosen"]

        launch.shape = watch
        start = time.perf_counter()
        out = run()
        torch.cuda.synchronize()
        first = time.perf_counter() - start
        rows = torch.arange(0, N, 997, device="cuda")
        exact = torch.exp(-(torch.cdist(x[rows].double(), x.double()) ** 2) / 2) @ v.double()
        error = float((out[rows] - exact).norm() / exact.norm())
        direct = seen["spec"].outputs[0].how == "fma" and seen["spec"].leaves[0].coordinates
        results = []
        for s in dict.fromkeys([seen["chosen"], *(REGISTER_SHAPES if direct else PRODUCT_SHAPES)]):
            if time.perf_counter() - began > args.seconds:
                break
            launch.shape = lambda *a, s=s: s
            try:
                ms = time_once(run)
            except Exception as failure:  # too large a tile for this chip
                results.append((float("inf"), s, type(failure).__name__))
                continue
            kernel = builder.build(seen["spec"])
            made = list(kernel.device_caches[0][0].values())[-1]
            results.append((ms, s, f"{made.n_regs} registers, {made.n_spills} spills"))
        results.sort(key=lambda r: r[0])
        print(f"d={d} c={c} {precision}: error {error:.1e}, first call {first:.1f} s", flush=True)
        for ms, s, what in results[:5]:
            star = "*" if s == seen["chosen"] else " "
            print(f"  {star} {ms:8.2f} ms  {s.BM}x{s.BN} warps {s.warps} stages {s.stages}  {what}")
        mine = [r for r in results if r[1] == seen["chosen"]]
        print(f"    chosen: {mine[0][0]:.2f} ms" if mine else "", flush=True)
        lines.append(
            {"d": d, "c": c, "precision": precision, "error": error, "first": first,
             "shapes": [(ms, s.BM, s.BN, s.warps, s.stages, what) for ms, s, what in results]}
        )  # fmt: skip
        if args.out and args.cells:
            (args.out / f"d{d}-c{c}-{precision}.ptx").write_text(made.asm["ptx"])
            (args.out / f"d{d}-c{c}-{precision}.cubin").write_bytes(made.asm["cubin"])
    if args.out:
        name = torch.cuda.get_device_name().replace(" ", "-")
        (args.out / f"shapes-{name}.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")


if __name__ == "__main__":
    main()
