"""Random features and fast transforms."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from mercer.lab.argument import Argument, normal
from mercer.lab.problem import problem

FEATURES = {
    "odd": (17, 5, 9),
    "small": (64, 8, 32),
    "desk": (2048, 32, 256),
    "race": (65536, 64, 512),
}
SIGNALS = {"odd": (7, 33), "small": (16, 64), "desk": (256, 1024), "race": (4096, 4096)}


@problem(1, FEATURES, tags=("mercer", "features", "matmul"))
class RandomFourierFeatures(nn.Module):
    """Cosines and sines of random projections, over the square root of their number."""

    @staticmethod
    def initial(n: int, d: int, D: int) -> tuple[int, int]:
        return d, D

    @staticmethod
    def arguments(n: int, d: int, D: int) -> list[Argument]:
        return [normal(n, d)]

    def __init__(self, d: int, D: int) -> None:
        super().__init__()
        self.frequencies = nn.Parameter(torch.randn(d, D) / d**0.5)

    def forward(self, x: Tensor) -> Tensor:
        phase = x @ self.frequencies  # (n, D)
        return torch.cat([phase.cos(), phase.sin()], -1) / math.sqrt(phase.shape[-1])


@problem(1, FEATURES, tags=("mercer", "features", "matmul"))
class PositiveFeatures(nn.Module):
    """The positive features exp(w x - |x|^2 / 2) of the exponential kernel."""

    @staticmethod
    def initial(n: int, d: int, D: int) -> tuple[int, int]:
        return d, D

    @staticmethod
    def arguments(n: int, d: int, D: int) -> list[Argument]:
        return [normal(n, d)]

    def __init__(self, d: int, D: int) -> None:
        super().__init__()
        self.frequencies = nn.Parameter(torch.randn(d, D))

    def forward(self, x: Tensor) -> Tensor:
        x = x * x.shape[-1] ** -0.25
        exponent = x @ self.frequencies - x.square().sum(-1, keepdim=True) / 2
        return torch.exp(exponent) / math.sqrt(exponent.shape[-1])


@problem(1, FEATURES, tags=("mercer", "features", "matmul"))
class ArcCosineFeatures(nn.Module):
    """The positive parts of random projections with random offsets."""

    @staticmethod
    def initial(n: int, d: int, D: int) -> tuple[int, int]:
        return d, D

    @staticmethod
    def arguments(n: int, d: int, D: int) -> list[Argument]:
        return [normal(n, d)]

    def __init__(self, d: int, D: int) -> None:
        super().__init__()
        self.frequencies = nn.Parameter(torch.randn(d, D) / d**0.5)
        self.offset = nn.Parameter(0.5 * torch.randn(D))

    def forward(self, x: Tensor) -> Tensor:
        phase = x @ self.frequencies + self.offset
        return math.sqrt(2 / phase.shape[-1]) * torch.relu(phase)


@problem(
    1,
    {"odd": (7, 2), "small": (16, 6), "desk": (512, 10), "race": (8192, 12)},
    tags=("memory-bound", "mercer", "transform"),
)
class WalshHadamard(nn.Module):
    """The orthonormal Walsh-Hadamard transform of every row, whose length is a power of two."""

    @staticmethod
    def arguments(rows: int, exponent: int) -> list[Argument]:
        return [normal(rows, 2**exponent)]

    def forward(self, x: Tensor) -> Tensor:
        rows, length = x.shape
        step = 1
        while step < length:
            pairs = x.reshape(rows, -1, 2, step)
            sums, differences = pairs[:, :, 0] + pairs[:, :, 1], pairs[:, :, 0] - pairs[:, :, 1]
            x = torch.stack([sums, differences], 2).reshape(rows, length)
            step *= 2
        return x / math.sqrt(length)


@problem(1, SIGNALS, tags=("memory-bound", "mercer", "transform", "full-precision"))
class CircularConvolution(nn.Module):
    """The circular convolution of the rows of two matrices, by the Fourier transform."""

    @staticmethod
    def arguments(rows: int, length: int) -> list[Argument]:
        return [normal(rows, length), normal(rows, length)]

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return torch.fft.irfft(torch.fft.rfft(x) * torch.fft.rfft(y), n=x.shape[-1])


@problem(1, SIGNALS, tags=("memory-bound", "mercer", "transform", "full-precision"))
class PowerSpectrum(nn.Module):
    """The squared modulus of the Fourier coefficients of every row, over its length."""

    @staticmethod
    def arguments(rows: int, length: int) -> list[Argument]:
        return [normal(rows, length)]

    def forward(self, x: Tensor) -> Tensor:
        z = torch.fft.rfft(x)
        return (z.real.square() + z.imag.square()) / x.shape[-1]


@problem(1, SIGNALS, tags=("memory-bound", "mercer", "transform", "full-precision"))
class ToeplitzProduct(nn.Module):
    """A symmetric Toeplitz matrix, given by its first column, times every row."""

    @staticmethod
    def arguments(rows: int, length: int) -> list[Argument]:
        return [normal(length), normal(rows, length)]

    def forward(self, column: Tensor, x: Tensor) -> Tensor:
        n = column.shape[0]
        circulant = torch.cat([column, column[1:].flip(0)])  # first column, of order 2 n - 1
        spectrum = torch.fft.rfft(circulant)
        product = torch.fft.irfft(spectrum * torch.fft.rfft(x, n=2 * n - 1), n=2 * n - 1)
        return product[:, :n].contiguous()


@problem(1, FEATURES, tags=("mercer", "features", "transform", "full-precision"))
class TensorSketch(nn.Module):
    """The sketch of every row's outer product with itself, from two count sketches."""

    @staticmethod
    def initial(n: int, d: int, D: int) -> tuple[int]:
        return (D,)

    @staticmethod
    def arguments(n: int, d: int, D: int) -> list[Argument]:
        return [normal(n, d), normal(2, d), Argument((2, d), "index", high=D)]

    def __init__(self, D: int) -> None:
        super().__init__()
        self.D = D

    def forward(self, x: Tensor, weight: Tensor, bucket: Tensor) -> Tensor:
        zero = x.new_zeros(x.shape[0], self.D)
        first = zero.index_add(1, bucket[0], x * weight[0])
        second = zero.index_add(1, bucket[1], x * weight[1])
        return torch.fft.irfft(torch.fft.rfft(first) * torch.fft.rfft(second), n=self.D)
