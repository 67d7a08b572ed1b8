"""The gradient of a network in its weights, layer by layer, as Kronecker factors."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mercer import checks
from mercer.features.base import check_points
from mercer.learn.active.khatri_rao import KhatriRao

ROWS = 8192  # rows that pass through the network at a time


def layers(network: nn.Module) -> list[nn.Module]:
    """The modules of a network of linear layers and activations, in order.

    Parameters
    ----------
    network : nn.Sequential
        Of ``nn.Linear`` and modules without parameters; a ``Sequential`` may stand inside.

    Returns
    -------
    list of nn.Module

    Raises
    ------
    TypeError
        If the network is of another kind.
    ValueError
        If it has no linear layer or more than one output.
    """
    if not isinstance(network, nn.Sequential):
        raise TypeError(
            f"network must be an nn.Sequential of nn.Linear and activations, got "
            f"{type(network).__name__}"
        )
    flat: list[nn.Module] = []
    for module in network:
        if isinstance(module, nn.Sequential):
            flat.extend(layers(module) if len(module) else [])
        elif isinstance(module, nn.Linear) or next(module.parameters(), None) is None:
            flat.append(module)
        else:
            raise TypeError(
                "network must consist of nn.Linear and modules without parameters, got "
                f"{type(module).__name__}"
            )
    return flat


def linear_layers(network: nn.Module) -> list[nn.Linear]:
    """The linear layers of a network with one output, checked as by :func:`layers`."""
    linear = [module for module in layers(network) if isinstance(module, nn.Linear)]
    if not linear or linear[-1].out_features != 1:
        outputs = linear[-1].out_features if linear else 0
        raise ValueError(f"network must end in a linear layer of one output, got {outputs}")
    return linear


def tangent_factors(network: nn.Module, X: Tensor) -> list[tuple[Tensor, Tensor]]:
    r"""Kronecker factors of the gradient of ``f(x)`` in all weights and biases.

    For a layer :math:`z = W a + b` the gradient in :math:`(W, b)` is
    :math:`\partial f / \partial z \otimes (a, 1)`. A layer that scales its weights and biases by
    ``weight_factor`` and ``bias_factor`` has these before ``a`` and ``1``.

    Parameters
    ----------
    network : nn.Sequential
        See :func:`layers`; one output. It is evaluated as in ``eval`` mode and left as it was.
    X : Tensor, shape (n, d)
        Points, one a row, in the dtype of the network.

    Returns
    -------
    list of pairs of Tensor, shapes (n, p + 1) and (n, q)
        For each linear layer, ``(a, 1)`` and the gradient in its output.

    Raises
    ------
    TypeError, ValueError
        If the network or the points are of another kind.

    Examples
    --------
    >>> network = nn.Sequential(nn.Linear(2, 1))
    >>> tangent_factors(network, torch.tensor([[2.0, 3.0]]))
    [(tensor([[2., 3., 1.]]), tensor([[1.]]))]
    """
    check_points("X", X)
    checks.alike("X", X, "network", linear_layers(network)[0].weight)
    training = network.training
    network.eval()
    try:
        pieces = [_factors(network, rows) for rows in X.detach().split(ROWS)]
    finally:
        network.train(training)
    if len(pieces) == 1:
        return pieces[0]
    return [
        (torch.cat([p[0] for p in pair]), torch.cat([p[1] for p in pair])) for pair in zip(*pieces)
    ]


@torch.enable_grad()
def _factors(network: nn.Module, X: Tensor) -> list[tuple[Tensor, Tensor]]:
    inputs, outputs = [], []
    h = X
    for module in layers(network):
        if isinstance(module, nn.Linear):
            inputs.append(_widened(module, h.detach()))
            h = module(h)
            if not h.requires_grad:
                h.requires_grad_()
            outputs.append(h)
        else:
            h = module(h)
    return list(zip(inputs, torch.autograd.grad(h.sum(), outputs)))


def _widened(layer: nn.Linear, a: Tensor) -> Tensor:
    """``(a, 1)``, each times the layer's factor, or ``a`` where there is no bias."""
    a = a * getattr(layer, "weight_factor", 1.0)
    if layer.bias is None:
        return a
    one = a.new_full((len(a), 1), getattr(layer, "bias_factor", 1.0))
    return torch.cat([a, one], dim=1)


def tangent_kernel(network: nn.Module, X: Tensor) -> KhatriRao:
    r"""The neural tangent kernel of a finite network, :math:`\nabla f(x) \cdot \nabla f(x')`.

    Parameters
    ----------
    network : nn.Sequential
        See :func:`tangent_factors`.
    X : Tensor, shape (n, d)
        Points, one a row.

    Returns
    -------
    KhatriRao, shape (n, n)

    Examples
    --------
    >>> network = nn.Sequential(nn.Linear(2, 1))
    >>> tangent_kernel(network, torch.eye(2)).dense()
    tensor([[2., 1.],
            [1., 2.]])
    """
    return KhatriRao(tangent_factors(network, X))
