"""Functions as points: predictions on a batch, in the weighted norm."""

from __future__ import annotations

from torch import Tensor

from mercer import checks


def function_points(predictions: Tensor, weights: Tensor | None = None) -> Tensor:
    r"""Points whose Euclidean distances are distances of functions.

    .. math:: \|f - g\|_w^2 = \sum_b w_b \|f(x_b) - g(x_b)\|^2, \qquad \sum_b w_b = 1,

    so that any kernel of points is a kernel of functions: ``kernel(function_points(P))``.

    Parameters
    ----------
    predictions : Tensor, shape (*members, B, C)
        Of each function at the inputs :math:`x_b`: probabilities, logits or values.
    weights : Tensor, shape (B,), optional
        :math:`w_b`, positive up to a common factor; equal by default, which makes the norm a mean
        over the inputs.

    Returns
    -------
    Tensor, shape (*members, B * C)
        Differentiable in the predictions.

    Raises
    ------
    TypeError, ValueError
        If predictions are not finite or weights do not fit.

    Examples
    --------
    >>> import torch
    >>> P = torch.tensor([[[1.0, 0.0], [1.0, 0.0]], [[0.0, 1.0], [1.0, 0.0]]])
    >>> torch.pdist(function_points(P)) ** 2
    tensor([1.0000])

    References
    ----------
    A. Tiulpin, M. B. Blaschko, "Greedy Bayesian Posterior Approximation with Deep Ensembles",
    TMLR 2022. https://arxiv.org/abs/2105.14275
    """
    checks.finite("predictions", checks.floating("predictions", predictions))
    if predictions.ndim < 2 or 0 in predictions.shape[-2:]:
        raise ValueError(
            f"predictions must have shape (*members, B, C), got {tuple(predictions.shape)}"
        )
    B = predictions.shape[-2]
    if weights is None:
        return predictions.flatten(-2) * B**-0.5
    if weights.shape != (B,):
        raise ValueError(f"weights must have shape ({B},), got {tuple(weights.shape)}")
    share = checks.positive("weights", weights.to(predictions))
    root = (share / share.sum()).sqrt()[:, None]  # [B, 1]
    return (predictions * root).flatten(-2)
