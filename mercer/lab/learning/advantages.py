"""How much better each turn of a trajectory was than its group: the weights of a policy gradient.

A group is N trajectories that one policy drew for one prompt. `returns` is [..., N, T]: what a
trajectory collected from turn t on; `alive` is [..., N, T]: whether it has a turn t at all. The
group of a turn are the n_t trajectories that are alive in it.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from mercer import checks


def reward_to_go(rewards: Tensor, discount: float = 1.0) -> Tensor:
    r"""Return :math:`G_t = \sum_{k \ge t} \gamma^{k - t} r_k`.

    Parameters
    ----------
    rewards : Tensor, [..., T]
        Of each turn; 0 where a trajectory had ended.
    discount : float, 0 to 1
        :math:`\gamma`.

    Examples
    --------
    >>> reward_to_go(torch.tensor([1.0, 0.0, 4.0]), 0.5)
    tensor([2., 2., 4.])
    """
    if not 0 <= discount <= 1:
        raise ValueError(f"discount must be between 0 and 1, got {discount}")
    checks.finite("rewards", checks.floating("rewards", rewards))
    returns = rewards.clone()
    for t in range(rewards.shape[-1] - 2, -1, -1):
        returns[..., t] += discount * returns[..., t + 1]
    return returns


def leave_one_out(returns: Tensor, alive: Tensor | None = None) -> Tensor:
    r"""Return :math:`A_{i,t} = G_{i,t} - \frac{1}{n_t - 1} \sum_{j \ne i} G_{j,t}`.

    The baseline of a trajectory does not depend on it, so :math:`\mathrm{E}\,A \nabla \log \pi` is
    the policy gradient, however many trajectories are left at a turn. One that is alone has the
    baseline 0: an advantage of 0 instead would be biased.

    Parameters
    ----------
    returns : Tensor, [..., N, T]
    alive : Tensor of bool, [..., N, T], optional
        Default: all.

    Returns
    -------
    Tensor, [..., N, T]
        0 where a trajectory had ended.

    Examples
    --------
    >>> leave_one_out(torch.tensor([[4.0], [1.0], [1.0]])).mT
    tensor([[ 3.0000, -1.5000, -1.5000]])

    References
    ----------
    Dr. Kernel: Reinforcement Learning Done Right for Triton Kernel Generations,
    https://arxiv.org/abs/2602.05885
    """
    returns, mask, count = _of_turn(returns, alive)
    others = returns.sum(-2, keepdim=True) - returns  # sum over j != i
    return mask * (returns - others / (count - 1).clamp(min=1))


def centred(returns: Tensor, alive: Tensor | None = None) -> Tensor:
    r"""Return :math:`A_{i,t} = G_{i,t} - \frac{1}{n_t} \sum_j G_{j,t}`, the group's own mean.

    A trajectory is in its own baseline. The gradient of turn t comes out too small, by
    :func:`self_inclusion`; where groups thin out over the turns it points elsewhere, too.

    Parameters
    ----------
    returns, alive
        As in :func:`leave_one_out`.
    """
    returns, mask, count = _of_turn(returns, alive)
    return mask * (returns - returns.sum(-2, keepdim=True) / count.clamp(min=1))


def group_relative(
    returns: Tensor, alive: Tensor | None = None, *, epsilon: float = 1e-6
) -> Tensor:
    r"""Return :func:`centred` advantages over the group's standard deviation.

    Parameters
    ----------
    returns, alive
        As in :func:`leave_one_out`.
    epsilon : float, positive
        Added to the deviation (that of a sample, n - 1 in its denominator).
    """
    checks.positive("epsilon", epsilon)
    advantages = centred(returns, alive)
    _, _, count = _of_turn(returns, alive)
    variance = advantages.square().sum(-2, keepdim=True) / (count - 1).clamp(min=1)
    return advantages / (variance.sqrt() + epsilon)


def self_inclusion(survival: float, group: int) -> float:
    r"""Return the factor by which :func:`centred` shrinks the expected gradient of a turn.

    Given that a trajectory is alive, the others are so independently with probability p, hence

    .. math:: 1 - \mathrm{E}\,\frac{1}{n_t} = 1 - \frac{1 - (1 - p)^N}{N p},

    which is :math:`1 - 1/N` where all are alive.

    Parameters
    ----------
    survival : float, above 0, at most 1
        The probability p that a trajectory has the turn.
    group : int
        N.

    Examples
    --------
    >>> self_inclusion(1.0, 4), self_inclusion(0.5, 2)
    (0.75, 0.25)
    """
    checks.count("group", group)
    if not 0 < survival <= 1:
        raise ValueError(f"survival must be above 0 and at most 1, got {survival}")
    return 1 - (1 - (1 - survival) ** group) / (group * survival)


ADVANTAGES: dict[str, Callable[[Tensor, Tensor | None], Tensor]] = {
    "leave-one-out": leave_one_out,
    "centred": centred,
    "group-relative": group_relative,
}


def _of_turn(returns: Tensor, alive: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Return the returns of those alive, who is alive, [..., N, T]; how many, [..., 1, T]."""
    checks.finite("returns", checks.floating("returns", returns))
    if returns.ndim < 2:
        raise ValueError(f"returns must be [..., group, turns], got shape {list(returns.shape)}")
    if alive is None:
        alive = torch.ones_like(returns, dtype=torch.bool)
    if alive.shape != returns.shape or alive.dtype != torch.bool:
        raise ValueError(
            f"alive must be bool and of shape {list(returns.shape)}, "
            f"got {alive.dtype} of shape {list(alive.shape)}"
        )
    mask = alive.to(returns.dtype)
    return returns * mask, mask, mask.sum(-2, keepdim=True)
