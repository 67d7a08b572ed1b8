"""Attention in time linear in the number of tokens, by features of queries and keys."""

from __future__ import annotations

import torch
from torch import Tensor

from mercer import checks
from mercer.features.base import FeatureMap
from mercer.features.random.positive import PositiveRandomFeatures
from mercer.operators import LowRank, Normalised
from mercer.operators.causal_low_rank import CausalLowRank


def linear_attention(
    phi: FeatureMap, Q: Tensor, K: Tensor, V: Tensor, *, causal: bool = False
) -> Tensor:
    r"""``D^-1 phi(Q) phi(K)^T V`` with ``D`` the row sums of ``phi(Q) phi(K)^T``.

    With :class:`~mercer.features.PositiveRandomFeatures` of ``kernel="softmax"`` and
    ``lengthscale = d ** 0.25`` it approximates softmax attention. No matrix of queries by keys is
    formed, causal or not.

    Shapes are in the order ``[*batch, tokens, d]``, such as ``[B, H, T, d]``.

    Parameters
    ----------
    phi : FeatureMap
        With features above zero.
    Q : Tensor, shape (*batch, n, d)
        Queries.
    K : Tensor, shape (*batch, m, d)
        Keys.
    V : Tensor, shape (*batch, m, c)
        Values, of the dtype of the features.
    causal : bool
        Whether query i sees the keys up to i only; ``n`` must be ``m``.

    Returns
    -------
    Tensor, shape (*batch, n, c)

    Raises
    ------
    ValueError
        If shapes do not match, or the features of a query meet those of no key.

    Examples
    --------
    >>> generator = torch.Generator().manual_seed(0)
    >>> Q, K, V = torch.randn(3, 6, 4, generator=generator)
    >>> phi = PositiveRandomFeatures(4, 4000, lengthscale=4**0.25, generator=generator)
    >>> exact = torch.softmax(Q @ K.mT / 4**0.5, dim=-1) @ V
    >>> bool((linear_attention(phi, Q, K, V) - exact).abs().max() < 0.1)
    True

    References
    ----------
    A. Katharopoulos et al., "Transformers are RNNs". https://arxiv.org/abs/2006.16236
    K. Choromanski et al., "Rethinking Attention with Performers". https://arxiv.org/abs/2009.14794
    """
    checks.finite("V", checks.floating("V", V))
    A = _unnormalised(phi, Q, K, causal)
    # The row sums are one more column of the same product.
    out = A @ torch.cat([V, torch.ones_like(V[..., :1])], dim=-1)  # [*batch, n, c + 1]
    sums = checks.positive("every row sum of phi(Q) phi(K)^T", out[..., -1:])
    return out[..., :-1] / sums


def attention_operator(
    phi: FeatureMap, Q: Tensor, K: Tensor, *, causal: bool = False
) -> Normalised:
    """The matrix that :func:`linear_attention` multiplies the values by, as an operator.

    Parameters
    ----------
    phi, Q, K, causal
        As in :func:`linear_attention`.

    Returns
    -------
    Normalised, shape (*batch, n, m)
        Of a :class:`~mercer.operators.LowRank`, or of its lower triangle.

    Examples
    --------
    >>> x = torch.eye(2)
    >>> attention_operator(PositiveRandomFeatures(2, 64), x, x, causal=True)[0, 1].item()
    0.0
    """
    return Normalised(_unnormalised(phi, Q, K, causal))


def _unnormalised(phi: FeatureMap, Q: Tensor, K: Tensor, causal: bool) -> LowRank | CausalLowRank:
    A, B = _factors(phi, Q, K)
    if not causal:
        return LowRank(A, B)
    if A.shape[-2] != B.shape[-2]:
        raise ValueError(
            f"causal attention needs as many queries as keys, got {A.shape[-2]} and {B.shape[-2]}"
        )
    return CausalLowRank(A, B)


def _factors(phi: FeatureMap, Q: Tensor, K: Tensor) -> tuple[Tensor, Tensor]:
    """Features of queries and keys, ``[*batch, n, D]`` and ``[*batch, m, D]``, up to factors.

    A factor for each query and one for all keys cancel in the division by row sums, so exponents
    are taken relative to their largest: nothing overflows, and something is left of each query.
    """
    if not isinstance(phi, PositiveRandomFeatures):
        return phi(Q), phi.second(K)
    q, k = phi.log_features(Q), phi.log_features(K)
    q = q - q.detach().amax(dim=-1, keepdim=True)
    k = k - k.detach().amax(dim=(-2, -1), keepdim=True)
    return q.exp(), k.exp()
