"""The rate at which kernel classifiers learn, and the stopping time that attains it."""

from __future__ import annotations

from dataclasses import dataclass

from mercer import checks
from mercer.kernels import Kernel, Laplace, Matern, ShiftInvariant
from mercer.kernels.brownian import Brownian


@dataclass(frozen=True)
class OptimalRate:
    r"""What is best possible where :math:`2\eta - 1` has smoothness ``s`` relative to the kernel.

    Let the kernel's eigenvalues fall as :math:`j^{-\beta}` and :math:`f^* = 2\eta - 1` lie in the
    interpolation space :math:`[H]^s`, so that its coefficients are :math:`\lambda_j^{s/2} a_j` with
    :math:`a` in :math:`\ell_2`. Stopped at time ``t``, gradient flow has a squared bias of
    :math:`t^{-s}` and a variance of :math:`t^{1/\beta} / n`. They are equal at
    :math:`t = n^{\beta/(s\beta+1)}`, where the squared error is :math:`n^{-s\beta/(s\beta+1)}`. The
    risk of the sign of :math:`\hat f` exceeds the least one by
    :math:`E\,|f^*| 1[\hat f f^* < 0] \le E\,|\hat f - f^*|`, hence by
    :math:`n^{-s\beta/(2(s\beta+1))}`, and no classifier does better uniformly.

    Parameters
    ----------
    decay : float
        :math:`\beta`, above 1.
    smoothness : float
        ``s``, positive. In the Sobolev space of order ``m`` over ``d`` dimensions
        :math:`\beta = 2m/d`, and ``s m`` is the order of :math:`f^*`.

    Examples
    --------
    >>> rate = OptimalRate(decay=2.0, smoothness=0.5)
    >>> rate.classification, rate.time(100)
    (0.25, 100.0)

    References
    ----------
    J. Lai, Z. Li, D. Huang, Q. Lin, "The Optimality of Kernel Classifiers in Sobolev Space", ICLR
    2024. https://arxiv.org/abs/2402.01148
    """

    decay: float
    smoothness: float

    def __post_init__(self) -> None:
        if not self.decay > 1:
            raise ValueError(f"decay must be above 1, got {self.decay:g}")
        checks.positive("smoothness", self.smoothness)

    @property
    def regression(self) -> float:
        """The exponent of ``1 / n`` in the squared error."""
        product = self.smoothness * self.decay
        return product / (product + 1)

    @property
    def classification(self) -> float:
        """The exponent of ``1 / n`` in the excess risk."""
        return self.regression / 2

    def time(self, n: float) -> float:
        """When to stop gradient flow; one over the strength of other profiles."""
        return float(n) ** (self.decay / (self.smoothness * self.decay + 1))


def eigenvalue_decay(kernel: Kernel, d: int) -> float:
    r"""The exponent :math:`\beta` with which the eigenvalues of a kernel fall.

    Parameters
    ----------
    kernel : Kernel
        Matérn (:math:`2\nu/d + 1`), Laplace in the Euclidean distance, or on the unit interval
        Brownian and shift-invariant.
    d : int
        Coordinates of the points, which have a density in all of them.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If the decay is not known.

    Examples
    --------
    >>> eigenvalue_decay(Matern(nu=1.5), 3)
    2.0
    """
    read = d if kernel.active_dimensions is None else len(kernel.active_dimensions)
    if isinstance(kernel, Matern):
        return 2 * kernel.nu / read + 1
    if isinstance(kernel, Laplace) and kernel.norm == "l2":
        return 1 / read + 1
    if isinstance(kernel, Brownian) and read == 1:
        return 2.0
    if isinstance(kernel, ShiftInvariant) and read == 1 and isinstance(kernel.alpha, int):
        return 2.0 * kernel.alpha
    raise ValueError(
        f"the decay of the eigenvalues of {kernel!r} in {read} dimensions is not known; pass decay"
    )
