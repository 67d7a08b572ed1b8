"""The kernel of an infinitely wide ReLU network at random weights."""

from __future__ import annotations

from collections.abc import Sequence

import sympy

from mercer import checks
from mercer.engine.formula import score_symbol
from mercer.kernels import ArcCosine
from mercer.kernels.angle import ArcCosineAngle
from mercer.kernels.profile import Profile, formula, s

N = score_symbol(1, "dot")


class NNGP(ArcCosine):
    r"""The Gaussian-process kernel of an infinitely wide ReLU network without biases.

    .. math::

        k(x, y) = \|x\| \|y\| \cos\theta_L, \qquad \pi \cos\theta_{l+1} = J_1(\theta_l)

    for :math:`L + 1` linear layers with weights of variance 2 over their inputs, which keep the
    norm of a point; :math:`\theta_0` is the angle between x and y, and :math:`J_1` that of
    :class:`mercer.kernels.ArcCosine`, which is this kernel at two layers.

    Parameters
    ----------
    depth : int
        Linear layers, at least 2.
    active_dimensions : sequence of int, optional
        The coordinates that the kernel reads.

    References
    ----------
    J. Lee et al., "Deep Neural Networks as Gaussian Processes", section 2.3.
    https://arxiv.org/abs/1711.00165

    Examples
    --------
    >>> import torch
    >>> NNGP(depth=3)(torch.eye(2)).dense()
    tensor([[1.0000, 0.4937],
            [0.4937, 1.0000]])
    """

    def __init__(self, depth: int = 3, *, active_dimensions: Sequence[int] | None = None) -> None:
        super().__init__(order=1, active_dimensions=active_dimensions)
        self.depth = checks.count("depth", depth, least=2)

    def parts(self) -> Profile:
        """The squared distance of directions, passed through the layers, times the norms."""
        q = s
        for _ in range(self.depth - 1):
            cosine = ArcCosineAngle(1, q) / sympy.pi
            q = 2 - 2 * cosine
        f = formula(N * cosine, ("squared_distance", "dot"), 0)
        return Profile(f, (self._direction, self._norm), ())
