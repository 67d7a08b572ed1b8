import itertools
import math

import numpy as np
import pytest
import torch

from mercer.lab.timing.fast_p import fast_p
from mercer.lab.timing.machine import Machine, measure_machine
from mercer.lab.timing.ratio import paired_ratio
from mercer.lab.timing.rounds import calls_for, paired_rounds


def test_interval_holds_the_median_as_often_as_it_says():
    draws = np.random.default_rng(0).exponential(size=(4000, 15))
    hits = [paired_ratio(row, np.ones(15)) for row in draws]
    covered = np.mean([r.low <= math.log(2) <= r.high for r in hits])
    # Order statistics 4 and 12 of 15: binomial coverage 0.9648.
    assert covered == pytest.approx(0.9648, abs=0.01)


def test_interval_is_the_known_order_statistics():
    values = np.random.default_rng(1).permutation(np.arange(1.0, 16.0))
    ratio = paired_ratio(values, np.ones(15))
    assert (ratio.low, ratio.median, ratio.high) == (4.0, 8.0, 12.0)


def test_few_rounds_bound_nothing():
    ratio = paired_ratio([1.0, 2.0, 3.0, 4.0, 5.0], [1.0] * 5)
    assert (ratio.low, ratio.high) == (0.0, math.inf)


@pytest.mark.parametrize(
    ("above", "below", "message"),
    [
        ([1.0], [1.0, 2.0], "pair up"),
        ([], [], "at least one"),
        ([1.0, 0.0], [1.0, 1.0], "positive"),
        ([1.0, math.nan], [1.0, 1.0], "positive and finite"),
    ],
)
def test_ratio_refuses(above, below, message):
    with pytest.raises(ValueError, match=message):
        paired_ratio(above, below)


def test_rounds_cancel_what_disturbs_all():
    # A machine whose clock drifts threefold: the ratio of 2 must not move.
    drift = iter(np.repeat(np.linspace(1, 3, 40), 2))
    contenders = {
        "slow": lambda calls: calls * 2e-3 * next(drift),
        "fast": lambda calls: calls * 1e-3 * next(drift),
    }
    rounds = paired_rounds(
        contenders,
        {"slow": 10, "fast": 20},
        baseline="slow",
        precision=0.01,
        fewest=7,
        most=30,
        seed=0,
        lost=lambda name, error: pytest.fail(name),
    )
    *_, last = rounds
    assert paired_ratio(last["slow"], last["fast"]).median == pytest.approx(2.0)
    assert len(last["slow"]) == 7


def test_rounds_go_on_while_the_ratio_is_not_known():
    noise = np.random.default_rng(0)
    contenders = {"a": lambda n: n * 1.0, "b": lambda n: n * float(noise.uniform(0.5, 1.5))}
    rounds = paired_rounds(
        contenders, {"a": 1, "b": 1}, baseline="a", precision=1e-3, fewest=6, most=12, seed=0,
        lost=lambda name, error: None,
    )  # fmt: skip
    assert len(list(rounds)) == 12


def test_a_lost_contender_leaves_the_others():
    times = itertools.count()

    def dies(calls):
        if next(times) == 2:
            raise TimeoutError("it hung")
        return 1.0

    gone = []
    *_, last = paired_rounds(
        {"base": lambda n: 1.0, "dies": dies}, {"base": 1, "dies": 1},
        baseline="base", precision=0.1, fewest=6, most=8, seed=0,
        lost=lambda name, error: gone.append((name, str(error))), excused=(TimeoutError,),
    )  # fmt: skip
    assert gone == [("dies", "it hung")]
    assert list(last) == ["base"]
    assert len(last["base"]) == 6


def test_the_baseline_may_not_be_lost():
    def dies(calls):
        raise TimeoutError("it hung")

    rounds = paired_rounds(
        {"base": dies}, {"base": 1}, baseline="base", precision=0.1, fewest=6, most=8, seed=0,
        lost=lambda name, error: None, excused=(TimeoutError,),
    )  # fmt: skip
    with pytest.raises(TimeoutError):
        list(rounds)


@pytest.mark.parametrize("seconds", [1e-6, 3e-4, 0.02, 1.0])
def test_blocks_last_as_long_as_asked(seconds):
    calls = calls_for(lambda n: 1e-4 + n * seconds, block=0.05)
    assert calls == pytest.approx(max(1, 0.05 / seconds), rel=0.05, abs=0.5)  # whole calls


def test_fast_p_by_hand():
    right, speedups = [True, True, False, True], [2.5, 0.8, 9.0, 1.2]
    assert [fast_p(right, speedups, p) for p in (0, 0.8, 1, 2, 3)] == [0.75, 0.5, 0.5, 0.25, 0]


@pytest.mark.parametrize(
    ("right", "speedups", "p", "message"),
    [
        ([True], [], 1, "as long as"),
        ([], [], 1, "at least one"),
        ([True], [1.0], -1, "p must be"),
        ([True], [math.inf], 1, "positive and finite"),
    ],
)
def test_fast_p_refuses(right, speedups, p, message):
    with pytest.raises(ValueError, match=message):
        fast_p(right, speedups, p)


def test_roofline_has_two_sides():
    machine = Machine("chip", bandwidth=100.0, peak=1000.0)
    assert machine.ridge == 10
    assert machine.floor(bytes=50, operations=400) == 0.5
    assert machine.floor(bytes=50, operations=600) == 0.6


@pytest.mark.gpu
def test_bandwidth_of_a_gpu_is_near_its_data_sheet():
    machine = measure_machine("cuda")
    name = torch.cuda.get_device_name()
    published = {"H100": 3.35e12, "H200": 4.8e12}
    expected = next((b for key, b in published.items() if key in name), None)
    if expected is None:
        pytest.skip(f"no published bandwidth for {name}")
    assert 0.75 * expected < machine.bandwidth < 1.02 * expected
