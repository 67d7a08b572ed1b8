"""Dirichlet-process mixtures of normal laws by Gibbs sampling."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.base import ClusterMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from mercer import checks
from mercer.learn import containers
from mercer.learn.checkpoint import fingerprint
from mercer.learn.estimator import Estimator
from mercer.measure.mixtures.chain import SAMPLERS, Chain
from mercer.measure.mixtures.mixing_measure import MixingMeasure
from mercer.measure.mixtures.posterior import Posterior
from mercer.measure.mixtures.prior_choice import choose_prior, prior_of


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
        table = self._read(X, reset=True)
        self.prior_ = choose_prior(
            table, self.covariance, self.mean_prior, self.covariance_prior,
            self.degrees_of_freedom_prior,
        )  # fmt: skip
        prior = prior_of(self.prior_, self.mean_precision_prior)
        self.rows_ = torch.from_numpy(prior.standardised(table))
        chain = self._chain()
        try:
            chain.run(
                verbose=self.verbose,
                checkpoint=self.checkpoint,
                checkpoint_every=self.checkpoint_every,
                data=fingerprint([self.rows_], self.prior_),
            )
        except KeyboardInterrupt as stop:
            self._keep(chain.partitions)
            held = f"the estimator holds {len(chain.partitions)} of {self.n_draws} draws"
            raise KeyboardInterrupt(f"{stop}; {held}" if str(stop) else held) from None
        self._keep(chain.partitions)
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
        labels = self._posterior().likeliest(np.asarray(self.labels_), self._read(X))
        return containers.give_back(labels, containers.container_of(X), ["label"])

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
        logs = self._posterior().log_density(self.partitions_.numpy(), self._read(X))
        return containers.give_back(
            torch.from_numpy(logs), containers.container_of(X), ["log_density"]
        )

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
        posterior = self._posterior()
        return [posterior.mixing_measure(z, remainder, rng) for z in self.partitions_.numpy()]

    def _check(self) -> None:
        checks.positive("concentration", float(self.concentration))
        checks.positive("mean_precision_prior", float(self.mean_precision_prior))
        if self.sampler not in SAMPLERS:
            raise ValueError(f"sampler must be 'blocked' or 'collapsed', got {self.sampler!r}")
        for name in ("n_draws", "thinning", "initial_clusters"):
            checks.count(name, getattr(self, name))
        checks.count("burn_in", self.burn_in, least=0)

    def _read(self, X: Any, *, reset: bool = False) -> np.ndarray:
        return containers.points(self, X, reset=reset).double().cpu().numpy()

    def _posterior(self) -> Posterior:
        prior = prior_of(self.prior_, self.mean_precision_prior)
        return Posterior(self.rows_.numpy(), prior, self.concentration)

    def _chain(self) -> Chain:
        return Chain(
            self._posterior(),
            sampler=self.sampler,
            clusters=self.initial_clusters,
            draws=self.n_draws,
            burn_in=self.burn_in,
            thinning=self.thinning,
            seed=int(check_random_state(self.random_state).randint(2**31 - 1)),
        )

    def _keep(self, partitions: Tensor) -> None:
        if not len(partitions):
            return
        posterior = self._posterior()
        logs = [posterior.log_probability(labels) for labels in partitions.numpy()]
        self.partitions_, self.log_posterior_ = partitions.clone(), np.array(logs)
        self.n_clusters_ = (partitions.max(dim=1).values + 1).numpy()
        self.labels_ = partitions[int(self.log_posterior_.argmax())].long().numpy()
        self.history_ = [
            {"clusters": int(k), "log_posterior": p} for k, p in zip(self.n_clusters_, logs)
        ]
