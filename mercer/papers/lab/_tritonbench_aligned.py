"""Solutions in plain torch for functions aligned with PyTorch's, by other functions than these."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def add(input: Tensor, other: Any, *, alpha: float = 1) -> Tensor:
    return input + other * alpha


def div(input: Tensor, other: Tensor, *, rounding_mode: str | None = None) -> Tensor:
    y = input / other
    return {None: y.clone, "floor": y.floor, "trunc": y.trunc}[rounding_mode]()


def addcmul(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: float = 1) -> Tensor:
    return input + value * (tensor1 * tensor2)


def addcdiv(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: float = 1) -> Tensor:
    return input + value * (tensor1 / tensor2)


def clamp(input: Tensor, min: float | None = None, max: float | None = None) -> Tensor:
    y = input.clone() if min is None else torch.where(input < min, min, input)
    return y if max is None else torch.where(y > max, max, y)


def where(condition: Tensor, input: Any, other: Any) -> Tensor:
    like = input if torch.is_tensor(input) else other
    shape = torch.broadcast_shapes(condition.shape, like.shape)
    shape = torch.broadcast_shapes(shape, other.shape) if torch.is_tensor(other) else shape
    out = torch.empty(shape, dtype=like.dtype, device=like.device)
    out.copy_(torch.as_tensor(other, dtype=like.dtype))
    chosen = condition.expand(shape)
    out[chosen] = torch.as_tensor(input, dtype=like.dtype).expand(shape)[chosen]
    return out


def lerp(input: Tensor, end: Tensor, weight: Any) -> Tensor:
    return input * (1 - weight) + end * weight


def pow(input: Any, exponent: Any) -> Tensor:
    if not torch.is_tensor(exponent) and exponent == 2:
        return input * input
    base = input.log() if torch.is_tensor(input) else math.log(input)
    return torch.exp(exponent * base)


def maximum(input: Tensor, other: Tensor) -> Tensor:
    return torch.where(input > other, input, other)


def hypot(input: Tensor, other: Tensor) -> Tensor:
    return torch.sqrt(input * input + other * other)


def logaddexp(input: Tensor, other: Tensor) -> Tensor:
    return torch.maximum(input, other) + torch.log1p(torch.exp(-(input - other).abs()))


def masked_fill(input: Tensor, mask: Tensor, value: float) -> Tensor:
    return torch.where(mask, value, input)


def sigmoid(input: Tensor) -> Tensor:
    return 1 / (1 + torch.exp(-input))


def gelu(input: Tensor, *, approximate: str = "none") -> Tensor:
    if approximate == "none":
        return input * torch.special.ndtr(input)
    inner = math.sqrt(2 / math.pi) * (input + 0.044715 * input**3)
    return 0.5 * input * (1 + torch.tanh(inner))


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    return input / (1 + torch.exp(-input))


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    return input.clamp_min(0) + negative_slope * input.clamp_max(0)


def softplus(input: Tensor, beta: float = 1, threshold: float = 20) -> Tensor:
    z = beta * input
    return torch.where(z > threshold, input, torch.logaddexp(z, torch.zeros_like(z)) / beta)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    return torch.where(input > 0, input, alpha * torch.expm1(input))


def glu(input: Tensor, dim: int = -1) -> Tensor:
    a, b = input.chunk(2, dim)
    return a / (1 + torch.exp(-b))


def gather(input: Tensor, dim: int, index: Tensor) -> Tensor:
    places = list(torch.meshgrid(*(torch.arange(s) for s in index.shape), indexing="ij"))
    places[dim] = index
    return input[tuple(places)]


def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    return input.movedim(dim, 0)[index].movedim(0, dim)


def take_along_dim(input: Tensor, indices: Tensor, dim: int) -> Tensor:
    shape = [max(a, b) for a, b in zip(input.shape, indices.shape)]
    shape[dim] = indices.shape[dim]
    return input.gather(dim, indices.expand(shape))


def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    hot = F.one_hot(index, input.shape[dim]).to(src)  # [..., places]
    added = torch.einsum("kmn,km->nm" if dim == 0 else "knm,kn->km", hot, src)
    return input + added


def index_add(
    input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: float = 1
) -> Tensor:
    hot = F.one_hot(index, input.shape[dim]).to(source)  # [k, places]
    return input + alpha * (hot.mT @ source if dim == 0 else source @ hot)


def roll(input: Tensor, shifts: Any, dims: Any = None) -> Tensor:
    if dims is None:
        return roll(input.reshape(-1), shifts, 0).view(input.shape)
    pairs = [(shifts, dims)] if isinstance(dims, int) else zip(shifts, dims)
    for shift, dim in pairs:
        n = input.shape[dim]
        input = input.index_select(dim, (torch.arange(n) - shift) % n)
    return input


def flip(input: Tensor, dims: Any) -> Tensor:
    for dim in dims:
        input = input.index_select(dim, torch.arange(input.shape[dim] - 1, -1, -1))
    return input


def tril(input: Tensor, diagonal: int = 0) -> Tensor:
    row, column = torch.arange(input.shape[-2])[:, None], torch.arange(input.shape[-1])
    return torch.where(column - row <= diagonal, input, 0.0)


def cat(tensors: Any, dim: int = 0) -> Tensor:
    parts = [t.movedim(dim, 0) for t in tensors]
    rows = [len(p) for p in parts]
    out = parts[0].new_empty(sum(rows), *parts[0].shape[1:])
    for target, part in zip(out.split(rows), parts):
        target.copy_(part)
    return out.movedim(0, dim)


def stack(tensors: Any, dim: int = 0) -> Tensor:
    return torch.cat([t.unsqueeze(dim) for t in tensors], dim)


def repeat_interleave(input: Tensor, repeats: int, dim: int | None = None) -> Tensor:
    input = input.reshape(-1) if dim is None else input
    dim = 0 if dim is None else dim
    return input.index_select(dim, torch.arange(input.shape[dim] * repeats) // repeats)


def embedding(input: Tensor, weight: Tensor) -> Tensor:
    return weight[input]


def pad(input: Tensor, pad: Any, mode: str = "constant", value: float | None = None) -> Tensor:
    if mode == "reflect":
        left, right = pad
        n = input.shape[-1]
        place = torch.arange(-left, n + right).abs()
        return input[..., torch.where(place >= n, 2 * (n - 1) - place, place)]
    borders = [(pad[k], pad[k + 1]) for k in range(0, len(pad), 2)][::-1]
    borders = [(0, 0)] * (input.ndim - len(borders)) + borders
    shape = [n + a + b for n, (a, b) in zip(input.shape, borders)]
    out = input.new_full(shape, 0.0 if value is None else value)
    out[tuple(slice(a, a + n) for n, (a, _) in zip(input.shape, borders))] = input
    return out


def matmul(input: Tensor, other: Tensor) -> Tensor:
    if other.ndim == 1:
        return (input * other).sum(-1)
    return torch.einsum("...ij,...jk->...ik", input, other)


def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    return torch.stack([a @ b for a, b in zip(input, mat2)])


def addmm(
    input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1
) -> Tensor:
    return beta * input + alpha * (mat2.mT @ mat1.mT).mT


def outer(input: Tensor, vec2: Tensor) -> Tensor:
    return input[:, None] * vec2


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    y = input @ weight.mT
    return y if bias is None else y + bias


def cdist(x1: Tensor, x2: Tensor, p: float = 2.0) -> Tensor:
    d = (x1[..., :, None, :] - x2[..., None, :, :]).abs()
    return d.pow(p).sum(-1).pow(1 / p)


def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    groups: int = 1,
) -> Tensor:
    taps = weight.shape[-1]
    windows = F.pad(input, (padding, padding)).unfold(-1, dilation * (taps - 1) + 1, stride)
    windows = windows[..., ::dilation].unflatten(1, (groups, -1))  # [B, G, C, T, K]
    y = torch.einsum("bgctk,gdck->bgdt", windows, weight.unflatten(0, (groups, -1))).flatten(1, 2)
    return y if bias is None else y + bias[:, None]


def avg_pool1d(
    input: Tensor, kernel_size: int, stride: int | None = None, padding: int = 0
) -> Tensor:
    windows = F.pad(input, (padding, padding)).unfold(-1, kernel_size, stride or kernel_size)
    return windows.mean(-1)


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
) -> Tensor:
    scores = query @ key.mT * (1 / math.sqrt(query.shape[-1]) if scale is None else scale)
    if is_causal:
        row, column = torch.arange(scores.shape[-2])[:, None], torch.arange(scores.shape[-1])
        scores = torch.where(column <= row, scores, -math.inf)
    if attn_mask is not None:
        scores = scores + attn_mask
    e = (scores - scores.amax(-1, keepdim=True)).exp()
    return (e / e.sum(-1, keepdim=True)) @ value
