"""Large regression: 300,000 flights, 5,000 centres, beside scikit-learn on the same features.

    python benchmarks/fit.py [--rows 300000] [--centers 5000] [--out benchmarks/results]

The features are those of ``mercer demo``, standardised; from the target the same ridge line is
taken off for both. scikit-learn runs twice: with its default scale, and with its features divided
by the lengthscales that mercer chose, with the same kernel where it has it, and with mercer's
regularisation: the most that it can be helped. mercer's time includes choosing kernel,
lengthscales and regularisation; scikit-learn's includes no choice.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch
from _harness import Table
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline

from mercer.cli.columns import choose_columns
from mercer.cli.demo import flights, known_at_departure
from mercer.cli.features import Features
from mercer.cli.split import split_rows
from mercer.cli.target import choose_target, present
from mercer.learn import KernelRegressor

TARGET = "arr_delay"


def features(rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Features ``[n, d]`` and targets in float32 for training, and the same held out."""
    frame = present(known_at_departure(flights()), TARGET)
    target = choose_target(frame, TARGET, "regression")
    y = target.encode(frame)
    split = split_rows(y, 1 - rows / frame.height, 0, stratify=False)
    train = np.concatenate([split.train, split.calibration])
    columns = choose_columns(frame, TARGET, [])
    encoders, X = Features.fit(frame[train], columns, target, y[train], 0)
    X_test = encoders.transform(frame[split.test])
    middle, scale = X.mean(0), np.where(X.std(0) > 0, X.std(0), 1.0)
    X, X_test = (X - middle) / scale, (X_test - middle) / scale
    line = Ridge(1.0).fit(X, y[train])
    left, left_test = y[train] - line.predict(X), y[split.test] - line.predict(X_test)
    return tuple(a.astype(np.float32) for a in (X, left, X_test, left_test))


def rmse(model, X: np.ndarray, y: np.ndarray) -> float:
    """Root mean squared error, predicted in parts: scikit-learn forms all features at once."""
    parts = [np.asarray(model.predict(X[k : k + 10_000])) for k in range(0, len(X), 10_000)]
    return float(np.sqrt(np.mean((np.concatenate(parts) - y) ** 2)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--centers", type=int, default=5_000)
    parser.add_argument("--peers", choices=("both", "default", "none"), default="both")
    parser.add_argument("--out", default=None)
    args = parser.parse_args()
    table = Table("fit", args.out)
    X, y, X_test, y_test = features(args.rows)
    size = {"rows": len(X), "features": X.shape[1], "centers": args.centers}

    start = time.perf_counter()
    model = KernelRegressor(method="nystrom", centers=args.centers, random_state=0).fit(X, y)
    ours = time.perf_counter() - start
    table.add({"model": "mercer", **size, "fit seconds": ours, "rmse": rmse(model, X_test, y_test)})
    print(model.explain_, flush=True)
    if args.peers != "none":
        m = args.centers
        scale = np.broadcast_to(model.lengthscale_, X.shape[1]).astype(np.float32)
        laplace = type(model.kernel_).__name__ == "Laplace"
        same = {"kernel": "laplacian", "gamma": 1.0} if laplace else {"gamma": 0.5}
        alike = make_pipeline(
            Nystroem(**same, n_components=m, random_state=0), Ridge(model.regularisation_)
        )
        default = make_pipeline(Nystroem(n_components=m, random_state=0), Ridge(1.0))
        runs = {"scikit-learn, mercer's scale": (alike, scale), "scikit-learn": (default, 1.0)}
        if args.peers == "default":
            runs.pop("scikit-learn, mercer's scale")
        for name, (peer, divide) in runs.items():
            start = time.perf_counter()
            peer.fit(X / divide, y)
            seconds = time.perf_counter() - start
            error = rmse(peer, X_test / divide, y_test)
            row = {"model": name, **size, "fit seconds": seconds, "rmse": error}
            table.add(row | {"seconds/mercer": seconds / ours})
    table.close()


if __name__ == "__main__":
    torch.manual_seed(0)
    main()
