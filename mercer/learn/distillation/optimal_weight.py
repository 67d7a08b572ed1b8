"""The weight of the ground truth that minimises the loss of a distilled model."""

from __future__ import annotations

from torch import Tensor

from mercer import checks


def optimal_weight(
    first: Tensor, imitation: Tensor, y: Tensor, sample_weight: Tensor | None = None
) -> float:
    r"""Return the weight in [0, 1] of the ground truth with the least squared error.

    A model fitted to :math:`\alpha y + (1 - \alpha) f` predicts :math:`\alpha p_1 + (1 - \alpha)
    q`, where :math:`p_1` was fitted to :math:`y` and :math:`q` to :math:`f`: for ridge regression
    exactly, for other models to first order. The best :math:`\alpha` is that of a regression,

    .. math:: \alpha^* = 1 - \frac{\langle p_1 - y, p_1 - q \rangle}{\|p_1 - q\|^2},

    or the nearer end of [0, 1]. So two fits replace a search over a grid.

    Parameters
    ----------
    first : Tensor, shape (m,) or (m, c)
        :math:`p_1` on validation rows: of the model fitted to the ground truth alone.
    imitation : Tensor, of the same shape
        :math:`q` there: of the model fitted to the predictions of the step before alone.
    y : Tensor, of the same shape
        True targets there.
    sample_weight : Tensor, shape (m,), optional
        Of the rows, at least 0.

    Returns
    -------
    float
        1, no distillation, where both models predict the same.

    Raises
    ------
    ValueError
        If shapes differ, or a number is NaN or infinite.

    Examples
    --------
    >>> import torch
    >>> first, imitation = torch.tensor([2.0, 0.0]), torch.tensor([1.0, 0.0])
    >>> optimal_weight(first, imitation, torch.tensor([1.25, 0.0]))
    0.25

    References
    ----------
    K. Borup, L. N. Andersen, "Even your Teacher Needs Guidance: Ground-Truth Targets Dampen
    Regularization Imposed by Self-Distillation", NeurIPS 2021. https://arxiv.org/abs/2102.13088
    """
    for name, value in (("first", first), ("imitation", imitation), ("y", y)):
        checks.finite(name, checks.floating(name, value))
        if value.shape != y.shape:
            raise ValueError(f"{name} must have shape {tuple(y.shape)}, got {tuple(value.shape)}")
    first, imitation, y = (value.detach().double() for value in (first, imitation, y))
    apart = first - imitation
    weighted = apart
    if sample_weight is not None:
        weighted = apart * sample_weight.double().reshape(-1, *[1] * (apart.ndim - 1))
    size = float((weighted * apart).sum())
    if size == 0:
        return 1.0
    return min(max(1 - float((weighted * (first - y)).sum()) / size, 0.0), 1.0)
