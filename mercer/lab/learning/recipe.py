"""How a policy is trained."""

from __future__ import annotations

from dataclasses import dataclass

from mercer import checks
from mercer.lab.learning.advantages import ADVANTAGES
from mercer.lab.learning.mismatch import Mismatch
from mercer.lab.learning.rejection import ProfilingRejection


@dataclass(frozen=True)
class Recipe:
    """The choices of policy optimisation.

    Parameters
    ----------
    advantage : {"leave-one-out", "centred", "group-relative"}
    group : int
        Trajectories per problem and step.
    discount : float
        Between turns.
    clip : tuple of two floats or None
        Of the ratio to the policy at the beginning of the step.
    epochs : int
        Updates per step over the same trajectories; the first one is REINFORCE.
    divergence : float
        Weight of the divergence from the reference policy.
    learning_rate : float
        Of Adam.
    largest_gradient : float
        The gradient's norm is cut to it.
    mismatch : Mismatch, optional
        Correction where the sampler is not the trainer.
    rejection : ProfilingRejection, optional
        Of lazy turns; needs profiles.

    Examples
    --------
    >>> Recipe.grpo().advantage, Recipe.trloo().clip
    ('group-relative', None)
    """

    advantage: str = "leave-one-out"
    group: int = 8
    discount: float = 1.0
    clip: tuple[float, float] | None = None
    epochs: int = 1
    divergence: float = 0.0
    learning_rate: float = 1e-2
    largest_gradient: float = 1.0
    mismatch: Mismatch | None = None
    rejection: ProfilingRejection | None = None

    def __post_init__(self) -> None:
        if self.advantage not in ADVANTAGES:
            known = ", ".join(ADVANTAGES)
            raise ValueError(f"advantage must be one of {known}, got {self.advantage!r}")
        checks.count("group", self.group, 2)
        checks.count("epochs", self.epochs)
        checks.positive("learning_rate", self.learning_rate)
        checks.positive("largest_gradient", self.largest_gradient)
        if not self.divergence >= 0:
            raise ValueError(f"divergence must be at least 0, got {self.divergence}")
        if self.clip is not None and not (0 < self.clip[0] < 1 and self.clip[1] > 0):
            raise ValueError(f"clip must be below 1 downwards and positive, got {self.clip}")

    @classmethod
    def grpo(cls, **changes: object) -> Recipe:
        """Group-relative policy optimisation: several clipped updates, near a reference policy."""
        held: dict[str, object] = {
            "advantage": "group-relative",
            "clip": (0.2, 0.2),
            "epochs": 2,
            "divergence": 1e-3,
        }
        return cls(**{**held, **changes})  # type: ignore[arg-type]

    @classmethod
    def trloo(cls, **changes: object) -> Recipe:
        """Turn-level REINFORCE with leave-one-out baselines."""
        return cls(**changes)  # type: ignore[arg-type]
