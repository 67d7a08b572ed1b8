"""The contract of feature maps as a public function."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from mercer.features import FeatureMap
from mercer.operators import LowRank

SIGMAS = 5.0  # a right map fails once in two million entries


def check_feature_map(
    make: Callable[[torch.Generator], FeatureMap],
    X: Tensor,
    Y: Tensor,
    matrix: Tensor,
    *,
    draws: int = 400,
    variance: Tensor | None = None,
    exact: bool = False,
) -> None:
    """Check that feature maps are finite, repeatable, differentiable and unbiased.

    Parameters
    ----------
    make : callable
        Draws a map from a generator.
    X, Y : Tensor, shapes (n, d) and (m, d)
        Points, in float64.
    matrix : Tensor, shape (n, m)
        The kernel's values ``k(x_i, y_j)``, from elsewhere.
    draws : int
        How many maps are drawn.
    variance : Tensor, shape (n, m), optional
        The variance of each entry that the map's theory says.
    exact : bool
        Whether every map must give ``matrix`` up to rounding, not only their mean.

    Raises
    ------
    AssertionError
        At the first law that is broken.

    Examples
    --------
    >>> class Half(FeatureMap):
    ...     dimension = 1
    ...     def features(self, X):
    ...         return X[..., :1]
    >>> x = torch.eye(2, dtype=torch.float64)
    >>> check_feature_map(lambda g: Half(), x, x, x @ x.mT, draws=2, exact=True)
    Traceback (most recent call last):
    ...
    AssertionError: Half: phi(X) psi(Y)^T is off by 1 from the kernel
    """
    phi = make(_generator(0))
    name = type(phi).__name__
    _check_forms(phi, X, name)
    _check_repeats(make, X, name)
    _check_gradient(phi, X, name)
    estimates = torch.stack([make(_generator(k)).operator(X, Y).dense() for k in range(draws)])
    if exact:
        error = float((estimates - matrix).abs().max())
        scale = float(matrix.abs().max())
        assert error <= 1e-10 * max(scale, 1.0), (
            f"{name}: phi(X) psi(Y)^T is off by {error:.3g} from the kernel"
        )
        return
    _check_mean(estimates, matrix, name)
    if variance is not None:
        _check_variance(estimates, variance, name)


def _check_forms(phi: FeatureMap, X: Tensor, name: str) -> None:
    """Shapes, batches, strides and dtypes."""
    F = phi(X)
    D = phi.dimension
    assert F.shape == (*X.shape[:-1], D), f"{name}: features have shape {tuple(F.shape)}, D is {D}"
    assert F.dtype == X.dtype, f"{name}: {X.dtype} in, {F.dtype} out"
    assert bool(F.isfinite().all()), f"{name}: features are not finite"
    batch = torch.stack([X, 0.5 * X])
    torch.testing.assert_close(phi(batch)[0], F, msg=f"{name}: a batch differs from its parts")
    torch.testing.assert_close(phi(batch)[1], phi(0.5 * X), msg=f"{name}: a batch differs")
    strided = X.repeat_interleave(2, dim=-1)[..., ::2]
    torch.testing.assert_close(phi(strided), F, msg=f"{name}: strided points differ")
    assert phi(X[:0]).shape == (0, D), f"{name}: no points must give no features"
    K = phi.operator(X, X[:1])
    assert isinstance(K, LowRank), f"{name}: operator must be LowRank"
    torch.testing.assert_close(K.dense(), F @ phi.second(X[:1]).mT)
    single = phi.float()(X.float())
    assert single.dtype == torch.float32, f"{name}: float32 in, {single.dtype} out"
    torch.testing.assert_close(single.double(), F, rtol=1e-3, atol=1e-4)
    phi.double()


def _check_repeats(make: Callable[[torch.Generator], FeatureMap], X: Tensor, name: str) -> None:
    """One seed is one map, and a map is a map: nothing is drawn when it is applied."""
    one, two = make(_generator(3)), make(_generator(3))
    assert torch.equal(one(X), two(X)), f"{name}: one seed gives two maps"
    assert torch.equal(one(X), one(X)), f"{name}: features change from call to call"


def _check_gradient(phi: FeatureMap, X: Tensor, name: str) -> None:
    """The gradient in the points, by finite differences, where there is one."""
    points = X[:2].clone().requires_grad_()
    if not phi(points).requires_grad:
        return
    assert torch.autograd.gradcheck(phi, (points,)), f"{name}: the gradient is wrong"


def _check_mean(estimates: Tensor, matrix: Tensor, name: str) -> None:
    """The mean over draws is the kernel, within its standard error."""
    error = (estimates.mean(0) - matrix).abs()
    allowed = SIGMAS * estimates.std(0) / math.sqrt(len(estimates)) + 1e-12 * matrix.abs().max()
    worst = int((error / allowed).argmax())
    assert bool((error <= allowed).all()), (
        f"{name}: the mean of {len(estimates)} draws is off by {float(error.flatten()[worst]):.3g} "
        f"where {SIGMAS:g} standard errors are {float(allowed.flatten()[worst]):.3g}"
    )


def _check_variance(estimates: Tensor, variance: Tensor, name: str) -> None:
    """The sample variance is the stated one, within the standard error of a sample variance."""
    deviation = (estimates - estimates.mean(0)).square()
    found = deviation.mean(0) * len(estimates) / (len(estimates) - 1)
    allowed = SIGMAS * deviation.std(0) / math.sqrt(len(estimates)) + 1e-12 * variance.abs().max()
    wrong = (found - variance).abs() > allowed
    assert not bool(wrong.any()), (
        f"{name}: the variance of an entry is {float(found[wrong][0]):.3g}, "
        f"stated {float(variance[wrong][0]):.3g}"
    )


def _generator(seed: int) -> Any:
    return torch.Generator().manual_seed(seed)
