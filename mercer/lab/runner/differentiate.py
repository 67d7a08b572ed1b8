"""One call of a module, forward and backward: the same for the reference and for a candidate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn


def flatten(returned: Any) -> list[Any]:
    """Return what a module returned as a list: of the tensor alone, or of a tuple's members."""
    return list(returned) if isinstance(returned, (tuple, list)) else [returned]


def forward(model: nn.Module, inputs: Sequence[Tensor], *, backward: bool) -> list[Any]:
    """Call `model` on `inputs`; autograd records only if `backward`."""
    with torch.set_grad_enabled(backward):
        return flatten(model(*inputs))


def variables(model: nn.Module, inputs: Sequence[Tensor], names: Sequence[str]) -> list[Tensor]:
    """Return what a call is differentiated in: inputs that ask for it, then named parameters."""
    parameters = dict(model.named_parameters())
    missing = [name for name in names if name not in parameters]
    if missing:
        raise ValueError(f"ModelNew must have {missing[0]!r} as a parameter to learn")
    return [x for x in inputs if x.requires_grad] + [parameters[name] for name in names]


def gradients(
    outputs: Sequence[Any], cotangents: Sequence[Tensor | None], wanted: Sequence[Tensor]
) -> list[Tensor]:
    """Return the gradient of ``sum <cotangent, output>`` in each wanted tensor; zeros where unused.

    Parameters
    ----------
    outputs : sequence
    cotangents : sequence of Tensor or None
        One for each output; None for those that have no gradient.
    wanted : sequence of Tensor
    """
    chosen = [(y, c) for y, c in zip(outputs, cotangents, strict=True) if c is not None]
    if not chosen or not wanted:
        return [torch.zeros_like(v) for v in wanted]
    for y, _ in chosen:
        if not y.requires_grad:
            raise ValueError("an output has no gradient: forward cut it off from the inputs")
    return list(
        torch.autograd.grad(
            [y for y, _ in chosen],
            list(wanted),
            [c for _, c in chosen],
            allow_unused=True,
            materialize_grads=True,
        )
    )
