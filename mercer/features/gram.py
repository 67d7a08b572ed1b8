"""Gram matrices of kernels on point sets that they suit, with fast transforms."""

from __future__ import annotations

from functools import reduce
from operator import mul

import torch
from torch import Tensor

from mercer import checks
from mercer.features.points import DigitalNet, Lattice, PointSet
from mercer.kernels import (
    DigitallyShiftInvariant,
    Kernel,
    KernelPower,
    KernelProduct,
    KernelSum,
    ScaledKernel,
    ShiftInvariant,
    WeightedProduct,
)
from mercer.operators import Circulant, Spectral, Walsh

PSD = frozenset({"symmetric", "psd"})


def gram(
    kernel: Kernel, points: PointSet, n: int, *, dtype: torch.dtype = torch.float64
) -> Spectral:
    """The matrix ``k(x_i, x_j)`` of the first ``n`` points, in the structure that the pair has.

    A shift-invariant kernel on a lattice gives a :class:`~mercer.operators.Circulant`, in
    bit-reversed order where the lattice is in radical-inverse order; a digitally shift-invariant
    one on a digital net gives a :class:`~mercer.operators.Walsh`. Either is known by its first
    column, ``n`` evaluations of the kernel, and is multiplied, solved with and decomposed in
    ``O(n log n)``, with noise added too; gradients in the kernel's parameters flow through the
    column.

    Parameters
    ----------
    kernel : Kernel
        A :class:`~mercer.kernels.ShiftInvariant` or
        :class:`~mercer.kernels.DigitallyShiftInvariant` kernel, or sums, products, powers and
        multiples of such.
    points : Lattice or DigitalNet
        Shifted, digitally shifted and scrambled by matrices or not. With replications the operator
        has a batch.
    n : int
        How many points: a power of two.
    dtype : torch.dtype
        Of the operator.

    Returns
    -------
    Circulant or Walsh, shape (*replications, n, n)
        Tagged psd.

    Raises
    ------
    ValueError
        If the kernel and the points have no common structure, or ``n`` is no power of two.

    References
    ----------
    A. G. Sorokin, QMCPy: A Python Software for Randomized Low-Discrepancy Sequences, Quasi-Monte
    Carlo, and Fast Kernel Methods. https://arxiv.org/abs/2502.14256

    Examples
    --------
    >>> from mercer.linalg import solve
    >>> from mercer.operators import Identity
    >>> net, n = DigitalNet(2), 1 << 14
    >>> y = net.points(n).sin().sum(-1)
    >>> K = gram(DigitallyShiftInvariant(2), net, n)
    >>> K
    Walsh(16384 x 16384, float64, psd, symmetric)
    >>> solve(K + 1e-6 * Identity(n), y).explain
    'walsh: by fast Walsh–Hadamard transform'
    """
    if checks.count("n", n) & (n - 1):
        raise ValueError(f"n must be a power of two, got {n}")
    if isinstance(points, Lattice) and points.order != "gray":
        order = "natural" if points.order == "natural" else "bit reversed"
        column = _column(kernel, ShiftInvariant, points.points(n), dtype)
        return Circulant(column, PSD, order=order)
    if isinstance(points, DigitalNet) and points.randomisation != "nested uniform scrambling":
        return Walsh(_column(kernel, DigitallyShiftInvariant, points.points(n), dtype), PSD)
    what = getattr(points, "order", "") if isinstance(points, Lattice) else points.randomisation
    raise ValueError(
        "points must be a lattice in radical-inverse or natural order, or a digital net without "
        f"nested uniform scrambling, got a {type(points).__name__} ({what})"
    )


def _column(kernel: Kernel, family: type[WeightedProduct], X: Tensor, dtype: torch.dtype) -> Tensor:
    """``k(x_i, x_0)``, ``[*replications, n]``, of kernels in one family and their algebra."""
    if isinstance(kernel, family):
        return kernel.of_differences(differences(kernel, X), dtype)
    if isinstance(kernel, ScaledKernel):
        return kernel.scale.to(dtype) * _column(kernel.base, family, X, dtype)
    if isinstance(kernel, KernelSum | KernelProduct):
        first, second = (_column(k, family, X, dtype) for k in (kernel.first, kernel.second))
        return first + second if isinstance(kernel, KernelSum) else first * second
    if isinstance(kernel, KernelPower):
        return reduce(mul, [_column(kernel.base, family, X, dtype)] * kernel.exponent)
    pair = "a Lattice" if family is ShiftInvariant else "a DigitalNet"
    raise ValueError(
        f"kernel must be {family.__name__} on {pair}, or of the algebra of such, got {kernel!r}"
    )


def differences(kernel: WeightedProduct, X: Tensor) -> Tensor:
    """``x_i`` less ``x_0`` as the kernel takes it, ``[*b, n, d]``."""
    x = kernel.read(X)
    return kernel.difference(x, x[..., :1, :])
