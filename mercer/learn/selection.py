"""Kernel, lengthscales and regularisation from the data, on a subsample."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from mercer.kernels import Kernel
from mercer.learn.families import CANDIDATES, Family, family, is_l1
from mercer.learn.leave_one_out import LeaveOneOut
from mercer.learn.marginal_likelihood import maximise

FEW, SOME = 400, 1000  # rows to compare kernels by, and for all else
SCALES = (0.15, 0.3, 0.6, 1.2, 2.4, 4.8)  # in units of standard deviation times sqrt(d)
REGULARISATIONS = tuple(10.0 ** (k / 2) for k in range(-14, 7))  # 1e-7 to 1e3
GIVEN = "given"


@dataclass(frozen=True)
class Selection:
    """What was chosen, in numbers that a checkpoint can keep.

    Parameters
    ----------
    kernel : str
        A name among ``FAMILIES``, or ``"given"`` for the caller's kernel.
    lengthscale : list of float, float or None
        One per dimension, one for all, or None where the kernel's own is kept.
    regularisation : float
        ``lambda``.
    error : float or None
        Leave-one-out mean squared error on the subsample.
    why : str
        For people.
    """

    kernel: str
    lengthscale: list[float] | float | None
    regularisation: float
    error: float | None
    why: str

    def make(self, given: Any) -> Kernel:
        """The kernel; ``given`` is the caller's argument."""
        source = given if self.kernel == GIVEN else self.kernel
        if self.lengthscale is None:
            assert isinstance(source, Kernel)
            return source
        return family(source)(torch.tensor(self.lengthscale, dtype=torch.float64))

    def to_json(self) -> dict[str, Any]:
        """Plain numbers and strings."""
        return asdict(self)


