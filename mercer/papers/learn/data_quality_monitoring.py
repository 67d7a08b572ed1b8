"""Data quality monitoring: goodness of fit by a kernel likelihood ratio, batch after batch."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch

from mercer.kernels import RBF
from mercer.learn.logistic import distance_percentile
from mercer.learn.monitoring import DataQualityMonitor, LikelihoodRatioTest, drift_tubes
from mercer.papers.card import Paper
from mercer.papers.claim import Claim
from mercer.papers.result import Result

UNIFORM = "P-values of good batches are uniform."
CHI_SQUARED = "While all is good the statistic follows a chi-squared law."
AGAINST_CHI_SQUARED = "Power over the anomalies is above that of chi-squared tests of histograms."
AGAINST_MMD = "Power over the anomalies is above that of the maximum mean discrepancy."
AGNOSTIC = "One setting finds every kind of anomaly."
MORE_EVENTS = "Larger batches show the same anomaly more clearly."
SPEED = "A batch of 10,000 events is fitted and judged in real time."

PAPER = Paper(
    slug="data-quality-monitoring",
    folder="learn",
    title="Fast kernel methods for Data Quality Monitoring as a goodness-of-fit test",
    url="https://arxiv.org/abs/2303.05413",
    authors=(
        "Gaia Grosso, Nicolò Lai, Marco Letizia, Jacopo Pazzini, Marco Rando, Lorenzo Rosasco, "
        "Andrea Wulzer, Marco Zanetti"
    ),
    year=2023,
    summary=(
        "Weighted kernel logistic regression of a batch of events against a reference learns the "
        "log of the ratio of their densities; its extended likelihood ratio is a test of goodness "
        "of fit, whose law is calibrated by toys."
    ),
    parts=(
        "mercer.learn.monitoring.DataQualityMonitor",
        "mercer.learn.monitoring.LikelihoodRatioTest",
        "mercer.learn.logistic.KernelLogisticRegression",
    ),
    claims=(UNIFORM, CHI_SQUARED, AGAINST_CHI_SQUARED, AGAINST_MMD, AGNOSTIC, MORE_EVENTS, SPEED),
)

NOTE = (
    "The published data, of drift tubes at Legnaro, are not used: drift_tubes simulates the four "
    "times and the angle of muons, with cathodes at less than their voltage, which slows the drift "
    "near them, and with lower thresholds, which pulses cross earlier and noise more often. "
    "Settings are the authors': width at the 90th percentile of distances, penalty 1e-6, as many "
    "centres as the square root of the number of events. The text of the paper was not at hand, "
    "only its abstract and the authors' code; the comparisons are ours. Chi-squared: "
    "Pearson's statistic summed over the features, 20 bins of equal probability each; the "
    "discrepancy: a Gaussian kernel of the median distance; both against quantiles of good "
    "batches. With a = 1, as published, many of the worst batches have a negative statistic: see "
    "LikelihoodRatioTest. Time is that of the processor, all threads together."
)

LEVEL = 0.05
SHARES = (0.75, 0.5, 0.25)
ANOMALIES = {
    f"{what} {share:.0%}": {what: share} for what in ("voltage", "threshold") for share in SHARES
}
TESTS = ("likelihood ratio", "chi-squared", "MMD")


class Scale(NamedTuple):
    """Sizes of an experiment."""

    batch: int
    reference: int
    toys: int
    good: int  # batches
    bad: int  # batches of each anomaly
    sizes: tuple[int, ...]  # of batches to be compared


SCALES = {
    "quick": Scale(250, 2000, 120, 120, 15, (60, 120, 250)),
    "full": Scale(250, 2000, 1000, 1000, 200, (250, 500, 1000)),
}


def run(scale: str, *, seed: int = 0) -> Result:
    """Measure the claims; see :func:`mercer.papers.run`.

    Parameters
    ----------
    scale : {"quick", "full"}
        ``full`` takes batches of 250 to 1,000 events and 1,000 toys.
    seed : int
        Of events, toys and draws.

    Returns
    -------
    Result
    """
    sizes, rng = SCALES[scale], np.random.default_rng(seed)
    pool = drift_tubes(20 * sizes.reference, rng)
    options = {"reference_size": sizes.reference, "random_state": seed}
    monitor = DataQualityMonitor(sizes.batch, toys=sizes.toys, **options).fit(pool)
    good = [drift_tubes(sizes.batch, rng) for _ in range(sizes.good)]
    p_values = np.array([monitor.test(D, draw=k).p_value for k, D in enumerate(good)])
    power = _power(monitor, pool, good, sizes, rng)  # [anomalies, tests]
    claims = (
        _uniform(p_values),
        _chi_squared(monitor),
        *_comparisons(power),
        _more_events(sizes, pool, options, rng),
        _speed(seed, rng),
    )
    stream = _stream(monitor, sizes.batch, rng)
    return Result(
        claims=claims,
        columns=("events", *TESTS),
        rows=tuple((name, *map(float, row)) for name, row in zip(ANOMALIES, power)),
        draw=lambda figure: _draw(figure, monitor, power, stream),
        note=NOTE,
    )


def _power(
    monitor: LikelihoodRatioTest,
    pool: np.ndarray,
    good: list[np.ndarray],
    sizes: Scale,
    rng: np.random.Generator,
) -> np.ndarray:
    """Share of bad batches that each test rejects at ``LEVEL``, ``[anomalies, tests]``."""
    peers = (_histograms(pool), _discrepancy(pool, sizes.reference))
    limits = [np.quantile([peer(D) for D in good], 1 - LEVEL) for peer in peers]
    power = []
    for anomaly in ANOMALIES.values():
        bad = [drift_tubes(sizes.batch, rng, **anomaly) for _ in range(sizes.bad)]
        found = [np.mean([monitor.test(D, draw=k).p_value <= LEVEL for k, D in enumerate(bad)])]
        found += [np.mean([peer(D) > limit for D in bad]) for peer, limit in zip(peers, limits)]
        power.append(found)
    return np.array(power)


Statistic = Callable[[np.ndarray], float]


def _histograms(pool: np.ndarray, bins: int = 20) -> Statistic:
    """Pearson's statistic summed over features, in bins of equal probability."""
    edges = np.quantile(pool, np.arange(1, bins) / bins, axis=0)  # [bins - 1, d]

    def statistic(D: np.ndarray) -> float:
        which = [np.searchsorted(edge, column) for edge, column in zip(edges.T, D.T)]
        counts = np.array([np.bincount(w, minlength=bins) for w in which])  # [d, bins]
        expected = len(D) / bins
        return float(((counts - expected) ** 2).sum() / expected)

    return statistic


