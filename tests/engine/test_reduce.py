"""The tile loop against the definition: values at awkward sizes, in every dtype."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from mercer.engine import Mask, definition, make, planner, reduce
from tests.engine.cases import CASES, inputs


@pytest.fixture(params=["whole", "tiles", "tiny tiles"])
def path(request, monkeypatch):
    """Run a test with the matrix formed, by tiles, and by tiles so small that edges abound."""
    if request.param != "whole":
        monkeypatch.setattr(planner, "SMALL", 0)
    if request.param == "tiny tiles":
        monkeypatch.setattr(
            "mercer.engine.tiles.plan_tiles",
            lambda B, n, m, *rest: planner.Plan(min(B, 2), min(n, 5), min(m, 7), "a test"),
        )
    return request.param


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("d", [2, 5])
@pytest.mark.parametrize("batch", [(), (3,), (2, 2)])
def test_equals_definition(name, d, batch, path):
    text, kinds, P = CASES[name]
    X, Y, p, V = inputs(kinds, P, 23, 17, d, 3, batch=batch)
    out = reduce(kinds, text, X, Y, V, parameters=p)
    expected = definition.reduce(make(text, kinds, P), X, Y, p, V)
    torch.testing.assert_close(out, expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (0, 5), (5, 0)])
def test_awkward_sizes(shape, path):
    X, Y, _, V = inputs(["squared_distance"], 0, *shape, 4, 2)
    out = reduce("squared_distance", "exp(-s0/2)", X, Y, V)
    expected = np.exp(-(cdist(X[0], Y[0]) ** 2) / 2) @ V.numpy()
    np.testing.assert_allclose(out.numpy(), expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("precision", ["highest", "high", "medium"])
@pytest.mark.parametrize("d", [1, 3, 30])
@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_float32_error(d, scale, precision, path):
    """Against SciPy in float64; far from the origin and with short lengthscales too."""
    X, Y, _, V = inputs(["squared_distance"], 0, 150, 140, d, 2, dtype=torch.float32, scale=scale)
    X = [X[0] + 1000.0]
    Y = [torch.cat([X[0][:70], Y[0][:70] + 1000.0])]
    out = reduce("squared_distance", "exp(-s0/2)", X, Y, V, precision=precision)
    expected = np.exp(-(cdist(X[0].double(), Y[0].double()) ** 2) / 2) @ V.double().numpy()
    error = np.linalg.norm(out.numpy() - expected) / np.linalg.norm(expected)
    assert error < (1e-5 if precision == "highest" else 3e-2)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precisions_are_computed_in_float32(dtype, path):
    X, Y, _, V = inputs(["squared_distance"], 0, 60, 50, 4, 2, dtype=dtype)
    out = reduce("squared_distance", "exp(-s0/2)", X, Y, V)
    expected = definition.reduce(
        make("exp(-s0/2)", ["squared_distance"], 0),
        [X[0].double()],
        [Y[0].double()],
        [],
        V.double(),
    )
    assert out.dtype == dtype
    torch.testing.assert_close(out, expected.to(dtype))


def test_strides_do_not_matter(path):
    X, Y, _, V = inputs(["squared_distance"], 0, 60, 50, 8, 6)
    x, y, v = X[0][::2, ::2], Y[0].T.contiguous().T[:, ::2], V[:, 1::2]
    out = reduce("squared_distance", "exp(-s0/2)", x, y, v)
    expected = np.exp(-(cdist(x, y) ** 2) / 2) @ v.numpy()
    np.testing.assert_allclose(out.numpy(), expected, rtol=1e-11)


CHEQUERED = torch.tensor([[False] * 5, [True, False, True, True, False]] * 2)
MASKS = [
    Mask(upper=0),
    Mask(lower=2),
    Mask(-3, 4),
    Mask(-1, None),
    Mask(blocks=CHEQUERED, size=8),
    Mask(-9, 6, CHEQUERED, 8),
]


@pytest.mark.parametrize("band", MASKS)
@pytest.mark.parametrize("normalise", [False, True])
def test_masks(band, normalise, path):
    X, Y, _, V = inputs(["dot"], 0, 30, 33, 3, 2)
    out = reduce("dot", "exp(s0)", X, Y, V, mask=band, normalise="rows" if normalise else None)
    i, j = np.indices((30, 33))
    K = np.exp(X[0].numpy() @ Y[0].numpy().T)
    K[(j - i < (band.lower if band.lower is not None else -99))] = 0
    K[(j - i > (band.upper if band.upper is not None else 99))] = 0
    if band.blocks is not None:
        K *= np.kron(band.blocks.numpy(), np.ones((8, 8)))[:30, :33]
    if normalise:
        K = np.divide(K, K.sum(1, keepdims=True), where=K.sum(1, keepdims=True) > 0, out=0 * K)
    np.testing.assert_allclose(out.numpy(), K @ V.numpy(), rtol=1e-10, atol=1e-12)


def test_softmax_equals_torch_and_does_not_overflow(path):
    X, Y, _, V = inputs(["dot"], 0, 40, 50, 8, 3, scale=100.0)
    out = reduce("dot", "exp(s0)", X, Y, V, normalise="rows")
    torch.testing.assert_close(out, torch.softmax(X[0] @ Y[0].mT, -1) @ V)


@pytest.mark.parametrize("constant", ["30000.0", "-30000"])
def test_softmax_does_not_see_a_constant_in_the_exponent(constant, path):
    X, Y, _, V = inputs(["dot"], 0, 9, 7, 3, 2)
    out = reduce("dot", f"exp(s0+{constant})", X, Y, V, normalise="rows")
    torch.testing.assert_close(out, torch.softmax(X[0] @ Y[0].mT, -1) @ V)


def test_causal_softmax_equals_scaled_dot_product_attention(path):
    X, Y, _, V = inputs(["dot"], 0, 40, 40, 8, 3)
    out = reduce("dot", "exp(s0/sqrt(8))", X, Y, V, normalise="rows", mask=Mask(upper=0))
    expected = torch.nn.functional.scaled_dot_product_attention(X[0], Y[0], V, is_causal=True)
    torch.testing.assert_close(out, expected)


def test_large_offsets_use_no_quadratic_memory():
    """Two hundred thousand points: the answer needs the points and a few tiles."""
    x = torch.zeros(200_000, 1)
    y = torch.zeros(300, 1)
    assert (reduce("squared_distance", "exp(-s0/2)", x, y, torch.ones(300, 1)) == 300).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"score": "cosine"}, "score must be one of"),
        ({"profile": "exp(-q)"}, "unknown symbols: q"),
        ({"X": torch.zeros(3, 5)}, "X has 5 coordinates but Y has 2"),
        ({"V": torch.zeros(7, 1)}, "Y has 4 points but V has 7 rows"),
        ({"V": torch.zeros(4, 1).double()}, "X is torch.float32 but V is torch.float64"),
        ({"X": torch.zeros(3, 2).int()}, "X must hold floating-point numbers, got torch.int32"),
        ({"precision": "low"}, "precision must be one of"),
        ({"normalise": "columns"}, "normalise must be"),
        ({"profile": "gamma(s0)"}, "which the engine cannot evaluate"),
    ],
)
def test_bad_input_is_named(change, message):
    given = {
        "score": "squared_distance",
        "profile": "exp(-s0/2)",
        "X": torch.zeros(3, 2),
        "Y": torch.zeros(4, 2),
        "V": torch.zeros(4, 1),
    } | change
    with pytest.raises((ValueError, TypeError), match=message):
        reduce(**given)
