"""One rank of test_distributed: fits that ranks make together, and what each rank did of them."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch

from mercer.distributed import Ranks
from mercer.kernels import RBF
from mercer.learn import KernelClassifier, KernelRegressor
from mercer.learn.agreement import same_checkpoint
from mercer.learn.checkpoint import Checkpoint, Saved
from mercer.learn.problem import Problem
from mercer.learn.progress import Progress
from mercer.learn.solvers.sharded_rows import row_blocks
from tests.ranks import Arrays, fork_ranks

TIGHT = dict(tolerance=1e-13, max_iterations=60, regularisation=0.1, lengthscale=1.0)
CASES = {
    "cg": dict(kernel="rbf", method="cg", random_state=1, **TIGHT),
    "nystrom": dict(kernel="rbf", method="nystrom", centers=20, random_state=1, **TIGHT),
    "path": dict(kernel="matern32", method="nystrom", centers=15, random_state=1, lengthscale=1.0),
    "chosen": dict(method="nystrom", centers=10, random_state=1),
    "exact": dict(kernel="rbf", random_state=1, lengthscale=1.0),
    "eigenpro": dict(
        kernel="rbf", method="eigenpro", centers=20, epochs=3, random_state=1, lengthscale=1.0
    ),
    "askotch": dict(kernel="rbf", method="askotch", random_state=1, **{**TIGHT, "tolerance": 1e-9}),
}


def table(n: int = 101) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(6)
    X = rng.standard_normal((n, 2))
    y = np.stack([np.sin(X[:, 0]) + X[:, 1] ** 2, X[:, 0] * X[:, 1]], axis=1)
    return X, y, rng.integers(1, 4, n).astype(float)


def labels() -> np.ndarray:
    X, *_ = table()
    return np.digitize(X[:, 0] + X[:, 1], [-0.5, 0.5])


def fits(out: Arrays) -> None:
    X, y, weights = table()
    for name, options in CASES.items():
        model = KernelRegressor(**options, distributed=True).fit(X, y, weights)
        out[f"{name}/predictions"] = model.predict(X)
        out[f"{name}/coefficients"] = model.coefficients_.numpy()
        out[f"{name}/explain"] = np.array(model.explain_)
    model = KernelClassifier(**CASES["path"], distributed=True).fit(X, labels())
    out["classifier/predictions"] = model.predict_proba(X)
    # No seed is given: that of the first rank is everybody's.
    model = KernelRegressor("rbf", method="nystrom", centers=9, distributed=True).fit(X, y)
    out["unseeded/centers"] = model.centers_.numpy()


def shares(out: Arrays) -> None:
    """What a rank holds, and the products of all rows."""
    X, y, weights = (torch.from_numpy(a) for a in table())
    ranks = Ranks()
    full = Problem(X, y, weights, RBF(), (1.0,), ranks=ranks)
    out["shares/cg"] = np.array(full.operator(X).block.n)
    Z, groups = X[:6], [torch.arange(3, 101), torch.arange(3)]
    K = row_blocks(Problem(X, y, weights, RBF(), (1.0,), centers=Z, ranks=ranks), Z, groups)
    out["shares/rows"] = np.array(sum(len(block.K) for block in K.blocks(0)))
    V = torch.arange(12.0, dtype=torch.float64).reshape(6, 2)
    out["shares/product"] = torch.cat([K.product(1, V), K.product(0, V)]).numpy()
    out["shares/normal"] = K.normal(range(2), V).numpy()
    out["shares/targets"] = K.targets(range(2)).numpy()
    own = full.own(torch.arange(7))
    out["shares/own"] = np.array(len(own))
    out["shares/total"] = full.total(own.sum()[None]).numpy()


def interrupted(out: Arrays, rank: int, folder: Path) -> None:
    """A fit that stops after four steps and goes on; the first rank alone writes and shows."""
    X, y, _ = table()
    place, written, shown = folder / "fit", [], []
    write, call, start = Checkpoint.write, Progress.__call__, Progress.__init__

    def counted(self, *content):
        written.append(1)
        write(self, *content)

    def stop(self, record):
        if record["iteration"] == 4:
            raise KeyboardInterrupt

    def noted(self, show, title):
        shown.append(show)
        start(self, show, title)

    Checkpoint.write, Progress.__call__, Progress.__init__ = counted, stop, noted
    try:
        KernelRegressor(**CASES["cg"], distributed=True, checkpoint=place, verbose=True).fit(X, y)
    except KeyboardInterrupt as error:
        out["resumed/said"] = np.array(str(error))
    Progress.__call__ = call
    Ranks().table([0])
    assert place.exists()
    out["resumed/first"] = np.array([len(written), *shown])
    model = KernelRegressor(**CASES["cg"], distributed=True, checkpoint=place).fit(X, y)
    Checkpoint.write, Progress.__init__ = write, start
    Ranks().table([0])
    assert not place.exists()
    out["resumed/coefficients"] = model.coefficients_.numpy()
    out["resumed/iterations"] = np.array([h["iteration"] for h in model.history_])
    whole = KernelRegressor(**CASES["cg"], distributed=True).fit(X, y)
    out["whole/coefficients"] = whole.coefficients_.numpy()


def refusals(rank: int) -> None:
    X, y, _ = table()
    alone = Saved({}, {"seed": 1}) if rank == 0 else None
    wrong = [
        (lambda: KernelRegressor("rbf", distributed=True).fit(X[rank:], y[rank:]), "whole table"),
        (lambda: KernelRegressor("rbf", distributed=True).fit(X + rank, y), "whole table"),
        (lambda: same_checkpoint(Ranks(), alone), "different checkpoints"),
    ]
    for attempt, words in wrong:
        try:
            attempt()
        except ValueError as error:
            if words in str(error):
                continue
            raise
        raise AssertionError(f"expected an error: {words}")


def work(rank: int, size: int) -> Arrays:
    out: Arrays = {}
    folder = Path(sys.argv[1]) / f"files-{size}"
    folder.mkdir(exist_ok=True)
    fits(out)
    shares(out)
    interrupted(out, rank, folder)
    refusals(rank)
    return out


if __name__ == "__main__":
    fork_ranks(work, (2, 3))
