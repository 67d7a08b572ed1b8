"""The logarithm of the modified Bessel function of the first kind."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mercer.special.evaluation import arguments, evaluate


def log_iv(order: Tensor | float, x: Tensor, *, backend: str = "auto") -> Tensor:
    """``log I_v(x)`` for any order and argument that a double holds and where I is positive.

    The result is computed in float64 and rounded to the dtype of the arguments. Derivatives of any
    order, in both arguments, are those of the expansions. ``I_v(0)`` is zero, or one for ``v = 0``.

    Parameters
    ----------
    order : Tensor or float, any shape
        The order v. A negative one is reflected: ``I_-n = I_n`` for whole numbers, else ``I_-v =
        I_v + (2 / pi) sin(pi v) K_v``.
    x : Tensor, broadcast against ``order``
        The argument, not negative.
    backend : {"auto", "compiled", "torch"}
        ``compiled`` evaluates values on the CPU by a loop in C; ``auto`` takes it for large arrays
        where there is a C compiler.

    Returns
    -------
    Tensor
        Of the broadcast shape.

    Raises
    ------
    TypeError, ValueError
        If ``x`` is negative or no floating-point tensor; NaN and infinity; if I is negative at a
        negative order.

    Examples
    --------
    >>> import torch
    >>> x = torch.tensor([1e-300, 1.0, 1e10], dtype=torch.float64)
    >>> log_iv(1e4, x).tolist()
    [-6996...]

    References
    ----------
    A. Plesner, H. H. B. Sørensen, S. Hauberg, Accurate Computation of the Logarithm of Modified
    Bessel Functions on GPUs, https://arxiv.org/abs/2409.08729
    """
    v, x, dtype = arguments(order, x)
    if v.numel() == 0 or bool(v.detach().min() >= 0):
        return evaluate("i", v, x, backend).to(dtype)
    value = evaluate("i", v.abs(), x, backend)
    flat, argument, log_i = v.reshape(-1), x.reshape(-1), value.reshape(-1)
    index = ((flat < 0) & (flat != flat.round())).nonzero(as_tuple=True)
    reflected = _reflected(-flat[index], argument[index], log_i[index], backend)
    return log_i.index_put(index, reflected).reshape(v.shape).to(dtype)


def _reflected(v: Tensor, x: Tensor, log_i: Tensor, backend: str) -> Tensor:
    """``log I_-v(x)`` for ``v > 0`` that are no whole numbers."""
    period = v - 2 * torch.round(v.detach() / 2)  # sin(pi v) of large v without rounding pi v
    sine = torch.sin(math.pi * period)
    log_k = evaluate("k", v, x, backend) + torch.log(2 / math.pi * sine.abs())
    positive = sine > 0
    wrong = ~positive & (log_k >= log_i)
    if bool(wrong.any()):
        order, at = -float(v[wrong][0].detach()), float(x[wrong][0].detach())
        raise ValueError(f"order {order:g} has I_v(x) <= 0 at x = {at:g}, which has no logarithm")
    difference = torch.where(positive, 0.0, log_k - log_i)
    below = log_i + torch.log(-torch.expm1(torch.where(positive, -1.0, difference)))
    return torch.where(positive, torch.logaddexp(log_i, log_k), below)
