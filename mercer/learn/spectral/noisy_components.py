"""The limit of all models under noise: every component is observed on its own."""

from __future__ import annotations

from torch import Tensor

from mercer.learn.spectral.generalisation_error import GeneralisationError, spectrum_and_target


def noisy_components(
    eigenvalues: Tensor, target: Tensor, *, samples: int, noise: float
) -> GeneralisationError:
    r"""Return the error where ``N`` noisy samples tell each coefficient up to :math:`\sigma^2 / N`.

    .. math:: L[h] = \sum_l (1 - h(\lambda_l))^2 c_l^2 + \tfrac{\sigma^2}{N} h(\lambda_l)^2

    Nothing of how points are drawn is left in it, and with noise the other models come to it as
    the number of samples grows; without noise they do not. Its optimal profile is
    :math:`c_l^2 / (c_l^2 + \sigma^2 / N)`.

    Parameters
    ----------
    eigenvalues : Tensor, shape (m,)
        :math:`\lambda_l`, at least 0.
    target : Tensor, shape (m,)
        :math:`c_l^2`.
    samples : int, at least 1
        ``N``.
    noise : float, at least 0
        Standard deviation :math:`\sigma` of the observations.

    Returns
    -------
    GeneralisationError
        One node for each component.

    Examples
    --------
    >>> import torch
    >>> one = torch.ones(1)
    >>> noisy_components(one, one, samples=1, noise=1.0).optimal()
    tensor([0.5000], dtype=torch.float64)

    References
    ----------
    M. Velikanov, M. Panov, D. Yarotsky, "Generalization error of spectral algorithms", ICLR 2024.
    https://arxiv.org/abs/2403.11696
    """
    lam, c2 = spectrum_and_target(eigenvalues, target, samples, noise)
    return GeneralisationError(lam, c2, (noise**2 / samples) * c2.new_ones(len(c2)))
