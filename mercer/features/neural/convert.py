"""A trained layer by universal random features."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from mercer.features.neural.layer import SNNKLinear
from mercer.features.neural.spectrum import Spectrum
from mercer.features.neural.universal import UniversalRandomFeatures


def linear_rows(linear: nn.Linear) -> Tensor:
    """Rows ``(w, b)`` of a linear layer, shape ``(out_features, in_features + 1)``."""
    W = linear.weight.detach()
    b = W.new_zeros(len(W)) if linear.bias is None else linear.bias.detach()
    return torch.cat([W, b[:, None]], -1)


def snnk_from_linear(
    linear: nn.Linear,
    activation: str | Spectrum,
    count: int,
    *,
    input_norm: float,
    inputs: Literal["positive", "trigonometric"] = "positive",
    A: float = 0.0,
    generator: torch.Generator | None = None,
) -> SNNKLinear:
    r"""A layer whose mean over draws is ``activation(linear(x))``, without training.

    The error falls as 1 / sqrt(count), from a level that grows as
    :math:`\exp(|\zeta| \|x\| \|w\|)`; see :class:`UniversalRandomFeatures`. Where that is large,
    :func:`bundle` with calibration points fits the parameters instead.

    Parameters
    ----------
    linear : torch.nn.Linear
        Trained.
    activation : str or Spectrum
        What followed it; see :func:`activation_spectrum`.
    count : int
        How many rates and vectors are drawn.
    input_norm : float
        Typical norm of an input, positive; with the median norm of the weights it sets the balance.
    inputs : {"positive", "trigonometric"}
        See :class:`UniversalRandomFeatures`.
    A : float, below 1/8
        Likewise.
    generator : torch.Generator, optional
        Source of randomness.

    Returns
    -------
    SNNKLinear
        Its ``psi`` can be trained further.

    Examples
    --------
    >>> g = torch.Generator().manual_seed(0)
    >>> linear = torch.nn.Linear(4, 3)
    >>> layer = snnk_from_linear(linear, "tanh", 4000, input_norm=1.0, generator=g)
    >>> x = torch.full((1, 4), 0.5)
    >>> bool((layer(x) - torch.tanh(linear(x))).abs().max() < 0.2)
    True
    """
    if not isinstance(linear, nn.Linear):
        raise TypeError(f"linear must be a torch.nn.Linear, got {type(linear).__name__}")
    rows = linear_rows(linear)
    features = UniversalRandomFeatures(
        activation,
        linear.in_features,
        count,
        inputs=inputs,
        balance=float(rows[:, :-1].norm(dim=-1).median()) / input_norm,
        A=A,
        generator=generator,
    ).to(rows.device)
    return SNNKLinear.from_psi(linear.in_features, features, features.second(rows))
