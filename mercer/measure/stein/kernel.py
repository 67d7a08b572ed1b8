"""The Stein kernel of a target."""

from __future__ import annotations

from torch import Tensor

from mercer import checks
from mercer.kernels import Kernel
from mercer.measure.score import ScoreFunction, scores
from mercer.measure.stein.operator import stein_operator
from mercer.operators import Operator


class SteinKernel(Kernel):
    r"""The Langevin Stein kernel :math:`k_p` of a base kernel and the score of a target.

    Functions of its reproducing space have mean zero under the target: :math:`E_{y \sim p} k_p(x,
    y) = 0` for every ``x``. Formula and conditions stand in :func:`stein_operator`.

    Parameters
    ----------
    kernel : Kernel
        A smooth function of squared distances of points.
    score_function : callable
        :math:`\nabla \log p`: points ``[*b, n, d]`` to scores of the same shape.

    Examples
    --------
    >>> import torch
    >>> from mercer.kernels import InverseMultiquadric
    >>> normal = SteinKernel(InverseMultiquadric(), lambda x: -x)
    >>> normal(torch.zeros(1, 2)).dense()
    tensor([[2.]])

    References
    ----------
    C. Oates, M. Girolami, N. Chopin, "Control Functionals for Monte Carlo Integration".
    https://arxiv.org/abs/1410.2392
    """

    def __init__(self, kernel: Kernel, score_function: ScoreFunction) -> None:
        super().__init__()
        checks.instance("kernel", kernel, Kernel, "RBF()")
        if not callable(score_function):
            raise TypeError(f"score_function must be callable, got {type(score_function).__name__}")
        self.kernel, self.score_function = kernel, score_function
        self.smoothness = kernel.smoothness - 2

    def parts(self) -> None:
        """None: scores are of points and not of pairs."""

    def operator(self, X: Tensor, Y: Tensor | None, precision: str) -> Operator:
        """Scores are taken once a point."""
        S = scores(self.score_function, X)
        other = None if Y is None else scores(self.score_function, Y)
        return stein_operator(self.kernel, X, S, Y, other, precision=precision)
