"""Active learning: which points to label next, from kernels of a trained network."""

from mercer.learn.active.batch import select_batch
from mercer.learn.active.ensemble import Ensemble
from mercer.learn.active.khatri_rao import KhatriRao
from mercer.learn.active.last_layer import LastLayer
from mercer.learn.active.network import NetworkRegressor
from mercer.learn.active.nngp import NNGP
from mercer.learn.active.select import select
from mercer.learn.active.selection import Selection
from mercer.learn.active.sketched_gradient import SketchedGradient
from mercer.learn.active.tangent import tangent_factors, tangent_kernel
from mercer.learn.active.tangent_linear import TangentLinear
from mercer.learn.active.transforms import (
    AcsGradient,
    AcsRandom,
    Posterior,
    Scale,
    Sketch,
    Transform,
)

__all__ = [
    "NNGP",
    "AcsGradient",
    "AcsRandom",
    "Ensemble",
    "KhatriRao",
    "LastLayer",
    "NetworkRegressor",
    "Posterior",
    "Scale",
    "Selection",
    "Sketch",
    "SketchedGradient",
    "TangentLinear",
    "Transform",
    "select",
    "select_batch",
    "tangent_factors",
    "tangent_kernel",
]
