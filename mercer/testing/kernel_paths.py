"""One kernel by many paths: definition, matrix, tiles, entries, precisions, shapes, refusals."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mercer.engine import definition
from mercer.engine.autograd import reduce_batched
from mercer.engine.mask import Mask
from mercer.engine.planner import SMALL
from mercer.kernels import Kernel
from mercer.operators import KernelOperator
from mercer.testing.kernel_comparison import agree, attempt, broken, points


def check_paths(kernel: Kernel, d: int, generator: torch.Generator) -> None:
    """Demand the same matrix from every path.

    Parameters
    ----------
    kernel : Kernel
        The kernel to judge.
    d : int
        Coordinates of a point.
    generator : torch.Generator
        Where points come from.
    """
    X, Y = points(7, d, generator), points(5, d, generator)
    Y[1], X[2] = X[0], X[6]  # coincident across the sets and within one
    for law, K in (("k(X, Y)", kernel(X, Y)), ("k(X)", kernel(X))):
        _check_one(f"{law}", kernel, K, generator)
    _check_shapes(kernel, X, Y)
    _check_single_precision(kernel, d, generator)
    _check_refusals(kernel, X)


def tile_product(K: KernelOperator, V: Tensor) -> Tensor:
    """``K @ V`` by tiles, however small the matrix; for operators without a batch."""
    parameters = [q.reshape(1) for q in K.parameters]
    X, Y = [x[None] for x in K.X], [y[None] for y in K.Y]
    return reduce_batched(K.formula, X, Y, parameters, V[None], Mask(), K.precision, "auto")[0]


def _check_one(law: str, kernel: Kernel, K: Any, generator: torch.Generator) -> None:
    D = K.dense()
    V = points(K.m, 2, generator)
    scale = D.abs() @ V.abs()
    agree(f"{law} @ V", kernel, lambda: K @ V, D @ V, scale=scale)
    i, j = torch.meshgrid(torch.arange(K.n), torch.arange(K.m), indexing="ij")
    agree(f"entries of {law}", kernel, lambda: K._entries(i, j), D)
    if isinstance(K, KernelOperator):
        formula, parameters = K.formula, K.parameters
        agree(
            f"definition of {law}",
            kernel,
            lambda: definition.dense(formula, K.X, K.Y, parameters),
            D,
        )
        agree(f"tiles of {law}", kernel, lambda: tile_product(K, V), D @ V, scale=scale)


def _check_shapes(kernel: Kernel, X: Tensor, Y: Tensor) -> None:
    D, C = kernel(X).dense(), kernel(X, Y).dense()
    strided = torch.cat([X, X], -1).repeat_interleave(2, 0)[::2, : X.shape[-1]]
    agree("strided points", kernel, lambda: kernel(strided).dense(), D)
    agree("transposed storage", kernel, lambda: kernel(X.mT.contiguous().mT, Y).dense(), C)
    agree("one point", kernel, lambda: kernel(X[:1]).dense(), D[:1, :1], scale=D)
    agree("no points", kernel, lambda: kernel(X[:0]).dense(), D[:0, :0])
    agree("no other points", kernel, lambda: kernel(X, Y[:0]) @ X[:0], torch.zeros_like(X))
    agree("no rows", kernel, lambda: kernel(X[:0], Y) @ Y[:, :1], X[:0, :1])
    two = torch.stack([X, X.flip(0)])
    agree("batch", kernel, lambda: kernel(two).dense(), torch.stack([D, D.flip(0, 1)]))
    both = torch.stack([C, C.flip(0)])
    agree("batch against none", kernel, lambda: kernel(two, Y).dense(), both)
    agree("batch against one", kernel, lambda: kernel(two, Y[None]) @ Y, both @ Y,
          scale=C.abs() @ Y.abs())  # fmt: skip
    agree("batched diagonal", kernel, lambda: kernel(two).diagonal(),
          torch.stack([D.diagonal(), D.diagonal().flip(0)]))  # fmt: skip


def _check_single_precision(kernel: Kernel, d: int, generator: torch.Generator) -> None:
    """float32 within 1e-5 of float64, on a size that runs by tiles."""
    n = int(SMALL**0.5) + 9
    X, Y = (points(size, d, generator).float() for size in (n, n - 3))
    v = torch.randn(n - 3, 1, generator=generator)
    K = attempt("float32", kernel, lambda: kernel(X, Y))
    if K.dtype != torch.float32 or (K @ v).dtype != torch.float32:
        raise broken("float32", kernel, f"k of float32 points is {K.dtype}")
    exact = kernel(X.double(), Y.double())
    scale = exact.dense().abs() @ v.abs().double()
    agree("float32 product", kernel, lambda: K @ v, exact @ v.double(), 1e-5, scale)
    agree("float32 matrix", kernel, lambda: K.dense() @ v, exact @ v.double(), 1e-5, scale)


def _check_refusals(kernel: Kernel, X: Tensor) -> None:
    bad = X.clone()
    bad[1, 0] = torch.nan
    cases: dict[str, tuple[Any, type[Exception], str]] = {
        "refuses NaN": ((bad,), ValueError, "row 1, column 0"),
        "refuses NaN in Y": ((X, bad), ValueError, "Y has NaN at row 1, column 0"),
        "refuses integers": ((X.long(),), TypeError, "floating-point"),
        "refuses another dtype": ((X, X.float()), TypeError, "float32"),
        "refuses another width": ((X, X[:, :0]), ValueError, "columns"),
        "refuses a vector": ((X[:, 0],), ValueError, "one point a row"),
    }
    for law, (arguments, kind, words) in cases.items():
        try:
            kernel(*arguments)
        except kind as error:
            if words in str(error):
                continue
            raise broken(law, kernel, f"the message lacks {words!r}: {error}") from error
        raise broken(law, kernel, f"expected {kind.__name__}, got a result")
