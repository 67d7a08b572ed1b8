"""Losses over large vocabularies, and choices of experts."""

from __future__ import annotations

import torch
from torch import Tensor

from mercer.lab.channels.operator import written

LOGITS = {"n": (7, 32, 512, 4096), "v": (33, 64, 2048, 16384)}
EXPERTS = {"n": (7, 32, 4096, 65536), "e": (9, 16, 64, 128)}


@written(
    {"logits": "n v", "targets": "n ~ index v"},
    LOGITS,
    "logits, targets",
    "logits, targets, smoothing=0.1",
)
def fused_cross_entropy(
    logits: Tensor, targets: Tensor, smoothing: float = 0.0
) -> tuple[Tensor, Tensor]:
    """The cross entropy of every row and the logarithm of its sum of exponentials.

    With smoothing s, 1 - s of the target's mass is on its class and s is spread over all classes.
    """
    lse = logits.logsumexp(-1)
    chosen = logits.gather(-1, targets[:, None])[:, 0]
    return lse - (1 - smoothing) * chosen - smoothing * logits.mean(-1), lse


@written({"logits": "n v", "targets": "n ~ index v"}, LOGITS, "logits, targets")
def cross_entropy_gradient(logits: Tensor, targets: Tensor) -> Tensor:
    """The gradient of the mean cross entropy in the logits: softmax minus one-hot, over n."""
    gradient = logits.softmax(-1)
    gradient[torch.arange(len(targets), device=targets.device), targets] -= 1
    return gradient / len(targets)


@written({"p": "n v ~ probability", "q": "n v ~ probability"}, LOGITS, "p, q", "p, q, eps=0.001")
def rowwise_kl_divergence(p: Tensor, q: Tensor, eps: float = 1e-10) -> Tensor:
    """For every row, the sum of p log(p / q); in the logarithms both are at least eps."""
    return (p * (p.clamp_min(eps).log() - q.clamp_min(eps).log())).sum(-1)


@written({"logits": "n e"}, EXPERTS, "logits, k=2", "logits, 4")
def top_k_gating(logits: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k largest logits of every row through a softmax among themselves, and their places.

    Largest first; places in 64 bits.
    """
    values, places = logits.topk(k, -1)
    return values.softmax(-1), places
