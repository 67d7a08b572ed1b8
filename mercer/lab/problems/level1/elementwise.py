"""One number in, one number out, for every entry."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mercer.lab.argument import Argument, normal
from mercer.lab.problem import problem

ROWS = {"odd": (7, 33), "small": (64, 128), "desk": (1024, 2048), "race": (8192, 4096)}
PAIRS = {"odd": (7, 33), "small": (64, 128), "desk": (1024, 1024), "race": (4096, 4096)}
TAGS = ("memory-bound", "elementwise")


@problem(1, ROWS, tags=TAGS)
class Gelu(nn.Module):
    """The Gaussian error linear unit, x times the normal distribution function of x."""

    @staticmethod
    def arguments(rows: int, columns: int) -> list[Argument]:
        return [normal(rows, columns)]

    def forward(self, x: Tensor) -> Tensor:
        return F.gelu(x)


@problem(1, ROWS, tags=TAGS)
class Silu(nn.Module):
    """The sigmoid linear unit, x / (1 + exp(-x))."""

    @staticmethod
    def arguments(rows: int, columns: int) -> list[Argument]:
        return [normal(rows, columns)]

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(x)


@problem(1, ROWS, tags=TAGS)
class Mish(nn.Module):
    """The Mish activation, x tanh(log(1 + exp(x)))."""

    @staticmethod
    def arguments(rows: int, columns: int) -> list[Argument]:
        return [normal(rows, columns)]

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.tanh(F.softplus(x))


@problem(1, ROWS, tags=TAGS)
class HardSwish(nn.Module):
    """The piecewise cubic of x min(max(x + 3, 0), 6) / 6."""

    @staticmethod
    def arguments(rows: int, columns: int) -> list[Argument]:
        return [normal(rows, columns)]

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.clamp(x + 3, 0, 6) / 6


@problem(1, ROWS, tags=TAGS)
class SquaredRelu(nn.Module):
    """The square of the positive part."""

    @staticmethod
    def arguments(rows: int, columns: int) -> list[Argument]:
        return [normal(rows, columns)]

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x).square()


@problem(1, ROWS, tags=TAGS)
class ScaledBesselI0(nn.Module):
    """The modified Bessel function of order 0, times exp(-|x|)."""

    @staticmethod
    def arguments(rows: int, columns: int) -> list[Argument]:
        return [normal(rows, columns)]

    def forward(self, x: Tensor) -> Tensor:
        return torch.special.i0e(x)


@problem(1, ROWS, tags=TAGS)
class LogGamma(nn.Module):
    """The logarithm of the gamma function of positive numbers."""

    @staticmethod
    def arguments(rows: int, columns: int) -> list[Argument]:
        return [Argument((rows, columns), "positive")]

    def forward(self, x: Tensor) -> Tensor:
        return torch.lgamma(x)


@problem(1, PAIRS, tags=TAGS)
class GatedSilu(nn.Module):
    """One matrix gated by the sigmoid linear unit of another."""

    @staticmethod
    def arguments(rows: int, columns: int) -> list[Argument]:
        return [normal(rows, columns), normal(rows, columns)]

    def forward(self, gate: Tensor, value: Tensor) -> Tensor:
        return F.silu(gate) * value


@problem(1, PAIRS, tags=TAGS)
class Interpolation(nn.Module):
    """The point between x and y that a weight between 0 and 1 says."""

    @staticmethod
    def arguments(rows: int, columns: int) -> list[Argument]:
        weight = Argument((rows, columns), "uniform")
        return [normal(rows, columns), normal(rows, columns), weight]

    def forward(self, x: Tensor, y: Tensor, weight: Tensor) -> Tensor:
        return torch.lerp(x, y, weight)


@problem(1, PAIRS, tags=TAGS)
class ComplexProduct(nn.Module):
    """The product of complex numbers, real and imaginary parts apart."""

    @staticmethod
    def arguments(rows: int, columns: int) -> list[Argument]:
        return [normal(rows, columns) for _ in range(4)]

    def forward(self, a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> tuple[Tensor, Tensor]:
        return a * c - b * d, a * d + b * c


@problem(1, ROWS, tags=TAGS)
class ColumnAffine(nn.Module):
    """Every column scaled and shifted by numbers of its own."""

    @staticmethod
    def initial(rows: int, columns: int) -> tuple[int]:
        return (columns,)

    @staticmethod
    def arguments(rows: int, columns: int) -> list[Argument]:
        return [normal(rows, columns)]

    def __init__(self, columns: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.randn(columns))
        self.shift = nn.Parameter(torch.randn(columns))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale + self.shift


@problem(1, ROWS, tags=TAGS)
class QuinticPolynomial(nn.Module):
    """A polynomial of degree 5 by Horner's rule."""

    @staticmethod
    def arguments(rows: int, columns: int) -> list[Argument]:
        return [normal(rows, columns)]

    def __init__(self) -> None:
        super().__init__()
        self.coefficients = nn.Parameter(torch.randn(6))

    def forward(self, x: Tensor) -> Tensor:
        value = self.coefficients[5].expand_as(x)
        for k in range(4, -1, -1):
            value = value * x + self.coefficients[k]
        return value


@problem(1, ROWS, tags=TAGS)
class PadeActivation(nn.Module):
    """A learnt rational function, (a0 + a1 x + a2 x^2 + a3 x^3) / (1 + |b1 x + b2 x^2|)."""

    @staticmethod
    def arguments(rows: int, columns: int) -> list[Argument]:
        return [normal(rows, columns)]

    def __init__(self) -> None:
        super().__init__()
        self.numerator = nn.Parameter(torch.randn(4))
        self.denominator = nn.Parameter(torch.randn(2))

    def forward(self, x: Tensor) -> Tensor:
        a, b = self.numerator, self.denominator
        above = a[0] + x * (a[1] + x * (a[2] + x * a[3]))
        below = 1 + (x * (b[0] + x * b[1])).abs()
        return above / below
