"""What a classifier loses against the best one."""

from __future__ import annotations

from torch import Tensor


def excess_risk(decision: Tensor, regression: Tensor) -> Tensor:
    r"""The risk of the sign of a function above that of the Bayes classifier.

    .. math:: E\bigl[\,|f^*(X)|\; 1[\hat f(X) f^*(X) < 0]\,\bigr], \quad f^* = 2\eta - 1

    A decision of zero counts as positive, as it is predicted.

    Parameters
    ----------
    decision : Tensor, shape (*batch, n)
        :math:`\hat f` at points drawn from the law of ``X``, or of a quadrature of equal weights.
    regression : Tensor, shape (*batch, n)
        :math:`f^*` there, in [-1, 1].

    Returns
    -------
    Tensor, shape (*batch)

    Examples
    --------
    >>> import torch
    >>> excess_risk(torch.tensor([1.0, 1.0, -1.0, 1.0]), torch.tensor([0.5, -0.4, -1.0, 0.0]))
    tensor(0.1000)
    """
    wrong = (decision >= 0) != (regression >= 0)
    return (regression.abs() * wrong).mean(dim=-1)
