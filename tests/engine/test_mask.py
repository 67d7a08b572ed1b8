"""Masks against dense boolean matrices written entry by entry."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mercer.engine import Mask
from mercer.engine.formula import make
from mercer.engine.settings import settings, settings_of

N, M = 23, 31


def blocks(size, chance=0.5, n=N, m=M):
    return torch.rand(-(-n // size), -(-m // size)) < chance


def masks():
    torch.manual_seed(1)
    return {
        "everything": Mask(),
        "causal": Mask(upper=0),
        "strict": Mask(upper=-1),
        "lower": Mask(lower=5),
        "band": Mask(-3, 4),
        "empty band": Mask(4, 3),
        "outside": Mask(lower=M),
        "entries": Mask(blocks=blocks(1)),
        "blocks": Mask(blocks=blocks(4), size=4),
        "few blocks": Mask(blocks=blocks(7, 0.2), size=7),
        "one block": Mask(blocks=torch.tensor([[True]]), size=40),
        "no block": Mask(blocks=blocks(8, 0.0), size=8),
        "blocks in a band": Mask(-9, 6, blocks(5), 5),
    }


def dense(mask, n=N, m=M):
    """One pair after the other, as the class says it."""
    out = np.zeros((n, m), dtype=bool)
    for i in range(n):
        for j in range(m):
            out[i, j] = (
                (mask.lower is None or j - i >= mask.lower)
                and (mask.upper is None or j - i <= mask.upper)
                and (mask.blocks is None or bool(mask.blocks[i // mask.size, j // mask.size]))
            )
    return out


def asked(mask, n=N, m=M):
    return mask.allows(torch.arange(n)[:, None], torch.arange(m)).numpy()


@pytest.mark.parametrize("name", masks())
def test_allows(name):
    mask = masks()[name]
    np.testing.assert_array_equal(asked(mask), dense(mask))
    assert mask.everything == (name == "everything")


@pytest.mark.parametrize("name", masks())
def test_transposed(name):
    mask = masks()[name]
    np.testing.assert_array_equal(asked(mask.transposed, M, N), dense(mask).T)
    np.testing.assert_array_equal(asked(mask.transposed.transposed), dense(mask))


@pytest.mark.parametrize("name", masks())
@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (4, 4), (5, 7), (N, 3), (N, M)])
def test_tiles(name, rows, columns):
    """``none`` and ``all`` are promises; they are made for every tile that a band decides."""
    mask = masks()[name]
    K = dense(mask)
    for i in range(0, N, rows):
        for j in range(0, M, columns):
            stop = min(i + rows, N), min(j + columns, M)
            part = K[i : stop[0], j : stop[1]]
            said = mask.of_tile(range(i, stop[0]), range(j, stop[1]))
            assert said in ("none", "all", "some")
            assert part.any() or said != "all"
            assert said != "none" or not part.any()
            assert said != "all" or part.all()
            if mask.blocks is None or (mask.lower is None and mask.upper is None):
                expected = "all" if part.all() else "some" if part.any() else "none"
                assert said == expected or (name == "empty band" and said == "some")


def test_check():
    mask = Mask(blocks=blocks(4), size=4)
    mask.check(N, M)
    mask.check(24, 32)
    Mask(-3, 4).check(1, 1)
    for n, m in [(N + 2, M), (N, M + 2), (M, N), (20, M)]:
        with pytest.raises(ValueError, match=rf"blocks of size 4 for a {n} x {m} matrix must have"):
            mask.check(n, m)
    with pytest.raises(ValueError, match=r"must have shape \(8, 6\), got \(6, 8\)"):
        mask.check(M, N)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"size": 0}, ValueError, "size must be a positive whole number, got 0"),
        ({"blocks": torch.ones(2, 2)}, TypeError, "boolean matrix, got torch.float32 of shape"),
        ({"blocks": torch.ones(2).bool()}, TypeError, "boolean matrix, got torch.bool of shape"),
    ],
)
def test_bad_masks(given, error, message):
    with pytest.raises(error, match=message):
        Mask(**given)


@pytest.mark.parametrize("name", masks())
def test_settings_keep_the_mask(name):
    """What operators carry as text and one tensor."""
    mask = masks()[name]
    formula = make("exp(-s0/2)*p0", ["squared_distance"], 1)
    how = settings_of(settings(formula, mask, "high", "torch").text)
    assert (how.formula, how.precision, how.backend) == (formula, "high", "torch")
    np.testing.assert_array_equal(asked(how.mask(mask.blocks)), dense(mask))
