"""Recommendation from ratings that are missing not at random."""

from mercer.learn.recommend.balance import Balance, balance
from mercer.learn.recommend.balanced_propensity import BalancedPropensity
from mercer.learn.recommend.debiased_factorisation import DebiasedFactorisation
from mercer.learn.recommend.fit_propensity import fit_propensity
from mercer.learn.recommend.risk import doubly_robust, inverse_propensity, self_normalised
from mercer.learn.recommend.simulation import Ratings, opinions, simulate_ratings

__all__ = [
    "Balance",
    "BalancedPropensity",
    "DebiasedFactorisation",
    "Ratings",
    "balance",
    "doubly_robust",
    "fit_propensity",
    "inverse_propensity",
    "opinions",
    "self_normalised",
    "simulate_ratings",
]
