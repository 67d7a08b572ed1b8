"""``solve(K, b)``: the rule that suits the structure, and a record of which one it was."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from mercer import checks
from mercer.linalg.factor import cholesky_factor, lu_solve
from mercer.linalg.implicit import implicit_solve
from mercer.linalg.iterative import cg_solver, normal_solver, sketch_solver
from mercer.linalg.preconditioner import Preconditioner
from mercer.linalg.shifted import dense_with_shift
from mercer.linalg.solution import ConvergenceWarning, Solution, relative_residual
from mercer.linalg.solve_structure import solve_structure
from mercer.operators.base import Operator, as_operator

SMALL = 4096  # rows up to which a dense factorisation is the default
METHODS = ("structure", "cholesky", "lu", "cg", "normal", "sketch")
ITERATIVE: dict[str, Callable[..., dict[str, Any]]] = {
    "cg": cg_solver,
    "normal": normal_solver,
    "sketch": sketch_solver,
}
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}
_SMALL_PSD = f"Cholesky: positive semidefinite and n <= {SMALL}"
_SMALL_ANY = f"LU: not known to be positive semidefinite, and n <= {SMALL}"


class _Options(NamedTuple):
    tol: float
    preconditioner: Preconditioner | None
    max_iterations: int | None
    generator: torch.Generator | None


def solve(
    K: Operator | Tensor,
    b: Tensor,
    *,
    method: str | None = None,
    tol: float | None = None,
    preconditioner: Preconditioner | None = None,
    max_iterations: int | None = None,
    generator: torch.Generator | None = None,
) -> Solution:
    """Solve ``K x = b``; differentiable, twice too, in ``b`` and in everything inside ``K``.

    Without a method the structure's own exact rule is used where there is one; else Cholesky (psd)
    or LU up to 4096 rows; else, for psd, conjugate gradients preconditioned by randomly pivoted
    Cholesky. ``Solution.explain`` says which. A method that is named is used or refused.

    Parameters
    ----------
    K : Operator or Tensor, shape (*batch, n, n)
        float32 or float64. Its tags are believed: ``psd`` means symmetric positive semidefinite.
    b : Tensor, shape (n,) or (*batch, n, c)
        One vector, or columns; the batches broadcast.
    method : {"structure", "cholesky", "lu", "cg", "normal", "sketch"}, optional
        ``structure``: the exact rule or an error. ``cholesky``, ``lu``: of the dense matrix.
        ``cg``: conjugate gradients, for psd. ``normal``: conjugate gradients on ``KᵀK x = Kᵀb``.
        ``sketch``: accelerated sketch-and-project, for psd plus a multiple of the identity.
    tol : float, above 0, optional
        Relative residual at which an iterative method stops; 1e-5 in float32, 1e-10 in float64.
    preconditioner : Preconditioner, optional
        For ``cg``, which it implies.
    max_iterations : int, optional
        For the iterative methods.
    generator : torch.Generator, optional
        Source of randomness for preconditioners and ``sketch``.

    Returns
    -------
    Solution
        ``x`` of the shape of ``b``, ``residual``, ``iterations``, ``converged``, ``explain``.

    Raises
    ------
    ValueError
        For shapes that do not fit, NaN in ``b``, or a method that does not suit ``K``.
    torch.linalg.LinAlgError
        If ``K`` is singular, or not positive definite where it must be.

    Warns
    -----
    ConvergenceWarning
        If an iterative method stopped short of ``tol``; ``converged`` is then False.

    Examples
    --------
    >>> from mercer.operators import Dense
    >>> K = Dense(torch.tensor([[4.0, 1.0], [1.0, 3.0]]), tags={"symmetric", "psd"})
    >>> solution = solve(K, torch.tensor([1.0, 2.0]))
    >>> solution.x
    tensor([0.0909, 0.6364])
    >>> solution.explain
    'Cholesky: positive semidefinite and n <= 4096'
    """
    K = as_operator(K)
    _check(K, b)
    options = _Options(_tolerance(tol, K.dtype), preconditioner, max_iterations, generator)
    B = b[:, None] if b.ndim == 1 else b
    if method is None:
        found = _default(K, B, options)
    elif method in METHODS:
        found = _named(K, B, method, options)
    else:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    if b.ndim == 1:
        found.x = found.x.squeeze(-1)
    if not found.converged:
        warnings.warn(
            f"stopped after {found.iterations} iterations at relative residual "
            f"{found.residual:.2g}, above tol={options.tol:.2g} ({found.explain}); "
            "allow more iterations or a larger tol, add noise"
            + (", or use float64" if K.dtype == torch.float32 else ""),
            ConvergenceWarning,
            stacklevel=2,
        )
    return found


def _check(K: Operator, b: Tensor) -> None:
    if K.shape[-1] != K.shape[-2]:
        raise ValueError(f"K must be square, got {K.n} x {K.m}")
    if K.dtype not in TOLERANCE:
        raise TypeError(f"K must be float32 or float64 to be solved with, got {K.dtype}")
    if not isinstance(b, Tensor):
        raise TypeError(f"b must be a torch.Tensor, got {type(b).__name__}")
    checks.alike("b", b, "K", K)
    if b.ndim == 0 or b.shape[-2 if b.ndim > 1 else 0] != K.n:
        raise ValueError(
            f"K has {K.n} rows, so b needs shape ({K.n},) or (*batch, {K.n}, c); "
            f"got {tuple(b.shape)}"
        )
    # One sum is cheaper than a test of every entry, and is not finite if an entry is not.
    if checks.concrete(b) and not math.isfinite(b.sum().item()):
        checks.finite("b", b)


def _tolerance(tol: float | None, dtype: torch.dtype) -> float:
    if tol is None:
        return TOLERANCE[dtype]
    if not (tol > 0 and math.isfinite(tol)):
        raise ValueError(f"tol must be positive, got {tol:g}")
    return tol


def _default(K: Operator, B: Tensor, options: _Options) -> Solution:
    if options.preconditioner is not None:
        return _iterative(K, B, "cg", options, "conjugate gradients: a preconditioner was given")
    found = _structure(K, B, options)
    if found is not None:
        return found
    if K.n <= SMALL:
        if "psd" in K.tags:
            return _direct(K, B, _cholesky, _SMALL_PSD)
        return _direct(K, B, _lu, _SMALL_ANY)
    if "psd" in K.tags:
        return _iterative(K, B, "cg", options, f"conjugate gradients: psd and n > {SMALL}")
    raise ValueError(
        f"no method is chosen for {K.n} rows that are not known to be positive semidefinite; name "
        "method='normal' (conjugate gradients on the normal equations) or method='lu' (dense), or "
        "tag the operator psd if it is"
    )


def _named(K: Operator, B: Tensor, method: str, options: _Options) -> Solution:
    if options.preconditioner is not None and method != "cg":
        raise ValueError(f"a preconditioner is for method='cg', got method={method!r}")
    why = f"{method}: named by the caller"
    if method == "structure":
        found = _structure(K, B, options)
        if found is None:
            raise ValueError(f"method='structure': there is no exact rule for {K!r}")
        return found
    if method == "lu":
        return _direct(K, B, _lu, why)
    if method == "cholesky":
        _refuse_asymmetric(K)
        return _direct(K, B, _cholesky, why)
    if method != "normal" and "psd" not in K.tags:
        raise ValueError(
            f"method={method!r} needs a positive semidefinite operator and {K!r} is not tagged "
            "psd; tag it if it is, or use method='normal' or 'lu'"
        )
    return _iterative(K, B, method, options, why)


def _refuse_asymmetric(K: Operator) -> None:
    if K.tags.isdisjoint({"symmetric", "psd"}):
        A = K.dense().detach()
        if checks.concrete(A) and not torch.allclose(A, A.mT, rtol=1e-5):
            raise ValueError("method='cholesky' needs a symmetric matrix, and K is not; use 'lu'")


def _cholesky(K: Operator, B: Tensor) -> Tensor:
    return torch.cholesky_solve(B, cholesky_factor(dense_with_shift(K)))


def _lu(K: Operator, B: Tensor) -> Tensor:
    return lu_solve(dense_with_shift(K), B)


def _direct(
    K: Operator, B: Tensor, solver: Callable[[Operator, Tensor], Tensor], explain: str
) -> Solution:
    X = solver(K, B)
    return Solution(X, iterations=0, converged=True, explain=explain, residual=_residual(K, X, B))


def _residual(K: Operator, X: Tensor, B: Tensor) -> Callable[[], float]:
    """The residual costs a product with ``K`` and is left until somebody asks."""

    def residual() -> float:
        with torch.no_grad():
            return relative_residual(K @ X - B, B)

    return residual


def _structure(K: Operator, B: Tensor, options: _Options) -> Solution | None:
    nested: list[Solution] = []

    def inner(part: Operator, right: Tensor) -> Tensor:
        nested.append(_default(part, right, options))
        return nested[-1].x

    answer = solve_structure(K, B, inner)
    if answer is None:
        return None
    X, explain = answer
    if nested:
        explain = "; ".join([explain, *dict.fromkeys(part.explain for part in nested)])
    return Solution(
        X,
        iterations=max((part.iterations for part in nested), default=0),
        converged=all(part.converged for part in nested),
        explain=explain,
        residual=_residual(K, X, B),
    )


def _iterative(K: Operator, B: Tensor, method: str, options: _Options, why: str) -> Solution:
    record: dict[str, Any] = {}
    run = ITERATIVE[method]

    def solver(A: Operator, C: Tensor) -> Tensor:
        record.update(run(A, C, **options._asdict()))
        return record.pop("x")

    def adjoint(A: Operator, C: Tensor) -> Tensor:
        # K is symmetric except under "normal", so what preconditioned K serves its transpose.
        again = {**options._asdict(), "preconditioner": record["preconditioner"]}
        return solve(A, C, method=method, **again).x

    X = implicit_solve(K, B, solver, adjoint)
    explain = f"{why}; {record['note']}" if record["note"] else why
    return Solution(
        X,
        iterations=record["iterations"],
        converged=record["converged"],
        explain=explain,
        residual=record["residual"],
    )
