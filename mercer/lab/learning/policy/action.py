"""What a policy said."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, eq=False)
class Action:
    """A sequence of choices, and how probable the sampler thought each of them.

    Parameters
    ----------
    tokens : tuple of int
    log_probs : Tensor, [L]
        Of the program that drew them, given the choices before.
    """

    tokens: tuple[int, ...]
    log_probs: Tensor

    def __post_init__(self) -> None:
        if not self.tokens or self.log_probs.shape != (len(self.tokens),):
            raise ValueError(
                f"log_probs must have one entry for each of {len(self.tokens)} tokens, "
                f"got shape {list(self.log_probs.shape)}"
            )
