"""One tensor that a problem's module is called with: its shape and its law."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

LAWS = ("normal", "uniform", "positive", "probability", "index", "mask")


@dataclass(frozen=True)
class Argument:
    """A random tensor by shape and law.

    Parameters
    ----------
    shape : tuple of int
    law : {"normal", "uniform", "positive", "probability", "index", "mask"}
        Standard normal; uniform on (0, 1); 0.1 plus an exponential variable; rows (last axis) on
        the simplex; integers in [0, high); booleans. Only "normal" follows `scale` in `draw`:
        the others would leave their domain.
    high : int, optional
        For "index": one more than the largest index.
    gradient : bool, optional
        Whether the module is differentiated in this argument (floating laws only).

    Examples
    --------
    >>> Argument((2, 3), "index", high=5).draw(torch.Generator().manual_seed(0)).shape
    torch.Size([2, 3])
    """

    shape: tuple[int, ...]
    law: str = "normal"
    high: int = 0
    gradient: bool = True

    def __post_init__(self) -> None:
        if self.law not in LAWS:
            raise ValueError(f"law must be one of {', '.join(LAWS)}, got {self.law!r}")
        if self.law == "index" and self.high < 1:
            raise ValueError(f"high must be at least 1 for indices, got {self.high}")

    @property
    def floating(self) -> bool:
        """Whether the entries are numbers of the working dtype."""
        return self.law not in ("index", "mask")

    @property
    def differentiable(self) -> bool:
        """Whether a gradient in this argument is asked for."""
        return self.gradient and self.floating

    def draw(
        self,
        generator: torch.Generator,
        *,
        dtype: torch.dtype = torch.float32,
        scale: float = 1.0,
    ) -> Tensor:
        """Draw the tensor on the CPU, contiguous; drawn in float32 and rounded once to `dtype`."""
        if self.law == "index":
            return torch.randint(self.high, self.shape, generator=generator)
        if self.law == "mask":
            return torch.rand(self.shape, generator=generator) < 0.5
        if self.law == "normal":
            return (scale * torch.randn(self.shape, generator=generator)).to(dtype)
        u = torch.rand(self.shape, generator=generator)
        if self.law == "uniform":
            return u.to(dtype)
        exponential = -torch.log1p(-u)
        if self.law == "positive":
            return (0.1 + exponential).to(dtype)
        return (exponential / exponential.sum(-1, keepdim=True)).to(dtype)


def normal(*shape: int, gradient: bool = True) -> Argument:
    """Return a standard normal argument."""
    return Argument(shape, gradient=gradient)
