"""Matrix factorisation trained on an estimate of the error over all pairs."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.base import clone
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from mercer import checks
from mercer.learn.estimator import Estimator
from mercer.learn.progress import Progress
from mercer.learn.recommend.balanced_propensity import BalancedPropensity
from mercer.learn.recommend.factorisation import Factorisation
from mercer.learn.recommend.risk import doubly_robust, inverse_propensity, self_normalised

ESTIMATORS = ("naive", "ips", "snips", "dr", "dr-jl")
LOSSES = ("squared", "logistic")


class DebiasedFactorisation(Estimator):
    r"""Ratings :math:`\mu + \alpha_u + \beta_i + \langle p_u, q_i \rangle`, fitted to all pairs.

    What is minimised is an estimate, from the observed pairs, of the mean error over all pairs.
    Weights and predictions are fitted in turn: where the balanced functions are adaptive, each
    round chooses them by the errors of the prediction so far.

    Parameters
    ----------
    estimator : {"naive", "ips", "snips", "dr", "dr-jl"}
        The mean over observed pairs; inverse propensities, plain or self-normalised; doubly robust,
        with ratings imputed by a naive factorisation, or by one that is learnt jointly.
    rank : int
        Of the factors.
    loss : {"squared", "logistic"}
        Logistic: ratings are 0 and 1, and predictions chances of 1.
    rounds, epochs : int
        Rounds, and passes over the observed pairs in each.
    batch_size : int
        Observed pairs in a step; the doubly robust estimators draw five times as many of all pairs.
    learning_rate, weight_decay : float
        Of Adam; the decay is of the mean square of the factors.
    random_state : int, RandomState or None
        Of first factors and batches.
    verbose : bool
        Whether to show progress on stderr.

    Attributes
    ----------
    level_, user_bias_, item_bias_, user_factors_, item_factors_ : Tensor
        :math:`\mu, \alpha, \beta, p, q`; shapes (), (U,), (I,), (U, rank), (I, rank).
    weights_ : Tensor, shape (n,)
        Of the observed pairs, in the last round.
    history_ : list of dict
        ``iteration`` and mean estimated ``error`` of every epoch.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> users, items = np.divmod(np.arange(600), 20)
    >>> ratings = 3 + rng.standard_normal(30)[users] + rng.standard_normal(20)[items]
    >>> model = DebiasedFactorisation("naive", rank=1, weight_decay=0.01, random_state=0)
    >>> model = model.fit(users, items, ratings)
    >>> bool(np.mean((model.predict(users, items) - ratings) ** 2) < 0.1)
    True

    References
    ----------
    H. Li et al., "Debiased Collaborative Filtering with Kernel-Based Causal Balancing".
    https://arxiv.org/abs/2404.19596
    """

    def __init__(
        self,
        estimator: str = "dr-jl",
        rank: int = 4,
        *,
        loss: str = "squared",
        rounds: int = 3,
        epochs: int = 30,
        batch_size: int = 512,
        learning_rate: float = 0.02,
        weight_decay: float = 0.1,
        random_state: Any = None,
        verbose: bool = False,
    ) -> None:
        self.estimator = estimator
        self.rank = rank
        self.loss = loss
        self.rounds = rounds
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.random_state = random_state
        self.verbose = verbose

    def fit(
        self,
        users: Any,
        items: Any,
        ratings: Any,
        *,
        propensity: Any = None,
        user_features: Any = None,
        item_features: Any = None,
    ) -> DebiasedFactorisation:
        """Fit to the observed ratings.

        Parameters
        ----------
        users, items : array, shape (n,)
            Indices from 0 on; no pair twice.
        ratings : array, shape (n,)
            What was observed.
        propensity : array of shape (U, I), or BalancedPropensity; default, unless naive
            Chances that pairs are observed, or what finds them (a copy is fitted).
        user_features, item_features : array, shapes (U, p) and (I, q), optional
            What propensities depend on; default: the factors and biases of a naive fit.

        Returns
        -------
        DebiasedFactorisation
            The estimator itself.
        """
        self._check()
        u, i, r = (torch.as_tensor(np.asarray(v)) for v in (users, items, ratings))
        u, i, r = u.long(), i.long(), checks.finite("ratings", r.float())
        if not u.shape == i.shape == r.shape or u.ndim != 1 or len(u) == 0:
            raise ValueError("users, items and ratings must be three arrays of one length")
        self._shape = self._sizes(u, i, user_features, item_features, propensity)
        self._generator = torch.Generator().manual_seed(
            int(check_random_state(self.random_state).randint(2**31))
        )
        total = self._shape[0] * self._shape[1]
        model = self._start(r)
        self.history_: list[dict[str, Any]] = []
        self.weights_ = torch.full(u.shape, total / len(u))
        imputation = None
        finder = None
        if self.estimator != "naive":
            if propensity is None or isinstance(propensity, BalancedPropensity):
                finder = BalancedPropensity(random_state=0) if propensity is None else propensity
            else:
                p = torch.as_tensor(np.asarray(propensity), dtype=torch.float32)[u, i]
                self.weights_ = 1 / checks.positive("propensity", p)
        if self.estimator in ("dr", "dr-jl") or (finder is not None and user_features is None):
            imputation = self._start(r)
            self._train(imputation, "naive", u, i, r, None, self.rounds * self.epochs)
        if finder is not None:
            pairs = self._pairs(imputation, user_features, item_features)
        with Progress(bool(self.verbose), "fit (factorisation)") as show:
            for k in range(self.rounds):
                if finder is not None and (k == 0 or finder.functions == "adaptive"):
                    self.weights_ = self._balance(finder, pairs, model, imputation, u, i, r)
                self._train(model, self.estimator, u, i, r, imputation, self.epochs, show)
        self._keep(model)
        return self

    @torch.no_grad()
    def predict(self, users: Any, items: Any) -> np.ndarray:
        """Predicted ratings (logistic: chances of 1) of pairs, ``[n]``."""
        check_is_fitted(self)
        u, i = (torch.as_tensor(np.asarray(v)).long() for v in (users, items))
        product = (self.user_factors_[u] * self.item_factors_[i]).sum(dim=-1)
        score = self.level_ + self.user_bias_[u] + self.item_bias_[i] + product
        return np.asarray(score.sigmoid() if self.loss == "logistic" else score)

    def _error(self, score: Tensor, rating: Tensor) -> Tensor:
        if self.loss == "squared":
            return (score - rating).square()
        return binary_cross_entropy_with_logits(score, rating, reduction="none")

    def _imputed(self, model: Factorisation, u: Tensor, i: Tensor) -> Tensor:
        score = model(u, i)
        return score.sigmoid() if self.loss == "logistic" else score

    def _start(self, r: Tensor) -> Factorisation:
        mean = r.mean()
        level = float(mean.clamp(0.01, 0.99).logit() if self.loss == "logistic" else mean)
        return Factorisation(*self._shape, self.rank, level, self._generator)

    def _train(
        self,
        model: Factorisation,
        estimator: str,
        u: Tensor,
        i: Tensor,
        r: Tensor,
        imputation: Factorisation | None,
        epochs: int,
        show: Any = None,
    ) -> None:
        """Epochs of Adam on the estimated risk; ``dr-jl`` turns to the imputation in each step."""
        adam = torch.optim.Adam(model.parameters(), lr=self.learning_rate)
        joint = estimator == "dr-jl"
        if joint:
            assert imputation is not None
            second = torch.optim.Adam(imputation.parameters(), lr=self.learning_rate)
        for _ in range(epochs):
            risks = []
            order = torch.randperm(len(u), generator=self._generator)
            for rows in order.split(self.batch_size):
                batch = u[rows], i[rows], r[rows], self.weights_[rows]
                risk = self._risk(model, estimator, imputation, len(u), *batch)
                self._descend(adam, risk + self._decay(model, *batch[:2]))
                risks.append(risk.detach())
                if joint and imputation is not None:
                    miss = self._imputation_error(model, imputation, *batch)
                    self._descend(second, miss + self._decay(imputation, *batch[:2]))
            if show is not None:
                record = {
                    "iteration": len(self.history_) + 1,
                    "error": float(sum(risks)) / len(risks),
                }
                self.history_.append(record)
                show({**record, "of": self.rounds * self.epochs})

    def _risk(
        self,
        model: Factorisation,
        estimator: str,
        imputation: Factorisation | None,
        observed: int,
        u: Tensor,
        i: Tensor,
        r: Tensor,
        w: Tensor,
    ) -> Tensor:
        """The estimate on a batch, which stands for its share of all pairs."""
        score = model(u, i)
        error = self._error(score, r)
        total = self._shape[0] * self._shape[1] * len(u) / observed
        if estimator == "naive":
            return error.mean()
        if estimator == "snips":
            return self_normalised(error, w)
        if estimator == "ips":
            return inverse_propensity(error, w, total)
        assert imputation is not None
        others = [torch.randint(n, (5 * len(u),), generator=self._generator) for n in self._shape]
        with torch.no_grad():
            here, there = self._imputed(imputation, u, i), self._imputed(imputation, *others)
        imputed_mean = self._error(model(*others), there).mean()
        return doubly_robust(error, w, total, self._error(score, here), imputed_mean)

    def _imputation_error(
        self,
        model: Factorisation,
        imputation: Factorisation,
        u: Tensor,
        i: Tensor,
        r: Tensor,
        w: Tensor,
    ) -> Tensor:
        """How far imputed errors are from true ones, in the mean of squares that weights give."""
        with torch.no_grad():
            score = model(u, i)
        imputed = self._error(score, self._imputed(imputation, u, i))
        return self_normalised((self._error(score, r) - imputed).square(), w)

    def _decay(self, model: Factorisation, u: Tensor, i: Tensor) -> Tensor:
        factors = model.user_factors(u).square().sum(1) + model.item_factors(i).square().sum(1)
        biases = model.user_bias(u).square().sum(1) + model.item_bias(i).square().sum(1)
        return self.weight_decay * (factors + biases).mean()

    @staticmethod
    def _descend(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    @torch.no_grad()
    def _balance(
        self,
        finder: BalancedPropensity,
        pairs: Tensor,
        model: Factorisation,
        imputation: Factorisation | None,
        u: Tensor,
        i: Tensor,
        r: Tensor,
    ) -> Tensor:
        """Weights of the observed pairs, by the errors that the estimator has to average."""
        place = u * self._shape[1] + i
        seen = torch.zeros(len(pairs), dtype=torch.bool)
        seen[place] = True
        score = model(u, i)
        error = self._error(score, r)
        if self.estimator in ("dr", "dr-jl") and imputation is not None:
            error = error - self._error(score, self._imputed(imputation, u, i))
        errors = torch.zeros(len(pairs))
        errors[place] = error
        found = clone(finder).fit(pairs, seen, error=errors)
        return found.weights_[place].float()

    def _pairs(self, naive: Factorisation | None, a: Any, b: Any) -> Tensor:
        """Features of all pairs, ``[U I, p + q]``, row by row."""
        if a is None:
            assert naive is not None
            a, b = (
                torch.cat([factors.weight, bias.weight], dim=1).detach()
                for factors, bias in (
                    (naive.user_factors, naive.user_bias),
                    (naive.item_factors, naive.item_bias),
                )
            )
        a, b = (torch.as_tensor(np.asarray(v), dtype=torch.float64) for v in (a, b))
        U, I = self._shape
        return torch.cat([a.repeat_interleave(I, dim=0), b.repeat(U, 1)], dim=1)

    def _sizes(self, u: Tensor, i: Tensor, a: Any, b: Any, p: Any) -> tuple[int, int]:
        if (a is None) != (b is None):
            raise ValueError("user_features and item_features must be given together")
        shape = (int(u.max()) + 1, int(i.max()) + 1)
        if int(u.min()) < 0 or int(i.min()) < 0:
            raise ValueError("users and items must be indices from 0 on, got a negative one")
        given = (len(a), len(b)) if a is not None else getattr(p, "shape", shape)
        if shape[0] > given[0] or shape[1] > given[1]:
            raise ValueError(
                f"features and propensities must cover {shape[0]} users and {shape[1]} items, "
                f"got {given[0]} and {given[1]}"
            )
        return int(given[0]), int(given[1])

    def _keep(self, model: Factorisation) -> None:
        self.level_ = model.level.detach().clone()
        self.user_bias_ = model.user_bias.weight.detach()[:, 0].clone()
        self.item_bias_ = model.item_bias.weight.detach()[:, 0].clone()
        self.user_factors_ = model.user_factors.weight.detach().clone()
        self.item_factors_ = model.item_factors.weight.detach().clone()
        del self._generator

    def _check(self) -> None:
        for name, value, known in (
            ("estimator", self.estimator, ESTIMATORS),
            ("loss", self.loss, LOSSES),
        ):
            if value not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}, got {value!r}")
        for name in ("rank", "rounds", "epochs", "batch_size"):
            checks.count(name, getattr(self, name))
        checks.positive("learning_rate", self.learning_rate)
        checks.interval("weight_decay", self.weight_decay, 0, float("1e9"))
