"""Fast transforms and Gram matrices on lattices and digital nets: mercer and qmcpy in one run.

python benchmarks/lattice_kernels.py [--m 10 16 20] [--d 4] [--threads 1] [--out DIRECTORY]

For ``n = 2^m`` points in ``d`` dimensions, float64: the Walsh–Hadamard transform, the Fourier
transform in bit-reversed order and its inverse; the first column of the Gram matrix of both
families of kernels, at every order; ``(K + noise I) x = b``. qmcpy has its transforms twice, in
NumPy and in C; the faster one counts. Its solve is what its documentation shows: transform,
divide, transform back, from the first column. Both are given points, or digits, that are made
before. Runs of both alternate, and the fastest of each counts, so that other work on the machine
slows neither alone; torch has one thread, as qmcpy has. ``apart`` is the largest difference beside
the largest value.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from _harness import Table

from mercer.features.gram import gram
from mercer.features.points import DigitalNet, Lattice
from mercer.kernels import DigitallyShiftInvariant, ShiftInvariant
from mercer.linalg import solve
from mercer.operators import Identity, bit_reversed_fft, bit_reversed_ifft, walsh_hadamard

NOISE = 1e-3
Run = Callable[[], Any]


def fastest(runs: list[Run], seconds: float = 2.0, most: int = 50) -> list[float]:
    """The shortest time of each in milliseconds, of as many rounds as fit, at least three."""
    for run in runs:
        run()
    best = [float("inf")] * len(runs)
    started = time.perf_counter()
    for k in range(most):
        for j, run in enumerate(runs):
            start = time.perf_counter()
            run()
            best[j] = min(best[j], 1e3 * (time.perf_counter() - start))
        if k >= 2 and time.perf_counter() - started > seconds:
            break
    return best


def transforms(n: int) -> dict[str, tuple[Run, list[Run]]]:
    """mercer's run and those of the peer, by operation."""
    import qmcpy
    from qmcpy.fast_transform import ft_qmctoolscl as c

    x = torch.randn(n, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    z = torch.complex(x, x.flip(0))
    a, b = x.numpy(), z.numpy()
    return {
        "Walsh-Hadamard": (
            lambda: walsh_hadamard(x),
            [lambda: qmcpy.fwht(a), lambda: c.fwht_qmctoolscl(a)],
        ),
        "Fourier, bit reversed": (
            lambda: bit_reversed_fft(z),
            [lambda: qmcpy.fftbr(b), lambda: c.fftbr_qmctoolscl(b)],
        ),
        "inverse Fourier, bit reversed": (
            lambda: bit_reversed_ifft(z),
            [lambda: qmcpy.ifftbr(b), lambda: c.ifftbr_qmctoolscl(b)],
        ),
    }


def columns(n: int, d: int) -> dict[str, tuple[Run, list[Run]]]:
    """First columns of Gram matrices."""
    import qmcpy

    rows: dict[str, tuple[Run, list[Run]]] = {}
    lattice, net = qmcpy.Lattice(d, seed=0), qmcpy.DigitalNetB2(d, seed=0)
    x, digits = lattice(n), net(n, return_binary=True) >> np.uint64(net.t - 53)
    X, bits = torch.from_numpy(x), torch.from_numpy(digits.astype(np.int64))
    for alpha in (1, 2, 3, 4):
        ours = ShiftInvariant(d, alpha)
        theirs = qmcpy.KernelShiftInvar(d, alpha=alpha, lengthscales=1.0)
        rows[f"shift-invariant column, order {alpha}"] = (
            lambda k=ours: k.of_differences(k.difference(X, X[:1])),
            [lambda k=theirs: k(x, x[0])],
        )
        ours = DigitallyShiftInvariant(d, alpha)
        theirs = qmcpy.KernelDigShiftInvar(d, t=53, alpha=alpha, lengthscales=1.0)
        rows[f"digitally shift-invariant column, order {alpha}"] = (
            lambda k=ours: k.of_differences(k.difference(bits, bits[:1])),
            [lambda k=theirs: k(digits, digits[0])],
        )
    return rows


def solves(n: int, d: int) -> dict[str, tuple[Run, list[Run]]]:
    """Systems with noise, from the kernel and the points to the solution, and from the column."""
    import qmcpy

    rows: dict[str, tuple[Run, list[Run]]] = {}
    b = torch.randn(n, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    for name, kernel, points, forward, backward in (
        ("circulant", ShiftInvariant(d), Lattice(d), qmcpy.fftbr, qmcpy.ifftbr),
        ("Walsh", DigitallyShiftInvariant(d), DigitalNet(d), qmcpy.fwht, qmcpy.fwht),
    ):
        K = gram(kernel, points, n)
        column = K.column.numpy()

        def theirs(column: Any = column, forward: Any = forward, backward: Any = backward) -> Any:
            spectrum = np.sqrt(n) * forward(column) + NOISE
            return backward(forward(b.numpy()) / spectrum).real

        rows[f"solve, {name}"] = (
            lambda K=K: solve(K + NOISE * Identity(n), b).x,
            [theirs],
        )
        rows[f"solve from points, {name}"] = (
            lambda k=kernel, p=points: solve(gram(k, p, n) + NOISE * Identity(n), b).x,
            [],
        )
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--m", type=int, nargs="*", default=[10, 16, 20])
    parser.add_argument("--d", type=int, default=4)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out")
    args = parser.parse_args()
    if importlib.util.find_spec("qmcpy") is None:
        print("qmcpy is not installed", file=sys.stderr)
        return 1
    torch.set_num_threads(args.threads)
    table = Table("lattice_kernels", args.out)
    for m in args.m:
        n = 1 << m
        for name, (ours, peers) in (transforms(n) | columns(n, args.d) | solves(n, args.d)).items():
            mine, *others = fastest([ours, *peers])
            row: dict[str, Any] = {"operation": name, "n": n, "mercer ms": mine}
            if peers:
                row["qmcpy ms"] = min(others)
                row["times"] = row["qmcpy ms"] / row["mercer ms"]
                result = np.asarray(ours())
                apart = max(np.abs(result - np.asarray(peer())).max() for peer in peers)
                row["apart"] = float(apart / np.abs(result).max())
            table.add(row)
    table.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
