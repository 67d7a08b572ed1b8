"""Problems of a few lines that candidates of the tests are written for."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from mercer.lab import Argument, normal, problem

ROWS = {"odd": (7, 33), "small": (64, 128)}


def rows(n, m):
    return [normal(n, m)]


@problem(1, ROWS)
class Softmax(nn.Module):
    """The softmax of every row."""

    arguments = staticmethod(rows)

    def forward(self, x):
        return x.softmax(-1)


@problem(1, ROWS)
class RowSum(nn.Module):
    """The sum of every row."""

    arguments = staticmethod(rows)

    def forward(self, x):
        return x.sum(-1)


@problem(1, ROWS)
class MeanSquare(nn.Module):
    """The mean of all squares: one number."""

    arguments = staticmethod(rows)

    def forward(self, x):
        return (x * x).mean()


@problem(1, ROWS)
class Logsumexp(nn.Module):
    """The logarithm of the sum of exponentials of every row."""

    arguments = staticmethod(rows)

    def forward(self, x):
        return torch.logsumexp(x, -1)


@problem(1, ROWS)
class Cumsum(nn.Module):
    """Running sums of every row."""

    arguments = staticmethod(rows)

    def forward(self, x):
        return x.cumsum(-1)


@problem(1, ROWS)
class FaintSigmoid(nn.Module):
    """A sigmoid so flat that it is nearly one half."""

    arguments = staticmethod(rows)

    def forward(self, x):
        return torch.sigmoid(x / 1000)


@problem(1, ROWS)
class Clamp(nn.Module):
    """Entries between -1000 and 1000."""

    arguments = staticmethod(rows)

    def forward(self, x):
        return x.clamp(-1000, 1000)


@problem(1, ROWS)
class Transposition(nn.Module):
    """The matrix the other way round, in row-major memory."""

    arguments = staticmethod(rows)

    def forward(self, x):
        return x.mT.contiguous()


@problem(1, ROWS)
class Gelu(nn.Module):
    """The Gaussian unit, exactly."""

    arguments = staticmethod(rows)

    def forward(self, x):
        return F.gelu(x)


@problem(1, ROWS)
class LayerNorm(nn.Module):
    """The layer norm with weight and bias."""

    arguments = staticmethod(rows)

    @staticmethod
    def initial(n, m):
        return (m,)

    def __init__(self, m):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(m))
        self.bias = nn.Parameter(torch.zeros(m))

    def forward(self, x):
        return F.layer_norm(x, x.shape[-1:], self.weight, self.bias)


@problem(2, {"odd": (5, 13, 9), "small": (32, 64, 48)})
class Linear(nn.Module):
    """A linear layer and the positive part."""

    @staticmethod
    def arguments(n, m, k):
        return [normal(n, m)]

    @staticmethod
    def initial(n, m, k):
        return m, k

    def __init__(self, m, k):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(k, m) / m**0.5)
        self.bias = nn.Parameter(torch.zeros(k))

    def forward(self, x):
        return torch.relu(F.linear(x, self.weight, self.bias))


@problem(1, {"odd": (7, 37, 11), "small": (32, 128, 48)})
class Matmul(nn.Module):
    """The product of two matrices."""

    @staticmethod
    def arguments(n, k, m):
        return [normal(n, k), normal(k, m)]

    def forward(self, x, y):
        return x @ y


@problem(1, {"odd": (3, 37, 5), "small": (8, 128, 9)})
class Convolution(nn.Module):
    """Each row with a filter of its own, causally."""

    @staticmethod
    def arguments(n, m, k):
        return [normal(n, m), normal(n, k)]

    def forward(self, x, h):
        k = h.shape[-1]
        x = F.pad(x, (k - 1, 0))
        return F.conv1d(x[None], h.flip(-1)[:, None], groups=h.shape[0])[0]


@problem(1, {"odd": (2, 3, 5, 9, 7), "small": (2, 8, 8, 16, 16)})
class ImageConvolution(nn.Module):
    """A 3 by 3 convolution of images."""

    @staticmethod
    def arguments(n, c, d, h, w):
        return [normal(n, c, h, w), normal(d, c, 3, 3)]

    def forward(self, x, w):
        return F.conv2d(x, w, padding=1)


@problem(3, {"odd": (2, 9, 5), "small": (4, 32, 16)})
class Attention(nn.Module):
    """Attention of one head, without a mask."""

    @staticmethod
    def arguments(b, t, d):
        return [normal(b, t, d), normal(b, t, d), normal(b, t, d)]

    def forward(self, q, k, v):
        return F.scaled_dot_product_attention(q, k, v)


@problem(1, {"odd": (9, 7, 3), "small": (48, 40, 8)})
class SquaredDistances(nn.Module):
    """Squared distances between two sets of points, as sums of squared differences."""

    @staticmethod
    def arguments(n, m, d):
        return [normal(n, d), normal(m, d)]

    def forward(self, x, y):
        return (x[:, None] - y).square().sum(-1)


@problem(1, ROWS)
class Argmax(nn.Module):
    """Where each row is largest, and how large."""

    arguments = staticmethod(rows)

    def forward(self, x):
        return x.argmax(-1), x.amax(-1)


@problem(1, {"odd": (11, 5, 7), "small": (100, 16, 64)}, differentiable=False)
class Gather(nn.Module):
    """Rows of a table."""

    @staticmethod
    def arguments(n, d, m):
        return [normal(n, d), Argument((m,), "index", high=n)]

    def forward(self, table, index):
        return table[index]


@problem(2, ROWS)
class BatchNorm(nn.Module):
    """Batch norm in training: it keeps running moments."""

    arguments = staticmethod(rows)

    @staticmethod
    def initial(n, m):
        return (m,)

    def __init__(self, m):
        super().__init__()
        self.norm = nn.BatchNorm1d(m)

    def forward(self, x):
        return self.norm(x)