@torch.no_grad()
def select(
    X: Tensor,
    Y: Tensor,
    weights: Tensor,
    *,
    kernel: str | Kernel | None,
    lengthscale: Any,
    regularisation: float | None,
    seed: int,
    worthwhile: float = 0.98,
) -> Selection:
    """Choose what the caller left open; what is given is kept.

    Kernels and one common scale are compared by leave-one-out error. From the best of them one
    lengthscale per dimension is fitted by marginal likelihood, and kept where that lowers the error
    on rows that it was not fitted to. The regularisation is the best by leave-one-out error.

    Parameters
    ----------
    X : Tensor, shape (n, d)
        Points.
    Y : Tensor, shape (n, c)
        Centred targets.
    weights : Tensor, shape (n,)
        Positive.
    kernel, lengthscale, regularisation
        The caller's; None for what is to be chosen.
    seed : int
        Of the subsample.
    worthwhile : float
        Share of the error below which a lengthscale for each dimension is kept.

    Returns
    -------
    Selection
    """
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randperm(len(X), generator=generator)[:SOME].to(X.device)
    X, Y, weights = (t[rows].cpu().double() for t in (X, Y, weights))
    Y = Y[:, Y.abs().amax(dim=0) > 0]
    lambdas = REGULARISATIONS if regularisation is None else (float(regularisation),)
    name = kernel if isinstance(kernel, str) else GIVEN
    if lengthscale is None and isinstance(kernel, Kernel):
        return _only_regularisation(kernel, GIVEN, None, X, Y, weights, lambdas, regularisation)
    if lengthscale is not None and not isinstance(lengthscale, str) and kernel is not None:
        value = torch.as_tensor(lengthscale, dtype=torch.float64)
        fixed = family(kernel)(value)
        return _only_regularisation(
            fixed, name, value.tolist(), X, Y, weights, lambdas, regularisation
        )
    if Y.shape[1] == 0 or len(X) < 3:
        fixed_or_unit = lengthscale if _is_number(lengthscale) else unit_lengthscale(X, False)
        length = torch.as_tensor(fixed_or_unit, dtype=torch.float64).tolist()
        chosen = "matern52" if kernel is None else name
        why = "too little to choose by: lengthscales are standard deviations times sqrt(d)"
        return Selection(chosen, length, lambdas[len(lambdas) // 2], None, why)
    names = CANDIDATES if kernel is None else (kernel,)
    return _search(names, lengthscale, X, Y, weights, lambdas, worthwhile)


def unit_lengthscale(X: Tensor, l1: bool) -> Tensor:
    """Standard deviations times ``sqrt(d)``, or ``d`` for L1 distances; 1 for constant columns."""
    deviation = X.std(dim=0, correction=0)
    constant = deviation <= 1e-12 * X.abs().amax(dim=0)
    live = max(int((~constant).sum()), 1)
    deviation = torch.where(constant, torch.ones_like(deviation), deviation)
    return deviation * (live if l1 else math.sqrt(live))


def _is_number(lengthscale: Any) -> bool:
    return lengthscale is not None and not isinstance(lengthscale, str)


def _only_regularisation(
    kernel: Kernel,
    name: str,
    lengthscale: Any,
    X: Tensor,
    Y: Tensor,
    weights: Tensor,
    lambdas: tuple[float, ...],
    given: float | None,
) -> Selection:
    if given is not None:
        return Selection(name, lengthscale, float(given), None, "all given")
    if Y.shape[1] == 0 or len(X) < 3:
        why = "regularisation: too little to choose by"
        return Selection(name, lengthscale, lambdas[len(lambdas) // 2], None, why)
    value, error = _path(kernel, X, Y, weights, lambdas)
    why = f"regularisation {value:.3g} by leave-one-out error on {len(X)} rows"
    return Selection(name, lengthscale, value, error, why)


def _search(
    names: tuple[Any, ...],
    lengthscale: Any,
    X: Tensor,
    Y: Tensor,
    weights: Tensor,
    lambdas: tuple[float, ...],
    worthwhile: float,
) -> Selection:
    few = slice(0, FEW)
    fixed = torch.as_tensor(lengthscale, dtype=torch.float64) if _is_number(lengthscale) else None
    found = []
    for name in names:
        make = family(name)
        unit = unit_lengthscale(X, is_l1(make)) if fixed is None else fixed
        for scale in SCALES if fixed is None else (1.0,):
            value, error = _path(make(unit * scale), X[few], Y[few], weights[few], lambdas)
            found.append((error, name, unit * scale, value))
    error, best, length, value = min(found, key=lambda item: item[0])
    tried = f"{len(found)} kernels and scales by leave-one-out error on {min(FEW, len(X))} rows"
    if fixed is None:
        length, value, error, how = _per_dimension(
            family(best), length, value, X, Y, weights, lambdas, worthwhile
        )
    else:
        how = "lengthscale given"
        value, error = _path(family(best)(length), X, Y, weights, lambdas)
    label = best if isinstance(best, str) else GIVEN
    which = label if label != GIVEN else type(best).__name__
    why = (
        f"kernel {which}: best of {tried}; {how}; regularisation {value:.3g}: "
        f"leave-one-out error {error:.4g} on {len(X)} rows"
    )
    return Selection(label, length.tolist(), value, error, why)


def _per_dimension(
    make: Family,
    length: Tensor,
    value: float,
    X: Tensor,
    Y: Tensor,
    weights: Tensor,
    lambdas: tuple[float, ...],
    worthwhile: float,
) -> tuple[Tensor, float, float, str]:
    """Lengthscales, regularisation, leave-one-out error, and how they were found."""

    one, before = _path(make(length), X, Y, weights, lambdas)
    half = len(X) // 2
    first, second = slice(0, half), slice(half, None)
    if half < 2 or not bool((Y[first].abs().amax(dim=0) > 0).all()):
        return length, one, before, "one scale for all dimensions"
    # Fitted to one half and judged on the other: a likelihood of many lengthscales overfits.
    trial, value = _fit_lengthscales(make, length, value, X[first], Y[first], weights[first])
    judged = [
        _path(make(scale), X[second], Y[second], weights[second], lambdas)[1]
        for scale in (length, trial)
    ]
    if judged[1] >= worthwhile * judged[0]:
        gain = judged[1] / judged[0]
        how = f"one scale for all dimensions (one for each: {gain:.3g} times the held-out error)"
        return length, one, before, how
    each, fitted = _fit_lengthscales(make, trial, value, X, Y, weights)
    nearby = tuple(sorted({*lambdas, fitted})) if len(lambdas) > 1 else lambdas
    value, error = _path(make(each), X, Y, weights, nearby)
    how = f"a lengthscale for each dimension by marginal likelihood (one scale: {before:.4g})"
    return each, value, error, how


def _fit_lengthscales(
    make: Family, length: Tensor, value: float, X: Tensor, Y: Tensor, weights: Tensor
) -> tuple[Tensor, float]:
    def gram(log_l: Tensor) -> Tensor:
        return make(log_l.exp())(X).dense()

    log_l, fitted, _ = maximise(gram, length.expand(X.shape[1]).log(), Y, weights, value)
    return log_l.exp(), fitted


def _path(
    kernel: Kernel, X: Tensor, Y: Tensor, weights: Tensor, lambdas: tuple[float, ...]
) -> tuple[float, float]:
    return LeaveOneOut(kernel(X).dense(), Y, weights).best(lambdas)
