"""Thinning a sample to a given size."""

from __future__ import annotations

import torch
from torch import Tensor

from mercer import checks
from mercer.kernels import Kernel
from mercer.kernels.arguments import check_points
from mercer.measure.thinning.compress import compress_points
from mercer.measure.thinning.halving import Sample
from mercer.measure.thinning.power_kernel import kernel_plus, power_kernel
from mercer.measure.thinning.refinement import refine
from mercer.measure.thinning.splitting import split_points
from mercer.measure.thinning.standard import standard_thinning

METHODS = ("kt+", "target", "power", "standard")


def thin(
    X: Tensor,
    kernel: Kernel,
    size: int,
    *,
    method: str = "kt+",
    exponent: float | None = None,
    oversampling: int | None = None,
    swaps: bool = True,
    distinct: bool = False,
    delta: float = 0.5,
    generator: torch.Generator | None = None,
    backend: str = "auto",
) -> Tensor:
    r"""Return ``size`` of ``n`` points that stand for all of them in the RKHS of a kernel.

    With ``size`` near :math:`\sqrt n` the maximum mean discrepancy is of order
    :math:`n^{-1/2}` up to logarithms, where as many independent points have :math:`n^{-1/4}`.

    Kernel thinning halves the sample :math:`m = \lfloor \log_2 (n / s) \rfloor` times into
    :math:`2^m` candidates, takes the best and refines it by swaps. Where ``size 2**m`` points are
    fewer than ``n``, the halvings see that many, at equal steps; the swaps see all.

    Parameters
    ----------
    X : Tensor, shape (n, d)
        Points, at least two; in the order of the chain that drew them, where one did. Points
        and kernel decide dtype and device. Constants: no gradient goes through a choice.
    kernel : Kernel
        The kernel of the discrepancy.
    size : int
        Points to keep, at most ``n``.
    method : {"kt+", "target", "power", "standard"}
        The kernel that halves: ``kernel`` plus a power of it, ``kernel`` itself, the power alone;
        or standard thinning. Powers exist of Gaussian and Matérn kernels; ``"target"`` takes any.
    exponent : float, optional
        Of the power, see :func:`power_kernel`.
    oversampling : int, optional
        ``g``: Compress++, in near-linear time. Compress thins to :math:`2^g` times ``size``, which
        kernel thinning halves ``g`` times. 4 is little worse than no Compress at all, the default.
    swaps : bool
        Whether to refine, with Compress each halving too; else the first candidate is returned.
    distinct : bool
        Whether no point may be taken twice by the last swaps; the others never do.
    delta : float
        Probability with which the guarantee may fail, above 0 and below 1.
    generator : torch.Generator, optional
        Of the walks.
    backend : {"auto", "compiled", "triton", "torch"}
        See :func:`halve`.

    Returns
    -------
    Tensor, shape (size,)
        Indices of rows of ``X``.

    Raises
    ------
    TypeError, ValueError
        If points are not finite or fewer than two, ``size`` or an option is out of range, or the
        kernel has no power that is known.

    Examples
    --------
    >>> from mercer.kernels import RBF
    >>> X = torch.randn(1024, 2, generator=torch.Generator().manual_seed(0))
    >>> kept = thin(X, RBF(2.0), 32, generator=torch.Generator().manual_seed(1))
    >>> errors = [(X[k].mean(0) - X.mean(0)).norm() for k in (kept, slice(None, None, 32))]
    >>> bool(errors[0] < errors[1] / 4)
    True

    References
    ----------
    R. Dwivedi, L. Mackey, "Generalized Kernel Thinning". https://arxiv.org/abs/2110.01593
    A. Shetty, R. Dwivedi, L. Mackey, "Distribution Compression in Near-linear Time".
    https://arxiv.org/abs/2111.07941
    """
    check_points("X", X)
    if X.ndim != 2:
        raise ValueError(f"X must have shape (n, d), got {tuple(X.shape)}")
    if X.shape[1] == 0:
        raise ValueError(f"X must have a column at least, got shape {tuple(X.shape)}")
    n = len(X)
    if n < 2:
        raise ValueError(f"X must have at least two points, got {n}")
    if checks.count("size", size) > n:
        raise ValueError(f"size must be at most the {n} points there are, got {size}")
    if not 0 < delta < 1:
        raise ValueError(f"delta must be above 0 and below 1, got {delta:g}")
    splitting = _splitting_kernel(kernel, X.shape[1], method, exponent)
    X = X.detach()
    if splitting is None:
        return standard_thinning(n, size, device=X.device)
    rounds = (n // size).bit_length() - 1  # of halving: the binary logarithm, rounded down
    sample = Sample.of(X, splitting, backend)
    if oversampling is None:
        index, levels = standard_thinning(n, size << rounds, device=X.device), 0
    else:
        g = checks.count("oversampling", oversampling, least=0)
        levels, blocks, leaf = _tree(n, size, rounds, g)
        leaves = standard_thinning(n, blocks * leaf * 4**levels, device=X.device).view(-1, leaf)
        share = _compress_share(levels, rounds - levels)
        index = compress_points(sample, leaves, levels, share * delta, swaps, generator).flatten()
        delta *= 1 - share if levels < rounds else 1
        # Leaves of whole points hold a few too many.
        index = index[standard_thinning(len(index), size << (rounds - levels), device=X.device)]
    parts = split_points(sample, index[None], rounds - levels, delta, generator)
    if not swaps or size == n:
        return parts[0]
    pool = torch.arange(n, device=X.device) if levels == 0 else index
    standard = standard_thinning(len(pool), size, device=X.device)
    place = torch.empty(n, dtype=torch.int64, device=X.device)
    place[pool] = torch.arange(len(pool), device=X.device)
    candidates = torch.cat([standard[None], place[parts]])
    return pool[refine(X[pool], kernel, candidates, distinct=distinct, backend=backend)]


def _splitting_kernel(kernel: Kernel, d: int, method: str, exponent: float | None) -> Kernel | None:
    if method == "target":
        return kernel
    if method == "power":
        return power_kernel(kernel, d, exponent)
    if method == "kt+":
        return kernel_plus(kernel, d, exponent)
    if method == "standard":
        return None
    raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")


def _tree(n: int, size: int, rounds: int, g: int) -> tuple[int, int, int]:
    """Levels, blocks and points a leaf of Compress that leaves ``size 2**(rounds - levels)``."""
    for levels in range(max(rounds - g, 0), 0, -1):
        wanted = -(-(size << (rounds - levels)) // 2**levels)  # points of one leaf of each block
        blocks = max(wanted // 4**g, 1)
        leaf = -(-wanted // blocks)
        if blocks * leaf * 4**levels <= n:
            return levels, blocks, leaf
    return 0, 1, size << rounds


def _compress_share(levels: int, rounds: int) -> float:
    """The part of ``delta`` that Compress may spend; the rest is the last thinning's."""
    if levels == 0:
        return 0.0
    return 1 - rounds / (rounds + 2**rounds * levels)
