"""Solutions in plain torch for PyTorch's reductions, norms and losses, by other functions."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def sum(
    input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: torch.dtype | None = None
) -> Tensor:
    axes = range(input.ndim) if dim is None else [dim] if isinstance(dim, int) else dim
    x = input.to(input.dtype if dtype is None else dtype)
    for axis in sorted((a % x.ndim for a in axes), reverse=True):
        x = x.movedim(axis, -1) @ x.new_ones(x.shape[axis])
        x = x.unsqueeze(axis) if keepdim else x
    return x


def mean(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    axes = list(range(input.ndim)) if dim is None else [dim] if isinstance(dim, int) else dim
    count = math.prod(input.shape[a] for a in axes)
    return (input / count).sum(list(axes), keepdim=keepdim)


def var(input: Tensor, dim: Any = None, *, correction: float = 1, keepdim: bool = False) -> Tensor:
    axes = list(range(input.ndim)) if dim is None else [dim] if isinstance(dim, int) else list(dim)
    count = math.prod(input.shape[a] for a in axes)
    centred = input - input.mean(axes, keepdim=True)
    return centred.square().sum(axes, keepdim=keepdim) / (count - correction)


def std(input: Tensor, dim: Any = None, *, correction: float = 1, keepdim: bool = False) -> Tensor:
    axes = [dim] if isinstance(dim, int) else list(dim)
    count = math.prod(input.shape[a] for a in axes)
    centred = input - input.mean(axes, keepdim=True)
    length = torch.linalg.vector_norm(centred, dim=axes, keepdim=keepdim)
    return length / math.sqrt(count - correction)


def amax(input: Tensor, dim: Any = (), keepdim: bool = False) -> Tensor:
    axes = [dim] if isinstance(dim, int) else list(dim) or list(range(input.ndim))
    return -(-input).amin(axes, keepdim=keepdim)


def max(input: Tensor, dim: int, keepdim: bool = False) -> tuple[Tensor, Tensor]:
    places = input.argmax(dim, keepdim=True)
    values = input.gather(dim, places)
    return (values, places) if keepdim else (values.squeeze(dim), places.squeeze(dim))


def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    x, axis = (input.reshape(-1), 0) if dim is None else (input, dim)
    place = torch.sort(x, dim=axis, descending=True, stable=True).indices.narrow(axis, 0, 1)
    return place.contiguous() if keepdim else place.squeeze(axis).contiguous()


def any(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    count = input.sum() if dim is None else input.sum(dim, keepdim=keepdim)
    return count > 0


def logsumexp(input: Tensor, dim: Any, keepdim: bool = False) -> Tensor:
    top = input.amax(dim, keepdim=True)
    y = top + (input - top).exp().sum(dim, keepdim=True).log()
    return y if keepdim else y.squeeze(dim)


def cumsum(input: Tensor, dim: int, *, dtype: torch.dtype | None = None) -> Tensor:
    x = input.to(input.dtype if dtype is None else dtype).movedim(dim, -1)
    n = x.shape[-1]
    return (x @ torch.ones(n, n, dtype=x.dtype, device=x.device).triu()).movedim(-1, dim)


def topk(
    input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True
) -> tuple[Tensor, Tensor]:
    values, places = input.sort(dim, descending=largest)
    return values.narrow(dim, 0, k).contiguous(), places.narrow(dim, 0, k).contiguous()


def sort(input: Tensor, dim: int = -1, descending: bool = False) -> tuple[Tensor, Tensor]:
    places = (-input if descending else input).argsort(dim)
    return input.gather(dim, places), places


def softmax(input: Tensor, dim: int, *, dtype: torch.dtype | None = None) -> Tensor:
    x = input.to(input.dtype if dtype is None else dtype)
    e = (x - x.amax(dim, keepdim=True)).exp()
    return e / e.sum(dim, keepdim=True)


def log_softmax(input: Tensor, dim: int) -> Tensor:
    return input - input.logsumexp(dim, keepdim=True)


def layer_norm(
    input: Tensor,
    normalized_shape: Any,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    axes = list(range(-len(normalized_shape), 0))
    centred = input - input.mean(axes, keepdim=True)
    y = centred / torch.sqrt(centred.square().mean(axes, keepdim=True) + eps)
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


def rms_norm(
    input: Tensor, normalized_shape: Any, weight: Tensor | None = None, eps: float | None = None
) -> Tensor:
    axes = list(range(-len(normalized_shape), 0))
    eps = torch.finfo(input.dtype).eps if eps is None else eps
    y = input / torch.sqrt(input.square().mean(axes, keepdim=True) + eps)
    return y if weight is None else y * weight


def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    rows = input.reshape(len(input), num_groups, -1)
    centred = rows - rows.mean(-1, keepdim=True)
    y = (centred / torch.sqrt(centred.square().mean(-1, keepdim=True) + eps)).view(input.shape)
    shape = (1, -1, *[1] * (input.ndim - 2))
    y = y if weight is None else y * weight.view(shape)
    return y if bias is None else y + bias.view(shape)


def normalize(input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Tensor:
    length = input.abs().pow(p).sum(dim, keepdim=True).pow(1 / p)
    return input / length.clamp_min(eps)


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    a = x1 / x1.square().sum(dim, keepdim=True).sqrt().clamp_min(eps)
    b = x2 / x2.square().sum(dim, keepdim=True).sqrt().clamp_min(eps)
    return (a * b).sum(dim)


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    log_p = input - input.logsumexp(-1, keepdim=True)
    kept = target != ignore_index
    share = torch.ones_like(log_p[0]) if weight is None else weight
    hard = -log_p.gather(-1, target[:, None])[:, 0] * share[target]
    soft = -(log_p * share).mean(-1)
    loss = torch.where(kept, (1 - label_smoothing) * hard + label_smoothing * soft, 0.0)
    if reduction == "none":
        return loss
    return loss.sum() if reduction == "sum" else loss.sum() / (share[target] * kept).sum()


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    hot = F.one_hot(target, input.shape[-1]) * (target != ignore_index)[:, None]
    share = hot if weight is None else hot * weight
    loss = -(input * share).sum(-1)
    if reduction == "none":
        return loss
    return loss.sum() if reduction == "sum" else loss.sum() / share.sum()


def smooth_l1_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", beta: float = 1.0
) -> Tensor:
    d = (input - target).abs()
    near = d.clamp_max(beta)
    loss = near * near / (2 * beta) + (d - near)
    return loss if reduction == "none" else loss.mean() if reduction == "mean" else loss.sum()


def kl_div(
    input: Tensor, target: Tensor, reduction: str = "mean", log_target: bool = False
) -> Tensor:
    p, log_p = (target.exp(), target) if log_target else (target, target.log())
    total = (p * (log_p - input)).sum()
    return total / len(input) if reduction == "batchmean" else total


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    yes = target if pos_weight is None else target * pos_weight
    loss = yes * F.softplus(-input) + (1 - target) * F.softplus(input)
    loss = loss if weight is None else loss * weight
    return loss if reduction == "none" else loss.mean() if reduction == "mean" else loss.sum()
