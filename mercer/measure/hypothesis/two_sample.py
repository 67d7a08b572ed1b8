"""The kernel two-sample test by permutations."""

from __future__ import annotations

import torch
from torch import Tensor

from mercer import checks
from mercer.kernels import Kernel
from mercer.measure.discrepancy.quadratic import check_samples, quadratic, sample_weights
from mercer.measure.hypothesis.significance import Significance
from mercer.measure.hypothesis.wild_bootstrap import COLUMNS
from mercer.operators import Operator


@torch.no_grad()
def two_sample_test(
    X: Tensor,
    Y: Tensor,
    kernel: Kernel,
    *,
    draws: int = 500,
    generator: torch.Generator | None = None,
) -> Significance:
    """Test whether two samples come from one law.

    The statistic is the squared maximum mean discrepancy; its null law comes from permutations of
    the pooled sample, so that the level holds at any size.

    Parameters
    ----------
    X : Tensor, shape (n, d)
        One sample, n at least 2.
    Y : Tensor, shape (m, d)
        The other, m at least 2.
    kernel : Kernel
        Any kernel of points.
    draws : int
        Permutations.
    generator : torch.Generator, optional
        Of the permutations, on the CPU.

    Returns
    -------
    Significance

    Examples
    --------
    >>> from mercer.kernels import RBF
    >>> generator = torch.Generator().manual_seed(0)
    >>> X, Y = torch.randn(60, 1, generator=generator), 1 + torch.randn(50, 1, generator=generator)
    >>> two_sample_test(X, Y, RBF(), generator=generator).p_value < 0.01
    True

    References
    ----------
    A. Gretton et al., "A Kernel Two-Sample Test". https://www.jmlr.org/papers/v13/gretton12a.html
    """
    check_samples(X, Y, kernel)
    sample_weights(None, X), sample_weights(None, Y)
    return permutation_test(kernel(torch.cat([X, Y])), len(X), draws=draws, generator=generator)


@torch.no_grad()
def permutation_test(
    K: Operator, first: int, *, draws: int = 500, generator: torch.Generator | None = None
) -> Significance:
    """Test whether the first of the points of a Gram matrix have the same mean as the others.

    Parameters
    ----------
    K : Operator, shape (n + m, n + m)
        Inner products of the pooled sample.
    first : int
        n, how many points are of the first sample.
    draws : int
        Permutations.
    generator : torch.Generator, optional
        Of the permutations, on the CPU.

    Returns
    -------
    Significance
        Its statistic is the squared distance of the two means.

    Examples
    --------
    >>> from mercer.operators import Dense
    >>> z = torch.tensor([[0.0], [0.1], [0.2], [5.0], [5.1], [5.2]])
    >>> round(permutation_test(Dense(z @ z.mT), 3, draws=9).statistic, 3)
    25.0
    """
    checks.count("draws", draws)
    if not 0 < first < K.n:
        raise ValueError(f"first must be above 0 and below {K.n}, got {first}")
    w = torch.full((K.n,), -1 / (K.n - first), dtype=torch.float64)
    w[:first] = 1 / first  # the mean of the first less the mean of the others
    statistic = quadratic(K, w.to(K.device, K.dtype))
    parts = []
    for start in range(0, draws, COLUMNS):
        B = min(COLUMNS, draws - start)
        order = torch.rand(K.n, B, generator=generator, dtype=torch.float64).argsort(dim=0)
        parts.append(quadratic(K, w[order].to(K.device, K.dtype)))
    return Significance.of(statistic, torch.cat(parts))
