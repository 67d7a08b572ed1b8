"""How a tile is evaluated: one definition, a torch backend, one planner."""

from mercer.engine.arguments import HALF
from mercer.engine.formula import Formula, differentiate, make, parse
from mercer.engine.log_sum_exp import log_sum_exp
from mercer.engine.mask import Mask
from mercer.engine.reduction import dense, reduce

__all__ = [
    "HALF",
    "Formula",
    "Mask",
    "dense",
    "differentiate",
    "log_sum_exp",
    "make",
    "parse",
    "reduce",
]
