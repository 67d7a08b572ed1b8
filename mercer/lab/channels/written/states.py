"""Recurrences and short convolutions in time. Tensors are [batch, time, width]."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from mercer.lab.channels.operator import written

PATHS = {"b": (2, 2, 4, 8), "t": (13, 16, 64, 256), "d": (10, 32, 128, 2048)}
LONG = {**PATHS, "t": (13, 32, 1024, 4096)}


@written({"decay": "b t d ~ uniform", "x": "b t d"}, PATHS, "decay, x")
def gated_recurrence(decay: Tensor, x: Tensor) -> Tensor:
    """All states of h_t = decay_t h_(t-1) + x_t, from zero."""
    state, states = torch.zeros_like(x[:, 0]), []
    for a, u in zip(decay.unbind(1), x.unbind(1)):
        state = a * state + u
        states.append(state)
    return torch.stack(states, 1)


@written({"x": "b t d", "weight": "d 4", "bias": "d"}, LONG, "x, weight, bias")
def causal_convolution_silu(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Each column with four taps of its own, the last on the present, then x * sigmoid(x)."""
    padded = F.pad(x.mT, (weight.shape[1] - 1, 0))  # [B, D, T + 3]
    return F.silu(F.conv1d(padded, weight[:, None], bias, groups=x.shape[-1])).mT.contiguous()


@written({"first": "b t d", "second": "b t d"}, LONG, "first, second, t=0.25", "first, second")
def token_shift_mix(first: Tensor, second: Tensor, t: float = 0.5) -> Tensor:
    """The second path one step late, zero at the start, times t, plus 1 - t times the first."""
    late = F.pad(second, (0, 0, 1, 0))[:, :-1]
    return (1 - t) * first + t * late
