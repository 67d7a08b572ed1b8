"""Attention and what prepares it. Tensors are [batch, heads, time, width]."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mercer.lab.channels.operator import written

HEADS = {"b": (2, 2, 4, 8), "h": (3, 4, 8, 16), "t": (13, 32, 256, 2048), "d": (10, 16, 64, 64)}
QKV = {"q": "b h t d", "k": "b h t d", "v": "b h t d"}
PAGES = {
    "b": (3, 4, 32, 128),
    "h": (2, 4, 8, 16),
    "d": (10, 16, 64, 128),
    "pages": (5, 16, 128, 2048),
    "page": (3, 4, 16, 16),
    "most": (2, 4, 16, 64),
}


@written({"q": "b h t d", "k": "b h t d", "cos": "t d", "sin": "t d"}, HEADS, "q, k, cos, sin")
def rotary_embedding(q: Tensor, k: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor]:
    """Rotary positions for queries and keys: x cos + rotate(x) sin.

    rotate(x) puts minus the second half of the width before the first half.
    """
    half = q.shape[-1] // 2
    rotated_q = torch.cat([-q[..., half:], q[..., :half]], -1)
    rotated_k = torch.cat([-k[..., half:], k[..., :half]], -1)
    return q * cos + rotated_q * sin, k * cos + rotated_k * sin


@written(QKV, HEADS, "q, k, v, causal=True", "q, k, v", "q, k, v, scale=0.2")
def flash_attention_forward(
    q: Tensor, k: Tensor, v: Tensor, causal: bool = False, scale: float | None = None
) -> tuple[Tensor, Tensor]:
    """Attention and the logarithm of each row's sum of exponentials, [batch, heads, time].

    The scale is one over the root of the width unless it is given; a causal row sees itself and
    what is before it.
    """
    scores = q @ k.mT * (q.shape[-1] ** -0.5 if scale is None else scale)  # [B, H, T, T]
    if causal:
        later = torch.ones(scores.shape[-2:], dtype=torch.bool, device=q.device).triu(1)
        scores = scores.masked_fill(later, -math.inf)
    return scores.softmax(-1) @ v, scores.logsumexp(-1)


@written({**QKV, "slopes": "h ~ uniform"}, HEADS, "q, k, v, slopes")
def alibi_attention(q: Tensor, k: Tensor, v: Tensor, slopes: Tensor) -> Tensor:
    """Causal attention whose scores lose a head's slope times the distance in time."""
    time = torch.arange(q.shape[-2], device=q.device)
    distance = time[:, None] - time
    scores = q @ k.mT / math.sqrt(q.shape[-1]) - slopes[:, None, None] * distance
    return scores.masked_fill(distance < 0, -math.inf).softmax(-1) @ v


@written(
    {
        "q": "b h d",
        "keys": "pages page h d",
        "values": "pages page h d",
        "table": "b most ~ index pages",
        "lengths": "b ~ index most*page",
    },
    PAGES,
    "q, keys, values, table, lengths",
)
def paged_attention_decode(
    q: Tensor, keys: Tensor, values: Tensor, table: Tensor, lengths: Tensor
) -> Tensor:
    """One new query per sequence over keys and values that lie in pages.

    Position t of sequence b is row t % page of page table[b, t // page]; positions up to and with
    lengths[b] count. q is [batch, heads, width], keys and values are [pages, page, heads, width].
    """
    k = keys[table].flatten(1, 2)  # [B, T, H, D]
    v = values[table].flatten(1, 2)
    scores = torch.einsum("bhd,bthd->bht", q, k) / math.sqrt(q.shape[-1])
    beyond = torch.arange(k.shape[1], device=q.device) > lengths[:, None]
    scores = scores.masked_fill(beyond[:, None], -math.inf)
    return torch.einsum("bht,bthd->bhd", scores.softmax(-1), v)


@written(
    {"cache": "b t h d", "new": "b h d", "positions": "b ~ index t"},
    HEADS,
    "cache, new, positions",
)
def kv_cache_scatter(cache: Tensor, new: Tensor, positions: Tensor) -> Tensor:
    """A copy of the cache [batch, time, heads, width] with a new row per sequence at its place."""
    filled = cache.clone()
    filled[torch.arange(len(new), device=new.device), positions] = new
    return filled


@written(QKV, HEADS, "q, k, v")
def causal_linear_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attention without a softmax: each row sums v weighted by <q, k> up to its own time."""
    return (q @ k.mT).tril() @ v
