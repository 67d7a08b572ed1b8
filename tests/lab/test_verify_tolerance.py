"""What a right candidate may be off by, against NumPy, mpmath and the precisions themselves."""

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mercer.lab.runner.state import STATE_SEED, initial_state
from mercer.lab.verify import Case, Trial, Verdict, Worst, agree, allowed_error, kappa, truth_of
from mercer.lab.verify.compare import worst_entry
from mercer.lab.verify.hints import hint_value
from mercer.lab.verify.tolerance import perturbed, unit_in_last_place
from tests.lab import small_problems as p

DTYPES = (torch.float64, torch.float32, torch.float16, torch.bfloat16)


@given(st.floats(width=32, allow_nan=False, allow_infinity=False, allow_subnormal=False))
@settings(max_examples=60, deadline=None)
def test_unit_in_the_last_place_is_numpys(x):
    """The spacing of the numbers of a dtype."""
    inside = min(abs(x), 3e38)  # of the same binade: NumPy's spacing at the largest float32 is inf
    for dtype, name in ((torch.float32, np.float32), (torch.float64, np.float64)):
        step = unit_in_last_place(torch.tensor([x]).double(), dtype).item()
        assert step == float(np.spacing(name(inside))) or x == 0


def test_kappa_halves_the_bits_between_precisions():
    """The distance to a sum in another order is that to the next lower precision."""
    for dtype, lower in ((torch.float64, torch.float32), (torch.float32, torch.float16)):
        ratio = torch.finfo(lower).eps / torch.finfo(dtype).eps
        assert kappa(dtype) == pytest.approx(math.sqrt(ratio))
    with pytest.raises(ValueError, match="dtype must be one of"):
        kappa(torch.int32)


def test_perturbations_are_of_one_unit():
    """Both signs, or all away from zero; zeros and integers stay."""
    x = torch.tensor([1.0, -3.0, 0.0] * 20).double()
    index = torch.arange(3)
    moved, same = perturbed([x, index], torch.float32, torch.Generator().manual_seed(0))
    steps = (moved - x) / torch.tensor([2.0**-23, 2.0**-22, 1.0] * 20).double()
    assert set(steps.tolist()) == {-1.0, 0.0, 1.0}
    assert torch.equal(same, index)
    away, _ = perturbed([x, index], torch.float32, None)
    assert bool((away.abs() >= x.abs()).all())
    assert bool((away[x == 0] == 0).all())


def test_each_decade_has_its_own_allowance():
    """Small entries do not get that of large ones; a lone entry also that of the decade above."""
    exact = torch.cat([torch.full((20,), v) for v in (5e-6, 5e-3, 5.0)]).double()
    exact = torch.cat([exact, torch.tensor([5e-7], dtype=torch.float64)])
    allowed = allowed_error(exact, exact.float(), [exact * (1 + 1e-7)], torch.float32)
    relative = allowed / exact
    assert relative[:60].max() < 2 * kappa(torch.float32) * 1.2e-7
    assert allowed[60] == allowed[0]


@pytest.mark.parametrize("problem", [p.Softmax, p.RowSum, p.Matmul, p.LayerNorm, p.Attention])
def test_precision_one_step_down_is_refused_with_room(problem):
    """Inputs rounded to half precision are an order of magnitude beyond what is allowed."""
    truth = truth_of(problem, Case("small"))
    module = problem.reference("small")
    state = truth_of(problem, Case("small")).inputs
    given = initial_state(problem, "small", dtype=torch.float32, seed=STATE_SEED)
    module.load_state_dict(given.tensors)
    with torch.no_grad():
        rounded = module(*[x.half().float() for x in state])
        same = module(*state)
    assert agree(truth, [rounded]).margin > 10
    assert agree(truth, [same]).margin < 0.1


def test_running_sum_of_thousands_is_allowed():
    """float32, one after another, exact sum by fsum: within what theory promises."""
    rng = np.random.default_rng(0)
    for terms in (rng.standard_normal(4096), rng.random(4096)):
        terms = terms.astype(np.float32)
        exact = math.fsum(terms.astype(float))
        found = np.cumsum(terms, dtype=np.float32)[-1]
        x = torch.from_numpy(terms).double()
        generator = torch.Generator().manual_seed(0)
        moved = [perturbed([x], torch.float32, g)[0].sum()[None] for g in [generator] * 3 + [None]]
        working = torch.from_numpy(terms).sum()[None]
        allowed = allowed_error(torch.tensor([exact]).double(), working, moved, torch.float32)
        assert abs(float(found) - exact) < float(allowed)


