"""Power-law spectra and the scaling laws of regression on fake labels."""

from __future__ import annotations

import torch
from torch import Tensor

from mercer import checks
from mercer.learn.distillation.model_collapse import ErrorParts
from mercer.learn.distillation.regression import Regression


def power_law(capacity: float, source: float, dimension: int) -> tuple[Tensor, Tensor]:
    r"""Return eigenvalues :math:`j^{-\beta}` and a target with :math:`s_j c_j^2 = j^{-1-2r\beta}`.

    Parameters
    ----------
    capacity : float
        :math:`\beta`, above 1: how fast the spectrum decays.
    source : float
        :math:`r`, at least 0: how smooth the target is; 1/2 for a bounded norm, up to logarithms.
    dimension : int, at least 1

    Returns
    -------
    Tensor, Tensor, shapes (dimension,)
        As :func:`model_collapse` takes them.

    Examples
    --------
    >>> power_law(2.0, 0.5, 3)[0]
    tensor([1.0000, 0.2500, 0.1111], dtype=torch.float64)
    """
    check_exponents(capacity, source)
    checks.count("dimension", dimension)
    j = torch.arange(1, dimension + 1, dtype=torch.float64)
    return j**-capacity, j ** (capacity - 1 - 2 * source * capacity)


def scaling_law(
    capacity: float,
    source: float,
    exponent: float,
    *,
    generations: int,
    dimension: int,
    fake: Regression,
    downstream: Regression,
) -> ErrorParts:
    r"""Return the order of the test error with the ridge :math:`\lambda = T^{-\ell}`.

    .. math:: E \asymp T^{-2 \bar r \ell} + \sigma^2 T^{-(1 - \ell/\beta)} + \frac{n \sigma_0^2}{1 -
        \phi_0} \max\Bigl(\frac{T}{T_0}, \phi_0\Bigr)\, T^{-(1 - \ell/\beta)}, \qquad
        \bar r = \min(r, 1), \quad \phi_0 = d / T_0

    For fake labels by least squares on :math:`T_0 > d` samples. The last term is what collapse
    adds: where it is the largest, fast rates cross over to slow ones, and beyond :math:`T = T_0`
    the same ridge lets the error grow with more data.

    Parameters
    ----------
    capacity, source : float
        :math:`\beta` and :math:`r`, as in :func:`power_law`.
    exponent : float
        :math:`\ell`, from 0 to :math:`\beta`.
    generations : int, at least 0
        :math:`n`.
    dimension : int
        :math:`d`.
    fake, downstream : Regression
        Samples and noise; neither's regularisation is used.

    Returns
    -------
    ErrorParts
        Each part up to a constant that does not depend on the sizes.

    Raises
    ------
    ValueError
        If the exponents are out of range or there are no more fake samples than features.

    Examples
    --------
    >>> last, fake = Regression(10**4, noise=1.0), Regression(10**4, noise=1.0)
    >>> law = scaling_law(
    ...     2.0, 0.5, 0.5, generations=9, dimension=5000, fake=fake, downstream=last
    ... )
    >>> round(law.fake_variance / law.variance, 6)
    18.0

    References
    ----------
    E. Dohmatob, Y. Feng, J. Kempe, "Model Collapse Demystified: The Case of Regression", NeurIPS
    2024. https://arxiv.org/abs/2402.07712
    H. Cui, B. Loureiro, F. Krzakala, L. Zdeborova, "Generalization Error Rates in Kernel
    Regression: The Crossover from the Noiseless to Noisy Regime", NeurIPS 2021.
    https://arxiv.org/abs/2105.15004
    """
    check_exponents(capacity, source)
    checks.interval("exponent", exponent, 0, capacity)
    checks.count("generations", generations, least=0)
    T, T0 = downstream.samples, fake.samples
    if dimension >= T0:
        raise ValueError(f"samples of fake must be above the dimension {dimension}, got {T0}")
    fit = float(T) ** -(1 - exponent / capacity)
    phi0 = dimension / T0
    return ErrorParts(
        bias=float(T) ** (-2 * min(source, 1.0) * exponent),
        variance=downstream.noise**2 * fit,
        fake_bias=0.0,
        fake_variance=generations * fake.noise**2 / (1 - phi0) * max(T / T0, phi0) * fit,
    )


def check_exponents(capacity: float, source: float) -> None:
    """Raise if the capacity is not above 1 or the source is negative."""
    if not 1 < capacity < float("inf"):
        raise ValueError(f"capacity must be above 1, got {capacity:g}")
    checks.interval("source", source, 0, float("inf"))
