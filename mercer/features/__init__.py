"""Finite feature maps: vectors whose inner products are a kernel."""

from mercer.features.base import FeatureMap

__all__ = ["FeatureMap"]