def _discrepancy(pool: np.ndarray, size: int) -> Statistic:
    """Squared maximum mean discrepancy from a reference, unbiased but for a constant."""
    mean, scale = pool.mean(axis=0), pool.std(axis=0)
    R = torch.from_numpy((pool[:size] - mean) / scale)
    kernel = RBF(distance_percentile(R, 50.0))

    def statistic(D: np.ndarray) -> float:
        Z, n = torch.from_numpy((D - mean) / scale), len(D)
        one = Z.new_ones(n)
        within = (float((kernel(Z) @ one).sum()) - n) / (n * (n - 1))
        return within - 2 * float((kernel(R, Z) @ one).mean()) / n

    return statistic


def _uniform(p_values: np.ndarray) -> Claim:
    from scipy.stats import kstest

    return Claim.at_least(
        UNIFORM,
        paper="no figure at hand",
        measured=kstest(p_values, "uniform").pvalue,
        bound=0.01,
        unit="p-value of the Kolmogorov-Smirnov test, of good batches that no toy has seen",
        if_not="The law estimated from these toys is not that of new batches.",
    )


def _chi_squared(monitor: LikelihoodRatioTest) -> Claim:
    return Claim.at_least(
        CHI_SQUARED,
        paper="with fitted degrees of freedom",
        measured=monitor.agreement_,
        bound=0.01,
        unit=f"p-value of the Kolmogorov-Smirnov test, {monitor.dof_:.1f} degrees of freedom",
        if_not="With this penalty the directions that are half fitted make it a mixture.",
    )


def _comparisons(power: np.ndarray) -> tuple[Claim, Claim, Claim]:
    mean = power.mean(axis=0)  # over anomalies, of each of TESTS

    def above(text: str, peer: int) -> Claim:
        return Claim.at_least(
            text,
            paper="no figure at hand",
            measured=mean[0] - mean[peer],
            bound=0.05,
            unit=f"difference of mean powers, {mean[0]:.2f} and {mean[peer]:.2f}",
            if_not="These anomalies are as plain to that test.",
        )

    agnostic = Claim.at_least(
        AGNOSTIC,
        paper="agnostic",
        measured=power[:, 0].min(),
        bound=0.5,
        unit=f"least power at level {LEVEL:g}",
        if_not="Batches of this size are too small for the mildest anomaly.",
    )
    return above(AGAINST_CHI_SQUARED, 1), above(AGAINST_MMD, 2), agnostic


