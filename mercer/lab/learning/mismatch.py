"""Correction of a policy gradient whose samples another program drew."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

LEVELS = ("token", "sequence", "geometric")


@dataclass(frozen=True)
class Mismatch:
    r"""Weights from the ratio of the trainer's to the sampler's probabilities.

    Trainer and sampler mean the same policy, but compute it by different programs or precisions:
    :math:`\delta_t = \log \pi(a_t) - \log \mu(a_t)`. The ratio is :math:`e^{\delta_t}` of a token,
    :math:`e^{\sum \delta_t}` of a sequence, or the geometric mean :math:`e^{\sum \delta_t / L}`.

    Parameters
    ----------
    level : {"token", "sequence", "geometric"}
    weighted : bool, optional
        Multiply by the ratio. By the ratio of the sequence, untruncated, the estimate is unbiased.
        The geometric mean is not a ratio of probabilities and is only compared with `keep`.
    truncate : float, optional
        Largest weight C; the bias is :math:`-\mathrm{E}_\mu (w - C)^+ g`.
    keep : tuple of two floats, optional
        Ratios outside of it get the weight 0: tokens at level "token", else the whole sequence.
    veto : float, optional
        A sequence with a token whose ratio is below it gets the weight 0.

    Examples
    --------
    >>> trainer, sampler = torch.tensor([[-1.0, -2.0]]), torch.tensor([[-1.0, -2.5]])
    >>> Mismatch("sequence", truncate=1.5)(trainer, sampler)
    tensor([[1.5000, 1.5000]])
    >>> REJECTION(trainer, sampler)
    tensor([[0., 0.]])

    References
    ----------
    Dr. Kernel: Reinforcement Learning Done Right for Triton Kernel Generations,
    https://arxiv.org/abs/2602.05885
    """

    level: str = "token"
    weighted: bool = True
    truncate: float = math.inf
    keep: tuple[float, float] = (0.0, math.inf)
    veto: float = 0.0

    def __post_init__(self) -> None:
        if self.level not in LEVELS:
            raise ValueError(f"level must be one of {', '.join(LEVELS)}, got {self.level!r}")
        if self.level == "geometric" and self.weighted:
            raise ValueError("level geometric must have weighted=False: its mean is no weight")
        if not self.truncate > 0:
            raise ValueError(f"truncate must be positive, got {self.truncate}")
        if not 0 <= self.keep[0] < self.keep[1]:
            raise ValueError(f"keep must be an interval of positive ratios, got {self.keep}")
        if not self.veto >= 0:
            raise ValueError(f"veto must be at least 0, got {self.veto}")

    def __call__(self, trainer: Tensor, sampler: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the weight of every token.

        Parameters
        ----------
        trainer, sampler : Tensor, [..., L]
            Log probabilities of the tokens that were drawn.
        mask : Tensor of bool, [..., L], optional
            Which of them are tokens of the sequence.

        Returns
        -------
        Tensor, [..., L]
            Without a gradient; 0 outside of the mask.
        """
        mask = torch.ones_like(trainer, dtype=torch.bool) if mask is None else mask
        delta = torch.where(mask, trainer.detach() - sampler, 0.0)
        ratio = delta.exp()  # [..., L]
        if self.level != "token":
            total = delta.sum(-1, keepdim=True)
            if self.level == "geometric":
                total = total / mask.sum(-1, keepdim=True).clamp(min=1)
            ratio = total.exp().expand_as(delta)
        kept = (ratio >= self.keep[0]) & (ratio <= self.keep[1]) & mask
        kept &= (delta.exp() >= self.veto).all(-1, keepdim=True)
        weight = ratio.clamp(max=self.truncate) if self.weighted else torch.ones_like(ratio)
        return torch.where(kept, weight, 0.0)


REJECTION = Mismatch("geometric", weighted=False, keep=(0.999, 1.001), veto=1e-4)
"""Mismatch rejection sampling with the published thresholds."""
