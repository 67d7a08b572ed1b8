"""Halton's sequence against SciPy and qmcpy, and the laws of its scramblings."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.stats import qmc

from mercer.features.points import Halton

BY_DIGITS = [how for how in Halton.randomisations if how != "shift"]


def halton(d, how, seed=0, **options):
    return Halton(d, randomisation=how, generator=torch.Generator().manual_seed(seed), **options)


def digits(x, base, count):
    """Digits of points in [0, 1) behind the point, ``[..., count]``."""
    whole = (x.double() * base**count + 1e-7).floor().long()
    return torch.stack([whole // base ** (count - 1 - k) % base for k in range(count)], dim=-1)


def test_points_are_those_of_scipy():
    theirs = qmc.Halton(60, scramble=False).random(2000)
    assert np.abs(Halton(60, randomisation=None).points(2000).numpy() - theirs).max() < 1e-15


@pytest.mark.filterwarnings("ignore")
def test_points_are_those_of_qmcpy():
    qmcpy = pytest.importorskip("qmcpy")
    theirs = qmcpy.Halton(20, randomize=False).gen_samples(n_min=100, n_max=612)
    ours = Halton(20, randomisation=None).points(512, 100).numpy()
    assert np.abs(ours - theirs).max() < 1e-15


def test_high_dimensions_have_large_bases():
    assert Halton(6542).bases[-1] == 65521
    x = Halton(1000, randomisation=None).points(2, 7919 * 3 + 2)[:, -1]
    assert x.tolist() == pytest.approx([2 / 7919 + 3 / 7919**2, 3 / 7919 + 3 / 7919**2])


@pytest.mark.parametrize("how", BY_DIGITS)
def test_every_elementary_box_holds_one_point(how):
    x = halton(3, how, replications=2).points(8 * 9 * 5, start=17)
    box = (x * torch.tensor([8, 9, 5]) + 1e-9).long()
    box = (box[..., 0] * 9 + box[..., 1]) * 5 + box[..., 2]
    assert bool((box.sort(dim=-1).values == torch.arange(360)).all())


@pytest.mark.parametrize("how", ["permutation", "digital shift", "nested uniform scrambling"])
def test_maps_of_digits_are_uniform(how):
    # Images of the digits 0, 1, 2 of the first place, and of the second behind 0.
    x = halton(2, how, replications=3000).points(9)[..., 1]
    d = digits(x, 3, 2)
    for place, points in ((0, (0, 1, 2)), (1, (0, 3, 6))):
        image = torch.stack([d[:, i, place] for i in points], dim=-1)
        assert bool((image.sort(-1).values == torch.arange(3)).all())
        counts = torch.bincount(image[:, 0] * 3 + image[:, 1], minlength=9)
        possible = [1, 5, 6] if how == "digital shift" else [1, 2, 3, 5, 6, 7]
        assert int(counts[possible].sum()) == 3000
        assert stats.chisquare(counts[possible].numpy()).pvalue > 1e-4
    # Maps of the second place behind 0 and behind 1: the same, or independent of one another.
    same = float((d[:, 0, 1] == d[:, 1, 1]).double().mean())
    if how == "nested uniform scrambling":
        assert abs(same - 1 / 3) < 4 * math.sqrt(2 / 9 / 3000)
    else:
        assert same == 1


def test_permutations_of_a_node_are_uniform_in_a_larger_base():
    x = halton(3, "nested uniform scrambling", replications=12000).points(5)[..., 2]
    image = (x * 5).long()  # [replications, digit]
    assert bool((image.sort(-1).values == torch.arange(5)).all())
    place = {p: k for k, p in enumerate(itertools.permutations(range(5)))}
    counts = np.bincount([place[tuple(p)] for p in image.tolist()], minlength=120)
    assert stats.chisquare(counts).pvalue > 1e-4


def test_a_matrix_multiplies_the_digits():
    sets = halton(4, "linear matrix scrambling")
    x = sets.points(27, start=5)
    for j, base in enumerate(sets.bases):
        few = 5
        # Columns of the matrix are the images of the powers of the base.
        powers = [base**k for k in range(few)]
        S = torch.stack([digits(sets.points(1, p)[0, j], base, few) for p in powers], dim=-1)
        assert bool((S.triu(1) == 0).all() and (S.diagonal() > 0).all())
        index = torch.arange(5, 32)
        i = torch.stack([index // p % base for p in powers])  # [few, n]
        assert torch.equal(digits(x[:, j], base, few), (S @ i % base).T)


def test_entries_of_the_matrix_are_uniform():
    sets = halton(2, "linear matrix scrambling", replications=400)
    first = digits(sets.points(1, 1)[:, 0, 1], 3, 3)  # the first column, [replications, 3]
    assert stats.chisquare(torch.bincount(first[:, 0], minlength=3)[1:].numpy()).pvalue > 1e-4
    below = torch.bincount(first[:, 1] * 3 + first[:, 2], minlength=9)
    assert stats.chisquare(below.numpy()).pvalue > 1e-4


def test_maps_follow_the_matrix():
    linear = "linear matrix scrambling"
    bare = halton(3, linear).points(300)
    shifted = halton(3, f"{linear} and digital shift").points(300)
    permuted = halton(3, f"{linear} and permutation").points(300)
    for j, base in enumerate((2, 3, 5)):
        d, s, p = (digits(x[:, j], base, 6) for x in (bare, shifted, permuted))
        assert bool((((s - d) % base) == ((s - d) % base)[0]).all())
        for place in range(6):
            pairs = torch.unique(torch.stack([d[:, place], p[:, place]]), dim=1)
            assert pairs.shape[1] == base  # a map, one to one
            assert pairs[1].sort().values.tolist() == list(range(base))


def test_one_coordinate_is_stratified_sampling():
    # Base 3, n = 27: one point, uniform, in each interval of length 1/n; see the digital nets.
    n, R = 27, 1500
    x = halton(2, "nested uniform scrambling", replications=R).points(n)[..., 1]
    assert abs(float(x.mean(-1).var()) * 12 * n**3 - 1) < 5 * math.sqrt(2 / R)


@pytest.mark.parametrize("how", BY_DIGITS[2:])
def test_the_error_falls_faster_than_that_of_random_points(how):
    sizes = np.array([30, 180, 1080, 6480])
    x = halton(2, how, replications=16).points(6480)
    f = x[..., 0] * (x[..., 1] * x[..., 0]).exp()
    errors = [float((f[:, :n].mean(-1) - (math.e - 2)).square().mean().sqrt()) for n in sizes]
    assert np.polyfit(np.log(sizes), np.log(errors), 1)[0] < -0.85
