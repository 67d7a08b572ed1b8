"""The time to select a batch, beside the authors' package bmdal_reg.

python benchmarks/active.py [--out benchmarks/results] [--pool 20000] [--train 512] [--batch 128]
"""

from __future__ import annotations

import argparse
import contextlib
import io
import warnings

import numpy as np
import torch
from _harness import Table, median_seconds
from torch import nn

from mercer.learn.active import AcsRandom, Posterior, Scale, Sketch, select_batch

np.__dict__.setdefault("Inf", np.inf)  # bmdal_reg is of the time of NumPy 1
SIGMA = 1e-3


def theirs(network, X_train, X_pool, base, transforms, method, batch):
    from bmdal_reg.bmdal.algorithms import select_batch as select_theirs
    from bmdal_reg.bmdal.feature_data import TensorFeatureData

    data = {"train": TensorFeatureData(X_train), "pool": TensorFeatureData(X_pool)}
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        select_theirs(batch, [network], data, None, base, transforms, method, verbosity=0,
                      allow_float64=True, maxdet_sigma=SIGMA, bait_sigma=SIGMA)  # fmt: skip


def settings(sketch):
    """Name: our base, transformations and method, and theirs."""
    posterior = (Sketch(sketch), Scale(), Posterior(SIGMA**2))
    acs = (Sketch(sketch), Scale(), AcsRandom(sketch, SIGMA**2))
    rp, train = ("rp", [sketch]), ("train", [SIGMA, None])
    return {
        "lcmd-TP gradient": ("gradient", (Sketch(sketch),), "lcmd", "grad", [rp], "lcmd"),
        "lcmd-TP exact": ("gradient", (), "lcmd", "grad", [], "lcmd"),
        "lcmd-TP last layer": ("last_layer", (), "lcmd", "ll", [], "lcmd"),
        "kmeans++-TP": ("gradient", (Sketch(sketch),), "kmeanspp", "grad", [rp], "kmeanspp"),
        "maxdist-TP": ("gradient", (Sketch(sketch),), "maxdist", "grad", [rp], "maxdist"),
        "maxdet-P": ("gradient", posterior, "maxdet", "grad", [rp, train], "maxdet"),
        "bait-P": ("gradient", posterior, "bait", "grad", [rp, train], "bait"),
        "frank-wolfe-P": ("gradient", acs, "frankwolfe", "grad",
                          [rp, ("acs-rf", [sketch, SIGMA, None])], "fw"),
        "maxdiag": ("gradient", posterior, "maxdiag", "grad", [rp, train], "maxdiag"),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default=None)
    parser.add_argument("--pool", type=int, default=20_000)
    parser.add_argument("--train", type=int, default=512)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--sketch", type=int, default=512)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    torch.manual_seed(0)
    width = args.width
    network = nn.Sequential(
        nn.Linear(20, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 1)
    ).to(args.device)
    X_train, X_pool = (torch.randn(n, 20, device=args.device) for n in (args.train, args.pool))
    table = Table("active", args.out, args.device)

    def run_ours(base, transforms, method):
        noise = {"noise_variance": SIGMA**2} if method in ("maxdet", "bait") else {}
        select_batch(network, X_train, X_pool, batch_size=args.batch, base=base,
                     transforms=transforms, method=method, **noise).cpu()  # fmt: skip

    def run_theirs(base, transforms, method):
        theirs(network, X_train, X_pool, base, transforms, method, args.batch)

    for name, setting in settings(args.sketch).items():
        # In turn, so that both meet the same load of the machine.
        times = [
            (
                median_seconds(lambda: run_ours(*setting[:3]), 1, warm=int(k == 0)),
                median_seconds(lambda: run_theirs(*setting[3:]), 1, warm=int(k == 0)),
            )
            for k in range(args.repeats)
        ]
        ours, peer = (sorted(t)[len(t) // 2] for t in zip(*times))
        table.add({"selection": name, "pool": args.pool, "labelled": args.train,
                   "batch": args.batch, "features": args.sketch, "seconds": ours,
                   "bmdal_reg": peer, "times faster": peer / ours})  # fmt: skip
    table.close()


if __name__ == "__main__":
    main()
