"""The door of the engine: ``reduce`` and ``dense``."""

from __future__ import annotations

import math
from collections.abc import Sequence

import sympy
import torch
from torch import Tensor

from mercer import checks
from mercer.engine import tiles
from mercer.engine.autograd import reduce_batched
from mercer.engine.evaluate import evaluate, pairwise
from mercer.engine.formula import Formula, make, score_symbol
from mercer.engine.mask import Mask
from mercer.engine.ops import row_maximum_now, row_maximum_op
from mercer.engine.planner import BACKENDS, PRECISIONS, SMALL
from mercer.engine.settings import settings

HALF = (torch.float16, torch.bfloat16)


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
        ``highest`` computes a score in float64 where a float32 product would lose digits;
        ``high`` always takes the product in the dtype of the points; ``medium`` is, on this
        backend, computed as ``high``.
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
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}")
    if backend not in BACKENDS:
        raise ValueError(f"backend must be one of {', '.join(BACKENDS)}, got {backend!r}")
    if normalise not in (None, "rows"):
        raise ValueError(f'normalise must be None or "rows", got {normalise!r}')
    X = [X] if isinstance(X, Tensor) else list(X)
    Y = [Y] if isinstance(Y, Tensor) else list(Y)
    kinds = (score,) if isinstance(score, str) else tuple(score)
    formula = profile if isinstance(profile, Formula) else make(profile, kinds, len(parameters))
    _check(formula, X, Y, V)
    dtype = V.dtype
    if dtype in HALF:
        X, Y, V = [x.float() for x in X], [y.float() for y in Y], V.float()
    parameters = [p.to(V) for p in parameters]
    mask = (mask or Mask()).to(V.device)
    mask.check(X[0].shape[-2], V.shape[-2])
    if normalise:
        return _normalised(formula, X, Y, parameters, V, mask, precision, backend).to(dtype)
    return _reduce(formula, X, Y, parameters, V, mask, precision, backend).to(dtype)


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
    small = X[0].shape[-2] * Y[0].shape[-2] <= SMALL
    if traced or small or not all(checks.concrete(t) for t in every):
        scores = pairwise(formula, X, Y)
        parameters = [p[..., None, None] for p in parameters]
        return evaluate(formula, scores, parameters, overwrite=True).to(dtype)
    batch, X3, Y3, p1, _ = _flatten(X, Y, parameters, None)
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
    if n * m <= SMALL:
        return text + f"Formed whole: at most {SMALL} entries."
    half = X[0].dtype in HALF
    X, Y = ([t.float() if half else t for t in part] for part in (X, Y))
    _, X3, Y3, p1, _ = _flatten(X, Y, [p.to(X[0]) for p in parameters], None)
    with torch.no_grad():
        expressions = [formula.expression]
        how = tiles.Evaluator(expressions, formula, X3, Y3, p1, Mask(), precision, backend, n, m)
    return text + how.why()


def _check(formula: Formula, X: Sequence[Tensor], Y: Sequence[Tensor], V: Tensor) -> None:
    if not len(X) == len(Y) == len(formula.kinds):
        raise ValueError(
            f"the profile has {len(formula.kinds)} scores; got {len(X)} X and {len(Y)} Y"
        )
    checks.floating("V", V)
    for name, points in (("X", X), ("Y", Y)):
        for p in points:
            checks.alike(name, checks.floating(name, p), "V", V)
    for x, y in zip(X, Y):
        if x.shape[-1] != y.shape[-1]:
            raise ValueError(f"X has {x.shape[-1]} coordinates but Y has {y.shape[-1]}")
    if Y[0].shape[-2] != V.shape[-2]:
        raise ValueError(f"Y has {Y[0].shape[-2]} points but V has {V.shape[-2]} rows")


def _reduce(
    formula: Formula,
    X: list[Tensor],
    Y: list[Tensor],
    parameters: list[Tensor],
    V: Tensor,
    mask: Mask,
    precision: str,
    backend: str,
) -> Tensor:
    n, m = X[0].shape[-2], V.shape[-2]
    if n * m <= SMALL and backend == "auto":
        K = evaluate(formula, pairwise(formula, X, Y), [p[..., None, None] for p in parameters])
        return _masked(K, mask) @ V
    batch, X, Y, parameters, V3 = _flatten(X, Y, parameters, V)
    assert V3 is not None
    out = reduce_batched(formula, X, Y, parameters, V3, mask, precision, backend)
    return out.reshape(*batch, n, V.shape[-1])


