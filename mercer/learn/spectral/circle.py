"""The low-dimensional model: a translation-invariant kernel on the circle, points on a grid."""

from __future__ import annotations

import torch
from torch import Tensor

from mercer.learn.spectral.generalisation_error import GeneralisationError, spectrum_and_target


def circle(
    eigenvalues: Tensor, target: Tensor, *, samples: int, noise: float
) -> GeneralisationError:
    r"""Return the exact error for ``N`` equispaced points of the circle, at a random offset.

    The kernel is :math:`\sum_l \lambda_{|l|} e^{il(x - x')}` and the target
    :math:`\sum_l c_l e^{ilx}`. Frequencies that are equal modulo ``N`` look the same on the grid.
    With the *folded* sums :math:`[\lambda]_k = \sum_m \lambda_{k + Nm}`, which are the eigenvalues
    of ``K / N``, the error of frequency class ``k`` is

    .. math:: \Bigl([c^2]_k + \tfrac{\sigma^2}{N}\Bigr) \frac{[\lambda^2]_k}{[\lambda]_k^2} h_k^2
        - 2 \frac{[\lambda c^2]_k}{[\lambda]_k} h_k + [c^2]_k .

    Parameters
    ----------
    eigenvalues : Tensor, shape (m,)
        :math:`\lambda_l` for :math:`l = 0, \dots, m - 1`; those of :math:`-l` are the same.
    target : Tensor, shape (m,)
        :math:`|c_l|^2`, likewise.
    samples : int, at least 1
        ``N``, at most ``2 m - 1``.
    noise : float, at least 0
        Standard deviation :math:`\sigma` of the observations.

    Returns
    -------
    GeneralisationError
        One node for each class of frequencies, ``N`` in all.

    Raises
    ------
    ValueError
        If there are more samples than frequencies, so that ``K`` is singular.

    Examples
    --------
    >>> spectrum = (torch.arange(100.0) + 1) ** -2
    >>> circle(spectrum, spectrum, samples=10, noise=0.0).eigenvalues.shape
    torch.Size([10])

    References
    ----------
    M. Velikanov, M. Panov, D. Yarotsky, "Generalization error of spectral algorithms", ICLR 2024.
    https://arxiv.org/abs/2403.11696
    """
    lam, c2 = spectrum_and_target(eigenvalues, target, samples, noise)
    if samples > 2 * len(lam) - 1:
        raise ValueError(
            f"samples must be at most {2 * len(lam) - 1}, the number of frequencies, got {samples}"
        )
    folded, squared = fold(lam, samples), fold(lam.square(), samples)  # [N]
    energy, seen = fold(c2, samples), fold(lam * c2, samples) / folded
    gain = squared / folded.square()
    return GeneralisationError(
        folded,
        bias=energy * gain,
        variance=noise**2 / samples * gain,
        linear=energy * gain - seen,
        floor=energy * gain - 2 * seen + energy,
    )


def fold(values: Tensor, samples: int) -> Tensor:
    """Sum a sequence over frequencies, ``values[abs(l)]``, by classes modulo ``samples``.

    Parameters
    ----------
    values : Tensor, shape (m,)
    samples : int

    Returns
    -------
    Tensor, shape (samples,)

    Examples
    --------
    >>> fold(torch.tensor([1.0, 2.0, 3.0]), 2)  # 0, 2, -2 and 1, -1
    tensor([7., 4.])
    """
    l = torch.arange(len(values), device=values.device)
    out = values.new_zeros(samples).index_add_(0, l % samples, values)
    return out.index_add_(0, (-l[1:]) % samples, values[1:])
