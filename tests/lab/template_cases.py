"""Small references in which the operations of many meet, for programs written by templates."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from mercer.lab import normal, problem
from mercer.lab.argument import Argument


@problem(1, {"odd": (3, 37), "race": (6, 96)})
class Medley(nn.Module):
    """Arrays shifted, joined and picked, functions of entries, and statistics of rows."""

    @staticmethod
    def arguments(rows, columns):
        places = Argument((columns,), "index", columns)
        return [normal(rows, columns), normal(rows, columns), places, normal(3, columns), normal(3)]

    def forward(self, x, y, places, weight, bias):
        n = x.shape[1]
        curved = torch.tanh(x) + torch.expm1(0.1 * y) + F.elu(y, 0.7)
        low = -1 - x.abs()
        steps = x.floor().clamp(-1, 1)  # many entries are equal
        holes = torch.where(x > 1, torch.nan, x)
        passed = torch.maximum(holes.relu(), torch.minimum(holes, y)).clamp(-3, 3)
        return (
            torch.sub(x, y, alpha=2.5),
            F.leaky_relu(x, 0.2) + curved.clamp(-0.5, 0.25),
            x.flip(1) + y.roll(3, 1),
            torch.cat([x[:, -3:], F.pad(y, (2, 1))], 1),
            x[:, places - n],
            low.amax(1),  # below zero
            steps.argmax(1),
            x.norm(dim=1),
            x.topk(3, 1)[0],
            (x - 5).cummax(1)[0],
            x.logcumsumexp(1),
            F.linear(x, weight, bias),
            torch.stack([passed.isnan(), torch.maximum(y, holes).isnan()], 1),
        )


@problem(1, {"odd": (3, 37), "race": (2, 2**18)})
class Parts(nn.Module):
    """Statistics of rows that programs may take part by part."""

    @staticmethod
    def arguments(rows, columns):
        return [normal(rows, columns)]

    def forward(self, x):
        far, steps = 3 * x + 20, x.floor().clamp(-1, 1)
        return torch.logsumexp(4 * x, 1), far.var(1), (-1 - x.abs()).amax(1), steps.argmin(1)


@problem(1, {"odd": (3, 5, 37), "race": (64, 32, 96)})
class Waves(nn.Module):
    """Costly functions: of positions, read often; of positions, read once; of an input."""

    @staticmethod
    def arguments(images, rows, columns):
        return [normal(images, rows, columns), normal(rows, columns)]

    def forward(self, x, y):
        _, rows, columns = x.shape
        places = torch.arange(rows)[:, None] * torch.arange(columns)
        return x * torch.cos(places) + x * torch.exp(y), y * torch.sin(places)
