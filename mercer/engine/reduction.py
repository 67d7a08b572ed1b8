"""The door of the engine: ``reduce`` and ``dense``."""

from __future__ import annotations

from collections.abc import Sequence

import sympy
import torch
from torch import Tensor

from mercer import checks
from mercer.engine import backend as backends
from mercer.engine import planner, tiles
from mercer.engine.arguments import HALF, read
from mercer.engine.evaluate import evaluate, pairwise
from mercer.engine.formula import Formula
from mercer.engine.mask import Mask
from mercer.engine.normalise import normalised
from mercer.engine.sums import flatten, reduce_any


def reduce(
    score: str | Sequence[str],
    profile: sympy.Expr | str | Formula,
    X: Tensor | Sequence[Tensor],
    Y: Tensor | Sequence[Tensor],
    V: Tensor,
    *,
    parameters: Sequence[Tensor] = (),
    mask: Mask | None = None,
    normalise: str | None = None,
    precision: str = "highest",
    backend: str = "auto",
) -> Tensor:
    """Apply a kernel matrix that is never formed: ``out_i = sum_j F(s(x_i, y_j)) V_j``.

    Parameters
    ----------
    score : str or sequence of str
        ``squared_distance``, ``l1_distance`` or ``dot``; several for a profile of several scores.
    profile : sympy.Expr, str or Formula
        ``F`` in the symbols ``s0, s1, ...`` (scores) and ``p0, p1, ...`` (parameters).
    X, Y : Tensor or sequence of Tensor, shapes (*batch, n, d) and (*batch, m, d)
        The points of each score.
    V : Tensor, shape (*batch, m, c)
        What the matrix is applied to.
    parameters : sequence of Tensor, shapes (*batch)
        Values of ``p0, p1, ...``.
    mask : Mask, optional
        The pairs that take part; all of them by default.
    normalise : {None, "rows"}
        With ``"rows"`` every row is divided by its sum. A profile ``exp(g)`` is then evaluated
        relative to the largest ``g`` of its row (softmax), so that nothing overflows.
    precision : {"highest", "high", "medium"}
        Of scores that are matrix products. ``highest`` gives every squared distance to the
        rounding of its own size: by differences, or in float64, where a product would lose
        digits. ``high`` takes a product as precise as the dtype of the points; ``medium`` one
        with eleven bits on Triton, and the same as ``high`` on the other backends.
    backend : {"auto", "torch", "compiled", "triton"}
        Who evaluates the tiles; :func:`mercer.explain` says what ``auto`` comes to. One that is
        named is used or refused.

    Returns
    -------
    Tensor, shape (*batch, n, c)
        In the dtype of ``V``. Half precisions are computed in float32 and rounded once.

    Raises
    ------
    TypeError, ValueError
        If dtypes, devices or shapes do not agree, or a name is unknown.

    Examples
    --------
    >>> x = torch.tensor([[0.0], [1.0]])
    >>> reduce("squared_distance", "exp(-s0/2)", x, x, torch.ones(2, 1))
    tensor([[1.6065],
            [1.6065]])
    """
    if normalise not in (None, "rows"):
        raise ValueError(f'normalise must be None or "rows", got {normalise!r}')
    arguments = read(
        score, profile, X, Y, V,
        parameters=parameters, mask=mask, precision=precision, backend=backend,
    )  # fmt: skip
    over = normalised if normalise else reduce_any
    return over(*arguments, precision, backend).to(V.dtype)


def dense(
    formula: Formula,
    X: Sequence[Tensor],
    Y: Sequence[Tensor],
    parameters: Sequence[Tensor] = (),
    precision: str = "highest",
    backend: str = "auto",
) -> Tensor:
    """The matrix ``F(s(x_i, y_j))``, ``[*batch, n, m]``; differentiable to any order."""
    dtype = X[0].dtype
    if dtype in HALF:
        X, Y = [x.float() for x in X], [y.float() for y in Y]
    parameters = [p.to(X[0]) for p in parameters]
    every = (*X, *Y, *parameters)
    traced = torch.is_grad_enabled() and any(t.requires_grad for t in every)
    small = X[0].shape[-2] * Y[0].shape[-2] <= planner.SMALL
    if traced or small or not all(checks.concrete(t) for t in every):
        scores = pairwise(formula, X, Y)
        parameters = [p[..., None, None] for p in parameters]
        return evaluate(formula, scores, parameters, overwrite=True).to(dtype)
    batch, X3, Y3, p1, _ = flatten(X, Y, parameters, None)
    out = tiles.dense_tiles(formula, X3, Y3, p1, precision, backend)
    return out.reshape(*batch, *out.shape[-2:]).to(dtype)


def explain(
    formula: Formula,
    X: Sequence[Tensor],
    Y: Sequence[Tensor],
    parameters: Sequence[Tensor] = (),
    precision: str = "highest",
    backend: str = "auto",
) -> str:
    """How a product with this matrix runs, and why, in a sentence or two."""
    n, m = X[0].shape[-2], Y[0].shape[-2]
    text = f"{n} x {m} entries of {formula.expression} over {', '.join(formula.kinds)}. "
    if n * m <= planner.SMALL and backend == "auto":
        return text + f"Formed whole: at most {planner.SMALL} entries."
    half = X[0].dtype in HALF
    X, Y = ([t.float() if half else t for t in part] for part in (X, Y))
    _, X3, Y3, p1, _ = flatten(X, Y, [p.to(X[0]) for p in parameters], None)
    taken, why_not = backends.runs_on_triton(formula, X3, backend)
    if taken:
        return text + backends.explain(formula, X3, Y3, p1, precision)
    with torch.no_grad():
        expressions = [formula.expression]
        how = tiles.Evaluator(expressions, formula, X3, Y3, p1, Mask(), precision, backend, n, m)
    return text + how.why() + (f" Not Triton: {why_not}." if X3[0].is_cuda else "")
