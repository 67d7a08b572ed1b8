"""The laws of values: products, entries, transposes, indexing and refusals."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mercer.operators.base import Operator
from mercer.testing.operator_comparison import (
    broken,
    check_matrix,
    check_product,
    close,
    evaluated,
    grid,
    random_like,
)


def check_values(K: Operator, rtol: float, generator: torch.Generator) -> Tensor:
    """Demand that ``K`` acts as its own matrix, and return that matrix in float64.

    Parameters
    ----------
    K : Operator, shape (*batch, n, m)
        The operator to judge.
    rtol : float
        Allowed error beside the sums of absolute terms.
    generator : torch.Generator
        Where right-hand sides come from.

    Returns
    -------
    Tensor, shape (*batch, n, m)
        The entries of ``K``.
    """
    found = evaluated("entries", K, lambda: grid(K))
    close("entries", K, lambda: found, found.detach().double(), found.abs().double(), rtol)
    if found.shape != K.shape:
        raise broken("entries", K, f"expected shape {tuple(K.shape)}, got {tuple(found.shape)}")
    D = found.detach().double()
    S = D.abs()
    check_matrix("own matrix", K, D, S, rtol, generator)
    _check_right_hand_sides(K, D, S, rtol, generator)
    _check_adjoint(K, D, S, rtol, generator)
    _check_indexing(K, D, S, rtol, generator)
    _check_refusals(K, generator)
    text = repr(K)
    if type(K).__name__ not in text or " x ".join(map(str, K.shape)) not in text:
        raise broken("repr", K, "repr must hold the class name and the shape")
    return D


def _check_right_hand_sides(
    K: Operator, D: Tensor, S: Tensor, rtol: float, g: torch.Generator
) -> None:
    m = K.m
    sides = {
        "product with one column": random_like(K, (m, 1), g),
        "product with a matrix": random_like(K, (m, 3), g),
        "product with a transposed matrix": random_like(K, (3, m), g).mT,
        "product with a strided matrix": random_like(K, (2 * m, 6), g)[::2, 1::2],
        "product with an expanded matrix": random_like(K, (m, 1), g).expand(m, 3),
        "product with no columns": random_like(K, (m, 0), g),
        "product with a batch like its own": random_like(K, (*K.batch, m, 2), g),
        "product with a batch beyond its own": random_like(K, (2, *K.batch, m, 2), g),
        "product with a batch of size one": random_like(K, (1, *(1 for _ in K.batch), m, 2), g),
        "product with an empty batch": random_like(K, (0, *(1 for _ in K.batch), m, 2), g),
    }
    for law, V in sides.items():
        before = V.clone()
        check_product(law, K, V, D, S, rtol)
        if not torch.equal(V, before):
            raise broken(law, K, "the right-hand side was changed in place")
    v = random_like(K, (m,), g)
    exact = v.double()
    close("product with a vector", K, lambda: K @ v, D @ exact, S @ exact.abs(), rtol)
    U = random_like(K, (2, K.n), g)
    exact = U.double()
    close("product from the left", K, lambda: U @ K, exact @ D, exact.abs() @ S, rtol)


def _check_adjoint(K: Operator, D: Tensor, S: Tensor, rtol: float, g: torch.Generator) -> None:
    transposed = evaluated("transpose", K, lambda: K.mT)
    check_matrix("transpose", transposed, D.mT, S.mT, rtol, g)
    check_matrix("transpose of the transpose", transposed.mT, D, S, rtol, g)
    # _adjoint must be right even where a symmetric tag lets mT pass it by.
    check_matrix("adjoint", evaluated("adjoint", K, K._adjoint), D.mT, S.mT, rtol, g)
    x, y = random_like(K, (K.m,), g), random_like(K, (K.n,), g)
    left = ((K @ x).double() * y.double()).sum(-1)
    right = (x.double() * (transposed @ y).double()).sum(-1)
    scale = (S @ x.abs().double() * y.abs().double()).sum(-1)
    law = "adjoint identity <Kx, y> = <x, Kᵀy>"
    close(law, K, lambda: left.to(K.dtype), right, scale, 2 * rtol)


def _check_indexing(K: Operator, D: Tensor, S: Tensor, rtol: float, g: torch.Generator) -> None:
    whole = slice(None)
    i, j = _positions(K.n), _positions(K.m)
    rows, cols = torch.tensor(i, dtype=torch.int64), torch.tensor(j, dtype=torch.int64)
    here, there = rows.to(K.device), cols.to(K.device)
    close("rows", K, lambda: K.rows(here), D[..., rows, :], S, rtol)
    close("columns", K, lambda: K.columns(there), D[..., cols], S, rtol)
    if i:
        close("one row", K, lambda: K[..., -1, whole], D[..., -1, :], S, rtol)
    if j:
        close("one column", K, lambda: K[..., 0], D[..., 0], S, rtol)
    if i and j:
        close("one entry", K, lambda: K[..., K.n - 1, 0], D[..., K.n - 1, 0], S, rtol)
    mask = torch.arange(K.n) % 2 == 0
    keys: dict[str, tuple[Any, Any]] = {
        "slices": (slice(1, None), slice(None, None, 2)),
        "equal slices": (slice(None, -1), slice(None, -1)),
        "no rows": (slice(0, 0), whole),
        "reversed rows": (slice(None, None, -1), whole),
        "positions with repetition": (i, cols),
        "equal positions": (rows % max(min(K.n, K.m), 1), rows % max(min(K.n, K.m), 1)),
        "a mask": (mask, whole),
    }
    if K.m == 0 or K.n == 0:
        del keys["equal positions"]
    for name, (r, c) in keys.items():
        law = f"indexing with {name}"
        # numpy.ix_ on the matrix: one axis after the other.
        rr = torch.arange(K.n)[_plain(r, K.n)]
        cc = torch.arange(K.m)[_plain(c, K.m)]
        part = evaluated(law, K, lambda r=r, c=c: K[..., r, c])
        taken = D[..., rr, :][..., cc]
        check_matrix(law, part, taken, S[..., rr, :][..., cc] + S.mean(), rtol, g)
    for axis, size in enumerate(K.batch):
        for key in [slice(None, None, 2), *([-1, torch.tensor([0, 0])] if size else [])]:
            at = (whole,) * axis + (key,)
            law = f"indexing of batch axis {axis} with {key}"
            check_matrix(law, evaluated(law, K, lambda at=at: K[at]), D[at], S[at], rtol, g)


def _check_refusals(K: Operator, g: torch.Generator) -> None:
    other = torch.float32 if K.dtype == torch.float64 else torch.float64
    cases = [
        ("refuses another dtype", random_like(K, (K.m, 2), g).to(other), TypeError),
        ("refuses integers", torch.ones(K.m, 2, dtype=torch.int64, device=K.device), TypeError),
        ("refuses a wrong number of rows", random_like(K, (K.m + 1, 2), g), ValueError),
    ]
    for law, V, error in cases:
        try:
            K @ V
        except error:
            continue
        raise broken(law, K, f"expected {error.__name__}, got a result")


def _positions(size: int) -> list[int]:
    """A few positions with a repetition, out of order."""
    return [size - 1, 0, size // 2, 0] if size else []


def _plain(key: Any, size: int) -> Any:
    """A key that torch understands: a slice that runs backwards becomes positions."""
    if isinstance(key, slice) and key.step is not None and key.step < 0:
        return torch.arange(size - 1, -1, -1)
    return key
