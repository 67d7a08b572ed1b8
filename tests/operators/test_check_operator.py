"""The contract must turn red on every kind of broken operator, and say which law broke."""

from typing import Any

import pytest
import torch
from torch import Tensor

from mercer.operators import Dense, Operator
from mercer.testing.operator import check_operator

MATRIX = torch.tensor([[2.0, 1.0, 0.5], [-1.0, 3.0, 0.25], [0.0, 4.0, 1.0]], dtype=torch.float64)


class Right(Dense):
    """A correct operator of its own class, without Dense's shortcuts."""

    def _adjoint(self) -> Operator:
        return type(self)(self.matrix.mT)

    def _take(self, rows: Any, cols: Any) -> Operator:
        return Operator._take(self, rows, cols)

    def dense(self) -> Tensor:
        return Operator.dense(self)


class WrongAdjoint(Right):
    def _adjoint(self) -> Operator:
        return Dense(self.matrix)


class WrongEntries(Right):
    def _entries(self, i: Tensor, j: Tensor) -> Tensor:
        return self.matrix[..., j, i]


class WrongDense(Right):
    def dense(self) -> Tensor:
        return 1.001 * self.matrix


class WrongDiagonal(Right):
    def diagonal(self) -> Tensor:
        return self.matrix[..., 0]


class WrongProduct(Right):
    def _matmul(self, V: Tensor) -> Tensor:
        return self.matrix @ V + 1e-9

    def dense(self) -> Tensor:
        return self.matrix


class NoBroadcast(Right):
    def _matmul(self, V: Tensor) -> Tensor:
        return torch.mm(self.matrix, V) if V.ndim == 2 else V


class AssumesContiguous(Right):
    def _matmul(self, V: Tensor) -> Tensor:
        return self.matrix @ torch.as_strided(V, V.shape, Dense(V).matrix.contiguous().stride())


class ChangesOperand(Right):
    def _matmul(self, V: Tensor) -> Tensor:
        out = self.matrix @ V
        if V.ndim == 2 and V.is_contiguous() and not V.requires_grad:
            V.mul_(2.0)
        return out


class WrongTake(Right):
    def _take(self, rows: Any, cols: Any) -> Operator:
        return Dense(self.matrix[..., cols, :][..., rows])


class ChangesPrecision(Right):
    def _matmul(self, V: Tensor) -> Tensor:
        return (self.matrix.double() @ V.double()).float()


class DetachedTensor(Right):
    def _matmul(self, V: Tensor) -> Tensor:
        return self.matrix.detach() @ V


class DetachedSide(Right):
    def _matmul(self, V: Tensor) -> Tensor:
        return self.matrix @ V.detach()


class DetachedEntries(Right):
    def _entries(self, i: Tensor, j: Tensor) -> Tensor:
        return self.matrix.detach()[..., i, j]


class Square(torch.autograd.Function):
    """The square, with a first gradient that cannot be differentiated."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return 2 * ctx.saved_tensors[0] * gradient


class OnceDifferentiable(Right):
    def __init__(self, root: Tensor) -> None:
        super().__init__(Square.apply(root))

    def _adjoint(self) -> Operator:
        return Right(self.matrix.mT)


class LooksAtValues(Right):
    def _matmul(self, V: Tensor) -> Tensor:
        return self.matrix @ V if float(V.sum()) < torch.inf else V


class NoBatchIndex(Right):
    def _take_batch(self, keys: Any) -> Operator:
        return Operator._take_batch(self, keys)


@pytest.mark.parametrize(
    ("make", "law"),
    [
        (WrongAdjoint, "transpose"),
        (WrongEntries, "dense"),
        (WrongDense, "dense"),
        (WrongDiagonal, "diagonal"),
        (WrongProduct, "own matrix: product"),
        (NoBroadcast, "batch"),
        (AssumesContiguous, "transposed matrix|strided|expanded"),
        (ChangesOperand, "changed in place"),
        (WrongTake, "indexing"),
        (ChangesPrecision, "expected torch.float64"),
        (DetachedTensor, "'gradient of K @ V'"),
        (DetachedSide, "'gradient of K @ V'"),
        (DetachedEntries, "'gradient of entries'"),
        (OnceDifferentiable, "'second gradient of K @ V'"),
        (LooksAtValues, "vmap"),
    ],
)
def test_broken_operator_is_found(make: Any, law: str) -> None:
    check_operator(Right, MATRIX, compiled=False)
    with pytest.raises(AssertionError, match=law):
        check_operator(make, MATRIX, compiled=False)


@pytest.mark.parametrize(
    ("tag", "matrix"),
    [
        ("symmetric", MATRIX),
        ("psd", torch.diag(torch.tensor([1.0, -1e-3, 1.0]))),
        ("stochastic", torch.tensor([[0.5, 0.5], [0.4, 0.7]])),
        ("stochastic", torch.tensor([[1.5, -0.5], [0.5, 0.5]])),
        ("lower_triangular", MATRIX),
        ("upper_triangular", MATRIX),
    ],
)
def test_wrong_tag_is_found(tag: str, matrix: Tensor) -> None:
    # A symmetric matrix that is not psd must fail for psd alone.
    with pytest.raises(AssertionError, match=f"tag {tag}|transpos|adjoint"):
        check_operator(Right(matrix.double(), tags={tag}), compiled=False)


def test_batch_must_be_indexable() -> None:
    with pytest.raises(AssertionError, match="indexing of batch axis 0"):
        check_operator(NoBatchIndex, MATRIX.expand(2, 3, 3), compiled=False)


def test_compile_law_can_fail() -> None:
    class Traced(Right):
        def _matmul(self, V: Tensor) -> Tensor:
            return self.matrix @ V * (2.0 if torch.compiler.is_compiling() else 1.0)

    check_operator(Traced, MATRIX, compiled=False)
    with pytest.raises(AssertionError, match="'compile'"):
        check_operator(Traced, MATRIX)


def test_error_in_float32_alone_is_found() -> None:
    class Sloppy(Right):
        def _matmul(self, V: Tensor) -> Tensor:
            return self.matrix @ V * (1.0 if V.dtype == torch.float64 else 1.001)

    check_operator(Sloppy, MATRIX, dtypes=[torch.float64], compiled=False)
    with pytest.raises(AssertionError, match="float32"):
        check_operator(Sloppy, MATRIX, compiled=False)
    check_operator(Sloppy, MATRIX, rtol=0.1, compiled=False)


def test_subject_may_be_an_operator_or_a_callable() -> None:
    check_operator(Dense(MATRIX), compiled=False)
    check_operator(lambda: Dense(MATRIX), compiled=False)
    check_operator(lambda dtype: Dense(MATRIX.to(dtype)), compiled=False)
    with pytest.raises(TypeError, match="operator or callable"):
        check_operator(3.0)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="must make an operator"):
        check_operator(lambda: MATRIX)  # type: ignore[arg-type,return-value]
