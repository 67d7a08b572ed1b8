"""Estimates of the mean error over all pairs from the errors at observed ones."""

from __future__ import annotations

from torch import Tensor


def inverse_propensity(error: Tensor, weight: Tensor, total: int) -> Tensor:
    r"""The inverse propensity score estimate, :math:`\frac1N \sum_i w_i e_i`.

    Parameters
    ----------
    error, weight : Tensor, shape (n,)
        Errors at observed pairs, and one over the chances that these are observed.
    total : int
        :math:`N`, how many pairs there are.

    Returns
    -------
    Tensor, shape ()
        Unbiased if the propensities are true.

    Examples
    --------
    >>> import torch
    >>> inverse_propensity(torch.tensor([1.0, 3.0]), torch.tensor([2.0, 4.0]), 7)
    tensor(2.)

    References
    ----------
    T. Schnabel et al., "Recommendations as Treatments: Debiasing Learning and Evaluation".
    https://arxiv.org/abs/1602.05352
    """
    return (weight * error).sum() / total


def self_normalised(error: Tensor, weight: Tensor) -> Tensor:
    r"""The self-normalised estimate, :math:`\sum_i w_i e_i / \sum_i w_i`.

    Parameters
    ----------
    error, weight : Tensor, shape (n,)
        As for :func:`inverse_propensity`. Equal weights give the naive mean.

    Returns
    -------
    Tensor, shape ()

    Examples
    --------
    >>> import torch
    >>> self_normalised(torch.tensor([1.0, 4.0]), torch.tensor([2.0, 4.0]))
    tensor(3.)
    """
    return (weight * error).sum() / weight.sum()


def doubly_robust(
    error: Tensor, weight: Tensor, total: int, imputed: Tensor, imputed_mean: Tensor
) -> Tensor:
    r"""The doubly robust estimate, :math:`\overline{\hat e} + \frac1N \sum_i w_i (e_i - \hat e_i)`.

    Parameters
    ----------
    error, weight, imputed : Tensor, shape (n,)
        Errors, weights and imputed errors at observed pairs.
    total : int
        :math:`N`, how many pairs there are.
    imputed_mean : Tensor, shape ()
        Mean imputed error over all pairs.

    Returns
    -------
    Tensor, shape ()
        Unbiased if the propensities or the imputed errors are true.

    Examples
    --------
    >>> import torch
    >>> e = torch.tensor([1.0, 3.0])
    >>> doubly_robust(e, torch.tensor([2.0, 9.0]), 7, e, torch.tensor(1.5))
    tensor(1.5000)

    References
    ----------
    X. Wang et al., "Doubly Robust Joint Learning for Recommendation on Data Missing Not at Random".
    https://proceedings.mlr.press/v97/wang19n.html
    """
    return imputed_mean + inverse_propensity(error - imputed, weight, total)
