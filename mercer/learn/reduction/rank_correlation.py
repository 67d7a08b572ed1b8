"""The RV coefficient of multivariate ranks."""

from __future__ import annotations

import torch
from torch import Tensor

from mercer.learn.reduction.pairs import columns, paired

BLOCK = 512  # rows whose differences to all others are kept at a time


def rank_correlation(X: Tensor, Y: Tensor) -> Tensor:
    r"""Return the RV coefficient of the spatial ranks of two samples.

    The rank of a point is the mean of the unit vectors to it from the others, and
    :math:`RV = \mathrm{tr}(C_{XY} C_{YX}) / \sqrt{\mathrm{tr}(C_{XX}^2) \mathrm{tr}(C_{YY}^2)}`
    compares the ranks up to rotation. For one column each it is Spearman's correlation, squared.

    Parameters
    ----------
    X, Y : Tensor, shape (n,) or (n, p) and (n,) or (n, q)
        Rows belong together.

    Returns
    -------
    Tensor, shape ()
        From 0 to 1.

    Examples
    --------
    >>> x = torch.tensor([1.0, 2.0, 4.0])
    >>> rank_correlation(x, -x.exp())
    tensor(1.)

    References
    ----------
    Q. Zhang, B. Li, L. Xue, "Nonlinear Sufficient Dimension Reduction for
    Distribution-on-Distribution Regression". https://arxiv.org/abs/2207.04613
    """
    paired(X, Y)
    R, T = _ranks(columns(X)), _ranks(columns(Y))
    C = R.mT @ T  # [p, q]
    return C.square().sum() / ((R.mT @ R).norm() * (T.mT @ T).norm())


def _ranks(X: Tensor) -> Tensor:
    """Centred spatial ranks, ``[n, p]``."""
    tiny = torch.finfo(X.dtype).tiny  # a point has no direction to itself
    parts = [
        torch.nn.functional.normalize(rows[:, None] - X, dim=2, eps=tiny).mean(dim=1)
        for rows in X.split(BLOCK)
    ]
    ranks = torch.cat(parts)
    return ranks - ranks.mean(dim=0)
