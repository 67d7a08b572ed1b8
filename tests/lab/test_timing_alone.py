"""What a clock, a comparison and a verdict come to, with everything around them made up."""

import math
import random
import types

import pytest
import torch
from torch import nn

import mercer.lab.timing.machine as machines
from mercer.lab import Candidate, evaluator
from mercer.lab.evaluator import Evaluator
from mercer.lab.problems import find
from mercer.lab.runner.outputs import Outputs
from mercer.lab.timing.baseline import baseline
from mercer.lab.timing.contender import Contender
from mercer.lab.timing.course import Course
from mercer.lab.timing.machine import Machine, measure_machine
from mercer.lab.timing.objection import objection, skipping
from mercer.lab.timing.plan import CACHE, sets_needed
from mercer.lab.timing.race import _entry
from mercer.lab.timing.ratio import Ratio
from mercer.lab.timing.rounds import paired_rounds
from mercer.lab.verify import Opinion, Verdict
from tests.lab import small_problems as p
from tests.lab.test_race import FAST, HONEST


def test_a_spread_is_half_the_interval_in_terms_of_the_median():
    assert Ratio(4.0, 3.0, 5.0).spread == 0.25
    assert Ratio(0.5, 0.25, 1.25).spread == 1.0


def test_bandwidth_counts_bytes_read_and_written_and_the_peak_both_operations(monkeypatch):
    """By a clock that says how long each took; the first of each is not counted."""
    lasted = iter([100.0, 2.0, 100.0, 4.0])
    moments, now = iter(range(8)), 0.0

    def clock():
        nonlocal now
        now += next(lasted) if next(moments) % 2 else 0.0
        return now

    sides = []
    monkeypatch.setattr(machines, "time", types.SimpleNamespace(perf_counter=clock))
    monkeypatch.setattr(torch, "mm", lambda a, b, out: sides.append(len(a)) or out)
    machine = measure_machine("cpu", repeats=1)
    assert machine.bandwidth == 2 * 128 * 1024**2 / 2.0
    assert machine.peak == 2 * sides[0] ** 3 / 4.0


def test_the_order_within_rounds_changes():
    """Else whoever comes second would run on a chip that the first one has warmed."""
    orders, ran = set(), []
    contenders = {name: lambda calls, name=name: ran.append(name) or 1.0 for name in "abc"}
    for _ in paired_rounds(
        contenders, dict.fromkeys("abc", 1), baseline="a", precision=0.0, fewest=20, most=20,
        seed=0, lost=lambda name, error: None,
    ):  # fmt: skip
        orders.add(tuple(ran[-3:]))
    assert len(orders) > 3
    assert all(sorted(order) == ["a", "b", "c"] for order in orders)


def test_rounds_are_at_least_as_many_as_asked():
    """However soon the ratio is known."""
    contenders = {"a": lambda calls: 1.0, "b": lambda calls: 2.0}
    found = list(
        paired_rounds(
            contenders, {"a": 1, "b": 1}, baseline="a", precision=0.5, fewest=11, most=20,
            seed=0, lost=lambda name, error: None,
        )
    )  # fmt: skip
    assert len(found) == 11


class Entrant:
    """One whose runs take what they are said to take."""

    def __init__(self, *, short=0.0, reasons=(), calls=1000, committed=10):
        self.calls, self.committed = calls, committed
        self.short, self.reasons = short, list(reasons)

    def shortest(self, calls):
        assert calls == self.committed
        return self.short

    def verify(self):
        return self.reasons.pop(0) if self.reasons else ""


def test_times_below_seven_tenths_of_the_floor_do_not_count():
    assert objection(Entrant(), [0.72] * 3, 1.0) == ""
    assert "did not compute" in objection(Entrant(), [0.68] * 3, 1.0)
    assert "did not compute" in objection(Entrant(), [9.0, 0.68, 0.68], 1.0)  # the median


def test_a_call_may_take_three_times_as_long_where_all_can_be_looked_at():
    """Beside what a run costs by itself, which the pace has shown: here five seconds."""
    pace = Entrant(short=15.0), [1.0] * 3
    for short, unlike in [(34.0, False), (36.0, True)]:  # 3 * (10 calls + 5 s) = 35, or 45
        found = skipping(Entrant(short=short), [2 / 3] * 3, pace)
        assert ("does not do all of them" in found) == unlike


