"""The layer that replaces an activation of a linear layer."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

from mercer import checks
from mercer.features.base import FeatureMap
from mercer.operators import LowRank


def snnk_linear(x: Tensor, features: FeatureMap, psi: Tensor, bias: Tensor | None = None) -> Tensor:
    r""":math:`\Phi(x) \Psi^T + c`.

    Parameters
    ----------
    x : Tensor, shape (*batch, n, in_features)
        Inputs.
    features : FeatureMap
        ``Phi``, with D features.
    psi : Tensor, shape (out_features, D)
        Features of the parameters, of the dtype of ``x``.
    bias : Tensor, shape (out_features,), optional
        ``c``.

    Returns
    -------
    Tensor, shape (*batch, n, out_features)

    Examples
    --------
    >>> from mercer.features.neural import ReLUFeatures
    >>> snnk_linear(torch.ones(3, 2), ReLUFeatures(2, 5), torch.zeros(4, 5)).shape
    torch.Size([3, 4])
    """
    return nn.functional.linear(features(x), psi, bias)


class SNNKLinear(nn.Module):
    r"""A feedforward layer whose inputs and parameters meet in one inner product.

    .. math:: y_j(x) = \Phi(x) \cdot \Psi_j + c_j

    In place of ``activation(Linear(in_features, out_features))``. Trained are the vectors
    :math:`\Psi_j` themselves, ``out_features x D`` numbers whatever ``in_features`` is; or weights
    and biases, with :math:`\Psi_j = \Psi(w_j, b_j)` by the feature map, which :meth:`folded` turns
    into the first form.

    Parameters
    ----------
    in_features, out_features : int
        As of ``torch.nn.Linear``.
    features : FeatureMap
        ``Phi`` and, for ``trainable="weight"``, ``Psi`` of rows (w, b).
    trainable : {"psi", "weight"}
        What is trained.
    bias : bool
        Whether there is ``c``, after the activation.
    generator : torch.Generator, optional
        Of the initial parameters.

    Attributes
    ----------
    readout : Parameter, shape (out_features, D)
        :math:`\Psi / \sqrt D`, the weights of features of unit size, for which optimisers and
        initial values of ``torch.nn.Linear`` are made; for ``trainable="psi"``.
    weight : Parameter, shape (out_features, in_features + 1)
        Rows (w, b), for ``trainable="weight"``.

    Raises
    ------
    ValueError
        If an argument is out of range.

    References
    ----------
    A. Sehanobish et al., Scalable Neural Network Kernels. https://arxiv.org/abs/2310.13225

    Examples
    --------
    >>> from mercer.features.neural import ReLUFeatures
    >>> layer = SNNKLinear(784, 512, ReLUFeatures(784, 64))
    >>> sum(p.numel() for p in layer.parameters()), 512 * 785
    (32768, 401920)
    """

    readout: nn.Parameter | None
    weight: nn.Parameter | None
    bias: nn.Parameter | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        features: FeatureMap,
        *,
        trainable: Literal["psi", "weight"] = "psi",
        bias: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if trainable not in ("psi", "weight"):
            raise ValueError(f"trainable must be 'psi' or 'weight', got {trainable!r}")
        if not isinstance(features, FeatureMap):
            raise TypeError(f"features must be a FeatureMap, got {type(features).__name__}")
        self.in_features = checks.count("in_features", in_features)
        self.out_features = checks.count("out_features", out_features)
        self.features = features
        self.trainable = trainable
        fan_in = features.dimension if trainable == "psi" else in_features
        columns = fan_in if trainable == "psi" else in_features + 1
        device = "cpu" if generator is None else generator.device
        uniform = torch.rand((out_features, columns), generator=generator, device=device)
        parameter = nn.Parameter((2 * uniform - 1) / math.sqrt(fan_in))
        self.register_parameter("readout", parameter if trainable == "psi" else None)
        self.register_parameter("weight", parameter if trainable == "weight" else None)
        constant = nn.Parameter(torch.zeros(out_features, device=device)) if bias else None
        self.register_parameter("bias", constant)

    @classmethod
    def from_psi(
        cls, in_features: int, features: FeatureMap, psi: Tensor, bias: Tensor | None = None
    ) -> SNNKLinear:
        """The layer with given ``psi``, shape ``(out_features, D)``, and ``bias``."""
        layer = SNNKLinear(in_features, len(psi), features, bias=bias is not None)
        layer.readout = nn.Parameter(psi.detach() / math.sqrt(features.dimension))
        layer.bias = None if bias is None else nn.Parameter(bias.detach().clone())
        return layer

    @property
    def psi(self) -> Tensor:
        """``Psi``, shape ``(out_features, D)``."""
        if self.readout is None:
            assert self.weight is not None
            return self.features.second(self.weight)
        return self.readout * math.sqrt(self.features.dimension)

    def operator(self, x: Tensor) -> LowRank:
        """The matrix :math:`K(x_i, w_j)` that :meth:`forward` adds ``c`` to, not formed.

        Parameters
        ----------
        x : Tensor, shape (*batch, n, in_features)
            Inputs.

        Returns
        -------
        LowRank, shape (*batch, n, out_features)
            Its product with ``V^T`` is a next linear layer with weight V, at D instead of
            ``out_features`` numbers an input.
        """
        return LowRank(self.features(self._check(x)), self.psi)

    def forward(self, x: Tensor) -> Tensor:
        """The layer's output.

        Parameters
        ----------
        x : Tensor, shape (*batch, n, in_features)
            Inputs.

        Returns
        -------
        Tensor, shape (*batch, n, out_features)
        """
        return snnk_linear(self._check(x), self.features, self.psi, self.bias)

    def folded(self) -> SNNKLinear:
        """The same function with ``psi`` as its parameter: weights are no longer needed."""
        with torch.no_grad():
            return self.from_psi(self.in_features, self.features, self.psi, self.bias)

    def extra_repr(self) -> str:
        """Sizes, for printing."""
        return f"in_features={self.in_features}, out_features={self.out_features}"

    def _check(self, x: Tensor) -> Tensor:
        if x.shape[-1] != self.in_features:
            raise ValueError(f"x must have {self.in_features} columns, got {x.shape[-1]}")
        return x
