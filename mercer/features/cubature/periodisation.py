"""Changes of variables that make an integrand periodic and keep its integral."""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import Tensor

Integrand = Callable[[Tensor], Tensor]


def periodised(f: Integrand, name: str) -> Integrand:
    r"""The integrand :math:`f(\phi(x)) \prod_j \phi'(x_j)`, which has the integral of ``f``.

    Parameters
    ----------
    f : callable
        ``[n, d] -> [n, *out]``.
    name : {"baker", "C0", "C1", "C1 sine", "C2 sine", "C3 sine"}
        ``baker`` folds each coordinate at 1/2 and makes the integrand continuous on the circle;
        ``Ck`` gives it k continuous derivatives there, by polynomials or by sines, for an integrand
        that has them inside.

    Returns
    -------
    callable
        ``[n, d] -> [n, *out]``.

    Raises
    ------
    ValueError
        If the name is another.

    References
    ----------
    A. Sidi, A new variable transformation for numerical integration (1993).
    https://doi.org/10.1007/978-3-0348-6338-4_27

    F. J. Hickernell, Obtaining O(N^{-2+epsilon}) convergence for lattice quadrature rules (2002).
    https://doi.org/10.1007/978-3-642-56046-0_18

    Examples
    --------
    >>> import torch
    >>> g = periodised(lambda x: x.prod(-1), "baker")
    >>> g(torch.tensor([[0.25, 0.75]]))
    tensor([0.2500])
    """
    if name not in CHANGES:
        raise ValueError(f"periodisation must be one of {', '.join(CHANGES)}, got {name!r}")
    change = CHANGES[name]

    def g(x: Tensor) -> Tensor:
        moved, slope = change(x)
        y = f(moved.clamp(0, 1))  # rounding may leave the cube
        return y if slope is None else y * slope.prod(-1).reshape(-1, *[1] * (y.ndim - 1))

    return g


def _baker(x: Tensor) -> tuple[Tensor, Tensor | None]:
    return 1 - 2 * (x - 0.5).abs(), None


def _c0(x: Tensor) -> tuple[Tensor, Tensor | None]:
    return x * x * (3 - 2 * x), 6 * x * (1 - x)


def _c1(x: Tensor) -> tuple[Tensor, Tensor | None]:
    return x**3 * (10 - 15 * x + 6 * x * x), 30 * (x * (1 - x)) ** 2


def _c1_sine(x: Tensor) -> tuple[Tensor, Tensor | None]:
    angle = 2 * math.pi * x
    return x - angle.sin() / (2 * math.pi), 1 - angle.cos()


def _c2_sine(x: Tensor) -> tuple[Tensor, Tensor | None]:
    cosine = (math.pi * x).cos()
    sine = (math.pi * x).sin()
    return (8 - 9 * cosine + (3 * math.pi * x).cos()) / 16, 3 * math.pi / 4 * sine**3


def _c3_sine(x: Tensor) -> tuple[Tensor, Tensor | None]:
    angle = 2 * math.pi * x
    moved = x - (8 * angle.sin() - (2 * angle).sin()) / (12 * math.pi)
    return moved, (1 - angle.cos()) ** 2 * (2 / 3)


CHANGES: dict[str, Callable[[Tensor], tuple[Tensor, Tensor | None]]] = {
    "baker": _baker,
    "C0": _c0,
    "C1": _c1,
    "C1 sine": _c1_sine,
    "C2 sine": _c2_sine,
    "C3 sine": _c3_sine,
}
