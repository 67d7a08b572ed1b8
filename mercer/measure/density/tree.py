"""Densities by scikit-learn's ball tree or k-d tree."""

from __future__ import annotations

import torch
from torch import Tensor

KERNELS = ("gaussian", "exponential", "tophat", "epanechnikov", "linear")  # that it has


def log_density(
    X: Tensor, Y: Tensor, weights: Tensor, *, kernel: str, bandwidth: float, rtol: float
) -> Tensor:
    """Logarithms of densities, to a relative error of the density.

    Parameters
    ----------
    X, Y : Tensor, shapes (m, d) and (n, d)
        Where, and the sample.
    weights : Tensor, shape (n,)
        Positive.
    kernel : str
        One of ``KERNELS``.
    bandwidth : float
        Positive, in the units of the points.
    rtol : float
        The error, at least 0.

    Returns
    -------
    Tensor, shape (m,)
    """
    from sklearn.neighbors import KernelDensity

    tree = KernelDensity(bandwidth=bandwidth, kernel=kernel, rtol=rtol)
    tree.fit(Y.double().cpu().numpy(), sample_weight=weights.cpu().numpy())
    return torch.from_numpy(tree.score_samples(X.double().cpu().numpy())).to(X)
