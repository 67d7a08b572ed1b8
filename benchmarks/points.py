"""Low-discrepancy points: mercer beside qmcpy, on one thread.

python benchmarks/points.py [--dimension 5] [--bits 7 10 16 20] [--out benchmarks/results]

A time is that of drawing ``2**bits`` points from a set that is there already. qmcpy's nested
uniform scrambling walks a tree of Python objects, and its Halton points keep every digit as an
integer of 64 bits: ``--peer-bits`` bounds how many points of those kinds it is asked for.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from typing import Any

import qmcpy
import torch
from _harness import Table, median_seconds

from mercer.features.points import DigitalNet, Halton, Lattice

LINEAR = "linear matrix scrambling"
BOTH = f"{LINEAR} and digital shift"
NESTED = "nested uniform scrambling"


def cells(d: int) -> dict[str, tuple[Any, Any, bool]]:
    """By name: mercer's set, qmcpy's, and whether theirs is slow."""

    def lattice(theirs: str | bool = "SHIFT", **ours: Any) -> tuple[Any, Any, bool]:
        order = str(ours.get("order", "radical inverse")).upper()
        return Lattice(d, **ours), qmcpy.Lattice(d, randomize=theirs, order=order), False

    def net(theirs: str | bool, ours: str | None, **options: Any) -> tuple[Any, Any, bool]:
        other = {k: v.upper() if k == "order" else v for k, v in options.items()}
        peer = qmcpy.DigitalNetB2(d, randomize=theirs, **other)
        return DigitalNet(d, randomisation=ours, **options), peer, theirs == "NUS"

    def halton(theirs: str | bool, ours: str | None) -> tuple[Any, Any, bool]:
        return Halton(d, randomisation=ours), qmcpy.Halton(d, randomize=theirs), True

    return {
        "lattice": lattice(False, randomisation=None),
        "lattice, shift": lattice(),
        "lattice, shift, gray": lattice(order="gray"),
        "net": net(False, None),
        "net, digital shift": net("DS", "digital shift"),
        "net, matrix and shift": net("LMS DS", BOTH),
        "net, matrix and shift, gray": net("LMS DS", BOTH, order="gray"),
        "net, matrix and shift, 8 replications": net("LMS DS", BOTH, replications=8),
        "net of order 2, matrix and shift": net("LMS DS", BOTH, alpha=2),
        "net, nested": net("NUS", NESTED),
        "net of order 2, nested": net("NUS", NESTED, alpha=2),
        "Halton": halton(False, None),
        "Halton, permutation": halton("DP", "permutation"),
        "Halton, digital shift": halton("DS", "digital shift"),
        "Halton, matrix and permutation": halton("LMS DP", f"{LINEAR} and permutation"),
        "Halton, nested": halton("NUS", NESTED),
    }


def seconds(run: Callable[[], Any], repeats: int) -> float:
    """The median after a call that does not count; of one call where that is a long one."""
    first = median_seconds(run, 1, warm=0)
    return first if first > 5 else median_seconds(run, 1 if first > 2 else repeats, warm=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dimension", type=int, default=5)
    parser.add_argument("--bits", type=int, nargs="*", default=(7, 10, 11, 13, 16, 20))
    parser.add_argument("--peer-bits", type=int, default=11)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--out", default=None)
    args = parser.parse_args()
    warnings.simplefilter("ignore")  # that a set which is not random starts at the origin
    torch.set_num_threads(1)
    table = Table("points", args.out)
    for name, (ours, theirs, slow) in cells(args.dimension).items():
        for bits in args.bits:
            n = 1 << bits
            row = {"set": name, "n": n, "d": args.dimension}
            row["mercer"] = seconds(lambda: ours.points(n), args.repeats)
            if not slow or bits <= args.peer_bits:
                row["qmcpy"] = seconds(lambda: theirs.gen_samples(n), args.repeats)
                row["qmcpy/mercer"] = row["qmcpy"] / row["mercer"]
            table.add(row)
    table.close()


if __name__ == "__main__":
    main()
