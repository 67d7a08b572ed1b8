"""What is to be estimated: a moment function that vanishes in the mean at the true parameters."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.func import functional_call

from mercer import checks


class MomentProblem:
    r"""Find parameters whose moments vanish in the mean, or in the mean given instruments.

    .. math:: E[\psi(X; \theta)] = 0 \quad \text{or} \quad E[\psi(X; \theta) | Z] = 0

    Parameters
    ----------
    moment : callable
        ``psi(x, theta)``: points ``[n, d]`` and parameters ``[p]`` to moments ``[n, q]``,
        differentiable in ``theta``.
    start : Tensor, shape (p,)
        Where estimation starts; float64.

    Raises
    ------
    TypeError, ValueError
        If ``moment`` cannot be called or ``start`` is no vector of finite float64 numbers.

    Examples
    --------
    >>> mean = MomentProblem(lambda x, theta: x - theta, torch.zeros(1, dtype=torch.float64))
    >>> mean(torch.tensor([[1.0], [3.0]]).double(), torch.tensor([2.0]).double())
    tensor([[-1.],
            [ 1.]], dtype=torch.float64)
    """

    def __init__(self, moment: Callable[[Tensor, Tensor], Tensor], start: Tensor) -> None:
        if not callable(moment):
            raise TypeError(
                f"moment must be a function of points and parameters, got {type(moment).__name__}"
            )
        self.moment = moment
        self.start = double("start", start).detach().clone()
        if start.ndim != 1 or len(start) == 0:
            raise ValueError(f"start must have shape (p,), got {tuple(start.shape)}")

    def __call__(self, x: Tensor, theta: Tensor) -> Tensor:
        """Moments ``[n, q]`` of points ``[n, d]``."""
        psi = self.moment(x, theta)
        if not isinstance(psi, Tensor):
            raise TypeError(f"moment must return a torch.Tensor, got {type(psi).__name__}")
        if psi.ndim != 2 or len(psi) != len(x):
            raise ValueError(
                f"moment must return shape ({len(x)}, q) for {len(x)} points, got "
                f"{tuple(psi.shape)}"
            )
        return psi

    def check_start(self, x: Tensor, theta: Tensor, where: str = "x") -> None:
        """Raise ``ValueError`` if moments at the start of a search are NaN or infinite."""
        with torch.no_grad():
            psi = self(x, theta)
        if not bool(torch.isfinite(psi).all()):
            found = "NaN" if bool(psi.isnan().any()) else "infinity"
            row = int((~torch.isfinite(psi)).nonzero()[0, 0])
            raise ValueError(
                f"moment gives {found} at start and row {row} of {where}; it must be finite there"
            )


def residual_problem(model: nn.Module, inputs: int) -> MomentProblem:
    r"""The problem of instrumental variables, :math:`E[y - f(t; \theta) | Z] = 0`.

    Parameters
    ----------
    model : nn.Module
        ``f``, in float64; its parameters in order are :math:`\theta`, their values the start. It is
        not changed: ``nn.utils.vector_to_parameters(theta, model.parameters())`` puts an estimate
        into it.
    inputs : int
        How many of the first columns of ``x`` are ``t``; the others are ``y``.

    Returns
    -------
    MomentProblem

    Examples
    --------
    >>> problem = residual_problem(nn.Linear(1, 1, bias=False).double(), 1)
    >>> problem(torch.tensor([[2.0, 5.0]]).double(), torch.tensor([2.0]).double())
    tensor([[1.]], dtype=torch.float64)
    """
    checks.count("inputs", inputs)
    names = [name for name, _ in model.named_parameters()]
    shapes = [p.shape for p in model.parameters()]
    if not names:
        raise ValueError("model must have parameters, got none")
    sizes = [shape.numel() for shape in shapes]

    def moment(x: Tensor, theta: Tensor) -> Tensor:
        t, y = x[:, :inputs], x[:, inputs:]
        values = {
            name: part.reshape(shape)
            for name, part, shape in zip(names, theta.split(sizes), shapes)
        }
        predicted = functional_call(model, values, (t,))
        if predicted.shape != y.shape:
            raise ValueError(
                f"model must return shape {tuple(y.shape)}, that of y, got {tuple(predicted.shape)}"
            )
        return y - predicted

    return MomentProblem(moment, nn.utils.parameters_to_vector(model.parameters()))


def double(name: str, value: Tensor) -> Tensor:
    """Return ``value`` if it is float64 and finite: inner problems are solved by Newton's method.

    Raises
    ------
    TypeError, ValueError
        Otherwise.
    """
    checks.floating(name, value)
    if value.dtype != torch.float64:
        raise TypeError(f"{name} must be float64, got {value.dtype}; use {name}.double()")
    return checks.finite(name, value)
