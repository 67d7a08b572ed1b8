"""The maximum mean discrepancy between two weighted samples."""

from __future__ import annotations

import torch
from torch import Tensor

from mercer.kernels import Kernel
from mercer.measure.discrepancy.quadratic import check_samples, quadratic, sample_weights


def mean_discrepancy(
    X: Tensor,
    Y: Tensor,
    kernel: Kernel,
    *,
    weights_x: Tensor | None = None,
    weights_y: Tensor | None = None,
    unbiased: bool = False,
) -> Tensor:
    r"""Return the squared maximum mean discrepancy of two samples.

    .. math:: \mathrm{MMD}^2 = \Big\| \sum_i a_i k(x_i, \cdot) - \sum_j b_j k(y_j, \cdot) \Big\|_k^2

    Time is that of three products of the kernel with one vector, memory linear.

    Parameters
    ----------
    X : Tensor, shape (n, d)
        One sample, at least two points.
    Y : Tensor, shape (m, d)
        The other.
    kernel : Kernel
        Any kernel of points.
    weights_x, weights_y : Tensor, shapes (n,), (m,), optional
        Of the points, as they are; equal ones that sum to one by default.
    unbiased : bool
        Leave out pairs of a point with itself; of equal weights only. It may be negative.

    Returns
    -------
    Tensor, shape ()
        Differentiable in points, weights and kernel.

    Raises
    ------
    TypeError, ValueError
        If samples are no finite matrices of one dtype, device and number of columns, or another
        argument is not as said.

    Examples
    --------
    >>> from mercer.kernels import RBF
    >>> X, Y = torch.tensor([[0.0], [1.0]]), torch.tensor([[0.0], [2.0]])
    >>> round(mean_discrepancy(X, Y, RBF()).item(), 4)
    0.1967

    References
    ----------
    A. Gretton et al., "A Kernel Two-Sample Test". https://www.jmlr.org/papers/v13/gretton12a.html
    """
    check_samples(X, Y, kernel)
    a, b = sample_weights(weights_x, X, "weights_x"), sample_weights(weights_y, Y, "weights_y")
    if unbiased:
        own = quadratic(kernel(X), a, unbiased=True) + quadratic(kernel(Y), b, unbiased=True)
        return own - 2 * (a @ (kernel(X, Y) @ b))
    # One product over both samples: differences of close numbers are taken once.
    both, signed = torch.cat([X, Y]), torch.cat([a, -b])
    return quadratic(kernel(both), signed)