def test_what_the_short_runs_returned_is_looked_at_too():
    pace = Entrant(short=10.0), [1.0] * 3
    assert skipping(Entrant(short=10.0, reasons=["wrong"]), [1.0], pace) == "wrong"
    assert objection(Entrant(reasons=["wrong"]), [1.0], 0.0) == "wrong"
    assert skipping(Entrant(short=99.0, calls=20), [1.0], pace) == ""  # all were looked at


def test_an_entry_has_the_speedup_over_each_baseline_and_its_share_of_the_roofline():
    seconds = {"eager": [8.0] * 9, "compiled": [4.0] * 9, "mine": [2.0] * 9, "lost": [1.0] * 9}
    entry = _entry(
        Candidate("x", "torch", "mine"), "", seconds, ("eager", "compiled", "lost"),
        {"lost": "it was lost"}, 0.5,
    )  # fmt: skip
    assert {name: ratio.median for name, ratio in entry.speedups.items()} == {
        "eager": 4.0,
        "compiled": 2.0,
    }
    assert (entry.seconds, entry.roofline) == (2.0, 0.25)


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("eager", None),
        ("compiled", "default"),
        ("max-autotune", "max-autotune-no-cudagraphs"),
        ("cuda-graphs", "reduce-overhead"),
    ],
)
def test_a_baseline_is_the_reference_compiled_as_its_name_says(name, mode, monkeypatch):
    asked = []
    monkeypatch.setattr(nn.Module, "compile", lambda self, mode: asked.append(mode))
    made = baseline("import torch\nclass Model(torch.nn.Linear): pass\n", name)
    space = {}
    exec(made.source, space)
    model = space["ModelNew"](3, 2)
    assert isinstance(model, space["Model"])
    assert (made.name, asked) == (name, [mode] if mode else [])


class Delivering:
    """A session that notes which outputs were asked for."""

    def __init__(self):
        self.asked = []

    def time(self, calls):
        return 1.0

    def deliver(self, index):
        self.asked.append(index)
        return [], Outputs([], settled=False)


class Awake:
    """A worker that nothing has to be done for."""

    def pause(self):
        """Do nothing."""

    resume = pause


def contender(looks=4, committed=8):
    made = Contender.__new__(Contender)
    made.session, made._worker, made.lost = Delivering(), Awake(), False
    made.calls = made._runs = 0
    made.committed, made._looks = committed, [None] * looks
    made._chance = random.SystemRandom()
    return made


def test_looks_fall_on_any_run_and_on_any_set():
    """The first run is always looked at; a later one the less often the more there were."""
    made = contender()
    runs, counts = 60, []
    for _ in range(runs):
        before = len(made.session.asked)
        made(100)
        counts.append(len(made.session.asked) - before)
    assert counts[0] == 4
    assert 4 < sum(counts) < 4 * runs / 2  # expected 4 (1 + 1/2 + ... + 1/60), about 19
    assert set(made.session.asked) <= set(range(8))
    assert len(set(made.session.asked)) > 1
    made(3)  # as many calls as these are a new kind of run, of which three sets have outputs
    assert set(made.session.asked[-4:]) <= {0, 1, 2}


def test_outputs_that_change_after_the_clock_are_refused_though_right():
    made = contender()
    made(100)
    made.course = types.SimpleNamespace(compare=lambda inputs, outputs: "")
    assert "changed after the clock had stopped" in made.verify()


@pytest.fixture(scope="module")
def course():
    return Course(p.LayerNorm, "small", device="cpu")


def plain(*tensors):
    return Outputs(list(tensors), [{"type": "Tensor"} for _ in tensors])


def test_bytes_are_inputs_parameters_and_outputs(course):
    assert course.bytes == 4 * (64 * 128 + 2 * 128 + 64 * 128)


def test_sets_differ_and_are_not_the_cotangents():
    found = Course(p.Softmax, "small", device="cpu", backward=True)
    firsts = [s[0] for s in found.sets] + found.cotangents_given
    assert len({x.flatten()[:8].numpy().tobytes() for x in firsts}) == len(found.sets) + 1


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_all_sets_together_are_twice_a_cache(device):
    for numbers in (1 << 18, 1 << 20, 1 << 22):
        x = torch.empty(numbers, device="meta")
        count = sets_needed([x], [x], device)
        assert count == 64 or count * 2 * x.nbytes >= 2 * CACHE[device]


