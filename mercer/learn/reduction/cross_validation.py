"""Regularisation by generalised cross-validation."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mercer.learn.reduction.centred_gram import CentredGram

CANDIDATES = tuple(10.0**k for k in range(-6, 1))


def generalised_cross_validation(
    predictor: CentredGram, target: CentredGram, candidates: Sequence[float] = CANDIDATES
) -> Tensor:
    r"""Score regularisations by how the functions of one variable predict those of the other.

    .. math:: \frac{\|G_t - H_\epsilon G_t\|_F^2}{(1 - (1 + \mathrm{tr} H_\epsilon) / n)^2},
        \qquad H_\epsilon = G_p (G_p + \epsilon \lambda_{\max}(G_p) I)^{-1}

    The one counts the mean, which centring has fitted; without it the denominator would stay
    above zero where ``H`` interpolates, and interpolation would win.

    Parameters
    ----------
    predictor, target : CentredGram
        On the same rows; for the regularisation of the response they change places.
    candidates : sequence of float, above 0
        Relative to the largest eigenvalue.

    Returns
    -------
    Tensor, shape (candidates,)
        The least is the best.

    Examples
    --------
    >>> from mercer.kernels import RBF
    >>> from mercer.learn.reduction import centred_gram
    >>> x = torch.linspace(0, 1, 20, dtype=torch.float64)[:, None]
    >>> scores = generalised_cross_validation(centred_gram(RBF(), x), centred_gram(RBF(0.5), x))
    >>> CANDIDATES[int(scores.argmin())] < 0.01
    True
    """
    n = len(predictor.vectors)
    overlap = predictor.vectors.mT @ target.vectors  # [r, q]
    seen = (overlap * target.values).square().sum(dim=1)  # [r], of G_t along each vector
    unseen = (target.values.square().sum() - seen.sum()).clamp_min(0)
    scores = []
    for candidate in candidates:
        left = 1 - predictor.shrinkage(candidate)  # [r], of each vector by 1 - H
        residual = (left.square() * seen).sum() + unseen
        scores.append(residual / ((left.sum() + n - 1 - len(left)) / n).square())
    return torch.stack(scores)
