"""Linear attention against softmax attention, and its operators against their matrices."""

import pytest
import torch

from mercer.features import FeatureMap
from mercer.features.random.linear_attention import attention_operator, linear_attention
from mercer.features.random.positive import PositiveRandomFeatures
from mercer.operators.causal_low_rank import CausalLowRank
from mercer.testing.operator import check_operator

B, H, T, D = 2, 3, 300, 8  # T is more than one chunk of the prefix sums


def tokens(seed=0, n=T, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    Q, K, V = torch.randn(3, B, H, n, D, generator=generator, dtype=torch.float64)
    return Q.to(dtype), K.to(dtype), V.to(dtype)


def features(count, coupling="orthogonal", seed=0):
    generator = torch.Generator().manual_seed(seed)
    return PositiveRandomFeatures(
        D, count, coupling=coupling, lengthscale=D**0.25, generator=generator
    )


@pytest.mark.parametrize("causal", [False, True])
def test_the_error_against_softmax_attention_falls_with_the_features(causal):
    Q, K, V = tokens()
    Q, K = Q / 2, K / 2  # so that 64 features are enough for the error to fall as count ** -0.5
    exact = torch.nn.functional.scaled_dot_product_attention(Q, K, V, is_causal=causal)
    errors = []
    for count in (64, 1024):
        draws = [linear_attention(features(count, seed=s), Q, K, V, causal=causal)
                 for s in range(2)]  # fmt: skip
        errors.append(torch.stack([(a - exact).square().mean().sqrt() for a in draws]).mean())
    # Sixteen times the features: a quarter of the error.
    assert 0.15 < float(errors[1] / errors[0]) < 0.4
    assert float(errors[1]) < 0.2 * float(exact.square().mean().sqrt())


@pytest.mark.parametrize("causal", [False, True])
def test_attention_is_its_operator_is_its_matrix(causal):
    Q, K, V = tokens()
    phi = features(32)
    found = linear_attention(phi, Q, K, V, causal=causal)
    P = attention_operator(phi, Q, K, causal=causal)
    weights = phi(Q) @ phi(K).mT  # [B, H, T, T]
    weights = weights.tril() if causal else weights
    weights = weights / weights.sum(-1, keepdim=True)
    torch.testing.assert_close(P.dense(), weights)
    torch.testing.assert_close(P @ V, weights @ V)
    torch.testing.assert_close(found, weights @ V)
    assert "stochastic" in P.tags
    assert ("lower_triangular" in P.tags) == causal


def test_causality():
    Q, K, V = tokens()
    phi, at = features(32), 270  # inside the second chunk
    out = linear_attention(phi, Q, K, V, causal=True)
    other = tokens(seed=1)
    changed = [torch.cat([a[..., :at, :], b[..., at:, :]], -2) for a, b in zip((Q, K, V), other)]
    again = linear_attention(phi, *changed, causal=True)
    torch.testing.assert_close(again[..., :at, :], out[..., :at, :], rtol=1e-11, atol=1e-12)
    assert float((again - out)[..., at:, :].abs().max()) > 0.1
    # A first part of the tokens gives the first part of the answer.
    part = linear_attention(phi, *(t[..., :at, :] for t in (Q, K, V)), causal=True)
    torch.testing.assert_close(part, out[..., :at, :], rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("causal", [False, True])
def test_gradients(causal):
    Q, K, V = (t[0, 0, :4].clone().requires_grad_() for t in tokens())
    phi = features(8)
    assert torch.autograd.gradcheck(lambda *t: linear_attention(phi, *t, causal=causal), (Q, K, V))


def test_far_tokens_in_float32():
    """Features of these queries and keys all underflow; their logarithms do not."""
    Q, K, V = tokens(dtype=torch.float32)
    Q, K = 30 * Q, 30 * K
    phi = features(64)
    assert bool((phi(Q) == 0).all(dim=-1).any())
    for causal in (False, True):
        K_first = K.clone()
        K_first[..., 0, :] *= 0.1  # so that each causal row sees a key that is not negligible
        found = linear_attention(phi, Q, K_first, V, causal=causal)
        wanted = linear_attention(phi, Q.double(), K_first.double(), V.double(), causal=causal)
        torch.testing.assert_close(found.double(), wanted, rtol=1e-2, atol=2e-3)


def test_any_map_with_features_above_zero():
    class Elu(FeatureMap):
        dimension = D

        def features(self, X):
            return torch.nn.functional.elu(X) + 1

    Q, K, V = tokens(n=5)
    A = (torch.nn.functional.elu(Q) + 1) @ (torch.nn.functional.elu(K) + 1).mT
    torch.testing.assert_close(linear_attention(Elu(), Q, K, V), A @ V / A.sum(-1, keepdim=True))


def test_what_is_refused():
    Q, K, V = tokens(n=5)
    phi = features(8)
    with pytest.raises(ValueError, match="as many queries as keys, got 3 and 5"):
        linear_attention(phi, Q[..., :3, :], K, V, causal=True)
    with pytest.raises(ValueError, match="V has infinity"):
        linear_attention(phi, Q, K, V / 0)
    with pytest.raises(ValueError, match="every row sum"):
        linear_attention(phi, 1e4 * Q, -1e4 * Q, V, causal=True)
    with pytest.raises(ValueError, match=r"A and B must have shape \(\*batch, n, r\)"):
        CausalLowRank(torch.ones(3, 2), torch.ones(4, 2))


def factors(*shape):
    return torch.randn(2, *shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_the_causal_operator(monkeypatch):
    check_operator(CausalLowRank(*factors(2, 4, 2), upper=True), compiled=False, gradients=False)
    monkeypatch.setattr("mercer.operators.causal_low_rank.CHUNK", 3)
    check_operator(CausalLowRank, *factors(5, 2), compiled=False, dtypes=(torch.float64,))


@pytest.mark.slow
def test_the_causal_operator_compiled_and_in_each_dtype():
    check_operator(CausalLowRank, *factors(5, 2))
