"""``log det K``."""

from __future__ import annotations

import torch
from torch import Tensor

from mercer import checks
from mercer.linalg.errors import LinAlgError
from mercer.linalg.factor import cholesky_factor
from mercer.linalg.logdet_structure import SignLog, slogdet_structure
from mercer.linalg.shifted import dense_with_shift
from mercer.linalg.stochastic_logdet import stochastic_logdet
from mercer.operators.base import Operator, as_operator

SMALL = 4096  # rows up to which a dense factorisation is the default
METHODS = ("structure", "cholesky", "lu", "lanczos")


def logdet(
    K: Operator | Tensor,
    *,
    method: str | None = None,
    probes: int = 20,
    steps: int = 100,
    tol: float | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Return ``log det K``, differentiable in everything inside ``K``.

    Without a method: the structure's own rule where there is one; else Cholesky (psd) or LU up to
    4096 rows; else, for psd, stochastic Lanczos quadrature, unbiased but for the
    truncation at ``steps``.

    Parameters
    ----------
    K : Operator or Tensor, shape (*batch, n, n)
        With positive determinant.
    method : {"structure", "cholesky", "lu", "lanczos"}, optional
        Used or refused.
    probes : int, at least 1
        Random vectors of ``lanczos``; the standard error falls as one over their square root.
    steps : int, at least 1
        Lanczos steps for each of them.
    tol : float, above 0, optional
        Of the solves in the derivative of ``lanczos``; see :func:`mercer.linalg.solve`.
    generator : torch.Generator, optional
        Source of the random vectors.

    Returns
    -------
    Tensor, shape (*batch)
        The logarithm.

    Raises
    ------
    ValueError
        If the determinant is negative, or no method suits ``K``.
    torch.linalg.LinAlgError
        If ``K`` is singular, or not positive definite though tagged psd.

    Examples
    --------
    >>> from mercer.operators import Diagonal
    >>> logdet(Diagonal(torch.tensor([1.0, 2.0])))
    tensor(0.6931)
    """
    K = as_operator(K)
    if not K.is_square:
        raise ValueError(f"K must be square, got {K.n} x {K.m}")
    if method is not None and method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    if method == "lanczos":
        if "psd" not in K.tags:
            raise ValueError(f"method='lanczos' needs an operator tagged psd, got {K!r}")
        return stochastic_logdet(K, probes=probes, steps=steps, tol=tol, generator=generator)
    if method in ("cholesky", "lu"):
        return _positive(*_dense(K, method == "cholesky"))
    found = slogdet_structure(K, _sign_log)
    if found is not None:
        return _positive(*found)
    if method == "structure":
        raise ValueError(f"method='structure': there is no exact rule for {K!r}")
    if K.n > SMALL and "psd" in K.tags:
        return stochastic_logdet(K, probes=probes, steps=steps, tol=tol, generator=generator)
    return _positive(*_small(K))


def _sign_log(K: Operator) -> SignLog:
    """The exact rule of a part of a structure, or the dense one."""
    found = slogdet_structure(K, _sign_log)
    return _small(K) if found is None else found


def _small(K: Operator) -> SignLog:
    if K.n > SMALL:
        raise ValueError(
            f"there is no exact rule for a part with {K.n} rows ({K!r}); name method='lanczos' "
            "where K is positive semidefinite, or method='lu' (dense)"
        )
    return _dense(K, "psd" in K.tags)


def _dense(K: Operator, psd: bool) -> SignLog:
    A = dense_with_shift(K)
    if not psd:
        return torch.linalg.slogdet(A)
    diagonal = torch.diagonal(cholesky_factor(A), dim1=-2, dim2=-1)
    log = 2 * diagonal.log().sum(-1)
    return torch.ones_like(log), log


def _positive(sign: Tensor, log: Tensor) -> Tensor:
    if checks.concrete(sign) and not bool((sign > 0).all()):
        if bool((sign == 0).any()):
            raise LinAlgError("the matrix is singular: its determinant is zero")
        raise ValueError("the determinant must be positive to have a logarithm, got a negative one")
    return log
