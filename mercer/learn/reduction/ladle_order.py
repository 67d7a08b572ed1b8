"""The number of sufficient predictors by the ladle."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from mercer import checks
from mercer.learn.reduction.centred_gram import CentredGram
from mercer.learn.reduction.inverse_regression import inverse_regression
from mercer.linalg.random_source import random_source


def ladle_order(
    x: CentredGram,
    y: CentredGram,
    regularisation_x: float,
    regularisation_y: float | None = None,
    *,
    repeats: int = 100,
    largest: int | None = None,
    generator: torch.Generator | None = None,
    on_step: Callable[[dict[str, Any]], None] | None = None,
) -> int:
    r"""Return the ``k`` where eigenvalues have fallen and eigenspaces still keep still.

    Minimises :math:`f(k) + \phi(k)`: with :math:`\lambda` the eigenvalues,
    :math:`\phi(k) = \lambda_{k+1} / (1 + \sum_i \lambda_i)`, and :math:`f` is the mean over
    bootstrap samples of :math:`1 - |\det B_k^T B_k^*|`, over one plus its sum. The columns of
    :math:`B_k` are an orthonormal basis of the first ``k`` predictors on the sample. Those that a
    bootstrap sample gives, :math:`B_k^*`, are evaluated on the same rows.

    Parameters
    ----------
    x, y : CentredGram
        Of predictor and response.
    regularisation_x, regularisation_y : float
        As in :func:`inverse_regression`.
    repeats : int, at least 1
        Bootstrap samples.
    largest : int, at least 1, optional
        Largest ``k``; default ``n / log n``, and less than the number of predictors.
    generator : torch.Generator, optional
        Of the bootstrap; by default one seeded with 0.
    on_step : callable, optional
        Called with ``iteration`` and ``of`` after each bootstrap sample.

    Returns
    -------
    int
        From 0 to ``largest``.

    References
    ----------
    W. Luo, B. Li, "Combining eigenvalues and variation of eigenvectors for order determination",
    Biometrika 103. https://doi.org/10.1093/biomet/asw051
    """
    n = len(x.vectors)
    whole = inverse_regression(x, y, regularisation_x, regularisation_y)
    top = round(n / math.log(n)) if largest is None else checks.count("largest", largest)
    top = min(top, len(whole.values) - 1)
    B = torch.linalg.qr(whole.scores[:, :top]).Q  # [n, top]
    features_x = x.vectors * x.values.sqrt()  # [n, r], G = F F^T
    features_y = y.vectors * y.values.sqrt()
    generator = random_source(generator, B.device)
    variation = B.new_zeros(top + 1)
    for step in range(checks.count("repeats", repeats)):
        rows = torch.randint(n, (n,), generator=generator, device=B.device)
        drawn_x, drawn_y = _gram(features_x, rows), _gram(features_y, rows)
        drawn = inverse_regression(drawn_x, drawn_y, regularisation_x, regularisation_y)
        functions = features_x @ drawn.coefficients[:, :top]
        overlap = B.mT @ torch.linalg.qr(functions - functions.mean(dim=0)).Q
        for k in range(1, overlap.shape[1] + 1):
            variation[k] += (1 - torch.linalg.det(overlap[:k, :k]).abs()) / repeats
        variation[overlap.shape[1] + 1 :] += 1 / repeats
        if on_step is not None:
            on_step({"iteration": step + 1, "of": repeats})
    values = whole.values[: top + 1]
    ladle = values / (1 + values.sum()) + variation / (1 + variation.sum())
    return int(ladle.argmin())


def _gram(features: Tensor, rows: Tensor) -> CentredGram:
    """The Gram matrix of some rows; it is extended by the features themselves."""
    drawn = features[rows]
    U, S, Vh = torch.linalg.svd(drawn - drawn.mean(dim=0), full_matrices=False)
    kept = len(rows) * torch.finfo(S.dtype).eps * S[0] < S
    U, S, V = U[:, kept], S[kept], Vh.mT[:, kept]
    return CentredGram(S.square(), U, features, V * S)
