"""Candidates written by rule: a reference's graph of operations, and schedules of its kernels."""

from mercer.lab.templates.extent import Unsupported
from mercer.lab.templates.graph import Graph, Node
from mercer.lab.templates.module import emit
from mercer.lab.templates.moves import fused, mutate, naive, openings
from mercer.lab.templates.schedule import Schedule, Tiling
from mercer.lab.templates.trace import trace

__all__ = [
    "Graph",
    "Node",
    "Schedule",
    "Tiling",
    "Unsupported",
    "emit",
    "fused",
    "mutate",
    "naive",
    "openings",
    "trace",
]
