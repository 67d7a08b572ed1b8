import math

import pytest
import torch

from mercer.lab import Candidate
from mercer.lab.problems import find
from mercer.lab.sandbox import Pool
from mercer.lab.timing.course import Course
from mercer.lab.timing.machine import Machine
from mercer.lab.timing.plan import sets_needed, shift_of
from mercer.lab.timing.race import race

MODULE = """
import os
import threading
import time
import torch
from torch import nn

class ModelNew(nn.Module):
    calls = 0
    answer = None

    def right(self, x):
        return torch.softmax(x, -1)

    def forward(self, x):
        self.calls += 1
{body}
"""


def candidate(body, name):
    lines = "\n".join(8 * " " + line for line in body.splitlines())
    return Candidate(MODULE.format(body=lines), "torch", name)


HONEST = candidate("return self.right(x)", "honest")
SLOW = candidate("time.sleep(0.1)\nreturn self.right(x)", "slow")
CHEATS = {
    # It does not know which call is the last: one in three is a lie.
    "skips": "return self.right(x) if self.calls % 3 else torch.zeros_like(x)",
    "remembers": (
        "if self.answer is None: self.answer = self.right(x)\nreturn self.answer.clone()"
    ),
    "late": (
        "y = torch.zeros_like(x)\n"
        "def work():\n"
        "    time.sleep(0.3)\n"
        "    y.copy_(self.right(x))\n"
        "threading.Thread(target=work).start()\n"
        "return y"
    ),
    "dies": "if self.calls > 3: os._exit(0)\nreturn self.right(x)",
    "raises": "if self.calls > 3: raise ArithmeticError('enough')\nreturn self.right(x)",
}
QUICK = {"size": "small", "baselines": ("eager",), "block": 0.01, "fewest": 6, "most": 8}
# A machine so fast that its floor objects to nothing: tests of honesty are not tests of speed.
FAST = Machine("test", bandwidth=1e18, peak=1e18)


def test_race_ranks_and_explains(pool):
    found = race(find("softmax"), [HONEST, SLOW], pool=pool, machine=FAST, **QUICK)
    eager, honest, slow = found.entries
    assert (eager.right, honest.right, slow.right) == (True, True, True)
    assert slow.seconds > 0.1
    assert slow.seconds > 3 * honest.seconds
    assert slow.speedups["eager"].median < 1 / 3
    assert 6 <= len(honest.rounds) <= 8
    text = str(found)
    assert "0: honest" in text
    assert "x eager" in text
    assert found.json()["entries"][1]["name"] == "0: honest"
    assert found["1: slow"] is slow
    with pytest.raises(KeyError, match="no contender is called 'nobody'"):
        found["nobody"]


@pytest.mark.parametrize("name", CHEATS)
def test_race_refuses_cheats_and_keeps_the_others(pool, name):
    cheat = candidate(CHEATS[name], name)
    found = race(find("softmax"), [cheat, HONEST], pool=pool, machine=FAST, timeout=20, **QUICK)
    _, refused, honest = found.entries
    assert not refused.right
    assert refused.reason
    assert math.isnan(refused.seconds)
    assert honest.right


def test_race_ends_what_hangs(pool):
    hangs = candidate("time.sleep(60)", "hangs")
    found = race(find("softmax"), [hangs], pool=pool, machine=FAST, timeout=3, **QUICK)
    assert not found.entries[1].right
    assert "timed out" in found.entries[1].reason


def test_race_refuses_what_is_faster_than_memory(pool):
    slow_machine = Machine("test", bandwidth=1.0, peak=1.0)
    found = race(find("softmax"), [HONEST], pool=pool, machine=slow_machine, **QUICK)
    assert "did not compute in the time" in found.entries[1].reason


def test_race_times_backward_too(pool):
    found = race(find("softmax"), [HONEST], pool=pool, machine=FAST, backward=True, **QUICK)
    assert [e.right for e in found.entries] == [True, True]
    detached = candidate("return self.right(x).detach() + 0 * x", "detached")
    found = race(find("softmax"), [detached], pool=pool, machine=FAST, backward=True, **QUICK)
    assert "wrong" in found.entries[1].reason


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": "huge"}, "no size 'huge'"),
        ({"baselines": ("interpreted",)}, "baseline must be one of"),
        ({"baselines": ()}, "needs a baseline"),
    ],
)
def test_race_refuses_bad_arguments(pool, change, message):
    with pytest.raises(ValueError, match=message):
        race(find("softmax"), [], pool=pool, machine=FAST, **{**QUICK, **change})


def test_inputs_do_not_fit_a_cache_together():
    x = torch.empty(1 << 20)
    assert sets_needed([x], [x], "cpu") * 2 * x.nbytes >= 1 << 26
    assert sets_needed([torch.empty(1 << 28, device="meta")], [], "cuda") == 2


def test_shifts_keep_rows_and_alignment():
    assert shift_of(torch.empty(100, 96)) == 192
    assert shift_of(torch.empty(2, 96)) == 0
    assert shift_of(torch.empty(4, 2, dtype=torch.bool)) == 0


def test_timed_outputs_are_held_to_the_tolerance_of_the_check():
    course = Course(find("softmax"), "small", device="cpu")
    x = course.sets[0]

    class Said:
        described = ({"type": "Tensor"},)

        def __init__(self, y):
            self.tensors = [y]

    right = torch.softmax(x[0].double(), -1)
    assert course.compare(x, Said(right.float())) == ""
    assert "wrong" in course.compare(x, Said((right * (1 + 1e-4)).float()))
    assert "wrong" in course.compare(x, Said(torch.full_like(x[0], torch.nan)))


@pytest.mark.gpu
def test_race_repeats_on_a_gpu():
    body = "e = torch.exp(x - x.amax(-1, keepdim=True))\nreturn e / e.sum(-1, keepdim=True)"
    with Pool(device="cuda") as pool:
        found = [
            race(find("softmax"), [candidate(body, "parts")], pool=pool, baselines=("eager",))
            for _ in range(3)
        ]
    ratios = [f.entries[1].speedups["eager"].median for f in found]
    assert max(ratios) / min(ratios) < 1.02
