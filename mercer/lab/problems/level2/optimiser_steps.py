"""Steps of optimisers: several tensors in, their new values out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mercer.lab.argument import Argument, normal
from mercer.lab.problem import problem

WEIGHTS = {"odd": (7, 33), "small": (64, 128), "desk": (512, 1024), "race": (4096, 2048)}
TAGS = ("memory-bound", "fused", "elementwise", "optimiser")


@problem(2, WEIGHTS, tags=TAGS, differentiable=False)
class AdamStep(nn.Module):
    """One step of Adam with decoupled weight decay: weights, first and second moments."""

    @staticmethod
    def arguments(rows: int, columns: int) -> list[Argument]:
        shape = (rows, columns)
        return [normal(*shape), normal(*shape), normal(*shape), Argument(shape, "positive")]

    def forward(
        self, weight: Tensor, gradient: Tensor, first: Tensor, second: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient.square()
        step = (first / 0.9) / ((second / 0.99).sqrt() + 1e-8)
        return 0.999 * weight - 0.01 * step, first, second


@problem(2, WEIGHTS, tags=TAGS, differentiable=False)
class NesterovStep(nn.Module):
    """One step of gradient descent with Nesterov's momentum: weights and velocity."""

    @staticmethod
    def arguments(rows: int, columns: int) -> list[Argument]:
        return [normal(rows, columns) for _ in range(3)]

    def forward(self, weight: Tensor, gradient: Tensor, velocity: Tensor) -> tuple[Tensor, Tensor]:
        gradient = gradient + 0.01 * weight
        velocity = 0.9 * velocity + gradient
        return weight - 0.1 * (gradient + 0.9 * velocity), velocity


@problem(2, WEIGHTS, tags=TAGS, differentiable=False)
class AdagradStep(nn.Module):
    """One step of Adagrad: weights and accumulated squares."""

    @staticmethod
    def arguments(rows: int, columns: int) -> list[Argument]:
        shape = (rows, columns)
        return [normal(*shape), normal(*shape), Argument(shape, "positive")]

    def forward(self, weight: Tensor, gradient: Tensor, squares: Tensor) -> tuple[Tensor, Tensor]:
        squares = squares + gradient.square()
        return weight - 0.1 * gradient * torch.rsqrt(squares + 1e-10), squares


@problem(2, WEIGHTS, tags=(*TAGS, "reduction"), differentiable=False)
class ClippedGradientStep(nn.Module):
    """A descent step with the gradient shrunk to norm 1."""

    @staticmethod
    def arguments(rows: int, columns: int) -> list[Argument]:
        return [normal(rows, columns), normal(rows, columns)]

    def forward(self, weight: Tensor, gradient: Tensor) -> Tensor:
        norm = gradient.square().sum().sqrt()
        return weight - gradient / norm.clamp_min(1)


@problem(2, WEIGHTS, tags=(*TAGS, "reduction"), differentiable=False)
class LayerwiseAdaptiveStep(nn.Module):
    """A step as long as a hundredth of the weights' norm, along momentum."""

    @staticmethod
    def arguments(rows: int, columns: int) -> list[Argument]:
        return [normal(rows, columns) for _ in range(3)]

    def forward(self, weight: Tensor, gradient: Tensor, velocity: Tensor) -> tuple[Tensor, Tensor]:
        velocity = 0.9 * velocity + 0.1 * gradient
        rate = 0.01 * weight.norm() / velocity.norm().clamp_min(1e-12)
        return weight - rate * velocity, velocity


@problem(2, WEIGHTS, tags=(*TAGS, "reduction"), differentiable=False)
class FactoredSecondMomentStep(nn.Module):
    """A step scaled by the rank-one second moment from the row and column means."""

    @staticmethod
    def arguments(rows: int, columns: int) -> list[Argument]:
        return [normal(rows, columns), normal(rows, columns)]

    def forward(self, weight: Tensor, gradient: Tensor) -> Tensor:
        square = gradient.square() + 1e-30
        row, column = square.mean(1, keepdim=True), square.mean(0, keepdim=True)
        return weight - 0.01 * gradient * torch.rsqrt(row * column / row.mean())
