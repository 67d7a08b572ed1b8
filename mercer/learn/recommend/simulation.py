"""Ratings that are missing not at random, with the truth at hand."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mercer import checks


class Ratings(NamedTuple):
    """A simulated table of ratings."""

    user_features: np.ndarray  # [U, rank]
    item_features: np.ndarray  # [I, rank]
    ratings: np.ndarray  # [U, I], 1 to 5, all of them
    propensities: np.ndarray  # [U, I], the true chances of being observed
    observed: np.ndarray  # [U, I], bool

    @property
    def pairs(self) -> np.ndarray:
        """Features of all pairs, ``[U I, 2 rank]``, row by row."""
        U, I = self.ratings.shape
        return np.hstack(
            [np.repeat(self.user_features, I, axis=0), np.tile(self.item_features, (U, 1))]
        )


def simulate_ratings(
    users: int,
    items: int,
    *,
    rng: np.random.Generator,
    rank: int = 2,
    density: float = 0.08,
    selection: float = 1.5,
    noise: float = 0.5,
) -> Ratings:
    r"""Simulate ratings of which users look up what they are likely to enjoy.

    Taste is :math:`\langle a_u, b_i \rangle` of Gaussian features, plus the item's popularity,
    :math:`(|b_i|^2 - r) / 2r`. Ratings are its sum with noise, cut at quantiles into the shares
    10, 20, 35, 25 and 10 % from one to five stars. The logit of being observed is a constant plus
    ``selection`` times the taste's hyperbolic tangent: selection depends on the features alone, but
    on no linear function of them.

    Parameters
    ----------
    users, items : int
        Sizes.
    rng : numpy.random.Generator
        Of all that is random.
    rank : int
        Of the taste.
    density : float, in (0, 1)
        Mean chance of being observed.
    selection : float
        How strongly; 0 is missing completely at random.
    noise : float, at least 0
        Standard deviation.

    Returns
    -------
    Ratings

    Examples
    --------
    >>> table = simulate_ratings(60, 80, rng=np.random.default_rng(0))
    >>> bool(table.ratings[table.observed].mean() > table.ratings.mean() + 0.3)
    True
    """
    checks.count("users", users)
    checks.count("items", items)
    checks.interval("density", density, 1e-6, 1 - 1e-6)
    a = rng.standard_normal((users, rank))
    b = rng.standard_normal((items, rank))
    taste = a @ b.T / np.sqrt(rank) + (np.sum(b**2, axis=1) - rank) / (2 * rank)  # [U, I]
    score = taste + noise * rng.standard_normal(taste.shape)
    cuts = np.quantile(score, np.cumsum([0.10, 0.20, 0.35, 0.25]))
    ratings = 1.0 + np.searchsorted(cuts, score)
    shift = selection * np.tanh(taste)
    propensities = _sigmoid(shift + _level(shift, density))
    observed = rng.random(taste.shape) < propensities
    return Ratings(a, b, ratings, propensities, observed)


def opinions(ratings: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Six predictions, as good as each other on some ratings and wrong on others.

    ``one``, ``three``, ``four``: right, but as many ratings as there are fives, drawn among the
    ones (threes, fours), become five. ``rotate``: one less, and five for one. ``skew``: noise that
    falls with the rating. ``coarse``: two up to three stars, else four.

    Parameters
    ----------
    ratings : array, shape (U, I)
        1 to 5.
    rng : numpy.random.Generator
        Of draws and noise.

    Returns
    -------
    dict of array, shape (U, I)

    Examples
    --------
    >>> opinions(np.array([[1.0, 3.0, 5.0]]), np.random.default_rng(0))["rotate"]
    array([[5., 2., 4.]])

    References
    ----------
    T. Schnabel et al., "Recommendations as Treatments: Debiasing Learning and Evaluation".
    https://arxiv.org/abs/1602.05352
    """
    made = {}
    fives = int((ratings == 5).sum())
    for name, stars in (("one", 1), ("three", 3), ("four", 4)):
        flipped = ratings.copy().ravel()
        places = np.flatnonzero(flipped == stars)
        flipped[rng.permutation(places)[:fives]] = 5
        made[name] = flipped.reshape(ratings.shape)
    made["rotate"] = np.where(ratings > 1, ratings - 1, 5.0)
    made["skew"] = np.clip(rng.normal(ratings, (6 - ratings) / 2), 0, 6)
    made["coarse"] = np.where(ratings <= 3, 2.0, 4.0)
    return made


def _sigmoid(s: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-s)))


def _level(shift: np.ndarray, density: float) -> float:
    """The constant at which the mean chance is ``density``, by bisection."""
    from scipy.optimize import brentq

    reach = 40 + float(np.abs(shift).max())
    return float(brentq(lambda c: _sigmoid(shift + c).mean() - density, -reach, reach))