def _normalised(
    formula: Formula,
    X: list[Tensor],
    Y: list[Tensor],
    parameters: list[Tensor],
    V: Tensor,
    mask: Mask,
    precision: str,
    backend: str,
) -> Tensor:
    """Rows divided by their sums; ``exp(g)`` as ``exp(g - max_j g)``, which changes no quotient."""
    exponent = log_profile(formula.expression)
    if exponent is not None:
        g = Formula(exponent, formula.kinds, formula.parameters)
        largest = _row_maximum(g, X, Y, parameters, mask, precision, backend)
        shift = score_symbol(len(formula.kinds), "dot")
        formula = Formula(sympy.exp(exponent - shift), (*formula.kinds, "dot"), formula.parameters)
        X, Y = [*X, largest[..., None]], [*Y, torch.ones_like(Y[0][..., :1])]
    ones = torch.ones_like(V[..., :1])
    sums = _reduce(formula, X, Y, parameters, torch.cat([V, ones], -1), mask, precision, backend)
    total = sums[..., -1:]
    return sums[..., :-1] / torch.where(total == 0, 1.0, total)


def log_profile(expression: sympy.Expr) -> sympy.Expr | None:
    """``g`` if the expression is ``exp(g)``, up to positive constants; else ``None``."""
    factors = sympy.Mul.make_args(expression)
    if not any(f.func is sympy.exp for f in factors):
        return None
    if not all(f.func is sympy.exp or (f.is_number and f.is_positive) for f in factors):
        return None
    return sympy.Add(*(f.args[0] if f.func is sympy.exp else sympy.log(f) for f in factors))


def _row_maximum(
    formula: Formula,
    X: list[Tensor],
    Y: list[Tensor],
    parameters: list[Tensor],
    mask: Mask,
    precision: str,
    backend: str,
) -> Tensor:
    X, Y, parameters = ([t.detach() for t in part] for part in (X, Y, parameters))
    if X[0].shape[-2] * Y[0].shape[-2] <= SMALL and backend == "auto":
        K = evaluate(formula, pairwise(formula, X, Y), [p[..., None, None] for p in parameters])
        return _masked(K, mask, -torch.inf).amax(-1)
    batch, X, Y, parameters, _ = _flatten(X, Y, parameters, None)
    largest = row_maximum_now if all(map(checks.concrete, (*X, *Y))) else row_maximum_op
    how = settings(formula, mask, precision, backend).text
    out = largest(X, Y, parameters, mask.blocks, how)
    return out.reshape(*batch, -1)


def _masked(K: Tensor, mask: Mask, fill: float = 0.0) -> Tensor:
    if mask.everything:
        return K
    i = torch.arange(K.shape[-2], device=K.device)[:, None]
    j = torch.arange(K.shape[-1], device=K.device)
    return torch.where(mask.allows(i, j), K, fill)


def _flatten(
    X: Sequence[Tensor], Y: Sequence[Tensor], parameters: Sequence[Tensor], V: Tensor | None
) -> tuple[torch.Size, list[Tensor], list[Tensor], list[Tensor], Tensor | None]:
    """Broadcast all batches to one and flatten it: ``[*batch, n, d] -> [B, n, d]``."""
    matrices = [*X, *Y] if V is None else [*X, *Y, V]
    batch = torch.broadcast_shapes(
        *(t.shape[:-2] for t in matrices), *(p.shape for p in parameters)
    )
    B = math.prod(batch)

    def flat(t: Tensor) -> Tensor:
        return t.expand(*batch, *t.shape[-2:]).reshape(B, *t.shape[-2:])

    X3 = [flat(x) for x in X]
    Y3 = [x3 if x is y else flat(y) for x, x3, y in zip(X, X3, Y)]
    p1 = [p.expand(batch).reshape(B) for p in parameters]
    return batch, X3, Y3, p1, None if V is None else flat(V)
