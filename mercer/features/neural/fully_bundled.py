"""The fully bundled network: linear in its only matrix of parameters."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mercer.features.base import FeatureMap
from mercer.features.neural.closed_form import ridge_readout
from mercer.features.neural.composed import ComposedFeatures
from mercer.features.neural.layer import SNNKLinear


class FullyBundledNetwork(SNNKLinear):
    r""":math:`y(x) = \Psi \, \Phi_L(\dots \Phi_1(x)) + c`, with the optimum in closed form.

    Parameters
    ----------
    in_features, out_features : int
        Of the network.
    maps : sequence of FeatureMap
        One for each layer that was bundled, see :func:`bundle`.
    generator : torch.Generator, optional
        Of the initial parameters.

    References
    ----------
    A. Sehanobish et al., Scalable Neural Network Kernels. https://arxiv.org/abs/2310.13225

    Examples
    --------
    >>> from mercer.features.neural import ReLUFeatures
    >>> g = torch.Generator().manual_seed(0)
    >>> x = torch.linspace(-1, 1, 50)[:, None]
    >>> network = FullyBundledNetwork(1, 1, [ReLUFeatures(1, 200, generator=g)])
    >>> y = torch.sin(3 * x)
    >>> bool((network.fit(x, y, ridge=1e-7)(x) - y).abs().max() < 0.05)
    True
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        maps: Sequence[FeatureMap],
        *,
        generator: torch.Generator | None = None,
    ) -> None:
        phi = ComposedFeatures(*maps)
        super().__init__(in_features, out_features, phi, bias=True, generator=generator)

    def fit(self, X: Tensor, Y: Tensor, *, ridge: float = 0.0) -> FullyBundledNetwork:
        r"""Set the parameters that minimise :math:`\frac1n \|Y - y(X)\|^2 + \lambda \|\Psi\|^2`.

        Parameters
        ----------
        X : Tensor, shape (n, in_features)
            Inputs.
        Y : Tensor, shape (n, out_features)
            Targets, of the dtype of ``X``; one column a class, for classification.
        ridge : float, at least 0
            :math:`\lambda`.

        Returns
        -------
        FullyBundledNetwork
            Itself.

        Raises
        ------
        ValueError
            If shapes do not fit, or ridge is zero with fewer points than features.
        """
        if Y.ndim != 2 or Y.shape[-1] != self.out_features:
            raise ValueError(f"Y must have shape (n, {self.out_features}), got {tuple(Y.shape)}")
        with torch.no_grad():
            psi, constant = ridge_readout(self.features(self._check(X)), Y, ridge=ridge)
        self.readout = nn.Parameter(psi / math.sqrt(self.features.dimension))
        self.bias = nn.Parameter(constant)
        return self
