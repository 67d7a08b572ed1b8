"""The kernel of a variable, with a bandwidth from its sample."""

from __future__ import annotations

import math

from torch import Tensor

from mercer.kernels import RBF, Kernel, Laplace

KERNELS = {"gaussian": RBF, "laplacian": Laplace}


def kernel_of(name: str, kernel: str | Kernel, points: Tensor) -> Kernel:
    r"""Return a kernel as given, or by name with the bandwidth of the sample.

    The lengthscale is the root mean square of the distances between the points,
    :math:`\ell^2 = \binom n2^{-1} \sum_{i < j} \|z_i - z_j\|^2`, which is the publication's rule
    for the Gaussian kernel.

    Parameters
    ----------
    name : str
        Of the argument, for errors.
    kernel : {"gaussian", "laplacian"} or Kernel
        :math:`\exp(-d^2 / (2 \ell^2))` or :math:`\exp(-d / \ell)`.
    points : Tensor, shape (n, q)
        Embedded points, at least two.

    Raises
    ------
    ValueError
        If there is no such name, or all points are equal.

    Examples
    --------
    >>> import torch
    >>> kernel_of("kernel_x", "gaussian", torch.tensor([[0.0], [2.0]])).lengthscale
    tensor(2., dtype=torch.float64)
    """
    if isinstance(kernel, Kernel):
        return kernel
    if kernel not in KERNELS:
        raise ValueError(f"{name} must be one of {', '.join(KERNELS)} or a Kernel, got {kernel!r}")
    spread = float((points - points.mean(dim=0)).square().sum())
    if spread == 0:
        raise ValueError(f"{name} needs a lengthscale: all rows of its variable are equal")
    # Half the sum of all squared distances is n times the spread.
    return KERNELS[kernel](lengthscale=math.sqrt(2 * spread / (len(points) - 1)))
