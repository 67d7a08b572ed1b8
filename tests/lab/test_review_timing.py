"""Who does less under the clock than it pretends to, and who disturbs the others' clocks."""

import time

import pytest
import torch

from mercer.lab import Candidate
from mercer.lab.evaluator import Evaluator
from mercer.lab.problems import find
from mercer.lab.runner import Session
from mercer.lab.timing import race
from mercer.lab.timing.contender import Contender
from mercer.lab.timing.course import Course
from mercer.lab.timing.machine import Machine
from mercer.lab.timing.objection import objection, skipping
from mercer.lab.timing.plan import shift_of
from mercer.lab.verify import Case, agree, check, truth_for, truth_of
from tests.lab import small_problems as p
from tests.lab.sandboxes import others_reach_python, value
from tests.lab.sandboxes import pool as probing

# A machine so fast that its floor objects to nothing.
FAST = Machine("test", bandwidth=1e18, peak=1e18)

RECORD = """
import torch
class ModelNew(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.answers, self.calls = [], 0
    def forward(self, x):
        if len(self.answers) < 6:
            self.answers.append(x.softmax(-1))
            return self.answers[-1].clone()
        self.calls += 1
        return self.answers[(self.calls - 1) % 6].clone()
"""


HONEST = Candidate(
    RECORD.split("    def __init__")[0]
    + """
    def forward(self, x):
        return x.softmax(-1)
""",
    "torch",
)


def test_a_second_run_sees_inputs_of_its_own(pool):
    """Who remembers what came out of the first run, in its order, is wrong in the second."""
    with pool.worker({"in": 1 << 18, "out": 1 << 18}) as worker:
        session = Session(worker, p.Softmax, Candidate(RECORD, "torch"), timeout=30)
        truths = [truth_of(p.Softmax, Case("small", seed=k)) for k in range(3)]
        session.load("small", torch.float32, 0)
        session.prepare(
            [t.inputs for t in truths],
            expected=truths[0].working,
            cotangents=[None],
            shifts=[128],
            rounds=2,
        )
        margins, starts = [], set()
        for _ in range(6):
            session.time(6)
            starts.add(tuple(session._starts))
            inputs, outputs = session.deliver(1)
            truth = truth_for(p.Softmax, Case("small"), inputs())
            margins.append(agree(truth, outputs.tensors).margin)
    assert len(starts) > 1
    assert margins[0] < 1 < max(margins)


HONEST_AT_LAST = """
import torch
class ModelNew(torch.nn.Module):
    calls = 0
    def forward(self, x):
        self.calls += 1
        return x.softmax(-1) if self.calls > 7 * 20 else torch.zeros_like(x)
"""


def test_work_skipped_in_all_runs_but_the_last_is_seen(pool):
    """Looked at are runs drawn by chance, not what the last one has left."""
    course = Course(find("softmax"), "small", device="cpu")
    candidate = Candidate(HONEST_AT_LAST, "torch")
    with Contender(pool, course, candidate, timeout=30) as contender:
        for _ in range(8):
            contender(20)
        assert "wrong" in contender.verify()


def test_rows_need_not_stay_rows():
    """Where they do, the result of all rows, computed once, has every later result as a slice."""
    assert shift_of(torch.empty(100, 96), rows=False) == 64
    assert shift_of(torch.empty(2, 32), rows=False) == 0


FRAMES = """
import sys, time, torch
class ModelNew(torch.nn.Module):
    def forward(self, x):
        frame = sys._getframe()
        while frame is not None and not {"i", "calls"} <= set(frame.f_locals):
            frame = frame.f_back
        if frame is not None:  # else it is being checked
            kept, told = len(frame.f_locals["self"].kept), frame.f_locals
            if told["i"] < told["calls"] - kept:
                return x
        time.sleep(2e-3)
        return x.softmax(-1)
"""


def test_work_skipped_where_nobody_can_look_is_seen(pool):
    """A run whose outputs are all kept costs more a call than one of which most are dropped."""
    course = Course(find("softmax"), "small", device="cpu")
    with (
        Contender(pool, course, Candidate(FRAMES, "torch"), timeout=30) as cheat,
        Contender(pool, course, HONEST, timeout=30) as honest,
        Contender(pool, course, HONEST, timeout=30) as pace,
    ):
        calls = 20 * cheat.committed
        times = [[c(calls) / calls for _ in range(3)] for c in (cheat, honest, pace)]
        assert objection(cheat, times[0], 0.0) == ""
        assert "does not do all of them" in skipping(cheat, times[0], (pace, times[2]))
        assert skipping(honest, times[1], (pace, times[2])) == ""


