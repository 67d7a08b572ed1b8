"""Hutch++: the trace from products.

R. A. Meyer, C. Musco, C. Musco, D. P. Woodruff, "Hutch++: Optimal Stochastic Trace Estimation",
https://arxiv.org/abs/2010.09649
"""

from __future__ import annotations

import torch
from torch import Tensor

from mercer import checks
from mercer.linalg.random_source import random_source
from mercer.linalg.tensors import detached
from mercer.operators.base import Operator


def hutchpp(K: Operator, *, products: int = 60, generator: torch.Generator | None = None) -> Tensor:
    r"""Estimate the trace without bias.

    A third of the products find the span ``Q`` of what is large, on which the trace is exact; the
    rest is estimated with random signs ``G``:
    :math:`\mathrm{tr}(Q^T K Q) + \frac{1}{p} \mathrm{tr}(G^T (I - QQ^T) K (I - QQ^T) G)`.

    Parameters
    ----------
    K : Operator, shape (*batch, n, n)
        Any square operator.
    products : int, at least 3
        Products with ``K``; the error falls as one over their number for psd operators.
    generator : torch.Generator, optional
        Source of the random vectors.

    Returns
    -------
    Tensor, shape (*batch)
        Differentiable in everything inside ``K``, with ``Q`` held fixed (also without bias).

    Examples
    --------
    >>> from mercer.operators import Dense
    >>> K = Dense(torch.ones(4, 4))
    >>> print(f"{hutchpp(K, generator=torch.Generator().manual_seed(0)):.3f}")
    4.000
    """
    p = checks.count("products", products, least=3) // 3
    source = random_source(generator, K.device)
    signs = torch.randint(0, 2, (K.n, 2 * p), device=K.device, generator=source)
    S, G = (signs.to(K.dtype) * 2 - 1).split(p, dim=-1)  # [n, p] each
    with torch.no_grad():
        Q = torch.linalg.qr(detached(K) @ S).Q  # [*batch, n, min(n, p)]
        G = G - Q @ (Q.mT @ G)
    exact = (Q * (K @ Q)).sum((-2, -1))
    return exact + (G * (K @ G)).sum((-2, -1)) / p
