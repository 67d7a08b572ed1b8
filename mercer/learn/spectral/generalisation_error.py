"""The expected test error as a quadratic functional of the learning profile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from mercer import checks
from mercer.learn.spectral.profile import SpectralProfile


class Best(NamedTuple):
    """The member of a family of profiles with the least predicted error."""

    strength: float
    error: float


class GeneralisationError:
    r"""The mean squared test error predicted for any profile :math:`h`.

    Every data model gives a quadratic functional of what is not learnt, :math:`p = 1 - h`, at the
    nodes :math:`\lambda_i`, eigenvalues of ``K / n`` or a quadrature of their density:

    .. math:: L[h] = p^T B p - 2 b^T p + \sum_i a_i + \sum_i v_i h_i^2

    Parameters
    ----------
    eigenvalues : Tensor, shape (m,)
        Nodes, at least 0, float64.
    bias : Tensor, shape (m,) or (m, m)
        :math:`B`, its diagonal where it is diagonal.
    variance : Tensor, shape (m,)
        :math:`v`: what the noise of the observations costs.
    linear, floor : Tensor, shape (m,), optional
        :math:`b` and :math:`a`; zero by default.

    Examples
    --------
    >>> from mercer.learn.spectral import Ridge, circle
    >>> spectrum = (torch.arange(500.0).double() + 1) ** -2
    >>> error = circle(spectrum, spectrum, samples=50, noise=1.0)
    >>> error(Ridge(0.1)) < min(error(Ridge(1e-3)), error(Ridge(10.0)))
    True

    References
    ----------
    M. Velikanov, M. Panov, D. Yarotsky, "Generalization error of spectral algorithms", ICLR 2024.
    https://arxiv.org/abs/2403.11696
    """

    def __init__(
        self,
        eigenvalues: Tensor,
        bias: Tensor,
        variance: Tensor,
        *,
        linear: Tensor | None = None,
        floor: Tensor | None = None,
    ) -> None:
        self.eigenvalues = eigenvalues
        self.bias = bias
        self.variance = variance
        self.linear = torch.zeros_like(eigenvalues) if linear is None else linear
        self.floor = torch.zeros_like(eigenvalues) if floor is None else floor

    def __call__(self, profile: SpectralProfile | Tensor) -> float:
        """Return the error of a profile, or of the values ``h``, shape (m,), at the nodes."""
        return float(self.contributions(profile).sum())

    def contributions(self, profile: SpectralProfile | Tensor) -> Tensor:
        """Return the error by node, ``[m]``: at which eigenvalues the loss arises."""
        h = profile if isinstance(profile, Tensor) else profile(self.eigenvalues)
        p = 1 - h
        Bp = self.bias * p if self.bias.ndim == 1 else self.bias @ p
        return p * (Bp - 2 * self.linear) + self.floor + self.variance * h.square()

    def optimal(self) -> Tensor:
        """Return the values ``h`` at the nodes, ``[m]``, with the least error; any real number.

        Values above 1 are *overlearning*: a component is fitted beyond the observations.
        """
        # B p - b = V h, with h = 1 - p.
        right = self.linear + self.variance
        live = self.eigenvalues > 0  # nothing is learnt where the kernel sees nothing
        h = torch.zeros_like(self.eigenvalues)
        if self.bias.ndim == 1:
            h[live] = 1 - (right / (self.bias + self.variance))[live]
            return h
        system = self.bias + self.variance.diag()
        right = right - system[:, ~live].sum(dim=1)
        h[live] = 1 - torch.linalg.solve(system[live][:, live], right[live])
        return h

    def best(self, family: Callable[[float], SpectralProfile], strengths: Sequence[float]) -> Best:
        """Return the strength with the least error of ``family(strength)``.

        Parameters
        ----------
        family : callable
            Such as ``Ridge``.
        strengths : sequence of float
            Those tried.

        Returns
        -------
        Best
        """
        tried = [Best(strength, self(family(strength))) for strength in strengths]
        return min(tried, key=lambda best: best.error)


def spectrum_and_target(
    eigenvalues: Tensor, target: Tensor, samples: int, noise: float
) -> tuple[Tensor, Tensor]:
    """Check what every data model takes, and return spectrum and target in float64."""
    checks.count("samples", samples)
    if not 0 <= noise < float("inf"):
        raise ValueError(f"noise must be at least 0, got {noise:g}")
    for name, value in (("eigenvalues", eigenvalues), ("target", target)):
        checks.finite(name, checks.floating(name, value))
        if value.ndim != 1 or len(value) != len(eigenvalues) or bool((value < 0).any()):
            raise ValueError(
                f"{name} must be a vector of numbers at least 0, one for each eigenvalue, "
                f"got shape {tuple(value.shape)}"
            )
    return eigenvalues.double(), target.double()
