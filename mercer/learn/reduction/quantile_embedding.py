"""The Wasserstein distance of distributions on the line, as a Euclidean one."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor

from mercer import checks
from mercer.learn.reduction.samples import of_each, quantiles, read_samples, size


def quantile_embedding(samples: Any, levels: int | None = None) -> Tensor:
    r"""Embed distributions on the line by their quantile functions.

    The map from a distribution to its quantile function is an isometry into
    :math:`L_2[0, 1]`, :math:`W_2(\mu, \nu)^2 = \int_0^1 (F_\mu^{-1} - F_\nu^{-1})^2`, so that a
    kernel of the Euclidean distance is one of the Wasserstein distance on the embedded points:
    ``RBF()`` is :math:`\exp(-W_2^2 / (2 \ell^2))` and ``Laplace()`` is :math:`\exp(-W_2 / \ell)`,
    both universal.

    Parameters
    ----------
    samples : Tensor or array, shape (n, m), or sequence of n, shape (m_i,)
        Of numbers; a last axis of length 1 may follow.
    levels : int, at least 1, optional
        Number ``L`` of quantiles, at the levels ``(j - 1/2) / L``; the size of the largest sample
        by default. Distances are exact where all sizes divide ``L``.

    Returns
    -------
    Tensor, shape (n, levels)
        Quantiles over the root of ``L``.

    Raises
    ------
    TypeError, ValueError
        If the samples are not of finite numbers.

    Examples
    --------
    >>> phi = quantile_embedding([[0.0, 2.0], [4.0, 2.0]])
    >>> (phi[0] - phi[1]).square().sum()  # each half of the mass moves by 2
    tensor(4.0000, dtype=torch.float64)

    References
    ----------
    Q. Zhang, B. Li, L. Xue, "Nonlinear Sufficient Dimension Reduction for
    Distribution-on-Distribution Regression", section 3. https://arxiv.org/abs/2207.04613
    """
    read = read_samples("samples", samples)
    if read[0].shape[-1] != 1:
        raise ValueError(
            f"samples must be of numbers, got points of {read[0].shape[-1]} coordinates; "
            "use sliced_embedding"
        )
    L = size(read) if levels is None else checks.count("levels", levels)
    return of_each(read, lambda points: quantiles(points, L)[..., 0] / math.sqrt(L))  # [n, L]
