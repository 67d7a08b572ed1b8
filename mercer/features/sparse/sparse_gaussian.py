"""The Gaussian kernel matrix, its heavy entries hashed and its other columns sampled."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mercer import checks
from mercer.features.base import check_points
from mercer.features.sparse.near_pairs import near_pairs
from mercer.features.sparse.pilot import Pilot, residual_squares
from mercer.features.sparse.plan import make_plan
from mercer.kernels import RBF
from mercer.linalg.random_source import random_source
from mercer.operators import Operator, Product, Sparse, Sum

# Rows looked at to make a plan.
_PILOT = 64

# Heavy entries computed at a time.
_CHUNK = 2**17


class SparseGaussian(Sum):
    r"""An estimate of :math:`K_{ij} = \exp(-\|q_i - k_j\|^2 / (2 \sigma^2))` as a fixed operator.

    With ``H`` the entries of at least ``tau``, found by :func:`near_pairs`, and ``S`` a sample of
    columns that holds column ``j`` with probability :math:`p_j`, independently,

    .. math:: A = H + \sum_{j \in S} \frac{1}{p_j} (K - H) e_j e_j^T .

    Given ``H`` this is unbiased, whatever was found, and for every ``x``

    .. math::
       E \|A x - K x\|^2 = \sum_j \Big(\frac{1}{p_j} - 1\Big) x_j^2 \rho_j,
       \qquad \rho_j = \|(K - H) e_j\|^2 .

    Let ``delta`` be the failure probability. With probability ``1 - delta / 2`` every entry of
    at least ``tau`` was found, and then :math:`\rho_j` is measured on ``r`` rows, drawn without
    replacement, as :math:`\hat\rho_j`. Entries of ``K - H`` are below ``tau``, so by convexity
    :math:`E[\rho_j / (\hat\rho_j + n \tau^2 / r)] \leq 1`, and with

    .. math:: p_j = \min\Big(1, \frac{\hat\rho_j + n \tau^2 / r}{\delta \epsilon^2 / 2}\Big)

    the expected squared error is at most :math:`\delta \epsilon^2 \|x\|^2 / 2`. By Markov's
    inequality, for each ``x`` of any signs that does not depend on the draw,
    :math:`\|A x - K x\| \leq \epsilon \|x\|` fails with probability ``delta`` at most.

    The sample has :math:`O(\tau \, 1^T K 1 / (\delta \epsilon^2))` columns beside what the
    measurement adds, and ``H`` has at most :math:`1^T K 1 / \tau` entries: where the sum of ``K``
    is linear in ``n``, ``tau`` near :math:`n^{-1/2}` keeps both below quadratic work. The plan
    weighs them on a few rows; where nothing is cheaper it is the exact product.

    Everything is drawn by the constructor. Gradients flow to points and lengthscale with what was
    drawn held fixed.

    Parameters
    ----------
    queries, keys : Tensor, shapes (n, d) and (m, d)
        Points, one a row; float32 or float64.
    lengthscale : float or Tensor
        ``sigma``, in the units of the points; positive.
    error : float
        ``epsilon``, positive.
    failure_probability : float
        ``delta``, in (0, 1).
    vector : Tensor, shape (m,), optional
        The only vector that the operator will be applied to. Columns are then drawn by
        ``|x_j|`` besides: the squared error may be :math:`|x_j| \|x\|_1` parts of
        :math:`\|x\|^2` instead of :math:`x_j^2`, which takes fewer columns where few entries of
        ``x`` are large. Columns where it is zero are left out.
    threshold : float, optional
        ``tau``, in (0, 1), instead of the planned one.
    dimension : int
        Of the hashes, see :class:`BallCarving`.
    precision : {"highest", "high", "medium"}
        Of kernel products, see :func:`mercer.engine.reduce`.
    generator : torch.Generator, optional
        Seeded with 0 by default.

    Attributes
    ----------
    plan : Plan
        What was chosen.
    pairs : Tensor of int64, shape (2, pairs)
        Positions of the heavy entries that were found.
    probabilities : Tensor of float64, shape (m,)
        ``p``.
    sampled : Tensor of int64
        The columns in ``S``.

    Raises
    ------
    TypeError, ValueError
        If an argument is outside of its domain.

    References
    ----------
    P. Indyk, M. Kapralov, K. Sheth, T. Wagner, Improved Algorithms for Kernel Matrix-Vector
    Multiplication Under Sparsity Assumptions. https://arxiv.org/abs/2507.23539

    Examples
    --------
    >>> g = torch.Generator().manual_seed(0)
    >>> keys = 20 * torch.randn(500, 8, generator=g)
    >>> queries = keys + 0.2 * torch.randn(500, 8, generator=g)
    >>> A = SparseGaussian(queries, keys, 1.0, error=0.5, threshold=0.01)
    >>> A.pairs.shape[1], A.sampled.numel() < 500
    (500, True)
    """

    def __init__(
        self,
        queries: Tensor,
        keys: Tensor,
        lengthscale: float | Tensor,
        *,
        error: float,
        failure_probability: float = 0.1,
        vector: Tensor | None = None,
        threshold: float | None = None,
        dimension: int = 1,
        precision: str = "highest",
        generator: torch.Generator | None = None,
    ) -> None:
        _check(queries, keys, vector, failure_probability, threshold, precision)
        epsilon = float(checks.positive("error", error))
        kernel = RBF(lengthscale)
        generator = random_source(generator)
        with torch.no_grad():
            scale = checks.positive("lengthscale", lengthscale).to(queries)
            X, Y = queries / scale, keys / scale
            delta = failure_probability / 2
            allowance = _allowance(Y, delta * epsilon**2, vector)
            pilot = Pilot(X, Y, _some(len(X), _PILOT, generator, X.device))
            self.plan = make_plan(
                pilot,
                allowance,
                delta,
                dimension=dimension,
                threshold=threshold,
                precision=precision,
            )
            self._draw(X, Y, allowance, delta, dimension, precision, generator)
        i, j = self.pairs
        weights = torch.zeros_like(self.probabilities)
        weights[self.sampled] = 1 / self.probabilities[self.sampled]
        weights = weights.to(queries)
        every = kernel(queries, keys)
        heavy = torch.cat([every._entries(*at) for at in zip(i.split(_CHUNK), j.split(_CHUNK))])
        # What the sampled columns count of H is taken off.
        parts: list[Operator] = [
            Sparse(self.pairs, heavy * (1 - weights[j]), (len(queries), len(keys)))
        ]
        if self.sampled.numel():
            count = torch.arange(self.sampled.numel(), device=self.sampled.device)
            select = Sparse(
                torch.stack((count, self.sampled)),
                weights[self.sampled],
                (count.numel(), len(keys)),
            )
            parts.append(Product(kernel(queries, keys[self.sampled], precision=precision), select))
        super().__init__(*parts)

    def _draw(
        self,
        X: Tensor,
        Y: Tensor,
        allowance: Tensor,
        delta: float,
        dimension: int,
        precision: str,
        generator: torch.Generator,
    ) -> None:
        """Find the heavy entries and draw columns."""
        n, m, plan = len(X), len(Y), self.plan
        self.pairs = torch.empty(2, 0, dtype=torch.int64, device=X.device)
        if plan.hashed:
            self.pairs = near_pairs(
                X,
                Y,
                plan.radius,
                width=plan.width,
                concatenations=plan.concatenations,
                dimension=dimension,
                failure_probability=delta,
                generator=generator,
            )
        if plan.exact:
            self.probabilities = torch.ones_like(allowance)
        else:
            rows = _some(n, plan.rows, generator, X.device)
            rho = residual_squares(X, Y, self.pairs, rows, precision)  # [m]
            unseen = 0.0 if plan.rows == n else n * min(plan.threshold, 1.0) ** 2 / plan.rows
            self.probabilities = ((rho + unseen) / allowance).clamp(max=1)
        uniform = torch.rand(m, dtype=torch.float64, generator=generator, device=generator.device)
        self.sampled = (uniform.to(X.device) < self.probabilities).nonzero()[:, 0]

    def explain(self) -> str:
        """How the matrix was estimated and why."""
        plan, m = self.plan, self.m
        if plan.exact:
            return f"{self.n} x {m}, exact: no estimate was expected to take less work."
        entries = f"{self.pairs.shape[1]} entries of at least {plan.threshold:.2g} by hashing"
        return (
            f"{self.n} x {m}: {entries if plan.hashed else 'no entries by hashing'}, "
            f"{self.sampled.numel()} columns by sampling; expected to take "
            f"{plan.work / plan.exact_work:.2g} of the work of one exact product."
        )


def _allowance(Y: Tensor, squared_error: float, vector: Tensor | None) -> Tensor:
    """Squared error that each column may add, for ``x_j = 1``: ``[m]``."""
    allowance = Y.new_full(Y.shape[:1], squared_error, dtype=torch.float64)
    if vector is None:
        return allowance
    x = vector.double().abs()
    share = x.square().sum() / (x * x.sum())
    return allowance * share.masked_fill(x == 0, math.inf)  # a column of x_j = 0 counts nothing


def _some(n: int, count: int, generator: torch.Generator, device: torch.device) -> Tensor:
    """``count`` of ``n`` numbers, without replacement."""
    return torch.randperm(n, generator=generator, device=generator.device)[:count].to(device)


def _check(
    queries: Tensor,
    keys: Tensor,
    vector: Tensor | None,
    failure_probability: float,
    threshold: float | None,
    precision: str,
) -> None:
    check_points("queries", queries), check_points("keys", keys)
    checks.alike("keys", keys, "queries", queries)
    if queries.ndim != 2 or keys.ndim != 2 or queries.shape[1] != keys.shape[1]:
        raise ValueError(
            "queries and keys must have shapes (n, d) and (m, d), got "
            f"{tuple(queries.shape)} and {tuple(keys.shape)}"
        )
    if not (math.isfinite(failure_probability) and 0 < failure_probability < 1):
        raise ValueError(
            f"failure_probability must be between 0 and 1, got {failure_probability:g}"
        )
    if threshold is not None and not 0 < threshold < 1:
        raise ValueError(f"threshold must be between 0 and 1, got {threshold:g}")
    if precision not in ("highest", "high", "medium"):
        raise ValueError(f"precision must be highest, high or medium, got {precision!r}")
    if vector is not None:
        checks.finite("vector", checks.floating("vector", vector))
        checks.alike("vector", vector, "queries", queries)
        if vector.shape != keys.shape[:1]:
            raise ValueError(
                f"vector must have shape ({keys.shape[0]},), got {tuple(vector.shape)}"
            )
