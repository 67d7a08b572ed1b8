"""A linear map and what follows it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mercer.lab.argument import Argument, normal
from mercer.lab.problem import problem

LINEAR = {
    "odd": (9, 33, 17),
    "small": (32, 64, 48),
    "desk": (512, 512, 512),
    "race": (8192, 2048, 4096),
}
TAGS = ("matmul", "fused")


@problem(2, LINEAR, tags=TAGS)
class LinearGelu(nn.Module):
    """A linear map, then the Gaussian error linear unit."""

    @staticmethod
    def initial(rows: int, inner: int, outer: int) -> tuple[int, int]:
        return inner, outer

    @staticmethod
    def arguments(rows: int, inner: int, outer: int) -> list[Argument]:
        return [normal(rows, inner)]

    def __init__(self, inner: int, outer: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inner, outer)

    def forward(self, x: Tensor) -> Tensor:
        return F.gelu(self.linear(x))


@problem(2, LINEAR, tags=TAGS)
class LinearReluRowMean(nn.Module):
    """A linear map, its positive part, and the mean over the outputs."""

    @staticmethod
    def initial(rows: int, inner: int, outer: int) -> tuple[int, int]:
        return inner, outer

    @staticmethod
    def arguments(rows: int, inner: int, outer: int) -> list[Argument]:
        return [normal(rows, inner)]

    def __init__(self, inner: int, outer: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inner, outer)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.linear(x)).mean(-1)


@problem(2, LINEAR, tags=(*TAGS, "softmax"))
class LinearSoftmax(nn.Module):
    """A linear map, then the softmax of every row."""

    @staticmethod
    def initial(rows: int, inner: int, outer: int) -> tuple[int, int]:
        return inner, outer

    @staticmethod
    def arguments(rows: int, inner: int, outer: int) -> list[Argument]:
        return [normal(rows, inner)]

    def __init__(self, inner: int, outer: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inner, outer)

    def forward(self, x: Tensor) -> Tensor:
        return torch.softmax(self.linear(x), -1)


@problem(2, LINEAR, tags=(*TAGS, "reduction"))
class LinearLogSumExp(nn.Module):
    """A linear map, then the logarithm of the sum of exponentials of every row."""

    @staticmethod
    def initial(rows: int, inner: int, outer: int) -> tuple[int, int]:
        return inner, outer

    @staticmethod
    def arguments(rows: int, inner: int, outer: int) -> list[Argument]:
        return [normal(rows, inner)]

    def __init__(self, inner: int, outer: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inner, outer, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return torch.logsumexp(self.linear(x), -1)


@problem(2, LINEAR, tags=(*TAGS, "norm"))
class LinearResidualLayerNorm(nn.Module):
    """A linear map added to a residual, then the layer norm."""

    @staticmethod
    def initial(rows: int, inner: int, outer: int) -> tuple[int, int]:
        return inner, outer

    @staticmethod
    def arguments(rows: int, inner: int, outer: int) -> list[Argument]:
        return [normal(rows, inner), normal(rows, outer)]

    def __init__(self, inner: int, outer: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inner, outer)
        self.weight = nn.Parameter(0.5 + torch.rand(outer))
        self.bias = nn.Parameter(torch.randn(outer))

    def forward(self, x: Tensor, residual: Tensor) -> Tensor:
        sum = self.linear(x) + residual
        return F.layer_norm(sum, sum.shape[-1:], self.weight, self.bias)


@problem(2, LINEAR, tags=TAGS)
class GatedLinearUnit(nn.Module):
    """One linear map gated by the sigmoid linear unit of another."""

    @staticmethod
    def initial(rows: int, inner: int, outer: int) -> tuple[int, int]:
        return inner, outer

    @staticmethod
    def arguments(rows: int, inner: int, outer: int) -> list[Argument]:
        return [normal(rows, inner)]

    def __init__(self, inner: int, outer: int) -> None:
        super().__init__()
        self.gate = nn.Linear(inner, outer, bias=False)
        self.value = nn.Linear(inner, outer, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.silu(self.gate(x)) * self.value(x)


@problem(2, LINEAR, tags=TAGS)
class LowRankAdapter(nn.Module):
    """A linear map plus a scaled product of two thin ones, of rank 4."""

    @staticmethod
    def initial(rows: int, inner: int, outer: int) -> tuple[int, int]:
        return inner, outer

    @staticmethod
    def arguments(rows: int, inner: int, outer: int) -> list[Argument]:
        return [normal(rows, inner)]

    def __init__(self, inner: int, outer: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inner, outer)
        self.down = nn.Linear(inner, 4, bias=False)
        self.up = nn.Linear(4, outer, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x) + 2.0 * self.up(self.down(x))


@problem(2, LINEAR, tags=TAGS)
class LinearMaxout(nn.Module):
    """The largest of three linear maps, entry by entry."""

    @staticmethod
    def initial(rows: int, inner: int, outer: int) -> tuple[int, int]:
        return inner, outer

    @staticmethod
    def arguments(rows: int, inner: int, outer: int) -> list[Argument]:
        return [normal(rows, inner)]

    def __init__(self, inner: int, outer: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inner, 3 * outer)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x).unflatten(-1, (3, -1)).amax(-2)


@problem(2, LINEAR, tags=(*TAGS, "loss"))
class LinearCrossEntropy(nn.Module):
    """The mean cross entropy of the classes whose logits a linear map gives."""

    @staticmethod
    def initial(rows: int, inner: int, classes: int) -> tuple[int, int]:
        return inner, classes

    @staticmethod
    def arguments(rows: int, inner: int, classes: int) -> list[Argument]:
        return [normal(rows, inner), Argument((rows,), "index", high=classes)]

    def __init__(self, inner: int, classes: int) -> None:
        super().__init__()
        self.head = nn.Linear(inner, classes, bias=False)

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        return F.cross_entropy(self.head(x), label)


@problem(
    2,
    {"odd": (9, 33), "small": (32, 64), "desk": (2048, 512), "race": (16384, 2048)},
    tags=(*TAGS, "memory-bound"),
)
class FactorisationMachine(nn.Module):
    """A linear score plus all products of two inputs, through factors of rank 6."""

    @staticmethod
    def initial(rows: int, inner: int) -> tuple[int]:
        return (inner,)

    @staticmethod
    def arguments(rows: int, inner: int) -> list[Argument]:
        return [normal(rows, inner)]

    def __init__(self, inner: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inner, 1)
        self.factors = nn.Parameter(torch.randn(inner, 6) / inner**0.5)

    def forward(self, x: Tensor) -> Tensor:
        square_of_sum = (x @ self.factors).square()
        sum_of_squares = x.square() @ self.factors.square()
        return self.linear(x)[:, 0] + 0.5 * (square_of_sum - sum_of_squares).sum(-1)
