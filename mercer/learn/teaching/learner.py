"""A learner that is a function in a reproducing-kernel space and follows its gradient."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from mercer import checks
from mercer.kernels import Kernel
from mercer.learn.teaching.loss import LOSSES

Function = Callable[[Tensor], Tensor]


class Learner:
    r"""Functional gradient descent in the space of a kernel, one lesson of examples at a time.

    The gradient of the loss at an example is :math:`\partial_f L(f(x), y)\, k(x, \cdot)`, so that
    after examples :math:`(x_i, y_i)`, ``i = 1, ..., b``,

    .. math:: f_{t+1} = f_t
        - \frac{\eta}{b} \sum_i \partial_f L(f_t(x_i), y_i)\, k(x_i, \cdot) .

    Parameters
    ----------
    kernel : Kernel
        Any kernel over points ``[n, d]``; the linear kernel makes this gradient descent on the
        weights of a linear model.
    loss : {"square", "logistic", "hinge"}
        The loss; labels of the last two are -1 and 1.
    rate : float
        :math:`\eta`, positive.
    initial : callable, optional
        :math:`f_0`, from points ``[n, d]`` to values ``[n]``; zero by default.

    Attributes
    ----------
    points, coefficients : Tensor or None, shapes (m, d), (m,)
        ``f(x) = initial(x) + k(x, points) @ coefficients``; None before the first lesson.

    Examples
    --------
    >>> from mercer.kernels import RBF
    >>> learner = Learner(RBF(), rate=0.25)
    >>> learner.learn(torch.tensor([[0.0]]), torch.tensor([2.0]))
    >>> learner(torch.tensor([[0.0], [1.0]]))
    tensor([1.0000, 0.6065])

    References
    ----------
    C. Zhang, X. Cao, W. Liu, I. W. Tsang, J. T. Kwok, "Nonparametric Iterative Machine Teaching",
    ICML 2023. https://arxiv.org/abs/2306.03007
    """

    def __init__(
        self,
        kernel: Kernel,
        *,
        loss: str = "square",
        rate: float,
        initial: Function | None = None,
    ) -> None:
        if not isinstance(kernel, Kernel):
            raise TypeError(f"kernel must be a Kernel, got {type(kernel).__name__}")
        if loss not in LOSSES:
            raise ValueError(f"loss must be one of {', '.join(LOSSES)}, got {loss!r}")
        self.kernel = kernel
        self.loss = LOSSES[loss]()
        self.rate = float(checks.positive("rate", rate))
        self.initial = initial
        self.points: Tensor | None = None
        self.coefficients: Tensor | None = None

    @torch.no_grad()
    def __call__(self, X: Tensor) -> Tensor:
        """The function at points ``[n, d]``, ``[n]``."""
        F = X.new_zeros(len(X)) if self.initial is None else self.initial(X)
        if self.points is None or self.coefficients is None:
            return F
        return F + self.kernel(X, self.points) @ self.coefficients

    @torch.no_grad()
    def step(self, f: Tensor, y: Tensor) -> Tensor:
        """The coefficients of ``k(x_i, .)`` that a lesson adds, from predictions and labels."""
        return -self.rate / len(y) * self.loss.derivative(f, y)

    @torch.no_grad()
    def add(self, X: Tensor, coefficients: Tensor) -> None:
        """Add ``k(., X) @ coefficients`` to the function."""
        if self.points is None or self.coefficients is None:
            self.points, self.coefficients = X.clone(), coefficients.clone()
        else:
            self.points = torch.cat([self.points, X])
            self.coefficients = torch.cat([self.coefficients, coefficients])

    def learn(self, X: Tensor, y: Tensor) -> None:
        """One lesson: examples ``[b, d]`` with labels ``[b]``."""
        self.add(X, self.step(self(X), y))