def test_overflow_of_the_reference_may_be_shared_or_avoided():
    """And other infinities and NaN may not."""
    truth = truth_of(p.Softmax, Case("odd"))
    expected = truth.expected[0]
    found = expected.working.clone()
    found[2, 3] = math.nan
    worst = worst_entry(found, expected)
    assert (worst.place, worst.margin) == ((2, 3), math.inf)
    broken = expected.working.clone()
    broken[2, 3] = math.nan
    shared = type(expected)("output 0", expected.exact, broken, expected.allowed, [])
    assert worst_entry(found, shared).margin <= 1
    assert worst_entry(expected.working, shared).margin <= 1
    found[0, 0] = math.inf
    assert worst_entry(found, shared).place == (0, 0)


def test_nothing_is_asked_where_there_is_no_truth():
    """An exact iteration may end in zero over zero where rounding keeps it alive."""
    expected = truth_of(p.Softmax, Case("odd")).expected[0]
    exact = expected.exact.clone()
    exact[0] = math.nan
    unknown = type(expected)("output 0", exact, expected.working, expected.allowed, [])
    assert worst_entry(expected.working, unknown).margin <= 1
    assert worst_entry(1.01 * expected.working, unknown).place[0] > 0


def test_views_that_the_reference_returns_are_allowed():
    """In the layout in which it does: a transpose made contiguous of a transposed input."""
    truth = truth_of(p.Transposition, Case("odd"))
    assert truth.aliases == [[0]]
    assert truth_of(p.Softmax, Case("odd")).aliases == [[]]


def test_integers_are_exact_but_for_ties():
    """A tie in the working dtype may fall to either side; anything else is wrong."""
    expected = truth_of(p.Argmax, Case("odd")).expected[0]
    assert worst_entry(expected.exact, expected).margin == 0
    assert worst_entry(expected.exact + 1, expected).margin == math.inf
    tied = type(expected)(
        "output 0",
        expected.exact,
        expected.working,
        expected.allowed,
        [expected.exact, expected.exact + 1],
    )
    assert worst_entry(expected.exact + 1, tied).margin == 0


def worst(relative=0.0, wrong=1.0, found=1.0, name="output 0"):
    return Worst(name, (0,), found, 2.0, 1.0, 1e-6, 1e6, wrong, relative)


def test_hints_say_what_the_trials_have_in_common():
    """The same numbers in another layout; a twin; a scale; a precision; a tail."""
    odd, small = Case("odd"), Case("small")
    twin = Case("odd", seed=3, twin_of=0)
    large = Case("odd", scale=30.0)
    good = Trial(odd, "contiguous", worst())
    hints = {
        "strides": [good, Trial(odd, "strided", worst())],
        "kept from one call": [good, Trial(twin, "contiguous", worst())],
        "overflows": [good, Trial(large, "contiguous", worst(found=math.nan))],
        "nothing wrote": [Trial(odd, "contiguous", worst(found=math.nan))],
        "scale 1:": [good, Trial(large, "contiguous", worst())],
        "depend on all": [good, Trial(Case("odd", seed=1), "contiguous", worst())],
        "half precision": [Trial(odd, "contiguous", worst(relative=2.0**-12))],
        "float32 throughout": [Trial(odd, "contiguous", worst(relative=2.0**-12))],
        "only a part": [Trial(odd, "contiguous", worst(relative=1.0, wrong=0.1))],
        "size odd was right": [good, Trial(small, "contiguous", worst())],
        "gradient of weight is not": [Trial(odd, "contiguous", worst(name="gradient of weight"))],
    }
    for part, trials in hints.items():
        assert part in hint_value(trials)


def test_a_verdict_is_read_by_people_and_by_json():
    """Where, how far off, and what often causes it."""
    trials = (
        Trial(Case("odd"), "contiguous", worst()),
        Trial(Case("odd", scale=30.0), "strided", worst(found=math.nan)),
    )
    verdict = Verdict(False, "value", "it is wrong", trials, math.inf, "look", "a\nb")
    text = str(verdict)
    for part in (
        "wrong (value): it is wrong",
        "size odd, float32, seed 0, scale 30",
        "strided inputs",
        "after 1 trials",
        "hint: look",
        "    b",
    ):
        assert part in text
    record = json.loads(json.dumps(verdict.json(), allow_nan=False))
    assert record["trials"][1]["layout"] == "strided"
    assert record["trials"][1]["worst"]["found"] is None
    assert "right in 2 trials" in str(Verdict(True, "right", "", trials, 0.5))
