"""Fully connected networks of one shape that are trained side by side."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from mercer.learn.active.tangent_linear import TangentLinear


class Settings(NamedTuple):
    """What goes with an activation."""

    activation: type[nn.Module]
    weight_gain: float
    bias_gain: float
    learning_rate: float


# As the paper trains.
SETTINGS = {
    "relu": Settings(nn.ReLU, 0.2, 0.2, 0.375),
    "silu": Settings(nn.SiLU, 0.5, 1.0, 0.15),
}


class Ensemble(nn.Module):
    r"""``M`` independent networks of layers :math:`z = \sigma_w W a / \sqrt{p} + \sigma_b b`.

    One product of batches does what M small ones would, so that many networks take hardly longer
    than one.

    Parameters
    ----------
    members : int
        ``M``.
    widths : tuple of int
        Of inputs, hidden layers and outputs.
    activation : str
        A key of ``SETTINGS``.
    generator : torch.Generator, optional
        Of the weights, which are standard normal; biases are zero at first.

    References
    ----------
    D. Holzmüller et al., "A Framework and Benchmark for Deep Batch Active Learning for
    Regression", appendix E. https://arxiv.org/abs/2203.09410

    Examples
    --------
    >>> Ensemble(3, (2, 8, 1))(torch.zeros(3, 5, 2)).shape
    torch.Size([3, 5, 1])
    """

    def __init__(
        self,
        members: int,
        widths: tuple[int, ...],
        activation: str = "relu",
        *,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.settings, self.widths = SETTINGS[activation], widths
        self.activation = self.settings.activation()
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for p, q in pairwise(widths):
            self.weights.append(torch.randn(members, q, p, generator=generator))
            self.biases.append(torch.zeros(members, q))

    def forward(self, X: Tensor) -> Tensor:
        """Each network on its own points: ``[M, n, d] -> [M, n, c]``."""
        h = X
        for layer, (W, b) in enumerate(zip(self.weights, self.biases)):
            h = self.activation(h) if layer else h
            factor = self.settings.weight_gain / math.sqrt(W.shape[-1])
            h = torch.baddbmm(b[:, None], h, W.mT, beta=self.settings.bias_gain, alpha=factor)
        return h

    def member(self, k: int) -> nn.Sequential:
        """A copy of one network."""
        modules: list[nn.Module] = []
        for W, b in zip(self.weights, self.biases):
            layer = TangentLinear(
                W.shape[-1],
                W.shape[-2],
                weight_gain=self.settings.weight_gain,
                bias_gain=self.settings.bias_gain,
            ).to(W)
            with torch.no_grad():
                layer.weight.copy_(W[k])
                layer.bias.copy_(b[k])
            modules += [layer, self.settings.activation()]
        return nn.Sequential(*modules[:-1]).eval()

    def fit(
        self,
        X: Tensor,
        Y: Tensor,
        V: Tensor,
        W: Tensor,
        *,
        epochs: int = 256,
        batch_size: int = 256,
        learning_rate: float | None = None,
        generator: torch.Generator | None = None,
        after_epoch: Callable[[int, Tensor], None] | None = None,
    ) -> Ensemble:
        """Minimise squared errors by Adam with a learning rate that falls linearly to zero.

        Each network keeps the parameters of the epoch with the least error on its validation rows,
        or the last where there are none.

        Parameters
        ----------
        X, Y : Tensor, shapes (M, n, d) and (M, n, c)
            Rows to train on, for each network.
        V, W : Tensor, shapes (M, m, d) and (M, m, c)
            Rows that choose the epoch; m may be 0.
        epochs, batch_size : int
            Passes, and rows in a step; the rows left over in an epoch wait for another.
        learning_rate : float, optional
            Of the first step; by default that of the activation.
        generator : torch.Generator, optional
            Of the order of the rows, which all networks share.
        after_epoch : callable, optional
            Called with the epoch and the validation errors, ``[M]``.

        Returns
        -------
        Ensemble
            Itself.

        Raises
        ------
        FloatingPointError
            If a network has no finite error after any epoch.
        """
        n, size = X.shape[1], min(batch_size, X.shape[1])
        rate = self.settings.learning_rate if learning_rate is None else learning_rate
        parameters = list(self.parameters())
        optimizer = torch.optim.Adam(parameters, lr=rate, fused=True)
        best = [p.detach().clone() for p in parameters]
        least = X.new_full((len(X),), torch.inf)
        steps, step = epochs * (n // size), 0
        for epoch in range(epochs):
            order = torch.randperm(n, generator=generator).to(X.device)
            for rows in order[: n // size * size].split(size):
                optimizer.param_groups[0]["lr"] = rate * (1 - step / steps)
                optimizer.zero_grad()
                errors = (self(X[:, rows]) - Y[:, rows]).square().mean(dim=(1, 2))
                errors.sum().backward()
                optimizer.step()
                step += 1
            with torch.no_grad():
                errors = errors.detach()
                if V.shape[1]:
                    errors = (self(V) - W).square().mean(dim=(1, 2))
                better = (errors < least) if V.shape[1] else errors.isfinite()
                least = torch.where(better, errors, least)
                for kept, p in zip(best, parameters):
                    kept[better] = p[better]
            if after_epoch is not None:
                after_epoch(epoch, errors)
        if not bool(least.isfinite().all()):
            raise FloatingPointError("training diverged from the start; lower learning_rate")
        with torch.no_grad():
            for p, kept in zip(parameters, best):
                p.copy_(kept)
        return self
