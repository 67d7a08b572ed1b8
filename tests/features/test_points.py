"""What every point set promises, whatever its randomisation."""

from __future__ import annotations

import math
import re

import pytest
import torch
from scipy import stats

from mercer.features.points import DigitalNet, Halton, Lattice

SETS = [
    *((Lattice, how, {"order": order}) for how in (None, "shift") for order in Lattice.orders[:2]),
    *((DigitalNet, how, {"order": "gray"}) for how in (None, *DigitalNet.randomisations)),
    *((DigitalNet, how, {"alpha": 3}) for how in (None, *DigitalNet.randomisations)),
    *((Halton, how, {}) for how in (None, *Halton.randomisations)),
]
FIXED = (None, "linear matrix scrambling")  # the first point is the origin
RANDOM = [s for s in SETS if s[1] not in FIXED]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(("kind", "how", "options"), SETS)
@pytest.mark.parametrize("replications", [None, 2])
def test_pieces_of_a_sequence_are_the_sequence(kind, how, options, replications):
    if how is None and replications:
        with pytest.raises(ValueError, match="replications must be None without a randomisation"):
            kind(3, randomisation=how, replications=replications, **options)
        return
    sets = kind(3, randomisation=how, replications=replications, **options)
    x = sets.points(300)
    assert x.shape == (*([2] if replications else []), 300, 3)
    assert x.dtype == torch.float64
    assert x.is_contiguous()
    assert bool((x >= 0).all() and (x < 1).all())
    for n, start in ((1, 5), (64, 64), (100, 13), (256, 44)):
        assert torch.equal(sets.points(n, start), x[..., start : start + n, :])


@pytest.mark.parametrize(("kind", "how", "options"), RANDOM)
def test_the_generator_decides_and_replications_differ(kind, how, options):
    def points(seed, replications=None):
        g = seeded(seed)
        return kind(2, randomisation=how, generator=g, replications=replications, **options).points(
            50
        )

    assert torch.equal(points(1), points(1))
    assert not (points(1) == points(2)).any()
    both = points(1, 2)
    assert not (both[0] == both[1]).any()


@pytest.mark.parametrize(("kind", "how", "options"), RANDOM)
def test_every_point_is_uniform_and_means_are_unbiased(kind, how, options):
    x = kind(3, randomisation=how, generator=seeded(3), replications=400, **options).points(9)
    for i in (0, 5, 8):
        for j in range(3):
            assert stats.kstest(x[:, i, j].numpy(), "uniform").pvalue > 1e-4
    means = x.sum(-1).exp().mean(-1)  # one a replication
    error = float(means.mean()) - (math.e - 1) ** 3
    assert abs(error) < 4 * float(means.std()) / math.sqrt(400)


BAD = [
    (lambda: Lattice(0), ValueError, "dimension must be at least 1, got 0"),
    (lambda: Lattice(2.0), TypeError, "dimension must be an integer"),
    (lambda: Lattice(4097), ValueError, "dimension must be at most 4096"),
    (lambda: Lattice(2, randomisation="owen"), ValueError, "randomisation must be one of 'shift'"),
    (lambda: Lattice(2, order="linear"), ValueError, "order must be one of 'radical inverse'"),
    (lambda: Lattice(2, replications=0), ValueError, "replications must be at least 1"),
    (lambda: Lattice(2, generating_vector=[1, 4]), ValueError, "odd positive numbers, got 4"),
    (lambda: Lattice(2, generating_vector=[1.0, 3.0]), TypeError, "must hold integers"),
    (lambda: Lattice(3, generating_vector=[1, 3]), ValueError, "dimension must be at most 2"),
    (lambda: Lattice(2, generating_vector=[[1, 3]]), ValueError, "must have shape (d,)"),
    (lambda: Lattice(2).points(2**20, 1), ValueError, "start + n must be at most 1048576"),
    (lambda: Lattice(2).points(0), ValueError, "n must be at least 1"),
    (lambda: Lattice(2).points(4, -4), ValueError, "start must be at least 0"),
    (lambda: Lattice(2, order="natural").points(12), ValueError, "n must be a power of two"),
    (lambda: Lattice(2, order="natural").points(4, 4), ValueError, "start = 4"),
    (lambda: DigitalNet(21202), ValueError, "dimension must be at most 21201"),
    (lambda: DigitalNet(10601, alpha=2), ValueError, "dimension must be at most 21201"),
    (lambda: DigitalNet(2, alpha=0), ValueError, "alpha must be at least 1"),
    (lambda: DigitalNet(2, randomisation="shift"), ValueError, "randomisation must be one of"),
    (lambda: DigitalNet(2, order="natural"), ValueError, "order must be one of"),
    (lambda: DigitalNet(2, generating_matrices=[1, 2]), ValueError, "must have shape (d, m)"),
    (lambda: DigitalNet(2, generating_matrices=[[2, 1]]), ValueError, "alpha * dimension = 2"),
    (lambda: DigitalNet(1, generating_matrices=[[2.0, 1]]), TypeError, "must hold integers"),
    (lambda: DigitalNet(1, generating_matrices=[[2, -1]]), ValueError, "not negative"),
    (lambda: DigitalNet(1, generating_matrices=[[0, 0]]), ValueError, "not all 0"),
    (lambda: DigitalNet(1, generating_matrices=[[2, 1]]).points(5), ValueError, "at most 4"),
    (lambda: DigitalNet(1, generating_matrices=[[1] * 53]), ValueError, "1 to 52 columns"),
    (lambda: DigitalNet(2).integers(4, 2**32), ValueError, "start + n must be at most 4294967296"),
    (lambda: Halton(6543), ValueError, "dimension must be at most 6542"),
    (lambda: Halton(2, randomisation="owen"), ValueError, "randomisation must be one of"),
    (lambda: Halton(2).points(1, 2**32), ValueError, "start + n must be at most 4294967296"),
]


@pytest.mark.parametrize(("call", "error", "message"), BAD)
def test_bad_input_is_refused_in_one_sentence(call, error, message):
    with pytest.raises(error, match=re.escape(message)):
        call()
