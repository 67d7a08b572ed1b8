"""The contract of operators as a public function."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from mercer.operators.base import Operator
from mercer.testing.operator_algebra import check_algebra
from mercer.testing.operator_comparison import TOLERANCES
from mercer.testing.operator_transforms import check_compile, check_gradients, check_vmap
from mercer.testing.operator_values import check_values

DTYPES = (torch.float64, torch.float32, torch.bfloat16)


def check_operator(
    subject: Operator | Callable[..., Operator],
    *tensors: Tensor,
    rtol: float | None = None,
    dtypes: Sequence[torch.dtype] = DTYPES,
    gradients: bool = True,
    compiled: bool = True,
    generator: torch.Generator | None = None,
) -> None:
    """Check that an operator equals its own dense matrix in everything it does.

    Its ``_entries`` on the full grid define the matrix; against it stand ``dense()``, products with
    vectors, matrices, batches, strided and empty right-hand sides, the transpose, the diagonal,
    rows, columns and indexing, the algebra, the tags, ``vmap``, ``compile``, and, by finite
    differences in float64, first and second gradients.

    Parameters
    ----------
    subject : Operator or callable
        An operator, which is checked in its own dtype; or what makes one from ``tensors``, such as
        an operator's class. A callable without ``tensors`` is called with ``dtype=`` if it has a
        parameter of this name, else with nothing.
    *tensors : Tensor
        Operands of the callable. Floating-point ones are cast to each of ``dtypes`` and
        differentiated; others are passed as they are.
    rtol : float, optional
        Allowed error beside the sums of absolute terms; by default 1e-11, 1e-5 and 4e-2 in
        float64, float32 and bfloat16.
    dtypes : sequence of torch.dtype
        What a callable is checked in.
    gradients, compiled : bool
        Whether to check gradients (only float64 is differentiated) and ``torch.compile``.
    generator : torch.Generator, optional
        Where right-hand sides come from; seeded with 0 by default.

    Raises
    ------
    AssertionError
        At the first law that is broken; the message names the law, the operator and the place.

    Examples
    --------
    >>> from mercer.operators import LowRank
    >>> check_operator(LowRank, torch.randn(3, 2, generator=torch.Generator().manual_seed(0)))
    """
    generator = torch.Generator().manual_seed(0) if generator is None else generator
    makers = _makers(subject, tensors, dtypes)
    for position, (make, operands) in enumerate(makers):
        K = make(*operands)
        if not isinstance(K, Operator):
            raise TypeError(f"subject must make an operator, got {type(K).__name__}")
        allowed = TOLERANCES[K.dtype] if rtol is None else rtol
        D = check_values(K, allowed, generator)
        check_algebra(K, D, allowed, generator)
        check_vmap(K, D, allowed, generator)
        if gradients and K.dtype == torch.float64:
            check_gradients(make, operands, generator)
        if compiled and position == 0:
            check_compile(K, D, allowed, generator)


def _makers(
    subject: Any, tensors: Sequence[Tensor], dtypes: Sequence[torch.dtype]
) -> list[tuple[Callable[..., Operator], list[Tensor]]]:
    """A callable with its operands, for each dtype to check."""
    if isinstance(subject, Operator):
        return [(lambda: subject, [])]
    if not callable(subject):
        raise TypeError(f"subject must be an operator or callable, got {type(subject).__name__}")
    if tensors:
        return [(subject, [_cast(t, dtype) for t in tensors]) for dtype in dtypes]
    if "dtype" in inspect.signature(subject).parameters:
        return [(lambda dtype=dtype: subject(dtype=dtype), []) for dtype in dtypes]
    return [(subject, [])]


def _cast(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    return tensor.to(dtype) if tensor.dtype.is_floating_point else tensor
