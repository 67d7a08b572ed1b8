"""Matrix factorisation with biases."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Factorisation(nn.Module):
    r"""Scores :math:`\mu + \alpha_u + \beta_i + \langle p_u, q_i \rangle` of pairs.

    Parameters
    ----------
    users, items, rank : int
        Sizes.
    level : float
        The first :math:`\mu`.
    generator : torch.Generator
        Of the first factors.

    Examples
    --------
    >>> model = Factorisation(3, 4, 2, 3.5, torch.Generator().manual_seed(0))
    >>> model(torch.tensor([0, 2]), torch.tensor([1, 1])).shape
    torch.Size([2])
    """

    def __init__(
        self, users: int, items: int, rank: int, level: float, generator: torch.Generator
    ) -> None:
        super().__init__()

        def small(count: int, width: int) -> nn.Embedding:
            return nn.Embedding.from_pretrained(
                0.1 * torch.randn(count, width, generator=generator), freeze=False
            )

        self.level = nn.Parameter(torch.tensor(level))
        self.user_factors, self.item_factors = small(users, rank), small(items, rank)
        self.user_bias, self.item_bias = small(users, 1), small(items, 1)

    def forward(self, users: Tensor, items: Tensor) -> Tensor:
        """Scores ``[n]`` of pairs of indices, each ``[n]``."""
        product = (self.user_factors(users) * self.item_factors(items)).sum(dim=1)
        return self.level + self.user_bias(users)[:, 0] + self.item_bias(items)[:, 0] + product
