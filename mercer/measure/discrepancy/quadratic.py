"""Quadratic forms of a kernel in the weights of a sample: what discrepancies are made of."""

from __future__ import annotations

from torch import Tensor

from mercer import checks
from mercer.kernels import Kernel
from mercer.operators import Operator


def quadratic(K: Operator, weights: Tensor, *, unbiased: bool = False) -> Tensor:
    r"""Return :math:`w^\top K w`, of one vector of weights or of each column.

    Parameters
    ----------
    K : Operator, shape (n, n)
        Symmetric.
    weights : Tensor, shape (n,) or (n, B)
        Weights of the points.
    unbiased : bool
        Leave out the diagonal and divide by the share :math:`1 - \sum_i w_i^2 / (\sum_i |w_i|)^2`
        of pairs that are left: the U-statistic where weights are equal but for their sign.

    Returns
    -------
    Tensor, shape () or (B,)

    Examples
    --------
    >>> import torch
    >>> from mercer.operators import Dense
    >>> K = Dense(torch.tensor([[1.0, 0.5], [0.5, 1.0]]))
    >>> w = torch.tensor([0.5, 0.5])
    >>> quadratic(K, w), quadratic(K, w, unbiased=True)
    (tensor(0.7500), tensor(0.5000))
    """
    w = weights[:, None] if weights.ndim == 1 else weights  # [n, B]
    value = (w * (K @ w)).sum(dim=0)
    if unbiased:
        own = (w**2 * K.diagonal()[:, None]).sum(dim=0)
        value = (value - own) / (1 - (w**2).sum(dim=0) / w.abs().sum(dim=0) ** 2)
    return value[0] if weights.ndim == 1 else value


def sample_weights(weights: Tensor | None, X: Tensor, name: str = "weights") -> Tensor:
    """Weights ``[n]`` of a sample ``[n, d]`` of at least two points; equal ones by default."""
    checks.finite("the sample", checks.floating("the sample", X))
    if X.ndim != 2:
        raise ValueError(f"a sample must have shape (n, d), got {tuple(X.shape)}")
    n = len(X)
    if n < 2:
        raise ValueError(f"a sample needs at least two points, got {n}")
    if weights is None:
        return X.new_full((n,), 1 / n)
    if weights.shape != (n,):
        raise ValueError(f"{name} must have shape ({n},), got {tuple(weights.shape)}")
    checks.alike(name, weights, "the sample", X)
    return checks.finite(name, weights)


def check_samples(X: Tensor, Y: Tensor, kernel: Kernel) -> None:
    """Raise unless two samples, ``[n, d]`` and ``[m, d]``, and a kernel fit each other."""
    checks.instance("kernel", kernel, Kernel, "RBF()")
    for name, sample in (("X", X), ("Y", Y)):
        checks.finite(name, checks.floating(name, sample))
        if sample.ndim != 2:
            raise ValueError(f"{name} must be a sample of shape (n, d), got {tuple(sample.shape)}")
    checks.alike("Y", Y, "X", X)
    if X.shape[1] != Y.shape[1]:
        raise ValueError(f"X has {X.shape[1]} columns but Y has {Y.shape[1]}")
