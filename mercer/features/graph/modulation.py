"""Modulation functions: how much a walk counts by its length."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from mercer import checks


class Modulation(nn.Module):
    r"""A function ``f`` of the length of a walk, with power series :math:`F(x) = \sum_l f(l) x^l`.

    Features made with ``f`` for both arguments estimate :math:`F(W)^2`, so the kernel
    :math:`\sum_k \alpha_k W^k` takes the ``f`` with
    :math:`\sum_{l=0}^k f(l) f(k - l) = \alpha_k`.

    Parameters
    ----------
    coefficients : callable
        From a number of lengths ``count`` to ``f(0), ..., f(count - 1)``, a float64 Tensor.
    longest : int, optional
        The last length at which ``f`` is not zero, if there is one: no walk goes further.

    Examples
    --------
    >>> halves = Modulation(lambda count: 0.5 ** torch.arange(count, dtype=torch.float64))
    >>> halves(3)
    tensor([1.0000, 0.5000, 0.2500], dtype=torch.float64)
    """

    def __init__(self, coefficients: Callable[[int], Tensor], longest: int | None = None) -> None:
        super().__init__()
        self.coefficients = coefficients
        self.longest = longest

    def forward(self, count: int) -> Tensor:
        """``f(0), ..., f(count - 1)`` in float64, shape ``(count,)``."""
        return self.coefficients(count)

    @classmethod
    def from_series(cls, alpha: Sequence[float] | Callable[[int], float]) -> Modulation:
        """The modulation whose convolution with itself is ``alpha``.

        Parameters
        ----------
        alpha : sequence of float or callable
            Coefficients of the kernel: all that are not zero, or a function of their number.
            The first is positive.

        Returns
        -------
        Modulation

        Raises
        ------
        ValueError
            If ``alpha[0]`` is not positive, or a coefficient is not finite.

        Examples
        --------
        >>> Modulation.from_series([1.0, 2.0, 1.0])(4)  # (1 + x)^2
        tensor([1., 1., 0., 0.], dtype=torch.float64)
        """
        if callable(alpha):
            series = alpha
        else:
            listed = list(alpha)

            def series(k: int) -> float:
                return listed[k] if k < len(listed) else 0.0

        def coefficients(count: int) -> Tensor:
            terms = [series(k) for k in range(count)]
            return square_root(torch.tensor(terms, dtype=torch.float64))

        coefficients(1)
        return cls(coefficients)


class LearnedModulation(Modulation):
    """A modulation times one plus a small network of the walk's length.

    Parameters
    ----------
    base : Modulation
        Where learning starts, and how the modulation decays.
    hidden : int
        Width of the hidden layer.
    generator : torch.Generator, optional
        Source of the first weights; seeded with 0 by default.

    Examples
    --------
    >>> base = Modulation.from_series([1.0, 2.0, 1.0])
    >>> learned = LearnedModulation(base)
    >>> torch.equal(learned(5), base(5)), learned(5).requires_grad
    (True, True)
    """

    def __init__(
        self, base: Modulation, hidden: int = 8, generator: torch.Generator | None = None
    ) -> None:
        super().__init__(base.coefficients, base.longest)
        checks.count("hidden", hidden)
        source = torch.Generator().manual_seed(0) if generator is None else generator
        draws = torch.randn(2, hidden, generator=source, dtype=torch.float64)
        self.slope = nn.Parameter(draws[0])
        self.shift = nn.Parameter(draws[1])
        self.weight = nn.Parameter(torch.zeros(hidden, dtype=torch.float64))

    def forward(self, count: int) -> Tensor:
        """``f(0), ..., f(count - 1)`` in float64, shape ``(count,)``."""
        lengths = torch.arange(count, dtype=torch.float64, device=self.slope.device)
        hidden = torch.tanh(lengths[:, None] * self.slope + self.shift)  # [count, hidden]
        return self.coefficients(count).to(hidden.device) * (1.0 + hidden @ self.weight)


def square_root(alpha: Tensor) -> Tensor:
    r"""The power series whose square is ``alpha``, term by term.

    From :math:`\alpha_k = \sum_{l=0}^k f(l) f(k - l)` with :math:`f(0) = \sqrt{\alpha_0}`.

    Parameters
    ----------
    alpha : Tensor, shape (count,)
        Coefficients, the first positive.

    Returns
    -------
    Tensor, shape (count,)

    Raises
    ------
    ValueError
        If ``alpha[0]`` is not positive, or a coefficient is not finite.

    Examples
    --------
    >>> square_root(torch.tensor([1.0, 1.0, 0.5]))  # of exp(x): exp(x / 2)
    tensor([1.0000, 0.5000, 0.1250])
    """
    if alpha.numel() == 0:
        return alpha
    checks.finite("alpha", alpha)
    if not alpha[0] > 0:
        raise ValueError(
            f"alpha[0] must be positive, got {alpha[0]:g}: without it the series has no real "
            "square root; give a pair of modulations"
        )
    f = torch.zeros_like(alpha)
    f[0] = alpha[0].sqrt()
    for k in range(1, alpha.shape[0]):
        f[k] = (alpha[k] - f[1:k] @ f[1:k].flip(0)) / (2.0 * f[0])
    return f
