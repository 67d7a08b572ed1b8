"""Low-discrepancy point sets: lattices, digital nets and Halton's sequence."""

from mercer.features.points.base import PointSet
from mercer.features.points.component_by_component import component_by_component
from mercer.features.points.digital_net import DigitalNet
from mercer.features.points.halton import Halton
from mercer.features.points.lattice import Lattice

__all__ = ["DigitalNet", "Halton", "Lattice", "PointSet", "component_by_component"]