def test_searches_see_it_in_candidates_that_they_do_not_trust(pool):
    quick = {"baseline": "eager", "size": "small", "rounds": 3, "block": 0.1, "machine": FAST}
    with Evaluator(find("softmax"), pool=pool, timeout=30, **quick) as evaluate:
        evaluate.course.sets = evaluate.course.sets[:4]
        cheat = evaluate(Candidate(FRAMES, "torch"))
        assert cheat.verdict.right
        assert "does not do all of them" in cheat.error
        assert evaluate(HONEST).failure == ""
    with Evaluator(find("softmax"), pool=pool, timeout=30, trusted=True, **quick) as evaluate:
        assert evaluate(Candidate(FRAMES, "torch")).error == ""


def test_a_race_that_is_stopped_tells_what_it_has(pool):
    told = []

    def stop(line):
        told.append(line)
        if len(told) == 2:
            raise KeyboardInterrupt

    quick = {"size": "small", "baselines": ("eager",), "block": 0.005, "machine": FAST}
    with pytest.raises(KeyboardInterrupt, match="before outputs were compared") as stopped:
        race(find("softmax"), [HONEST], pool=pool, progress=stop, **quick)
    assert told[1] in str(stopped.value)
    assert told[1].startswith("round 2: eager ")


REDRAWS = """
import torch
class ModelNew(torch.nn.Module):
    def forward(self, x):
        for seed in range(torch.initial_seed(), torch.initial_seed() + 4):
            drawn = torch.randn(x.shape, generator=torch.Generator().manual_seed(seed))
            if torch.equal(drawn.flatten().sort()[0], x.flatten().sort()[0]):
                raise RuntimeError("I have seen this before")
        return x.softmax(-1)
"""


def test_inputs_cannot_be_drawn_from_the_seed_of_the_parameters(pool):
    """Which every module is built with."""
    assert check(p.Softmax, Candidate(REDRAWS, "torch"), pool=pool, seed=5).right
    course = Course(find("softmax"), "small", device="cpu", seed=5)
    with Contender(pool, course, Candidate(REDRAWS, "torch"), timeout=30) as contender:
        contender(20)
        assert contender.verify() == ""


def test_inputs_of_a_race_are_nobodys_to_know(monkeypatch):
    """A seed that stands in the library is one that a candidate can draw all answers from."""
    seeds = []

    def course(*args, seed, **options):
        seeds.append(seed)
        raise InterruptedError

    monkeypatch.setitem(race.__globals__, "Course", course)

    class Nothing:
        device = "cpu"

    for seed in (None, None, 5):
        with pytest.raises(InterruptedError):
            race(find("softmax"), [], pool=Nothing(), seed=seed)
    assert seeds[0] != seeds[1]
    assert seeds[2] == 5


BACKGROUND = """
import os, threading
out = regions["out"]
def count(place):
    while True:
        out[place] = (out[place] + 1) % 256
pid = os.fork()
if pid == 0:
    count(1)
threading.Thread(target=count, args=(0,), daemon=True).start()
value = pid
"""


@pytest.mark.parametrize("isolation", ["namespaces", "seccomp"])
def test_a_worker_that_pauses_stands_still_with_all_its_processes(isolation, tmp_path):
    """Else it could take the processor away from whom it is compared with."""
    if isolation == "seccomp" and not others_reach_python():
        pytest.skip("workers without name spaces are users who cannot reach this interpreter")
    with probing(tmp_path, isolation) as workers, workers.worker({"out": 64}) as worker:
        value(worker, BACKGROUND)
        counts = worker.region("out")

        def moves():
            before = counts[:2].clone()
            deadline = time.monotonic() + 10
            while time.monotonic() < deadline and not (counts[:2] != before).all():
                time.sleep(1e-3)
            return bool((counts[:2] != before).all())

        assert moves()
        for _ in range(3):
            worker.pause()
            still = counts[:2].clone()
            time.sleep(0.1)
            assert torch.equal(counts[:2], still)
            assert value(worker, "value = 7") == 7  # a request wakes it
            assert moves()
        worker.pause()
        worker.close()
        worker.pause()  # nothing to do
        worker.resume()
