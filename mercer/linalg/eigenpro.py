r"""EigenPro: kernel least squares by preconditioned stochastic gradients.

The model is :math:`f = \sum_j K(\cdot, z_j) \alpha_j` with ``p`` centres ``Z`` that need not be
data. Memory is linear in ``p``.

A. Abedsoltan, M. Belkin, P. Pandit, "Toward Large Kernel Models" (EigenPro 3),
https://arxiv.org/abs/2302.02605

S. Ma, M. Belkin, "Kernel machines that adapt to GPUs for effective large batch training"
(EigenPro 2: the centres are the data), https://arxiv.org/abs/1806.06144

A. Abedsoltan, S. Ma, P. Pandit, M. Belkin, "Fast training of large kernel models with delayed
projections" (EigenPro 4), https://arxiv.org/abs/2411.16658
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
from torch import Tensor

from mercer import checks
from mercer.linalg.eigenpro_batches import shuffled_batches
from mercer.linalg.eigenpro_iteration import EigenProIteration
from mercer.linalg.eigenpro_preconditioner import EigenProPreconditioner
from mercer.linalg.eigenpro_projection import ExactProjection, IterativeProjection
from mercer.linalg.eigenpro_state import EigenProState
from mercer.operators.base import Operator

PROJECTIONS = ("auto", "exact", "iterative", "none")
SUBSAMPLE = 2000
LEAST_LARGEST_BATCH = 1024  # below this a step is mostly overhead


class EigenPro:
    r"""Minimise ``mean_i |f(x_i) - y_i|² + regularisation ‖f‖²`` over the span of the centres.

    One step on a batch :math:`(X_m, Y_m)`, with :math:`g = f(X_m) - Y_m`:

    .. math:: f \leftarrow \mathrm{proj}_Z (f - \gamma P \{K(\cdot, X_m) g\})

    :math:`P` damps the top eigenfunctions of a subsample of the centres. These lie in the span, so
    that ``P`` and the projection commute and the minimiser is the only fixed point; a subsample
    from outside is projected first. The step :math:`\gamma` and the batch size follow from the
    spectrum; on the first batch the curvature is measured, and where it exceeds what the subsample
    promised, less is damped and the step is shorter.

    Parameters
    ----------
    kernel : callable
        ``kernel(X, Y, precision=...)`` is the operator of all pairs; a positive semidefinite
        :class:`mercer.kernels.Kernel`.
    centers : Tensor, shape (p, d)
        ``Z``; its dtype and device are those of the computation.
    targets : int, at least 1
        Number of outputs.
    subsample : int or Tensor of shape (s, d), optional
        How many centres the preconditioner is built on, default ``min(p, 2000)``; or the points
        themselves, drawn from the data, with the exact projection.
    preconditioner_rank : int, at least 0, optional
        ``q``; 0 is plain gradient descent. Chosen from the spectrum by default.
    batch_size : int, optional
        Rows a step; default the critical batch size, at most ``max(p, 1024)`` and what ``memory``
        allows.
    regularisation : float, at least 0
        Weight of the squared norm of ``f`` in the kernel's space.
    projection : {"auto", "exact", "iterative", "none"}
        ``exact``: a Cholesky factor, ``8 p²`` bytes. ``iterative``: passes of EigenPro 2 over the
        centres. ``none``: the data are the centres, nothing is to be projected (EigenPro 2).
        ``auto``: exact if the factor fits ``memory``, else iterative.
    projection_period : int, optional
        Steps between projections. Above 1 (EigenPro 4) a step costs less, but the limit is no
        longer exactly the minimiser. Default 1 if exact, ``p / batch_size`` if iterative.
    projection_passes : int, at least 1
        Passes over the centres of an iterative projection.
    average : bool
        Return the polynomially weighted average of the iterates, which converges in the presence of
        noise, where the last iterate only hovers.
    precision : {"highest", "high", "medium"}
        See :func:`mercer.engine.reduce`.
    memory : int, bytes
        Budget of the Cholesky factor; a quarter of it is for the block ``K(X_m, Z)``.
    generator : torch.Generator, optional
        Source of the subsample and of the order of rows, on the CPU; default one seeded with 0.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of its domain.

    Examples
    --------
    >>> from mercer.kernels import RBF
    >>> X = torch.linspace(0, 6, 200, dtype=torch.float64)[:, None]
    >>> model = EigenPro(RBF(), X[::20]).fit(X, X.sin(), epochs=20)
    >>> bool((model.predict(X) - X.sin()).square().mean() < 1e-3)
    True

    References
    ----------
    O. Shamir, T. Zhang, "Stochastic gradient descent for non-smooth optimization: convergence
    results and optimal averaging schemes" (the average), https://arxiv.org/abs/1212.1824
    """

    def __init__(
        self,
        kernel: Callable[..., Operator],
        centers: Tensor,
        *,
        targets: int = 1,
        subsample: int | Tensor | None = None,
        preconditioner_rank: int | None = None,
        batch_size: int | None = None,
        regularisation: float = 0.0,
        projection: str = "auto",
        projection_period: int | None = None,
        projection_passes: int = 1,
        average: bool = True,
        precision: str = "highest",
        memory: int = 2**30,
        generator: torch.Generator | None = None,
    ) -> None:
        _check(centers, regularisation, projection)
        self.centers = Z = centers.detach()
        self.average = average
        self.generator = torch.Generator().manual_seed(0) if generator is None else generator
        self._kernel = lambda X, Y: kernel(X, Y, precision=precision)
        p = len(Z)
        block = max(1, checks.count("memory", memory) // (4 * Z.element_size() * p))
        if projection == "auto":
            projection = "exact" if 8 * p * p <= memory else "iterative"
        self.projection = projection
        with torch.no_grad():
            rows, points = self._points(subsample)
            self._subsample = points if rows is None else rows
            # Eigenvalues of K(Z, Z) below this are rounding.
            diagonal = float(self._kernel(Z, Z).diagonal().max())
            nugget = torch.finfo(Z.dtype).eps * p * diagonal if projection == "exact" else 0.0
            # In a batch of p rows the projection costs little beside the kernel; a larger one would
            # make no more progress on the same rows.
            largest = min(block, max(p, LEAST_LARGEST_BATCH))
            self.preconditioner = P = EigenProPreconditioner(
                self._kernel, points, rank=preconditioner_rank, largest_batch=largest, nugget=nugget
            )
            self.batch_size = (
                P.batch_size(P.curvature, largest)
                if batch_size is None
                else checks.count("batch_size", batch_size)
            )
            project: ExactProjection | IterativeProjection | None = None
            if projection == "exact":
                project = ExactProjection(self._kernel, Z, nugget)
            elif projection == "iterative":
                assert rows is not None  # _points has seen to it
                passes = checks.count("projection_passes", projection_passes)
                project = IterativeProjection(
                    self._kernel, Z, P, rows, block, passes, self.generator
                )
            if projection_period is None:
                exact = projection != "iterative"
                projection_period = 1 if exact else math.ceil(p / self.batch_size)
            self.projection_period = checks.count("projection_period", projection_period)
            self._iteration = EigenProIteration(
                self._kernel,
                Z,
                P,
                rows,
                points,
                project,
                regularisation=float(regularisation),
                period=self.projection_period,
                block=block,
            )
        self.state = self._iteration.start(
            checks.count("targets", targets), self.generator.get_state()
        )

    # -- training ------------------------------------------------------------------------------

    def fit(
        self,
        X: Tensor,
        Y: Tensor,
        *,
        epochs: int,
        weights: Tensor | None = None,
        on_step: Callable[[EigenPro], object] | None = None,
        on_epoch: Callable[[EigenPro], object] | None = None,
    ) -> EigenPro:
        """Pass over a table until ``epochs`` passes are done, those of a loaded state included.

        Parameters
        ----------
        X, Y : Tensor, shapes (n, d) and (n, c) or (n,)
            The data; may lie on another device than the centres. With ``projection="none"`` the
            rows of ``X`` must be the centres.
        epochs : int, at least 0
            Passes in all.
        weights : Tensor, shape (n,), at least 0, optional
            How much each row counts: rows are drawn with replacement in proportion.
        on_step : callable, optional
            Called with the model after each step.
        on_epoch : callable, optional
            Called with the model after each epoch; training ends when it returns true.

        Returns
        -------
        EigenPro
            The model itself.
        """
        checks.count("epochs", epochs, least=0)
        Y = Y[:, None] if Y.ndim == 1 else Y
        self._check_table(X, Y, weights)
        while self.state.epoch < epochs:
            # A resumed epoch draws its order again and skips what was done.
            self.generator.set_state(self.state.order)
            batches = shuffled_batches(
                X, Y, self.batch_size, generator=self.generator, weights=weights
            )
            self.epoch(batches, on_step=on_step)
            if on_epoch is not None and on_epoch(self):
                break
        return self

    def epoch(
        self,
        batches: Iterable[Sequence[Tensor]],
        *,
        on_step: Callable[[EigenPro], object] | None = None,
    ) -> float:
        """One pass over a stream of batches.

        After :meth:`load_state_dict` in mid-epoch the batches already taken are skipped, so the
        stream must begin where the interrupted one began.

        Parameters
        ----------
        batches : iterable of (X, Y) or (X, Y, rows)
            See :meth:`step`.
        on_step : callable, optional
            Called with the model after each step.

        Returns
        -------
        float
            Mean squared residual, each row taken before its own step.
        """
        done = self.state.step_in_epoch
        for k, batch in enumerate(batches):
            if k == done and done:
                self.generator.set_state(self.state.random)
            if k >= done:
                self.step(*batch)
                if on_step is not None:
                    on_step(self)
        if self.state.waiting:
            self.state = self._project(self.state)
        state = self.state
        loss = state.loss_sum / max(state.rows_seen, 1)
        random = self.generator.get_state()
        self.state = dataclasses.replace(
            state,
            losses=torch.cat([state.losses, torch.tensor([loss]).double()]),
            epoch=state.epoch + 1,
            step_in_epoch=0,
            rows_seen=0,
            loss_sum=0.0,
            random=random,
            order=random,
        )
        return loss

    @torch.no_grad()
    def step(self, X: Tensor, Y: Tensor, rows: Tensor | None = None) -> None:
        """Take one step on a batch.

        Parameters
        ----------
        X, Y : Tensor, shapes (m, d) and (m, c)
            The batch.
        rows : Tensor of int64, shape (m,), optional
            Which centres the batch is; used, and needed, with ``projection="none"``.

        Raises
        ------
        FloatingPointError
            If the residual is no longer finite.
        """
        X, Y = X.to(self.centers), Y.to(self.centers)
        Y = Y[:, None] if Y.ndim == 1 else Y
        new = self._iteration.step(self.state, X, Y, rows)
        self.state = dataclasses.replace(new, random=self.generator.get_state())

    # -- the fitted function -------------------------------------------------------------------

    @property
    def coefficients(self) -> Tensor:
        """``α`` of shape ``[p, c]``: averaged or last, with what waits for projection projected."""
        state = self.state
        if state.waiting:
            random = self.generator.get_state()
            state = self._project(state)
            self.generator.set_state(random)
        return state.averaged if self.average else state.coefficients

    @property
    def losses(self) -> list[float]:
        """Mean squared residual of each finished epoch."""
        return self.state.losses.tolist()

    @property
    def explain(self) -> str:
        """What was chosen, and why."""
        P = self.preconditioner
        gain = float(P.values[0]) / (P.curvature * P.size) if P.rank and P.curvature else 1.0
        period = f", once in {self.projection_period} steps" if self.projection_period > 1 else ""
        return (
            f"EigenPro with {len(self.centers)} centres: the top {P.rank} eigenfunctions of "
            f"{P.size} points are damped, which allows steps {gain:.3g} times as long; "
            f"batches of {self.batch_size} rows (critical size "
            f"{P.batch_size(P.curvature, 2**62)}); projection {self.projection}{period}"
        )

    @torch.no_grad()
    def predict(self, X: Tensor) -> Tensor:
        """``f(X)`` of shape ``[n, c]`` for points of shape ``[n, d]``."""
        return self._kernel(X.to(self.centers), self.centers) @ self.coefficients

    # -- checkpoints ---------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Tensor]:
        """The whole run as tensors. It is a snapshot: later steps do not change it."""
        return {**self.state.tensors(), "subsample": self._subsample}

    def load_state_dict(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from :meth:`state_dict` of a model made with the same arguments and seed.

        Raises
        ------
        ValueError
            If the state is of another model.
        """
        state = self.state.loaded(tensors)
        mine, other = self._subsample, tensors.get("subsample")
        if other is None or other.shape != mine.shape or not torch.equal(other.to(mine), mine):
            raise ValueError(
                "the state is of a model with another subsample; make this one with the same "
                "centers, subsample and seed of the generator"
            )
        self.state = state
        self.generator.set_state(state.random)

    # -- parts ---------------------------------------------------------------------------------

    @torch.no_grad()
    def _project(self, state: EigenProState) -> EigenProState:
        return self._iteration.projected(state)

    def _points(self, subsample: int | Tensor | None) -> tuple[Tensor | None, Tensor]:
        """Which centres the subsample is, if it is of them, and its points."""
        Z = self.centers
        if isinstance(subsample, Tensor):
            if self.projection != "exact":
                raise ValueError(
                    f"subsample may be points only with the exact projection, got "
                    f'projection="{self.projection}"; give a number of centres'
                )
            return None, subsample.to(Z)
        s = SUBSAMPLE if subsample is None else checks.count("subsample", subsample)
        rows = torch.randperm(len(Z), generator=self.generator)[:s].to(Z.device)
        return rows, Z[rows]

    def _check_table(self, X: Tensor, Y: Tensor, weights: Tensor | None) -> None:
        checks.finite("X", checks.floating("X", X))
        checks.finite("Y", checks.floating("Y", Y))
        width = self.state.coefficients.shape[1]
        if not len(X) or len(X) != len(Y) or Y.shape[1:] != (width,):
            raise ValueError(
                f"X and Y must have one row for each sample, at least one, and Y {width} columns; "
                f"got {tuple(X.shape)} and {tuple(Y.shape)}"
            )
        if weights is not None and not bool((weights >= 0).all() and weights.sum() > 0):
            raise ValueError("weights must be at least 0 and not all 0")
        if self.projection == "none" and not torch.equal(X.to(self.centers), self.centers):
            raise ValueError('with projection="none" the rows of X must be the centers')


def _check(centers: Tensor, regularisation: float, projection: str) -> None:
    checks.finite("centers", checks.floating("centers", centers))
    if centers.ndim != 2 or not len(centers):
        raise ValueError(f"centers must have shape (p, d), got {tuple(centers.shape)}")
    if not (math.isfinite(regularisation) and regularisation >= 0):
        raise ValueError(f"regularisation must be at least 0, got {regularisation:g}")
    if projection not in PROJECTIONS:
        raise ValueError(f"projection must be one of {', '.join(PROJECTIONS)}, got {projection!r}")
