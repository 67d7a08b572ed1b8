"""The objectives of policy optimisation, summed over tokens, averaged over trajectories."""

from __future__ import annotations

import torch
from torch import Tensor


def surrogate(
    log_prob: Tensor,
    old: Tensor,
    advantage: Tensor,
    weight: Tensor,
    clip: tuple[float, float] | None = (0.2, 0.28),
) -> Tensor:
    r"""Return the clipped surrogate of each sequence.

    .. math:: \sum_t w_t \min\bigl(\rho_t A, \min(\max(\rho_t, 1 - \epsilon_l), 1 + \epsilon_h) A
              \bigr), \qquad \rho_t = \pi(a_t) / \pi_\text{old}(a_t)

    At :math:`\pi = \pi_\text{old}` its gradient is :math:`\sum_t w_t A \nabla \log \pi(a_t)`:
    that of REINFORCE. Tokens are summed, not averaged, for else long answers would count less.

    Parameters
    ----------
    log_prob, old : Tensor, [B, L]
    advantage : Tensor, [B]
    weight : Tensor, [B, L]
        0 where there is no token; else 1 or a correction of mismatch.
    clip : tuple of two floats or None
        How far the ratio may move down and up before the gradient stops; None: no clipping.

    Returns
    -------
    Tensor, [B]
    """
    ratio = torch.where(weight > 0, log_prob - old, 0.0).exp()
    gain = ratio * advantage[:, None]
    if clip is not None:
        gain = torch.minimum(gain, ratio.clamp(1 - clip[0], 1 + clip[1]) * advantage[:, None])
    return (weight * gain).sum(-1)


def divergence(log_prob: Tensor, reference: Tensor, mask: Tensor) -> Tensor:
    r"""Return an estimate of :math:`\mathrm{KL}(\pi \| \pi_\text{ref})` for each sequence: [B].

    :math:`\sum_t r_t - 1 - \log r_t` with :math:`r_t = \pi_\text{ref}(a_t) / \pi(a_t)`: never
    negative, and unbiased where the tokens are drawn from :math:`\pi`.

    Parameters
    ----------
    log_prob, reference : Tensor, [B, L]
    mask : Tensor of bool, [B, L]

    References
    ----------
    DeepSeekMath: Pushing the Limits of Mathematical Reasoning in Open Language Models,
    https://arxiv.org/abs/2402.03300
    """
    delta = torch.where(mask, reference - log_prob, 0.0)
    return (delta.exp() - 1 - delta).sum(-1)
