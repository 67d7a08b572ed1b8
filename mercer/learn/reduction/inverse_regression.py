"""Generalised sliced inverse regression in the coordinates of centred Gram matrices."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from mercer.learn.reduction.centred_gram import CentredGram


class InverseRegression(NamedTuple):
    """Eigenvalues of the candidate matrix and the sufficient predictors that belong to them."""

    values: Tensor  # [r] descending
    scores: Tensor  # [n, r] the predictors on the sample, each with mean zero
    coefficients: Tensor  # [p, r] so that f(x) = k(x, points) @ coefficients, up to constants


def inverse_regression(
    x: CentredGram,
    y: CentredGram,
    regularisation_x: float,
    regularisation_y: float | None = None,
) -> InverseRegression:
    r"""Solve the eigenproblem of the regression operator.

    That is :math:`\Sigma_{XX}^{-1} \Sigma_{XY} A \Sigma_{YX} \Sigma_{XX}^{-1}`. In coordinates,
    with centred Gram matrices :math:`G` and :math:`\eta_X` the regularisation times the largest
    eigenvalue of :math:`G_X`, the candidate matrix is

    .. math:: (G_X + \eta_X I)^{-1} G_X \; S \; G_X (G_X + \eta_X I)^{-1},

    where :math:`S = G_Y` for :math:`A = I` and :math:`S = G_Y (G_Y + \eta_Y I)^{-1}` for
    :math:`A = \Sigma_{YY}^{-1}`. An eigenvector ``v`` gives the predictor
    :math:`\sqrt n \, v^T (G_X + \eta_X I)^{-1} Q k(X, x)`, whose variance is at most one.

    Parameters
    ----------
    x, y : CentredGram
        Of predictor and response, on the same ``n`` rows.
    regularisation_x : float, above 0
        Relative to the largest eigenvalue.
    regularisation_y : float, above 0, optional
        Likewise; without it ``A`` is the identity.

    Returns
    -------
    InverseRegression
        ``r`` is the lesser rank. The largest score of a predictor is positive.

    Examples
    --------
    >>> from mercer.kernels import Linear
    >>> from mercer.learn.reduction import centred_gram
    >>> t = torch.tensor([[1.0], [2.0], [4.0]], dtype=torch.float64)
    >>> x, y = centred_gram(Linear(), t), centred_gram(Linear(), 3 - 2 * t)
    >>> inverse_regression(x, y, 1e-9, 1e-9).values  # the squared canonical correlation
    tensor([1.0000], dtype=torch.float64)

    References
    ----------
    K.-Y. Lee, B. Li, F. Chiaromonte, "A General Theory for Nonlinear Sufficient Dimension
    Reduction: Formulation and Estimation". https://arxiv.org/abs/1304.0580
    """
    h = x.shrinkage(regularisation_x)  # [r_x]
    s = y.values if regularisation_y is None else y.shrinkage(regularisation_y)  # [r_y]
    root = h[:, None] * (x.vectors.mT @ y.vectors) * s.sqrt()  # [r_x, r_y]
    W, singular, _ = torch.linalg.svd(root, full_matrices=False)
    scale = math.sqrt(len(x.vectors))
    coordinates = scale * h[:, None] * W  # of the predictors on the vectors
    scores = x.vectors @ coordinates
    signs = scores.gather(0, scores.abs().argmax(dim=0, keepdim=True)).sign()  # [1, r]
    coefficients = x.extension @ (coordinates / x.values[:, None])
    return InverseRegression(singular.square(), scores * signs, coefficients * signs)
