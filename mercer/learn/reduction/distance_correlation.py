"""Distance correlation."""

from __future__ import annotations

import torch
from torch import Tensor

from mercer.learn.reduction.pairs import columns, paired


def distance_correlation(X: Tensor, Y: Tensor) -> Tensor:
    """Return the distance correlation of two samples: 0 in the limit only if independent.

    It keeps two ``n x n`` matrices.

    Parameters
    ----------
    X, Y : Tensor, shape (n,) or (n, p) and (n,) or (n, q)
        Rows belong together.

    Returns
    -------
    Tensor, shape ()
        From 0 to 1; 1 for similar samples, and 0 where one does not vary.

    Examples
    --------
    >>> x = torch.tensor([1.0, 2.0, 4.0])
    >>> distance_correlation(x, 5 - 2 * x)
    tensor(1.)

    References
    ----------
    G. J. Székely, M. L. Rizzo, N. K. Bakirov, "Measuring and testing dependence by correlation of
    distances". https://arxiv.org/abs/0803.4101
    """
    paired(X, Y)
    A, B = (_centred(torch.cdist(columns(Z), columns(Z))) for Z in (X, Y))
    covariance = (A * B).mean().clamp_min(0)
    scale = (A.square().mean() * B.square().mean()).sqrt()
    return torch.where(scale > 0, (covariance / scale).sqrt(), 0.0)


def _centred(D: Tensor) -> Tensor:
    return D - D.mean(dim=0) - D.mean(dim=1, keepdim=True) + D.mean()
