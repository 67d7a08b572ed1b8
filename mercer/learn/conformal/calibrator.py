"""Weighted empirical quantiles of scores: what every conformal method ends in."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from mercer import checks

SLACK = 1e-12  # of the total weight: rounding must not move a rank


@dataclass(frozen=True)
class Calibrator:
    r"""Weighted scores of seen points, beside the weight of the one whose score is not yet known.

    With scores :math:`s_i`, weights :math:`w_i` and the weight :math:`w_*` of the new point, whose
    score may be anything, a quantile is that of
    :math:`\sum_i w_i \delta_{s_i} + w_* \delta_\infty` (or :math:`-\infty` below). For equal
    weights this is split conformal prediction: the :math:`\lceil (n + 1) p \rceil`-th smallest.
    Make one with :meth:`fit`.

    Parameters
    ----------
    scores : Tensor, shape (n,)
        Ascending.
    cumulative : Tensor, shape (*batch, n)
        Running sums of the weights.
    test_weight : Tensor, shape (*batch,)
        :math:`w_*`.

    References
    ----------
    R. J. Tibshirani, R. Foygel Barber, E. J. Candès, A. Ramdas, Conformal Prediction Under
    Covariate Shift. https://arxiv.org/abs/1904.06019
    A. N. Angelopoulos, S. Bates, A Gentle Introduction to Conformal Prediction and
    Distribution-Free Uncertainty Quantification. https://arxiv.org/abs/2107.07511

    Examples
    --------
    >>> residuals = torch.arange(1.0, 100.0)
    >>> Calibrator.fit(residuals).quantile(0.9)
    tensor(90.)
    >>> Calibrator.fit(residuals, torch.where(residuals > 50, 1.0, 0.0)).quantile(0.9)
    tensor(95.)
    """

    scores: Tensor
    cumulative: Tensor
    test_weight: Tensor

    @classmethod
    def fit(
        cls,
        scores: Tensor,
        weights: Tensor | None = None,
        *,
        test_weight: float | Tensor | None = None,
    ) -> Calibrator:
        r"""Sort scores with their weights.

        Parameters
        ----------
        scores : Tensor, shape (n,)
            In units of the target: residuals, their absolute values, or any other score.
        weights : Tensor, shape (*batch, n), optional
            At least 0, some above it in each row; the scale does not matter. Default: equal.
        test_weight : float or Tensor, shape (*batch,), optional
            On the scale of ``weights``, at least 0; 0 leaves out the correction for a finite
            sample. Default: :math:`\sum w_i^2 / \sum w_i`, a share of one in
            :math:`n_{\mathrm{eff}} + 1`.

        Returns
        -------
        Calibrator

        Raises
        ------
        TypeError, ValueError
            If scores are no finite vector, or weights do not match them or are negative.
        """
        checks.finite("scores", checks.floating("scores", scores))
        if scores.ndim != 1 or len(scores) == 0:
            raise ValueError(f"scores must have shape (n,), got {tuple(scores.shape)}")
        if weights is None:
            weights = torch.ones_like(scores)
        _check_weights(weights, scores)
        total = weights.sum(dim=-1)  # [*batch]
        if test_weight is None:
            own = weights.square().sum(dim=-1) / total
        else:
            own = torch.as_tensor(test_weight, dtype=scores.dtype, device=scores.device)
            if not bool((torch.isfinite(own) & (own >= 0)).all()):
                raise ValueError(f"test_weight must be finite and at least 0, got {test_weight}")
            own = own.expand(total.shape)
        ordered, order = scores.sort()
        return cls(ordered, weights[..., order].cumsum(dim=-1), own)

    @property
    def effective_rows(self) -> Tensor:
        r"""Kish's :math:`(\sum w_i)^2 / \sum w_i^2`, shape ``(*batch,)``."""
        weights = torch.diff(self.cumulative, prepend=torch.zeros_like(self.cumulative[..., :1]))
        return self.cumulative[..., -1].square() / weights.square().sum(dim=-1)

    def quantile(self, level: float) -> Tensor:
        """Smallest score whose weight below and at it is ``level`` of all; else infinity.

        Parameters
        ----------
        level : float
            From 0 to 1.

        Returns
        -------
        Tensor, shape (*batch,)
        """
        checks.interval("level", level, 0.0, 1.0)
        wanted = (level - SLACK) * self._total
        place = torch.searchsorted(self.cumulative, wanted[..., None]).squeeze(-1)
        return self._score(place)

    def lower_quantile(self, level: float) -> Tensor:
        """As :meth:`quantile` from the other side: ``1 - level`` is at or above; else -infinity."""
        checks.interval("level", level, 0.0, 1.0)
        allowed = (level + SLACK) * self._total - self.test_weight
        below = self._below.contiguous()
        place = torch.searchsorted(below, allowed[..., None], right=True).squeeze(-1)
        return self._score(place - 1)

    def interval(self, alpha: float, beta: float | None = None) -> tuple[Tensor, Tensor]:
        r"""Lower and upper quantiles at ``beta`` and ``1 - alpha + beta``.

        Parameters
        ----------
        alpha : float
            One minus the coverage, between 0 and 1.
        beta : float, optional
            From 0 to ``alpha``; ``alpha / 2`` for equal tails. Default: that of the least width,
            found exactly: the shortest interval between two scores with enough weight.

        Returns
        -------
        lower, upper : Tensor, shape (*batch,)
            Infinite where the weight of seen points is not enough.
        """
        checks.interval("alpha", alpha, 0.0, 1.0)
        if beta is not None:
            checks.interval("beta", beta, 0.0, alpha)
            return self.lower_quantile(beta), self.quantile(min(1.0, 1 - alpha + beta))
        # From score k to score j lies c_j - c_(k-1), and (1 - alpha) of all plus w_* is wanted.
        wanted = (1 - alpha - SLACK) * self._total + self.test_weight  # [*batch]
        below = self._below
        most = self.cumulative[..., -1:] - wanted[..., None]
        starts = max(1, int((below <= most).sum(dim=-1).max()))  # later ones leave too little
        below = below[..., :starts]
        first = torch.arange(starts, device=below.device)
        last = torch.searchsorted(self.cumulative, (below + wanted[..., None]).contiguous())
        width = self._score(last) - self.scores[first]  # [*batch, starts]
        least, k = width.min(dim=-1)
        enough = torch.isfinite(least)
        infinity = torch.full_like(least, math.inf)
        lower = torch.where(enough, self.scores[k], -infinity)
        return lower, torch.where(enough, lower + least, infinity)

    @property
    def _total(self) -> Tensor:
        return self.cumulative[..., -1] + self.test_weight

    @property
    def _below(self) -> Tensor:
        """The weight before each score, ``[*batch, n]``."""
        return torch.nn.functional.pad(self.cumulative[..., :-1], (1, 0))

    def _score(self, place: Tensor) -> Tensor:
        """Scores by their places, with -infinity before the first and infinity after the last."""
        infinity = self.scores.new_tensor([math.inf])
        return torch.cat((-infinity, self.scores, infinity))[place + 1]


def _check_weights(weights: Tensor, scores: Tensor) -> None:
    checks.finite("weights", checks.floating("weights", weights))
    checks.alike("weights", weights, "scores", scores)
    if weights.shape[-1:] != scores.shape:
        raise ValueError(
            f"weights must have shape (*batch, {len(scores)}), got {tuple(weights.shape)}"
        )
    if bool((weights < 0).any()):
        raise ValueError(f"weights must not be negative, got {float(weights.min()):g}")
    if not bool((weights.sum(dim=-1) > 0).all()):
        raise ValueError("weights must have one above zero in each row, got a row of zeros")
