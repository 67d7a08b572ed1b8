"""``log(1 + x)`` as a function of profiles, exact for small x."""

from __future__ import annotations

import sympy
import torch
from torch import Tensor

from mercer.engine.formula import register
from mercer.engine.program import custom


@register
class Log1p(sympy.Function):
    """``log(1 + x)``.

    Parameters
    ----------
    x : sympy.Expr
        Above -1.
    """

    nargs = 1

    @classmethod
    def eval(cls, x: sympy.Expr) -> sympy.Expr | None:
        """The value at zero."""
        return sympy.Integer(0) if x.is_zero else None

    def fdiff(self, argindex: int = 1) -> sympy.Expr:
        """The derivative."""
        if argindex != 1:
            raise sympy.ArgumentIndexError(self, argindex)
        return 1 / (1 + self.args[0])


@custom("Log1p")
def evaluate_log1p(x: Tensor, out: Tensor) -> Tensor:
    """``log(1 + x)`` into ``out``."""
    return torch.log1p(x, out=out)