def test_timed_outputs_may_be_off_by_what_the_check_allows(course, monkeypatch):
    """By as much as the tolerance says, not by twice as much."""
    monkeypatch.setitem(
        Course.compare.__globals__,
        "allowed_error",
        lambda exact, *args, **options: torch.full_like(exact, 1e-2),
    )
    x = course.sets[0]
    module = p.LayerNorm.reference("small").double()
    module.load_state_dict({k: v.double() for k, v in course.state.items()})
    exact = module(x[0].double()).detach()
    assert course.compare(x, plain((exact + 0.9e-2).float())) == ""
    assert "wrong in 100 %" in course.compare(x, plain((exact + 1.1e-2).float()))


def test_timed_outputs_must_be_plain_tensors(course):
    y = torch.zeros(64, 128)
    for kind in ("Lazy", "int", None):
        assert "plain tensors" in course.compare(course.sets[0], Outputs([y], [{"type": kind}]))


def test_integers_that_were_timed_are_compared():
    found = Course(p.Argmax, "small", device="cpu")
    (x,) = found.sets[0]
    right = [x.argmax(-1), x.amax(-1)]
    assert found.compare([x], plain(*right)) == ""
    assert "output 0" in found.compare([x], plain(right[0].roll(1), right[1]))


def test_nobody_knows_which_entries_are_compared(course, monkeypatch):
    """They are drawn anew in every comparison, not from a seed that stands somewhere."""
    picks, sampled = [], course._sampled

    def noted(point, dtype, chosen):
        picks.append(chosen[0])
        return sampled(point, dtype, chosen)

    monkeypatch.setattr(course, "_sampled", noted)
    for _ in range(2):
        course.compare(course.sets[0], plain(torch.zeros(64, 128)))
    assert len(picks) == 6
    assert torch.equal(picks[0], picks[2])
    assert not torch.equal(picks[0], picks[3])


QUICK = {"baseline": "eager", "size": "small", "rounds": 3, "block": 0.002, "machine": FAST}


class Nothing:
    """A pool of which nobody asks for a worker."""

    device = "cpu"


def test_an_evaluator_hands_on_what_it_was_asked_for(monkeypatch):
    """To the check; and the seed is nobody's to know."""
    asked = []
    wrong = Verdict(False, "value", "no")
    monkeypatch.setattr(evaluator, "check", lambda *a, **k: asked.append(k) or wrong)

    def verifier(problem, candidate):
        return Opinion(True, "")

    options = {
        "sizes": ("small",),
        "seeds": 2,
        "scales": (3.0,),
        "layouts": ("offset",),
        "backward": True,
        "verifier": verifier,
        "timeout": 77.0,
    }
    for seed in (None, None, 5):
        made = Evaluator(
            find("softmax"), pool=Nothing(), dtype=torch.float64, seed=seed, **options, **QUICK
        )
        assert made(HONEST).verdict is wrong
        assert made.course.seed == asked[-1]["seed"]
        assert made.course.dtype == torch.float64
    assert asked[0]["seed"] != asked[1]["seed"]
    assert asked[2]["seed"] == 5
    assert asked[2]["dtypes"] == (torch.float64,)
    assert {name: asked[2][name] for name in options} == options


@pytest.mark.parametrize("mode", ["eager", "compiled"])
def test_an_evaluator_runs_against_the_baseline_asked_for(mode):
    made = Evaluator(find("softmax"), pool=Nothing(), **{**QUICK, "baseline": mode})
    assert made.candidate.name == mode
    assert ("self.compile(" in made.candidate.source) == (mode == "compiled")


class Clock:
    """A lock that knows whether it is held."""

    held = False

    def __enter__(self):
        self.held = True

    def __exit__(self, *error):
        self.held = False


def test_an_evaluator_holds_the_clock_and_refuses_what_no_memory_can_do(pool, monkeypatch):
    """Everything that is timed to be compared, nothing that waits for a compiler."""
    clock, held = Clock(), []
    rounds, calls = evaluator.paired_rounds, evaluator.calls_for

    def noted(name, function):
        def call(*args, **options):
            held.append((name, clock.held))
            return function(*args, **options)

        return call

    monkeypatch.setattr(evaluator, "paired_rounds", noted("rounds", rounds))
    monkeypatch.setattr(evaluator, "calls_for", noted("calls", calls))
    monkeypatch.setattr(evaluator, "check", lambda *a, **k: Verdict(True, "right", ""))
    slow = Machine("slow", bandwidth=1.0, peak=math.inf)
    options = {**QUICK, "machine": slow, "clock": clock, "timeout": 20}
    with Evaluator(find("softmax"), pool=pool, **options) as evaluate:
        found = evaluate(HONEST)
    assert held == [("calls", True), ("calls", True), ("rounds", True)]
    assert not clock.held
    assert found.failure == "timing"
    assert "did not compute in the time" in found.error
