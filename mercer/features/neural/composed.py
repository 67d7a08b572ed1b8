"""Feature maps one after the other."""

from __future__ import annotations

from torch import Tensor, nn

from mercer.features.base import FeatureMap


class ComposedFeatures(FeatureMap):
    r""":math:`\Phi = \Phi_L \circ \dots \circ \Phi_1`: the features of bundled layers.

    Parameters meet the last map alone: :math:`k(x, y) = \Phi_L(\Phi_{L-1}(\dots)) \cdot \Psi_L(y)`.

    Parameters
    ----------
    *maps : FeatureMap
        The first applies to the points, each other one to the features of the one before.

    Raises
    ------
    TypeError
        If there is none, or one is no feature map.

    Examples
    --------
    >>> from mercer.features.neural import ReLUFeatures
    >>> ComposedFeatures(ReLUFeatures(3, 8), ReLUFeatures(8, 5)).dimension
    5
    """

    def __init__(self, *maps: FeatureMap) -> None:
        super().__init__()
        if not maps or not all(isinstance(phi, FeatureMap) for phi in maps):
            found = ", ".join(type(phi).__name__ for phi in maps) or "none"
            raise TypeError(f"maps must be feature maps, at least one, got {found}")
        self.maps = nn.ModuleList(maps)
        self.dimension = maps[-1].dimension

    def features(self, X: Tensor) -> Tensor:
        """Features of features, shape ``(*batch, n, D)``."""
        for phi in self.maps:
            X = phi(X)
        return X

    def features_of_second(self, Y: Tensor) -> Tensor:
        """Features of the last map's second argument."""
        last = self.maps[-1]
        assert isinstance(last, FeatureMap)
        return last.features_of_second(Y)
