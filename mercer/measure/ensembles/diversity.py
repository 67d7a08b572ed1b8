"""The diversity of a new member of an ensemble."""

from __future__ import annotations

import torch
from torch import Tensor

from mercer import checks
from mercer.kernels import Kernel


def diversity(function: Tensor, members: Tensor, kernel: Kernel) -> Tensor:
    r"""How far a function is from an ensemble, :math:`-\log q_S(f)`.

    .. math:: q_S(f) = \frac{1}{|S|} \sum_{s \in S} k(f, f_s)

    A component of mass :math:`\epsilon` at f lowers :math:`D_f(p, q_S)` by
    :math:`-\epsilon f'(q_S / p)` to first order. As :math:`f'` rises for every convex f, all have
    the same best component, that of the largest :math:`\log p - \log q_S`: the fit to the data
    plus this term.

    Parameters
    ----------
    function : Tensor, shape (*batch, D)
        In the coordinates of :func:`function_points`.
    members : Tensor, shape (s, D)
        Likewise.
    kernel : Kernel
        Not negative. Where all of its values vanish the diversity is that of the smallest number,
        and has no slope.

    Returns
    -------
    Tensor, shape (*batch,)
        Differentiable in the function.

    Raises
    ------
    ValueError
        If the kernel is negative somewhere or there are no members.

    Examples
    --------
    >>> from mercer.kernels import RBF
    >>> f, members = torch.tensor([1.0, 0.0]), torch.zeros(1, 2)
    >>> diversity(f, members, RBF(lengthscale=0.5))  # a squared distance over 2 lengthscale^2
    tensor(2.)

    References
    ----------
    A. Tiulpin, M. B. Blaschko, "Greedy Bayesian Posterior Approximation with Deep Ensembles",
    TMLR 2022. https://arxiv.org/abs/2105.14275
    """
    if members.ndim != 2 or not len(members):
        raise ValueError(f"members must have shape (s, D), got {tuple(members.shape)}")
    points = function.reshape(-1, function.shape[-1])
    average = members.new_full((len(members), 1), 1 / len(members))
    q = (kernel(points, members) @ average)[:, 0]
    if checks.concrete(q) and bool((q.detach() < 0).any()):
        raise ValueError(f"kernel must not be negative, got {float(q.detach().min()):g}")
    return -q.clamp(min=torch.finfo(q.dtype).tiny).log().reshape(function.shape[:-1])
