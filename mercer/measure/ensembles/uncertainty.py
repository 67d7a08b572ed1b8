"""How unsure an ensemble is."""

from __future__ import annotations

from torch import Tensor

from mercer import checks


def predictive_entropy(probabilities: Tensor) -> Tensor:
    r"""The entropy of the mean prediction, :math:`H[\bar p]`, in nats: all of the uncertainty.

    Parameters
    ----------
    probabilities : Tensor, shape (M, n, C)
        Of each member.

    Returns
    -------
    Tensor, shape (n,)

    Examples
    --------
    >>> import torch
    >>> predictive_entropy(torch.tensor([[[1.0, 0.0]], [[0.0, 1.0]]]))
    tensor([0.6931])
    """
    return _entropy(_checked(probabilities).mean(dim=0))


def mutual_information(probabilities: Tensor) -> Tensor:
    r"""What the members disagree about, :math:`H[\bar p] - \overline{H[p_m]}`, in nats.

    The part of the entropy that is due to not knowing the network: zero where all members agree,
    however unsure they are.

    Parameters
    ----------
    probabilities : Tensor, shape (M, n, C)
        Of each member.

    Returns
    -------
    Tensor, shape (n,)

    Examples
    --------
    >>> import torch
    >>> mutual_information(torch.tensor([[[1.0, 0.0], [0.5, 0.5]], [[0.0, 1.0], [0.5, 0.5]]]))
    tensor([0.6931, 0.0000])

    References
    ----------
    N. Houlsby et al., "Bayesian Active Learning for Classification and Preference Learning", 2011.
    https://arxiv.org/abs/1112.5745
    """
    P = _checked(probabilities)
    return (_entropy(P.mean(dim=0)) - _entropy(P).mean(dim=0)).clamp(min=0.0)


def _entropy(P: Tensor) -> Tensor:
    return -P.xlogy(P).sum(dim=-1)


def _checked(P: Tensor) -> Tensor:
    checks.finite("probabilities", checks.floating("probabilities", P))
    if P.ndim != 3:
        raise ValueError(f"probabilities must have shape (M, n, C), got {tuple(P.shape)}")
    return P
