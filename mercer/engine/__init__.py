"""How a tile is evaluated: one definition, a torch backend, one planner."""

from mercer.engine.formula import Formula, differentiate, make, parse
from mercer.engine.mask import Mask
from mercer.engine.reduction import HALF, dense, reduce

__all__ = ["HALF", "Formula", "Mask", "dense", "differentiate", "make", "parse", "reduce"]
