"""Batches of events judged against a reference, beside scikit-learn and SciPy.

    python benchmarks/monitoring.py [--batch 10000] [--reference 50000] [--out benchmarks/results]

One row a test: seconds for a batch, and its p-values of a good and a bad batch of a drift-tube
chamber. scikit-learn runs the same likelihood ratio, by ``Nystroem`` features and
``LogisticRegression`` with as many centres and the same width and penalty, by its default solver,
which stops early, and by its Newton solver. SciPy runs two-sample tests of each feature, with the
least p-value times their number; they do not see that features no longer belong together.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
from _harness import Table, median_seconds
from scipy.stats import ks_2samp
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from mercer.learn.monitoring import LikelihoodRatioTest, drift_tubes

Judge = Callable[[np.ndarray], float]


def by_scikit_learn(test: LikelihoodRatioTest, pool: np.ndarray, solver: str) -> Judge:
    """The statistic with ``a = 1`` of the same regression."""
    mean, scale = test.mean_.numpy(), test.scale_.numpy()
    R = ((pool - mean) / scale)[: test.reference_size_]

    def statistic(batch: np.ndarray) -> float:
        D = (batch - mean) / scale
        n, w = len(R) + len(D), len(D) / len(R)
        model = make_pipeline(
            Nystroem(
                gamma=float(0.5 / test.lengthscale_**2), n_components=test.centers_, random_state=0
            ),
            LogisticRegression(
                C=1 / (n * test.regularisation),
                fit_intercept=False,
                solver=solver,
                max_iter=10_000,
            ),
        )
        y = np.r_[np.zeros(len(R)), np.ones(len(D))]
        weights = np.r_[np.full(len(R), w), np.ones(len(D))]
        model.fit(np.concatenate([R, D]), y, logisticregression__sample_weight=weights)
        f_R, f_D = model.decision_function(R), model.decision_function(D)
        return float(-2 * (w * np.expm1(f_R).sum() - f_D.sum()))

    return statistic


def by_scipy(pool: np.ndarray, size: int) -> Judge:
    """The least p-value of Kolmogorov-Smirnov tests, times their number."""

    def p_value(batch: np.ndarray) -> float:
        tests = [ks_2samp(a, b).pvalue for a, b in zip(pool[:size].T, batch.T)]
        return float(min(1.0, len(tests) * min(tests)))

    return p_value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=10_000)
    parser.add_argument("--reference", type=int, default=50_000)
    parser.add_argument("--toys", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", default=None)
    args = parser.parse_args()
    table = Table("monitoring", args.out)
    rng = np.random.default_rng(0)
    pool = drift_tubes(2 * args.reference + args.batch, rng)
    good, bad = drift_tubes(args.batch, rng), drift_tubes(args.batch, rng, threshold=0.95)
    size = {"batch": args.batch, "reference": args.reference}
    for dtype in (np.float32, np.float64):
        test = LikelihoodRatioTest(
            args.batch, reference_size=args.reference, toys=args.toys, random_state=0
        ).fit(pool.astype(dtype))
        a, b = good.astype(dtype), bad.astype(dtype)
        row = {
            "test": f"mercer, {np.dtype(dtype).name}",
            **size,
            "seconds": median_seconds(lambda: test.test(a), args.repeats),
            "good": test.test(a).p_value,
            "bad": test.test(b).p_value,
        }
        table.add(row | {"statistic": test.test(a).statistic})
    for solver in ("lbfgs", "newton-cholesky"):
        ratio = by_scikit_learn(test, pool, solver)
        seconds = median_seconds(lambda: ratio(good), 1, warm=0)
        t, worse = ratio(good), ratio(bad)
        row = {"test": f"scikit-learn, {solver}", **size, "seconds": seconds}
        table.add(row | {"good": test.p_value(t), "bad": test.p_value(worse), "statistic": t})
    scipy = by_scipy(pool, args.reference)
    seconds = median_seconds(lambda: scipy(good), args.repeats)
    row = {"test": "SciPy, each feature", **size, "seconds": seconds}
    table.add(row | {"good": scipy(good), "bad": scipy(bad)})
    table.close()


if __name__ == "__main__":
    main()
