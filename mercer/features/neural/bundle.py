"""Bundling: consecutive layers of a network as one inner product of features."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mercer.features.base import FeatureMap
from mercer.features.neural.closed_form import ridge_readout
from mercer.features.neural.composed import ComposedFeatures
from mercer.features.neural.convert import linear_rows
from mercer.features.neural.layer import SNNKLinear


def bundle(
    model: nn.Sequential,
    maps: Sequence[FeatureMap],
    *,
    start: int = 0,
    calibration: Tensor | None = None,
    ridge: float = 1e-4,
) -> nn.Sequential:
    r"""Replace consecutive layers by one :class:`SNNKLinear` on composed features.

    With :math:`h_1 = f(W_1 x + b_1) \approx \Psi_1 \Phi_1(x)`, the next layer reads the features
    :math:`\Phi_1(x)` through the weights :math:`W_2 \Psi_1`, and so

    .. math:: f(W_2 h_1 + b_2) \approx \Psi_2(W_2 \Psi_1, b_2) \, \Phi_2(\Phi_1(x)).

    All parameters of the layers but the last have gone into one matrix. A linear layer that follows
    the bundle is folded into that matrix too: :math:`W_3 \Psi_2`, with its bias. If all layers of
    a network are bundled, it is linear in its only matrix, see :class:`FullyBundledNetwork`.

    Parameters
    ----------
    model : torch.nn.Sequential
        ``Linear, activation, Linear, activation, ...``; activations may be any modules that are
        not ``Linear``.
    maps : sequence of FeatureMap
        One for each layer in the bundle. The first reads the inputs of the bundle, each other one
        the features of the one before.
    start : int
        The first layer of the bundle, counting ``Linear`` layers from 0.
    calibration : Tensor, shape (n, in_features), optional
        Inputs of ``model``. With them the matrix is the ridge regression of the layers' outputs on
        the features, and any maps will do. Without, the maps must estimate the activations, as
        :class:`UniversalRandomFeatures` does, and the matrix is the formula above.
    ridge : float, at least 0
        Of that regression, see :func:`ridge_readout`.

    Returns
    -------
    torch.nn.Sequential
        Copies of the layers outside, and the bundle.

    Raises
    ------
    ValueError
        If the layers are not there or a map does not fit.

    References
    ----------
    A. Sehanobish et al., Scalable Neural Network Kernels. https://arxiv.org/abs/2310.13225

    Examples
    --------
    >>> from mercer.features.neural import ReLUFeatures
    >>> from torch.nn import Linear, ReLU
    >>> model = torch.nn.Sequential(Linear(5, 64), ReLU(), Linear(64, 64), ReLU(), Linear(64, 2))
    >>> maps = ReLUFeatures(5, 40), ReLUFeatures(40, 40)
    >>> bundled = bundle(model, maps, calibration=torch.randn(100, 5))
    >>> len(bundled), bundled(torch.ones(3, 5)).shape
    (1, torch.Size([3, 2]))
    """
    layers = _layers(model)
    inside, after = layers[start : start + len(maps)], layers[start + len(maps) :]
    _check(layers, inside, maps, start)
    features = ComposedFeatures(*maps).to(inside[0][0].weight.device)  # type: ignore[arg-type]
    before = nn.Sequential(*_flat(layers[:start]))
    following = after[0][0] if after else None
    with torch.no_grad():
        if calibration is None:
            psi, constant = _formula(inside, following, maps)
        else:
            H = before(calibration)  # [n, in_features of the bundle]
            outputs = nn.Sequential(*_flat(inside), *([] if following is None else [following]))
            psi, constant = ridge_readout(features(H), outputs(H), ridge=ridge)
    first = inside[0][0]
    assert isinstance(first, nn.Linear)
    layer = SNNKLinear.from_psi(first.in_features, features, psi, constant)
    rest = [*(after[0][1:] if after else []), *_flat(after[1:])]
    return nn.Sequential(*copy.deepcopy([*before]), layer, *copy.deepcopy(rest))


def _formula(
    inside: list[list[nn.Module]], following: nn.Module | None, maps: Sequence[FeatureMap]
) -> tuple[Tensor, Tensor | None]:
    """``Psi`` of the whole bundle, layer after layer."""
    psi: Tensor | None = None
    for (linear, *_), phi in zip(inside, maps):
        assert isinstance(linear, nn.Linear)
        rows = linear_rows(linear)  # [out_features, in_features + 1]
        if psi is not None:
            rows = torch.cat([rows[:, :-1] @ psi, rows[:, -1:]], -1)
        psi = phi.second(rows)  # [out_features, D]
    assert psi is not None
    if following is None:
        return psi, None
    assert isinstance(following, nn.Linear)
    return following.weight @ psi, following.bias


def _layers(model: nn.Sequential) -> list[list[nn.Module]]:
    """Each ``Linear`` with the modules up to the next."""
    if not isinstance(model, nn.Sequential):
        raise TypeError(f"model must be a torch.nn.Sequential, got {type(model).__name__}")
    layers: list[list[nn.Module]] = []
    for module in model:
        if isinstance(module, nn.Linear):
            layers.append([module])
        elif layers:
            layers[-1].append(module)
        else:
            raise ValueError(f"model must begin with a Linear, got {type(module).__name__}")
    return layers


def _flat(layers: list[list[nn.Module]]) -> list[nn.Module]:
    return [module for layer in layers for module in layer]


def _check(
    layers: list[list[nn.Module]],
    inside: list[list[nn.Module]],
    maps: Sequence[FeatureMap],
    start: int,
) -> None:
    activated = sum(len(layer) > 1 for layer in inside)
    if not maps or start < 0 or activated < len(maps):
        raise ValueError(
            f"{len(maps)} maps from layer {start} on need as many layers with an activation, "
            f"but model has {len(layers)} layers, {activated} of them there"
        )
