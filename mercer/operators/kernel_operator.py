"""A kernel matrix that is never formed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from mercer import engine
from mercer.engine.evaluate import evaluate, paired
from mercer.engine.formula import Formula
from mercer.engine.reduction import explain
from mercer.operators.base import Operator
from mercer.operators.batch import Keys, broadcast_shapes, take_batch
from mercer.operators.selection import same, selected_tags


class KernelOperator(Operator):
    """``K_ij = F(s(x_i, y_j))``, applied tile by tile.

    Parameters
    ----------
    formula : Formula
        The profile ``F`` over its scores.
    X, Y : sequence of Tensor, shapes (*batch, n, d_k) and (*batch, m, d_k)
        The points of each score. Where ``X[k] is Y[k]`` for all k the operator is symmetric.
    parameters : sequence of Tensor, shapes (*batch)
        Values of the parameters of the profile.
    precision : {"highest", "high", "medium"}
        See :func:`mercer.engine.reduce`.
    tags : iterable of str
        What is known of the matrix.

    Examples
    --------
    >>> import torch
    >>> from mercer.engine import make
    >>> x = torch.tensor([[0.0], [1.0]])
    >>> K = KernelOperator(make("exp(-s0/2)", ["squared_distance"], 0), [x], [x])
    >>> K @ torch.ones(2)
    tensor([1.6065, 1.6065])
    """

    def __init__(
        self,
        formula: Formula,
        X: Sequence[Tensor],
        Y: Sequence[Tensor],
        parameters: Sequence[Tensor] = (),
        *,
        precision: str = "highest",
        tags: Any = (),
    ) -> None:
        x, y = X[0], Y[0]
        every = (*(p.shape[:-2] for p in (*X, *Y)), *(p.shape for p in parameters))
        batch = broadcast_shapes(*every)
        shape = (*batch, x.shape[-2], y.shape[-2])
        if all(a is b for a, b in zip(X, Y)) and "sign" not in formula.kinds:
            tags = {*tags, "symmetric"}
        super().__init__(shape, x.dtype, x.device, tags)
        self.formula = formula
        self.X, self.Y = list(X), list(Y)
        self.parameters = list(parameters)
        self.precision = precision

    def _matmul(self, V: Tensor) -> Tensor:
        return engine.reduce(
            self.formula.kinds,
            self.formula,
            self.X,
            self.Y,
            V,
            parameters=self.parameters,
            precision=self.precision,
        )

    def _adjoint(self) -> KernelOperator:
        flipped = {"lower_triangular": "upper_triangular", "upper_triangular": "lower_triangular"}
        tags = {flipped.get(tag, tag) for tag in self.tags - {"stochastic"}}
        return KernelOperator(
            self.formula.transposed,
            self.Y,
            self.X,
            self.parameters,
            precision=self.precision,
            tags=tags,
        )

    def _entries(self, i: Tensor, j: Tensor) -> Tensor:
        half = self.dtype in engine.HALF
        X = [x[..., i, :].float() if half else x[..., i, :] for x in self.X]
        Y = [y[..., j, :].float() if half else y[..., j, :] for y in self.Y]
        # Parameters [*batch] broadcast against scores [*batch, *i.shape].
        parameters = [p.to(X[0])[(..., *[None] * i.ndim)] for p in self.parameters]
        return evaluate(self.formula, paired(self.formula, X, Y), parameters).to(self.dtype)

    def dense(self) -> Tensor:
        """The matrix, filled tile by tile unless a gradient is wanted."""
        out = engine.dense(self.formula, self.X, self.Y, self.parameters, self.precision)
        return out.expand(self.shape)

    def _take(self, rows: Tensor | slice, cols: Tensor | slice) -> KernelOperator:
        """Rows and columns by slice or index: a smaller kernel operator."""
        return self._select(
            lambda x: x[..., rows, :],
            lambda y: y[..., cols, :],
            self.parameters,
            selected_tags(self.tags, rows, cols),
            same(rows, cols),
        )

    def _take_batch(self, keys: Keys) -> KernelOperator:
        def take(points: Tensor) -> Tensor:
            return take_batch(points, 2, self.batch, keys)

        parameters = [take_batch(p, 0, self.batch, keys) for p in self.parameters]
        return self._select(take, take, parameters, self.tags, True)

    def _select(
        self,
        of_x: Callable[[Tensor], Tensor],
        of_y: Callable[[Tensor], Tensor],
        parameters: list[Tensor],
        tags: Any,
        alike: bool,
    ) -> KernelOperator:
        """Select points; what was one tensor stays one, so that symmetry is still seen."""
        X = [of_x(x) for x in self.X]
        Y = [sx if alike and x is y else of_y(y) for sx, x, y in zip(X, self.X, self.Y)]
        return KernelOperator(self.formula, X, Y, parameters, precision=self.precision, tags=tags)

    def explain(self) -> str:
        """How ``K @ v`` runs and why."""
        return explain(self.formula, self.X, self.Y, self.parameters, self.precision)
