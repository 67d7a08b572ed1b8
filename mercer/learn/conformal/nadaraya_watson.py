"""Nadaraya-Watson estimates of a conditional distribution, plain and reweighted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from mercer import checks
from mercer.kernels import Kernel
from mercer.learn.conformal.calibrator import Calibrator
from mercer.learn.conformal.empirical_likelihood import empirical_likelihood
from mercer.operators import Normalised

ENTRIES = 1 << 21  # of the weights that are held at a time


class LocalWeights(NamedTuple):
    """The weights of the sample at some queries.

    Parameters
    ----------
    values : Tensor, shape (q, n)
        Rows sum to one, or are zero where no point is within reach.
    feasible : Tensor of bool, shape (q,)
        Whether the moment constraint can be met; where not, the weights are the plain ones.
    reached : Tensor of bool, shape (q,)
        Whether the kernel is above zero at some point.
    """

    values: Tensor
    feasible: Tensor
    reached: Tensor


class NadarayaWatson:
    r"""The conditional distribution of Y at x as the sample, weighted by a kernel.

    .. math::

        \hat F(y \mid x) = \sum_i W_i(x) 1[Y_i \leq y], \quad
        W_i(x) = \frac{p_i(x) K((X_i - x) / h)}{\sum_j p_j(x) K((X_j - x) / h)}

    Plain, all :math:`p_i` are equal. Reweighted, they are the most likely probabilities under

    .. math:: \sum_i p_i(x) (X_{ik} - x_k) K((X_i - x) / h) = 0,

    which removes the bias along coordinate k that a local line would, while :math:`\hat F` stays a
    distribution function. No such weights exist where all neighbours lie on one side of x; there
    :math:`p_i` are equal, and :meth:`weights` says so.

    Parameters
    ----------
    kernel : Kernel
        Stationary and nowhere negative; it is called at points divided by the bandwidth.
    X : Tensor, shape (n, d)
        Predictors.
    Y : Tensor, shape (n,)
        Responses.
    bandwidth : float
        ``h``, in the units of ``X``; positive. See :func:`select_bandwidth`.
    reweighted : bool
        Whether the constraint is imposed.
    coordinate : int
        ``k``, from 0.

    Raises
    ------
    TypeError, ValueError
        If the kernel is not stationary, shapes do not match or the bandwidth is not positive.

    References
    ----------
    P. Hall, R. C. L. Wolff, Q. Yao, Methods for Estimating a Conditional Distribution Function,
    JASA 94 (1999). https://doi.org/10.1080/01621459.1999.10473832
    Z. Cai, Regression Quantiles for Time Series, Econometric Theory 18 (2002).
    https://doi.org/10.1017/S0266466602181096

    Examples
    --------
    >>> from mercer.kernels import RBF
    >>> X = torch.linspace(0, 1, 101, dtype=torch.float64)[:, None]
    >>> estimate = NadarayaWatson(RBF(), X, 2 * X[:, 0], bandwidth=0.1)
    >>> estimate.mean(X[[20, 50]])
    tensor([0.4000, 1.0000], dtype=torch.float64)
    >>> estimate.quantile(X[[50]], 0.9)
    tensor([1.2600], dtype=torch.float64)
    """

    def __init__(
        self,
        kernel: Kernel,
        X: Tensor,
        Y: Tensor,
        *,
        bandwidth: float = 1.0,
        reweighted: bool = True,
        coordinate: int = 0,
    ) -> None:
        if not kernel.stationary:
            raise ValueError(f"kernel must be stationary, got {kernel}")
        checks.finite("X", checks.floating("X", X))
        checks.finite("Y", checks.floating("Y", Y))
        checks.alike("Y", Y, "X", X)
        if X.ndim != 2 or Y.shape != X.shape[:1]:
            raise ValueError(
                f"X and Y must have shapes (n, d) and (n,), got {tuple(X.shape)} and "
                f"{tuple(Y.shape)}"
            )
        if checks.count("coordinate", coordinate, least=0) >= X.shape[1]:
            raise ValueError(f"coordinate must be below {X.shape[1]}, got {coordinate}")
        self.kernel, self.X, self.Y = kernel, X, Y
        self.bandwidth = float(checks.positive("bandwidth", bandwidth))
        self.reweighted, self.coordinate = reweighted, coordinate

    def weights(self, Z: Tensor, counted: Tensor | None = None) -> LocalWeights:
        """The weights at queries, all at once.

        Parameters
        ----------
        Z : Tensor, shape (q, d)
            Queries.
        counted : Tensor of bool, shape (q, n), optional
            Which points of the sample count at which query; default all.

        Returns
        -------
        LocalWeights
        """
        K = self.kernel(Z / self.bandwidth, self.X / self.bandwidth).dense()  # [q, n]
        if counted is not None:
            K = K * counted
        if bool((K < 0).any()):
            raise ValueError(f"kernel must be nowhere negative, got {float(K.min()):g}")
        feasible = torch.ones(len(Z), dtype=torch.bool, device=K.device)
        if self.reweighted:
            # Relative to the row, so that the scale of K cannot make the moment underflow.
            K = K / K.amax(dim=1, keepdim=True).clamp_min(torch.finfo(K.dtype).tiny)
            k = self.coordinate
            z = (self.X[:, k] - Z[:, k, None]) * K  # [q, n]
            multiplier, feasible = empirical_likelihood(z)
            K = K / (1 + multiplier[:, None] * z)
        total = K.sum(dim=1)  # [q]
        reached = total > 0
        return LocalWeights(K / torch.where(reached, total, 1.0)[:, None], feasible, reached)

    def smooth(self, Z: Tensor, values: Tensor) -> Tensor:
        """Weighted means at queries of values at the sample.

        Parameters
        ----------
        Z : Tensor, shape (q, d)
        values : Tensor, shape (n, c)

        Returns
        -------
        Tensor, shape (q, c)

        Raises
        ------
        ValueError
            If no point is within reach of a query.
        """
        if not self.reweighted:
            return Normalised(self.kernel(Z / self.bandwidth, self.X / self.bandwidth)) @ values
        return torch.cat([weights @ values for weights in self._blocks(Z)])

    def mean(self, Z: Tensor) -> Tensor:
        """The conditional mean, ``[q]``."""
        return self.smooth(Z, self.Y[:, None])[:, 0]

    def cdf(self, Z: Tensor, y: Tensor) -> Tensor:
        """The conditional distribution function at ``y [c]``, ``[q, c]``."""
        return self.smooth(Z, (self.Y[:, None] <= y).to(self.Y))

    def quantile(self, Z: Tensor, level: float) -> Tensor:
        """The smallest y with a distribution function of at least ``level``, ``[q]``."""
        return torch.cat([self._calibrator(w).quantile(level) for w in self._blocks(Z)])

    def interval(self, Z: Tensor, alpha: float) -> tuple[Tensor, Tensor]:
        """The shortest interval of conditional probability ``1 - alpha``: two times ``[q]``."""
        ends = [self._calibrator(w).interval(alpha) for w in self._blocks(Z)]
        return torch.cat([low for low, _ in ends]), torch.cat([high for _, high in ends])

    def _calibrator(self, weights: Tensor) -> Calibrator:
        return Calibrator.fit(self.Y, weights, test_weight=0.0)

    def _blocks(self, Z: Tensor) -> Iterator[Tensor]:
        """Weights of some queries at a time, ``[<= rows, n]``."""
        rows = max(1, ENTRIES // len(self.X))
        for start in range(0, len(Z), rows):
            weights = self.weights(Z[start : start + rows])
            if not bool(weights.reached.all()):
                row = start + int((~weights.reached).nonzero()[0, 0])
                raise ValueError(
                    f"no point is within reach of the query in row {row}; raise the bandwidth, "
                    f"{self.bandwidth:g}, or take a kernel without compact support"
                )
            yield weights.values
