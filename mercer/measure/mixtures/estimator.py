"""Dirichlet-process mixtures of normal laws by Gibbs sampling."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.base import ClusterMixin
from sklearn.cluster import KMeans
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from mercer import checks
from mercer.learn import containers
from mercer.learn.checkpoint import fingerprint
from mercer.learn.estimator import Estimator
from mercer.measure.mixtures.blocked import blocked_sweep, broken, drawn_with
from mercer.measure.mixtures.clusters import Clusters
from mercer.measure.mixtures.collapsed import collapsed_sweep
from mercer.measure.mixtures.mixing_measure import MixingMeasure
from mercer.measure.mixtures.partition_prior import log_partition_prior
from mercer.measure.mixtures.prior import Prior, matrix, normal_prior, wishart_prior
from mercer.measure.particles import evolve

SAMPLERS = {"blocked": blocked_sweep, "collapsed": collapsed_sweep}


class DirichletProcessMixture(ClusterMixin, Estimator):
    r"""The posterior of a mixture of normal laws under a Dirichlet process.

    .. math:: x_i \sim N(\theta_i, \Sigma_i), \quad (\theta_i, \Sigma_i) \sim G, \quad
        G \sim DP(\alpha, G_0).

    With a known ``covariance`` only means are mixed and :math:`G_0` is normal; otherwise it is
    normal-inverse-Wishart. The chain runs on partitions of the rows. Mixing measures are drawn
    from their law given a partition, which is exact.

    Parameters
    ----------
    concentration : float, positive
        ``alpha``.
    covariance : float or array, shape (d, d), optional
        Of the components, if known; a number is the variance of every coordinate.
    mean_prior : array, shape (d,), optional
        Mean of :math:`G_0`; that of the rows by default.
    covariance_prior : float or array, shape (d, d), optional
        Of the means, if ``covariance`` is known; else the scale of the inverse Wishart law. The
        covariance of the rows by default.
    mean_precision_prior : float, positive
        Rows that ``mean_prior`` is worth, if ``covariance`` is not known.
    degrees_of_freedom_prior : float, optional
        Of the inverse Wishart law, above d - 1; d + 2 by default, where ``covariance_prior`` is the
        mean of the covariances.
    sampler : {"blocked", "collapsed"}
        All labels at once given a draw of ``G``, for many rows; or one after the other with ``G``
        integrated out, which forgets its start in fewer sweeps.
    n_draws, burn_in, thinning : int
        Partitions that are kept, sweeps before the first, sweeps for each.
    initial_clusters : int
        Of k-means, from which the chain starts.
    random_state : int, RandomState or None
        Of the start and the chain.
    verbose : bool
        Whether to show progress.
    checkpoint : str or Path, optional
        A file from which a stopped fit goes on; removed at the end.
    checkpoint_every : float
        Least seconds between two writes.

    Attributes
    ----------
    partitions_ : Tensor of int32, shape (draws, n)
        Labels 0, 1, ... of the rows in each draw.
    n_clusters_ : array, shape (draws,)
        How many.
    log_posterior_ : array, shape (draws,)
        Logarithm of the law of partition and rows together.
    labels_ : array, shape (n,)
        The partition of largest posterior probability among the draws.
    history_ : list of dict
        Number of clusters and ``log_posterior`` of each draw.
    rows_ : Tensor, shape (n, d)
        In the coordinates in which the prior is standard.
    prior_ : dict
        The prior, with what was taken from the rows.
    n_features_in_ : int
        How many features.
    feature_names_in_ : array of str
        Their names, if the table had any.

    Examples
    --------
    >>> X = [[-4.1], [-4.0], [-3.8], [4.0], [4.2], [3.9]]
    >>> mixture = DirichletProcessMixture(covariance=0.1, n_draws=50, random_state=0).fit(X)
    >>> mixture.predict([[-5.0], [5.0]]).tolist() == mixture.labels_[[0, 3]].tolist()
    True
    >>> G = mixture.mixing_measures(random_state=0)[0]
    >>> round(float(G.weights.sum()), 6)
    1.0

    References
    ----------
    A. Guha, N. Ho, X. Nguyen, "On Excess Mass Behavior in Gaussian Mixture Models with
    Orlicz-Wasserstein Distances". https://arxiv.org/abs/2301.11496
    """

    def __init__(
        self,
        concentration: float = 1.0,
        *,
        covariance: Any = None,
        mean_prior: Any = None,
        covariance_prior: Any = None,
        mean_precision_prior: float = 0.1,
        degrees_of_freedom_prior: float | None = None,
        sampler: str = "blocked",
        n_draws: int = 200,
        burn_in: int = 100,
        thinning: int = 1,
        initial_clusters: int = 8,
        random_state: Any = None,
        verbose: bool = False,
        checkpoint: str | Path | None = None,
        checkpoint_every: float = 30.0,
    ) -> None:
        self.concentration = concentration
        self.covariance = covariance
        self.mean_prior = mean_prior
        self.covariance_prior = covariance_prior
        self.mean_precision_prior = mean_precision_prior
        self.degrees_of_freedom_prior = degrees_of_freedom_prior
        self.sampler = sampler
        self.n_draws = n_draws
        self.burn_in = burn_in
        self.thinning = thinning
        self.initial_clusters = initial_clusters
        self.random_state = random_state
        self.verbose = verbose
        self.checkpoint = checkpoint
        self.checkpoint_every = checkpoint_every

    def fit(self, X: Any, y: Any = None) -> DirichletProcessMixture:
        """Draw partitions from the posterior.

        Parameters
        ----------
        X : array, DataFrame or Tensor, shape (n, d)
            The rows.
        y : None
            Ignored.

        Returns
        -------
        DirichletProcessMixture
            The estimator itself.

        Raises
        ------
        ValueError
            If a parameter is not as said, or the rows do not settle the prior that they should.
        KeyboardInterrupt
            If stopped; what was drawn by then is kept, and the estimator is fitted with it.
        """
        self._check()
        table = containers.points(self, X, reset=True).double().cpu().numpy()
        self.prior_ = self._settled(table)
        prior = self._prior()
        rows = prior.standardised(table)
        self.rows_ = torch.from_numpy(rows)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        chain = (seed, self.sampler, self.concentration, self.burn_in, self.thinning)
        sweep = SAMPLERS[self.sampler]
        last: dict[str, Any] = {"done": 0}

        def step(iteration: int, state: dict[str, Tensor]) -> dict[str, Tensor]:
            # A stream of its own for each sweep: a resumed chain draws what a whole one would.
            rng = np.random.default_rng((seed, iteration))
            labels = sweep(rows, state["labels"].numpy(), prior.family, self.concentration, rng)
            after = iteration + 1 - self.burn_in
            if after > 0 and after % self.thinning == 0:
                state["partitions"][after // self.thinning - 1] = torch.from_numpy(labels)
            return {"labels": torch.from_numpy(labels), "partitions": state["partitions"]}

        def on_step(done: int, state: dict[str, Tensor]) -> dict[str, Any]:
            last.update(done=done, state=state)
            return {"clusters": int(state["labels"].max()) + 1}

        k = min(self.initial_clusters, len(np.unique(rows, axis=0)))
        start = KMeans(k, n_init=1, random_state=seed).fit_predict(rows)
        start = np.unique(start, return_inverse=True)[1]
        drawn = torch.zeros(self.n_draws, len(rows), dtype=torch.int32)
        try:
            evolve(
                step,
                {"labels": torch.from_numpy(start), "partitions": drawn},
                self.burn_in + self.n_draws * self.thinning,
                on_step=on_step,
                verbose=self.verbose,
                title="Gibbs sweeps",
                checkpoint=self.checkpoint,
                checkpoint_every=self.checkpoint_every,
                parameters=(*chain, fingerprint([self.rows_], self.prior_)),
            )
        except KeyboardInterrupt as stop:
            kept = max(last["done"] - self.burn_in, 0) // self.thinning
            if kept:
                self._keep(last["state"]["partitions"][:kept], prior)
            held = f"the estimator holds {kept} of {self.n_draws} draws"
            raise KeyboardInterrupt(f"{stop}; {held}" if str(stop) else held) from None
        self._keep(last["state"]["partitions"], prior)
        return self

    def predict(self, X: Any) -> Any:
        """The likeliest cluster of ``labels_`` for each row.

        Parameters
        ----------
        X : array, DataFrame or Tensor, shape (m, d)
            Rows.

        Returns
        -------
        array, Series or Tensor, shape (m,)
        """
        check_is_fitted(self)
        container, rows, prior = containers.container_of(X), self._read(X), self._prior()
        clusters = self._clusters(np.asarray(self.labels_), prior)
        log_fit = prior.family.log_predictive(rows, clusters) + np.log(clusters.counts)
        return containers.give_back(log_fit.argmax(axis=1), container, ["label"])

    def score_samples(self, X: Any) -> Any:
        """Evaluate the logarithm of the posterior predictive density.

        Parameters
        ----------
        X : array, DataFrame or Tensor, shape (m, d)
            Rows.

        Returns
        -------
        array, Series or Tensor, shape (m,)
        """
        check_is_fitted(self)
        container, rows, prior = containers.container_of(X), self._read(X), self._prior()
        found = np.full(len(rows), -np.inf)
        for labels in self.partitions_.numpy():
            clusters = self._clusters(labels, prior, empty=1)
            sizes = np.append(clusters.counts[:-1], self.concentration)
            terms = prior.family.log_predictive(rows, clusters) + np.log(sizes / sizes.sum())
            found = np.logaddexp(found, np.logaddexp.reduce(terms, axis=1))
        logs = torch.from_numpy(found - math.log(len(self.partitions_)) - prior.log_volume())
        return containers.give_back(logs, container, ["log_density"])

    def mixing_measures(
        self, remainder: float = 1e-3, random_state: Any = None
    ) -> list[MixingMeasure]:
        """Draw ``G`` given each partition.

        Parameters
        ----------
        remainder : float, in (0, 1)
            The mass beside the occupied atoms is broken until this share of it is left, which the
            sticks before share.
        random_state : int, RandomState or None
            Where the draws come from.

        Returns
        -------
        list of MixingMeasure
        """
        check_is_fitted(self)
        if not 0 < remainder < 1:
            raise ValueError(f"remainder must be between 0 and 1, got {remainder:g}")
        rng = np.random.default_rng(check_random_state(random_state).randint(2**31 - 1))
        prior = self._prior()
        return [self._measure(labels, remainder, prior, rng) for labels in self.partitions_.numpy()]

    def _measure(
        self, labels: np.ndarray, remainder: float, prior: Prior, rng: np.random.Generator
    ) -> MixingMeasure:
        clusters = self._clusters(labels, prior)
        weights = rng.dirichlet(np.append(clusters.counts, self.concentration))
        others = broken(1.0, remainder, self.concentration, rng)
        others *= weights[-1] / others.sum()
        atoms = drawn_with(clusters, len(others), prior.family, rng)
        roots = prior.factor if atoms.roots is None else prior.factor @ atoms.roots
        found = (
            np.concatenate([weights[:-1], others]),
            prior.origin + atoms.means @ prior.factor.T,
            roots @ roots.swapaxes(-1, -2),
        )
        return MixingMeasure(*(torch.from_numpy(value) for value in found))

    def _check(self) -> None:
        checks.positive("concentration", float(self.concentration))
        checks.positive("mean_precision_prior", float(self.mean_precision_prior))
        if self.sampler not in SAMPLERS:
            raise ValueError(f"sampler must be 'blocked' or 'collapsed', got {self.sampler!r}")
        for name in ("n_draws", "thinning", "initial_clusters"):
            checks.count(name, getattr(self, name))
        checks.count("burn_in", self.burn_in, least=0)

    def _settled(self, table: np.ndarray) -> dict[str, Any]:
        """The prior as plain arrays and numbers."""
        n, d = table.shape
        mean = table.mean(axis=0) if self.mean_prior is None else np.asarray(self.mean_prior, float)
        if mean.shape != (d,) or not np.isfinite(mean).all():
            raise ValueError(f"mean_prior must be {d} finite numbers, got {mean.tolist()}")
        noise = None if self.covariance is None else matrix("covariance", self.covariance, d)
        if self.covariance_prior is not None:
            scale = matrix("covariance_prior", self.covariance_prior, d)
        elif n < 2:
            raise ValueError("n_samples=1 has no covariance: give covariance_prior or more rows")
        else:
            scale = np.atleast_2d(np.cov(table.T, bias=True))
            if np.linalg.eigvalsh(scale)[0] <= 1e-12 * np.abs(scale).max():
                raise ValueError(
                    f"X does not span its {d} columns, so that its covariance is no prior; drop "
                    "constant and dependent columns or give covariance_prior"
                )
        nu = d + 2.0 if self.degrees_of_freedom_prior is None else self.degrees_of_freedom_prior
        if not d - 1 < nu < math.inf:
            raise ValueError(f"degrees_of_freedom_prior must be above {d - 1}, got {nu:g}")
        return {"mean": mean, "scale": scale, "noise": noise, "degrees": float(nu)}

    def _prior(self) -> Prior:
        mean, scale, noise = (self.prior_[name] for name in ("mean", "scale", "noise"))
        if noise is not None:
            return normal_prior(mean, scale, noise)
        return wishart_prior(mean, scale, self.mean_precision_prior, self.prior_["degrees"])

    def _clusters(self, labels: np.ndarray, prior: Prior, *, empty: int = 0) -> Clusters:
        k = int(labels.max()) + 1 + empty
        return Clusters.of(self.rows_.numpy(), labels, k, outer=prior.family.outer)

    def _keep(self, partitions: Tensor, prior: Prior) -> None:
        self.partitions_ = partitions.clone()
        self.n_clusters_ = (partitions.max(dim=1).values + 1).numpy()
        logs = []
        for labels in partitions.numpy():
            clusters = self._clusters(labels, prior)
            fit = prior.family.log_marginal(clusters).sum() - len(labels) * prior.log_volume()
            logs.append(fit + log_partition_prior(clusters.counts, self.concentration))
        self.log_posterior_ = np.array(logs)
        self.labels_ = partitions[int(self.log_posterior_.argmax())].long().numpy()
        self.history_ = [
            {"clusters": int(k), "log_posterior": float(p)}
            for k, p in zip(self.n_clusters_, self.log_posterior_)
        ]

    def _read(self, X: Any) -> np.ndarray:
        table = containers.points(self, X, reset=False).double().cpu().numpy()
        return self._prior().standardised(table)
