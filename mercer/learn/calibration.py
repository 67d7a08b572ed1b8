"""Probabilities from scores of least squares, fitted on scores of rows that were left out."""

from __future__ import annotations

import math

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor

STEEPEST = 10.0  # scale of the prior on the slope: log odds between a score of 0 and one of 1
WIDEST = 5.0  # scale of the prior on the biases


class Calibration:
    r"""Class probabilities :math:`\mathrm{softmax}(a f(x) + b)` with one slope and a bias a class.

    Parameters
    ----------
    slope : float
        ``a``, positive: the order of the scores is kept but for the biases.
    biases : Tensor, shape (C,)
        ``b``.

    Examples
    --------
    >>> Calibration(2.0, torch.zeros(2)).logits(torch.tensor([[0.0, 1.0]])).softmax(1)
    tensor([[0.1192, 0.8808]])

    References
    ----------
    J. C. Platt, "Probabilistic outputs for support vector machines and comparisons to regularized
    likelihood methods".
    https://home.cs.colorado.edu/~mozer/Teaching/syllabi/6622/papers/Platt1999.pdf
    C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, "On Calibration of Modern Neural Networks".
    https://arxiv.org/abs/1706.04599
    """

    def __init__(self, slope: float, biases: Tensor) -> None:
        self.slope, self.biases = slope, biases

    def logits(self, scores: Tensor) -> Tensor:
        """Unnormalised log probabilities, ``[n, C] -> [n, C]``."""
        return self.slope * scores + self.biases.to(scores)

    @classmethod
    def fit(cls, scores: Tensor, shares: Tensor, weights: Tensor) -> Calibration:
        """Minimise the cross-entropy, with Gaussian priors on the slope and the biases.

        The priors keep the slope finite where the scores separate the classes without error.

        Parameters
        ----------
        scores : Tensor, shape (n, C)
            Of rows by models that had not seen them.
        shares : Tensor, shape (n, C)
            How much of a row belongs to each class; rows sum to one.
        weights : Tensor, shape (n,)
            Positive.

        Returns
        -------
        Calibration
        """
        F, T, w = (t.detach().cpu().double() for t in (scores, shares, weights))
        C = F.shape[1]

        def objective(z: np.ndarray) -> tuple[float, np.ndarray]:
            a, b = math.exp(z[0]), torch.from_numpy(z[1:].copy())
            logp = (a * F + b).log_softmax(dim=1)
            loss = -(w[:, None] * T * logp).sum()
            prior = 0.5 * (a / STEEPEST) ** 2 + 0.5 * (b / WIDEST).square().sum()
            G = w[:, None] * (logp.exp() - T)  # [n, C], by the logits
            slope = a * (float((G * F).sum()) + a / STEEPEST**2)
            return float(loss + prior), np.append(slope, (G.sum(dim=0) + b / WIDEST**2).numpy())

        bounds = [(-10.0, 10.0)] + [(-30.0, 30.0)] * C
        found = minimize(
            objective,
            np.append(math.log(4.0), np.zeros(C)),
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options={"ftol": 1e-13, "gtol": 1e-9 * float(w.sum()), "maxiter": 500},
        )
        return cls(math.exp(float(found.x[0])), torch.from_numpy(found.x[1:].copy()))
