"""The symmetric square root."""

from __future__ import annotations

import functools

from torch import Tensor

from mercer.linalg.lanczos_sqrt import LanczosSqrt
from mercer.linalg.sylvester import dense_sqrt
from mercer.operators.base import Operator, as_operator
from mercer.operators.dense import Dense
from mercer.operators.diagonal import Diagonal
from mercer.operators.identity import Identity
from mercer.operators.kronecker import Kronecker
from mercer.operators.scaled import Scaled, scale
from mercer.operators.spectral import Spectral
from mercer.operators.zero import Zero

SMALL = 4096  # rows up to which the dense decomposition is the default
METHODS = ("structure", "dense", "lanczos")


def sqrt(K: Operator | Tensor, *, method: str | None = None, tol: float | None = None) -> Operator:
    """Return the symmetric positive semidefinite ``S`` with ``S S = K``.

    Without a method: the rule of Identity, Zero, Diagonal, Circulant, Walsh, Kronecker and their
    multiples; else the dense one up to 4096 rows; else an operator whose products run Lanczos.

    Parameters
    ----------
    K : Operator or Tensor, shape (*batch, n, n)
        Tagged psd (a plain tensor is taken to be so).
    method : {"structure", "dense", "lanczos"}, optional
        Used or refused. ``lanczos`` has no derivative and refuses a ``K`` that needs one.
    tol : float, above 0, optional
        ``lanczos``: relative error of a product; 1e-5 in float32, 1e-10 in float64.

    Returns
    -------
    Operator, shape (*batch, n, n)
        Tagged symmetric and psd.

    Raises
    ------
    ValueError
        If ``K`` is not tagged psd.
    torch.linalg.LinAlgError
        If ``K`` has an eigenvalue below zero by more than rounding.

    Examples
    --------
    >>> import torch
    >>> from mercer.operators import Diagonal
    >>> sqrt(Diagonal(torch.tensor([4.0, 9.0]))).diagonal()
    tensor([2., 3.])
    """
    taken = isinstance(K, Tensor)
    K = as_operator(K)
    if not K.is_square:
        raise ValueError(f"K must be square, got {K.n} x {K.m}")
    if method is not None and method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    if not taken and "psd" not in K.tags:
        raise ValueError(f"sqrt needs an operator tagged psd, got {K!r}")
    if method in (None, "structure"):
        found = sqrt_structure(K)
        if found is not None:
            return found
        if method == "structure":
            raise ValueError(f"method='structure': there is no exact rule for {K!r}")
    if method == "lanczos" or (method is None and K.n > SMALL):
        return LanczosSqrt(K, tol=tol)
    return Dense(dense_sqrt(K.dense()), tags={"symmetric", "psd"})


@functools.singledispatch
def sqrt_structure(K: Operator) -> Operator | None:
    """Return the root by the rule of the structure, or None."""
    return None


@sqrt_structure.register
def _(K: Identity) -> Operator:
    return K


@sqrt_structure.register
def _(K: Zero) -> Operator:
    return K


@sqrt_structure.register
def _(K: Diagonal) -> Operator:
    return Diagonal(K.values.sqrt())


@sqrt_structure.register
def _(K: Scaled) -> Operator | None:
    found = sqrt_structure(K.operator)
    if found is None:
        return None
    return scale(found, K.factor.sqrt() if isinstance(K.factor, Tensor) else K.factor**0.5)


@sqrt_structure.register
def _(K: Spectral) -> Operator:
    values = K.spectrum().real.clamp_min(0)  # rounding may push a zero below zero
    return K.with_spectrum(values.sqrt(), tags={"symmetric", "psd"})


@sqrt_structure.register
def _(K: Kronecker) -> Operator | None:
    if not all("psd" in factor.tags for factor in K.factors):
        return None
    return Kronecker(*(sqrt(factor) for factor in K.factors))
