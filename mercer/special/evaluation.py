"""The door of ``log_iv`` and ``log_kv``, and their place in a graph of gradients."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from mercer import checks
from mercer.special import compiled, regimes
from mercer.special.regimes import Kind


def arguments(order: Tensor | float, x: Tensor) -> tuple[Tensor, Tensor, torch.dtype]:
    """Check, broadcast and widen to float64; the dtype is that of the result."""
    checks.floating("x", x)
    if not isinstance(order, Tensor):
        order = torch.tensor(float(order), dtype=torch.float64, device=x.device)
        dtype = x.dtype
    else:
        dtype = torch.promote_types(order.dtype, x.dtype)
        if order.is_complex() or order.dtype == torch.bool:
            raise TypeError(f"order must hold real numbers, got {order.dtype}")
        if order.device != x.device:
            raise ValueError(f"order is on {order.device} but x is on {x.device}; move one of them")
    for name, value in (("order", order), ("x", x)):
        if value.numel() and checks.concrete(value):
            least, most = value.detach().aminmax()  # NaN if there is one
            if not bool((least - least) + (most - most) == 0):
                checks.finite(name, value)
            if name == "x" and bool(least < 0):
                raise ValueError(f"x must not be negative, got {float(least):g}")
    checks.broadcast("order", order, "x", x)
    v, x = torch.broadcast_tensors(order.double(), x.double())
    return v, x, dtype


def evaluate(kind: Kind, v: Tensor, x: Tensor, backend: str) -> Tensor:
    """Elementwise, for non-negative orders and arguments in float64 of one shape."""
    use = compiled.use_compiled(backend, v)
    return _LogBessel.apply(v.reshape(-1), x.reshape(-1), kind, use).reshape(v.shape)


def variables(again: bool, *tensors: Tensor) -> list[Tensor]:
    """To differentiate in: the tensors themselves where that is to be differentiated again."""
    return [t if again and t.requires_grad else t.detach().requires_grad_() for t in tensors]


class _LogBessel(Function):
    @staticmethod
    def forward(ctx: Any, v: Tensor, x: Tensor, kind: Kind, use_compiled: bool) -> Tensor:
        ctx.save_for_backward(v, x)
        ctx.kind = kind
        if v.numel() == 0:
            return torch.zeros_like(v)
        return compiled.evaluate(kind, v, x) if use_compiled else regimes.evaluate(kind, v, x)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        """Through the expansions, which are evaluated again: a graph of them is never kept."""
        if g.numel() == 0:
            return g, g, None, None
        size = regimes.block_size(g)
        again = torch.is_grad_enabled()
        parts = []
        for v, x, part in zip(*(t.split(size) for t in (*ctx.saved_tensors, g))):
            with torch.enable_grad():
                a, b = variables(again, v, x)
                value = regimes.evaluate(ctx.kind, a, b)
                parts.append(torch.autograd.grad(value, (a, b), part, create_graph=again))
        dv, dx = (torch.cat(column) for column in zip(*parts))
        return dv, dx, None, None
