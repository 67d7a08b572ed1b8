"""The density that a smoothing kernel makes of weighted points."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mercer.measure.density import tree
from mercer.measure.density.coordinates import log_volume, whitened
from mercer.measure.density.log_kernel_sum import log_kernel_sum
from mercer.measure.density.smoothing_kernel import smoothing_kernel
from mercer.measure.score import score_of

METHODS = {
    "engine": "Densities by the engine: all pairs in tiles, relative to the largest of a row.",
    "tree": "Densities by scikit-learn's tree, to a relative error of {rtol:g}.",
}


def check_method(method: str, kernel: str) -> None:
    """Raise ValueError unless the method is one, and has the kernel."""
    if method not in METHODS:
        raise ValueError(f"method must be 'engine' or 'tree', got {method!r}")
    if method == "tree" and kernel not in tree.KERNELS:
        raise ValueError(
            f"method='tree' has the kernels {', '.join(tree.KERNELS)}, got {kernel!r}; "
            "method='engine' has it"
        )


class KernelMixture(NamedTuple):
    r"""A mixture of one law, moved to each of the points.

    .. math:: \rho(x) = \frac{1}{W h^d |L|} \sum_i w_i K\big((L^{-1} x - y_i) / h\big)

    Parameters
    ----------
    kernel : str
        The name of ``K``.
    bandwidth : float
        ``h``.
    points : Tensor, shape (n, d)
        ``y_i``, in the coordinates in which the kernel is round.
    weights : Tensor, shape (n,)
        ``w_i``, which sum to ``W``.
    L : Tensor, shape (d, d), or None
        The lower triangle that takes these coordinates to those of the data; None if they are one.
    """

    kernel: str
    bandwidth: float
    points: Tensor
    weights: Tensor
    L: Tensor | None

    def log_density(self, X: Tensor, *, precision: str = "highest") -> Tensor:
        """Logarithms ``[m]`` at points ``[m, d]`` by the engine, differentiable in the points."""
        kernel, d = smoothing_kernel(self.kernel), self.points.shape[1]
        sums = log_kernel_sum(
            kernel,
            whitened(X, self.L) / self.bandwidth,
            self.points.to(X) / self.bandwidth,
            self.weights,
            precision=precision,
        )
        return sums + (
            kernel.log_normaliser(d)
            - d * math.log(self.bandwidth)
            - log_volume(self.L)
            - math.log(float(self.weights.sum()))
        )

    def log_density_by_tree(self, X: Tensor, *, rtol: float) -> Tensor:
        """The same by scikit-learn's tree, to a relative error of the density."""
        logs = tree.log_density(
            whitened(X.double(), self.L),
            self.points,
            self.weights,
            kernel=self.kernel,
            bandwidth=self.bandwidth,
            rtol=rtol,
        )
        return (logs - log_volume(self.L)).to(X)

    def score(self, X: Tensor, *, precision: str = "highest") -> Tensor:
        """The gradient ``[m, d]`` of the logarithm at points ``[m, d]``.

        Raises
        ------
        ValueError
            If the density is zero at a row.
        """
        with torch.no_grad():
            empty = torch.isneginf(self.log_density(X, precision=precision))
        if bool(empty.any()):
            raise ValueError(
                f"the density is zero at row {int(empty.nonzero()[0, 0])} of X, where its "
                "logarithm has no gradient; take a kernel without compact support"
            )
        return score_of(lambda x: self.log_density(x, precision=precision))(X)

    def draw(self, random: np.random.RandomState, count: int) -> np.ndarray:
        """Draws ``[count, d]``: one of the points, and an offset from it."""
        p = (self.weights / self.weights.sum()).cpu().numpy()
        centres = self.points.double().cpu().numpy()[random.choice(len(p), count, p=p)]
        offsets = smoothing_kernel(self.kernel).offsets(random, self.points.shape[1], count)
        drawn = centres + self.bandwidth * offsets
        return drawn if self.L is None else drawn @ self.L.cpu().numpy().T
