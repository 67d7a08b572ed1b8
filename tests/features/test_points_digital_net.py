"""Digital nets against qmcpy, SciPy, and the laws of their scramblings."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.stats import qmc

from mercer.features.points import DigitalNet

SCRAMBLED = [how for how in DigitalNet.randomisations if "scrambling" in how]


def net(d, how, seed=0, **options):
    return DigitalNet(
        d, randomisation=how, generator=torch.Generator().manual_seed(seed), **options
    )


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("order", DigitalNet.orders)
@pytest.mark.parametrize("alpha", [1, 2, 3])
def test_points_are_those_of_qmcpy(order, alpha):
    qmcpy = pytest.importorskip("qmcpy")
    theirs = qmcpy.DigitalNetB2(7, randomize=False, order=order.upper(), alpha=alpha)
    ours = DigitalNet(7, alpha=alpha, randomisation=None, order=order)
    assert np.abs(ours.points(512).numpy() - theirs(512)).max() < 2.0**-51
    gap = ours.points(256, 256).numpy() - theirs.gen_samples(n_min=256, n_max=512)
    assert np.abs(gap).max() < 2.0**-51


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("alpha", [1, 2])
def test_matrices_of_the_callers_are_read_as_qmcpy_reads_them(alpha):
    qmcpy = pytest.importorskip("qmcpy")
    C = np.random.default_rng(0).integers(0, 2**10, (6, 10))
    C[0, 0] |= 2**9
    theirs = qmcpy.DigitalNetB2(
        3, randomize=False, generating_matrices=C.astype(np.uint64), msb=True, alpha=alpha
    )
    for given in (C, C.astype(np.uint64), torch.from_numpy(C), C.tolist()):
        if alpha == 1 and given is not C:
            continue
        ours = DigitalNet(3, alpha=alpha, generating_matrices=given, randomisation=None)
        assert np.array_equal(ours.points(1024).numpy(), theirs(1024))


def test_sobol_points_are_those_of_scipy():
    theirs = qmc.Sobol(1111, scramble=False, bits=32).random(64)
    ours = DigitalNet(1111, randomisation=None, order="gray").points(64)
    assert np.array_equal(ours.numpy(), theirs)
    last = DigitalNet(21201, randomisation=None, order="gray").points(16)[:, -1]
    assert np.array_equal(last.numpy(), qmc.Sobol(21201, scramble=False).random(16)[:, -1])


@pytest.mark.parametrize("how", DigitalNet.randomisations)
def test_every_elementary_interval_holds_one_point(how):
    m = 8  # Sobol's first two dimensions are a (0, m, 2)-net, and scrambling keeps it one
    x = net(2, how, replications=3).points(1 << m, 1 << m).numpy()
    for a in range(m + 1):
        box = (x[..., 0] * 2**a).astype(int) * 2 ** (m - a) + (x[..., 1] * 2 ** (m - a)).astype(int)
        assert (np.sort(box, axis=-1) == np.arange(1 << m)).all()


@pytest.mark.parametrize("order", DigitalNet.orders)
@pytest.mark.parametrize("alpha", [1, 2])
@pytest.mark.parametrize("how", [h for h in DigitalNet.randomisations if "nested" not in h])
def test_integers_are_the_points_and_their_group(order, alpha, how):
    sets = net(3, how, alpha=alpha, order=order, replications=2)
    bits = sets.integers(64)
    assert torch.equal(bits.double() / 2**sets.bits, sets.points(64))
    if sets.shift_bits is None:
        origin = torch.zeros(2, 1, 3, dtype=torch.int64)
    else:
        origin = sets.shift_bits[:, None]
        assert torch.equal(sets.shift, sets.shift_bits.double() / 2**sets.bits)
    i, j = torch.randint(64, (2, 100))
    if order == "gray":
        i, j = i ^ i >> 1, j ^ j >> 1
        inverse = torch.empty(64, dtype=torch.int64)
        k = torch.arange(64)
        inverse[k ^ k >> 1] = k
        place = inverse
    else:
        place = torch.arange(64)
    pairs = bits[:, place[i]] ^ bits[:, place[j]]
    assert torch.equal(pairs, bits[:, place[i ^ j]] ^ origin)


def test_the_digital_shift_is_added_to_the_points_without_it():
    bare = DigitalNet(4, alpha=2, randomisation=None).integers(100)
    shifted = net(4, "digital shift", alpha=2, replications=3)
    assert torch.equal(shifted.integers(100), bare ^ shifted.shift_bits[:, None])


def test_a_scrambling_matrix_is_lower_triangular_and_uniform():
    # The first matrix of Sobol's sequence is the identity: columns scrambled are columns of S.
    S = net(1, "linear matrix scrambling", replications=400).columns[..., 0]  # [400, 32]
    digits = S[..., None] >> torch.arange(51, -1, -1) & 1  # [replication, column, row]
    assert bool((digits.diagonal(dim1=1, dim2=2) == 1).all())
    assert bool((digits.tril(-1) == 0).all())  # rows above the diagonal
    below = torch.cat([digits[:, c, c + 1 :] for c in range(32)], dim=1).double()
    z = (below.mean(0) - 0.5) * 2 * math.sqrt(400)
    assert stats.kstest(z.numpy(), "norm").pvalue > 1e-3


def prefix(x, y, bits=52):
    """How many leading digits agree."""
    gap = (x ^ y).double().log2().floor()
    return torch.where(x == y, bits, bits - 1 - gap)


def test_nested_scrambling_permutes_every_node_on_its_own():
    bare = DigitalNet(1, randomisation=None).integers(8)[:, 0]
    x = net(1, "nested uniform scrambling", replications=4000).integers(8)[..., 0]
    pairs = [(i, j) for i in range(8) for j in range(i)]
    for i, j in pairs:  # paths part where they parted
        assert bool((prefix(x[:, i], x[:, j]) == prefix(bare[i], bare[j])).all())
    # Seven nodes decide on three digits: every one of the 2^7 outcomes is as likely.
    flips = (x ^ bare) >> 49
    node = [
        (flips[:, 0] >> 2),
        *(flips[:, i] >> 1 & 1 for i in (0, 1)),
        *(flips[:, i] & 1 for i in (0, 1, 2, 3)),
    ]
    outcome = sum(bit << k for k, bit in enumerate(node))
    counts = torch.bincount(outcome, minlength=128).numpy()
    assert stats.chisquare(counts).pvalue > 1e-4
    # Beyond, every point has digits of its own: as good as independent between points.
    lower = (x & (1 << 40) - 1).double().numpy() / 2**40
    correlation = np.corrcoef(lower.T) - np.eye(8)
    assert np.abs(correlation).max() * math.sqrt(4000) < 4.5


@pytest.mark.parametrize("how", SCRAMBLED[1:])
def test_one_coordinate_is_stratified_sampling(how):
    # One point, uniform, in each interval of length 1/n: the mean of x has variance 1/(12 n^3)
    # with nested scrambling; a matrix makes digits of different points depend on one another.
    n, R = 32, 2000
    x = net(1, how, replications=R).points(n)[..., 0]
    variance = float(x.mean(-1).var()) * 12 * n**3
    if how == "nested uniform scrambling":
        assert abs(variance - 1) < 5 * math.sqrt(2 / R)
    else:
        assert 0.1 < variance < n


@pytest.mark.parametrize("how", SCRAMBLED[1:])
@pytest.mark.parametrize("alpha", [1, 2, 3])
def test_a_net_of_order_alpha_has_its_rate(how, alpha):
    sizes = 2 ** np.arange(4, 13)
    f = net(1, how, alpha=alpha, replications=64).points(4096)[..., 0].exp()
    errors = [float((f[:, :n].mean(-1) - (math.e - 1)).square().mean().sqrt()) for n in sizes]
    slope = np.polyfit(np.log(sizes), np.log(errors), 1)[0]
    assert slope < -(alpha + 0.5) + 0.35  # root mean squares fall as n^-(alpha + 1/2)
    if "nested" in how:  # with matrices a mean of squares is made by few replications
        assert slope > -(alpha + 0.5) - 0.35


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("alpha", [1, 2])
@pytest.mark.parametrize(("how", "theirs"), [(SCRAMBLED[1], "LMS DS"), (SCRAMBLED[2], "NUS")])
def test_errors_are_those_of_qmcpy(alpha, how, theirs):
    qmcpy = pytest.importorskip("qmcpy")
    n, R = 16, 100

    def error(x):
        f = x[..., 0] * np.exp(x[..., 1] * x[..., 0])  # integral e - 2
        return np.sqrt(((f.mean(-1) - (math.e - 2)) ** 2).mean())

    other = qmcpy.DigitalNetB2(2, alpha=alpha, randomize=theirs, replications=R, seed=7)
    ratio = error(net(2, how, alpha=alpha, replications=R).points(n).numpy()) / error(other(n))
    assert 2 / 3 < ratio < 3 / 2
