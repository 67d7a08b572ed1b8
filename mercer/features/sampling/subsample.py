"""Fewer points of a design, as long as it stays stable."""

from __future__ import annotations

import torch

from mercer.features.sampling.design import Design, deviation, weighted_features
from mercer.features.sampling.space import Space


def subsample(space: Space, design: Design, condition: float = 0.5) -> Design:
    r"""Remove points one by one while :math:`\|G - I\|` stays at most ``condition``.

    Each step removes the point without which the deviation is least. What remains is no longer a
    sample of the law of the design, so bounds in the mean are those of the condition only.

    Parameters
    ----------
    space : Space
        Of dimension ``m``.
    design : Design
        One design that meets the condition.
    condition : float
        In (0, 1).

    Returns
    -------
    Design
        With at least ``m`` points.

    References
    ----------
    C. Haberstich, A. Nouy, G. Perrin, Boosted optimal weighted least-squares.
    https://arxiv.org/abs/1912.07075

    Examples
    --------
    >>> from mercer.features.sampling import PolynomialSpace, sample_design
    >>> space = PolynomialSpace(4)
    >>> design = sample_design(space, 60, torch.Generator().manual_seed(0), condition=0.5)
    >>> 5 <= subsample(space, design).n < 30
    True
    """
    if design.points.ndim != 2:
        raise ValueError(f"design must be one, got a batch {tuple(design.points.shape[:-2])}")
    if not 0 < condition < 1:
        raise ValueError(f"condition must be between 0 and 1, got {condition}")
    scale = design.n
    rows = scale**0.5 * weighted_features(space, design.points, design.weights)  # [n, m]
    kept = torch.arange(scale)
    total = rows.mT @ rows
    found = deviation(total / scale)
    if float(found) > condition:
        raise ValueError(
            f"design must meet the condition {condition:g}, its Gram matrix deviates by "
            f"{float(found):.3g}"
        )
    while len(kept) > space.dimension:
        candidates = rows[kept]
        without = (total - candidates[:, :, None] * candidates[:, None, :]) / (len(kept) - 1)
        deviations = deviation(without)  # [kept]
        worst = int(deviations.argmin())
        if float(deviations[worst]) > condition:
            break
        total = total - torch.outer(candidates[worst], candidates[worst])
        kept = torch.cat([kept[:worst], kept[worst + 1 :]])
    return Design(design.points[kept], design.weights[kept], design.acceptance)