def _more_events(
    sizes: Scale, pool: np.ndarray, options: dict[str, Any], rng: np.random.Generator
) -> Claim:
    """The least growth of the median z-score from one size to the next."""
    z_scores = []
    for size in sizes.sizes:
        test = LikelihoodRatioTest(size, toys=sizes.toys // 3, **options).fit(pool)
        bad = [drift_tubes(size, rng, voltage=0.75) for _ in range(sizes.bad)]
        z_scores.append(np.median([test.test(D, draw=k).z_score for k, D in enumerate(bad)]))
    grown = [later / before for before, later in itertools.pairwise(z_scores)]
    listed = ", ".join(f"{z:.1f}" for z in z_scores)
    return Claim.at_least(
        MORE_EVENTS,
        paper="no figure at hand",
        measured=min(grown),
        bound=1.0,
        unit=f"least ratio of median z-scores, {listed} for {sizes.sizes} events, voltage 75 %",
        if_not="The spread of these few batches hides it.",
    )


def _speed(seed: int, rng: np.random.Generator) -> Claim:
    size = 10_000
    pool = drift_tubes(7 * size, rng).astype(np.float32)
    test = LikelihoodRatioTest(size, toys=2, random_state=seed).fit(pool)
    batch, seconds = drift_tubes(size, rng).astype(np.float32), []
    for draw in range(5):
        start = time.process_time()
        test.test(batch, draw=draw)
        seconds.append(time.process_time() - start)
    return Claim.at_most(
        SPEED,
        paper="real time",
        measured=min(seconds),
        bound=1.0,
        unit="s of the processor, fit and statistic against 50,000 events in float32, best of five",
        if_not="This machine is slow, or at work on something else.",
    )


def _stream(monitor: DataQualityMonitor, size: int, rng: np.random.Generator) -> list[Any]:
    """Ten good batches, then the threshold sags by two per cent a batch, up to an alarm."""
    alarms: list[Any] = []
    while len(alarms) < 40 and not (alarms and alarms[-1].sounded):
        sagged = 0.02 * max(len(alarms) - 9, 0)
        alarms.append(monitor.update(drift_tubes(size, rng, threshold=1 - sagged)))
    return alarms


def _draw(figure: Any, monitor: LikelihoodRatioTest, power: np.ndarray, stream: list[Any]) -> None:
    """The null law; power; the evidence of a stream."""
    from scipy.stats import chi2

    law, bars, line = figure.subplots(1, 3, gridspec_kw={"width_ratios": [1, 1.5, 1]})
    null = monitor.null_.numpy()
    law.hist(null, bins=12, density=True, color="C7", alpha=0.6, label="toys")
    t = np.linspace(null.min() * 0.8, null.max() * 1.1, 200)
    law.plot(t, chi2(monitor.dof_).pdf(t), "C0", label=f"chi-squared, {monitor.dof_:.0f} d.o.f.")
    law.set(xlabel="statistic of good batches", ylabel="density")
    law.set_ylim(0, 1.35 * law.get_ylim()[1])
    law.legend(fontsize=7, frameon=False, loc="upper left")
    height, rows = 0.8 / len(TESTS), np.arange(len(ANOMALIES))
    for k, name in enumerate(TESTS):
        bars.barh(rows + (k - 1) * height, power[:, k], height, label=name)
    bars.axvline(LEVEL, color="k", lw=0.8, ls=":")
    bars.set_yticks(rows, list(ANOMALIES), fontsize=7)
    bars.invert_yaxis()
    bars.set(xlabel=f"power at level {LEVEL:g}", xlim=(0, 1.02))
    bars.legend(fontsize=7, ncols=3, frameon=False, loc="lower center", bbox_to_anchor=(0.4, 1.0))
    line.semilogy([a.batch for a in stream], [a.evidence for a in stream], "o-", ms=3)
    line.axhline(stream[-1].level, color="C3", ls="--", lw=1)
    line.text(1, stream[-1].level * 1.2, "alarm", color="C3", fontsize=7)
    line.text(11, line.get_ylim()[0] * 1.3, "threshold sags", color="C1", fontsize=7)
    line.axvspan(10.5, max(len(stream), 11) + 0.5, color="C1", alpha=0.15, lw=0)
    line.set(xlabel="batch", ylabel="evidence of the e-detector")
