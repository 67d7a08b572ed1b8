"""Logarithms of sums of exponentials that neither overflow nor underflow."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import sympy
import torch
from torch import Tensor

from mercer.engine.arguments import read
from mercer.engine.formula import Formula, parse
from mercer.engine.mask import Mask
from mercer.engine.normalise import row_maximum
from mercer.engine.softmax import shifted, split_constant
from mercer.engine.sums import reduce_any


def log_sum_exp(
    score: str | Sequence[str],
    exponent: sympy.Expr | str | Formula,
    X: Tensor | Sequence[Tensor],
    Y: Tensor | Sequence[Tensor],
    V: Tensor,
    *,
    parameters: Sequence[Tensor] = (),
    mask: Mask | None = None,
    precision: str = "highest",
    backend: str = "auto",
) -> Tensor:
    r"""Evaluate :math:`\log \sum_j e^{g(s(x_i, y_j))} V_j` without the matrix.

    The sum is taken relative to the largest ``g`` of its row, so that it neither overflows nor
    underflows however large the exponents are. Memory is O(n + m) beyond the answer, and the
    result can be differentiated to any order in all tensors.

    Parameters
    ----------
    score, X, Y, parameters, mask, precision, backend :
        As for :func:`mercer.engine.reduce`.
    exponent : sympy.Expr, str or Formula
        ``g`` in the symbols ``s0, s1, ...`` (scores) and ``p0, p1, ...`` (parameters).
    V : Tensor, shape (*batch, m, c)
        Weights of the exponentials; the sums must come out positive, so that weights above zero
        always do.

    Returns
    -------
    Tensor, shape (*batch, n, c)
        In the dtype of ``V``; minus infinity, with a gradient of zero, where nothing is summed.

    Raises
    ------
    TypeError, ValueError
        If dtypes, devices or shapes do not agree, or a name is unknown.

    Examples
    --------
    >>> x = torch.tensor([[0.0], [100.0]])
    >>> log_sum_exp("squared_distance", "-s0/2", x[:1], x[1:], torch.ones(1, 1))
    tensor([[-5000.]])
    """
    g, rows, columns, p, weights, allowed = read(
        score, exponent, X, Y, V,
        parameters=parameters, mask=mask, precision=precision, backend=backend,
    )  # fmt: skip
    g, constant = _split(g.text)
    how = (allowed, precision, backend)
    # A constant for differentiation: the result does not depend on it.
    largest = row_maximum(g, rows, columns, p, *how)[..., None]  # [*batch, n, 1]
    largest = torch.where(largest.isneginf(), 0.0, largest)
    rows, columns = [*rows, largest], [*columns, torch.ones_like(columns[0][..., :1])]
    total = reduce_any(shifted(g.text), rows, columns, p, weights, *how)  # [*batch, n, c]
    nothing = total == 0
    logs = largest + torch.where(nothing, 1.0, total).log() + constant
    return torch.where(nothing, -torch.inf, logs).to(V.dtype)


@torch.compiler.assume_constant_result
def _split(text: str) -> tuple[Formula, float]:
    """The formula without its constant, and that."""
    return _split_once(text)


@functools.lru_cache(maxsize=4096)
def _split_once(text: str) -> tuple[Formula, float]:
    formula = parse(text)
    g, constant = split_constant(formula.expression)
    return Formula(g, formula.kinds, formula.parameters), constant
