"""The Markov chain on partitions, which forgets its start and visits each as often as is likely."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.cluster import KMeans
from torch import Tensor

from mercer.measure.mixtures.blocked import blocked_sweep
from mercer.measure.mixtures.collapsed import collapsed_sweep
from mercer.measure.mixtures.posterior import Posterior
from mercer.measure.particles import evolve

SAMPLERS = {"blocked": blocked_sweep, "collapsed": collapsed_sweep}


class Chain:
    """Gibbs sweeps over the labels of rows, from clusters by k-means.

    Parameters
    ----------
    posterior : Posterior
        Of which partitions are drawn.
    sampler : {"blocked", "collapsed"}
        What a sweep is.
    clusters : int
        To start from, at most.
    draws, burn_in, thinning : int
        Partitions that are kept, sweeps before the first, sweeps for each.
    seed : int
        Of start and sweeps.
    """

    def __init__(
        self,
        posterior: Posterior,
        *,
        sampler: str,
        clusters: int,
        draws: int,
        burn_in: int,
        thinning: int,
        seed: int,
    ) -> None:
        self.posterior, self.sampler, self.seed = posterior, sampler, seed
        self.draws, self.burn_in, self.thinning = draws, burn_in, thinning
        rows = posterior.rows
        k = min(clusters, len(np.unique(rows, axis=0)))
        start = KMeans(k, n_init=1, random_state=seed).fit_predict(rows)
        start = np.unique(start, return_inverse=True)[1]
        self.done = 0
        self.state = {
            "labels": torch.from_numpy(start),
            "partitions": torch.zeros(draws, len(rows), dtype=torch.int32),
        }

    @property
    def partitions(self) -> Tensor:
        """What has been drawn so far, ``[draws, n]``."""
        return self.state["partitions"][: max(self.done - self.burn_in, 0) // self.thinning]

    def run(
        self,
        *,
        verbose: bool,
        checkpoint: str | Path | None,
        checkpoint_every: float,
        data: str,
    ) -> Tensor:
        """Draw all partitions; a run that is stopped leaves those that it has drawn.

        Parameters
        ----------
        verbose, checkpoint, checkpoint_every
            See :func:`mercer.measure.particles.evolve`.
        data : str
            A digest of rows and prior, which a checkpoint must share.
        """
        concentration = self.posterior.concentration
        evolve(
            self._sweep,
            self.state,
            self.burn_in + self.draws * self.thinning,
            on_step=self._note,
            verbose=verbose,
            title="Gibbs sweeps",
            checkpoint=checkpoint,
            checkpoint_every=checkpoint_every,
            parameters=(
                self.seed, self.sampler, concentration, self.burn_in, self.thinning, data
            ),
        )  # fmt: skip
        return self.partitions

    def _sweep(self, iteration: int, state: dict[str, Tensor]) -> dict[str, Tensor]:
        # A stream of its own for each sweep: a resumed chain draws what a whole one would.
        rng = np.random.default_rng((self.seed, iteration))
        rows, prior, concentration = self.posterior
        sweep = SAMPLERS[self.sampler]
        labels = sweep(rows, state["labels"].numpy(), prior.family, concentration, rng)
        after = iteration + 1 - self.burn_in
        if after > 0 and after % self.thinning == 0:
            state["partitions"][after // self.thinning - 1] = torch.from_numpy(labels)
        return {"labels": torch.from_numpy(labels), "partitions": state["partitions"]}

    def _note(self, done: int, state: dict[str, Tensor]) -> dict[str, Any]:
        self.done, self.state = done, state
        return {"clusters": int(state["labels"].max()) + 1}
