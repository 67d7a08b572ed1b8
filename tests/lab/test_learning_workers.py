"""Workers that survive what candidates do, with real sandboxes."""

from __future__ import annotations

import math
import os
import signal
import time

import pytest
import torch

from mercer.lab import Candidate
from mercer.lab.learning import Environment, Examination, LocalWorkers, RayWorkers, Reward, Station
from mercer.lab.learning.profiling import HANDLER
from mercer.lab.learning.station import DOUBLE, TWICE
from mercer.lab.problems import find
from mercer.lab.sandbox import Pool
from mercer.lab.timing import Machine
from mercer.lab.timing.contender import Contender
from mercer.lab.timing.course import Course

SOFTMAX = find("softmax")

HEAD = "import ctypes\nimport time\nimport torch\nfrom torch import nn\n\n\n"
MODULE = "class ModelNew(nn.Module):\n    def forward(self, x):\n        "
GOOD = Candidate(HEAD + MODULE + "return x.softmax(-1)\n", "torch")
WRONG = Candidate(HEAD + MODULE + "return x.softmax(-1) * 1.01\n", "torch")
CRASH = Candidate(HEAD + MODULE + "ctypes.string_at(0)\n", "torch")
HANG = Candidate(HEAD + MODULE + "time.sleep(1000)\n", "torch")
BROKEN = Candidate(HEAD + MODULE + "return x.softmax(\n", "torch")
QUICK = Examination(
    rule=None,
    sizes=("small",),
    size="small",
    block=0.002,
    fewest=3,
    most=3,
    timeout=3.0,
    machine=Machine("test", 1e10, 1e10),
)


@pytest.fixture(scope="module")
def local():
    try:
        workers = LocalWorkers(QUICK)
    except RuntimeError as error:
        pytest.skip(str(error))
    with workers:
        yield workers


def test_each_candidate_gets_the_outcome_that_it_earned(local):
    candidates = [GOOD, CRASH, WRONG, HANG, BROKEN, GOOD]
    promises = [local.submit(SOFTMAX, c) for c in candidates]
    good, crash, wrong, hang, broken, again = [p.result(timeout=120) for p in promises]
    for outcome in (good, again):
        assert (outcome.stage, outcome.right, outcome.attempts) == ("right", True, 1)
        assert outcome.speedup > 0
        assert "times as fast as eager" in outcome.feedback
    assert (crash.stage, crash.blame, crash.attempts) == ("lost", "candidate", 2)
    assert "SIGSEGV" in crash.feedback
    assert (hang.stage, hang.blame, hang.attempts) == ("lost", "candidate", 2)
    assert "timed out" in hang.feedback
    assert (wrong.stage, wrong.compiled, wrong.right) == ("check", True, False)
    assert (broken.stage, broken.compiled) == ("check", False)
    assert math.isnan(wrong.speedup)
    assert local.restarts == 0


def station(pool_of=Pool):
    made = []

    def make():
        made.append(pool_of(handler=HANDLER))
        return made[-1]

    return Station(QUICK, make), made


@pytest.mark.slow
def test_a_pool_that_dies_is_made_anew_and_the_candidate_tried_again(local):
    post, made = station()
    with post:
        os.kill(made[0]._process.pid, signal.SIGKILL)
        outcome = post(SOFTMAX, GOOD)
        assert (outcome.stage, outcome.attempts, outcome.blame) == ("right", 2, "")
        assert (post.restarts, len(made)) == (1, 2)


class Poisoned:
    """A pool in which nothing works any more, as on a device that fell off the bus."""

    device = "cpu"

    def __init__(self, **options):
        self.closed = False

    def worker(self, regions):
        """Fail."""
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    def close(self):
        """Note it."""
        self.closed = True


def test_a_device_that_stays_broken_is_to_blame_and_not_the_candidate():
    post, made = station(Poisoned)
    outcome = post(SOFTMAX, GOOD)
    assert (outcome.stage, outcome.blame) == ("lost", "device")
    assert "illegal memory access" in outcome.feedback
    assert len(made) == 2
    assert made[0].closed


def test_a_context_that_a_candidate_poisoned_does_not_reach_the_next(local):
    poison = MODULE.replace("forward", "__init__").replace(", x", "")
    source = HEAD + poison + "super().__init__(); torch.add = torch.Tensor.softmax = None\n"
    source += "    def forward(self, x):\n        return None\n"
    assert not local.submit(SOFTMAX, Candidate(source, "torch")).result(timeout=60).right
    assert local.submit(SOFTMAX, GOOD).result(timeout=60).right


def test_the_probe_is_right_and_needs_no_device_of_its_own():
    x = torch.randn(3, 4)
    scope = {}
    exec(TWICE.source, scope)
    assert torch.equal(scope["ModelNew"]()(x), DOUBLE.reference("small")(x))


def test_the_rule_spares_executions(local):
    examination = Examination(sizes=("small",), size="small", timeout=3.0)
    outcome = examination(SOFTMAX, GOOD, pool=None)
    assert (outcome.stage, outcome.attempts, outcome.executed) == ("rule", 0, False)
    assert "no kernel in torch" in outcome.feedback


@pytest.mark.slow
def test_ray_actors_that_are_killed_are_replaced_and_no_result_is_lost():
    ray = pytest.importorskip("ray")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        with RayWorkers(QUICK, count=2) as workers:
            victims = workers.processes()
            plan = [GOOD, WRONG, CRASH, GOOD, GOOD, WRONG, GOOD, GOOD, WRONG, GOOD]
            promises = [workers.submit(SOFTMAX, c) for c in plan]
            time.sleep(0.5)
            for victim in victims:
                os.kill(victim, signal.SIGKILL)
            outcomes = [p.result(timeout=300) for p in promises]
            assert workers.replaced >= 2
            assert not set(victims) & set(workers.processes())
    finally:
        ray.shutdown()
    wanted = {GOOD: "right", WRONG: "check", CRASH: "lost"}
    assert [o.stage for o in outcomes] == [wanted[c] for c in plan]
    assert outcomes[2].blame == "candidate"


@pytest.mark.slow
def test_ray_workers_need_a_cluster():
    ray = pytest.importorskip("ray")
    if ray.is_initialized():
        pytest.skip("there is a cluster")
    with pytest.raises(RuntimeError, match=r"call ray\.init"):
        RayWorkers(QUICK)


@pytest.mark.gpu
def test_a_cuda_context_that_is_poisoned_ends_with_its_worker():
    source = HEAD + MODULE + "torch.cuda._sleep(1); torch._assert_async(x.sum() * 0)\n"
    examination = Examination(rule=None, sizes=("small",), size="small", fewest=3, most=4)
    with LocalWorkers(examination, device="cuda") as workers:
        bad = workers.submit(SOFTMAX, Candidate(source, "torch")).result(timeout=300)
        good = workers.submit(SOFTMAX, GOOD).result(timeout=300)
    assert not bad.right
    assert good.right


def test_a_profile_is_of_the_calls_that_were_timed():
    course = Course(SOFTMAX, "small", device="cpu", dtype=torch.float32, seed=0)
    with Pool(handler=HANDLER) as pool, Contender(pool, course, GOOD, timeout=60) as contender:
        worker = contender.session.worker
        early = worker.request({"command": "profile"}, timeout=60)
        assert not early["ok"]
        assert "time must come before profile" in early["error"]
        contender.rehearse(len(course.sets))
        assert worker.request({"command": "profile"}, timeout=60) == {"ok": True, "kernels": {}}


@pytest.mark.gpu
def test_a_profile_tells_real_from_lazy_candidates():
    kernel = (
        "import triton\nimport triton.language as tl\n\n\n@triton.jit\n"
        "def rows(x, y, n: tl.constexpr):\n    k = tl.program_id(0) * n + tl.arange(0, n)\n"
        "    e = tl.load(x + k)\n    e = tl.exp(e - tl.max(e, 0))\n"
        "    tl.store(y + k, e / tl.sum(e, 0))\n\n\n"
    )
    real = (
        "y = torch.empty_like(x)\n        rows[(x.shape[0],)](x, y, x.shape[1])\n        return y\n"
    )
    lazy = "y = torch.empty_like(x)\n        rows[(1,)](x, y, 16)\n        return x.softmax(-1)\n"
    examination = Examination(
        rule=None,
        sizes=("small",),
        size="small",
        fewest=3,
        most=4,
        profile=True,
        seeds=1,
    )
    body = HEAD.replace("import time\n", "") + kernel + MODULE
    body = body.replace("(self, x):\n", "(self, x):\n        x = x.contiguous()\n")
    with LocalWorkers(examination, device="cuda") as workers:
        found = [
            workers.submit(SOFTMAX, Candidate(body + b, "triton")).result(timeout=300)
            for b in (real, lazy)
        ]
    assert [o.right for o in found] == [True, True], [o.feedback for o in found]
    assert found[0].coverage > 0.7
    assert found[1].coverage < 0.6


@pytest.mark.slow
def test_a_policy_gets_faster_with_the_real_executor():
    """C++ templates on the CPU: from uniform schedules the mean speed-up rises."""
    pytest.importorskip("mercer.lab.templates.cpp_module")
    from mercer.lab.learning import Recipe, ScheduleGrammar, SchedulePolicy, Trainer

    examination = Examination(
        sizes=("small",), size="small", block=0.005, fewest=3, most=5, timeout=60.0
    )
    policy = SchedulePolicy(ScheduleGrammar("cpp", size="small"), width=16)
    with LocalWorkers(examination) as workers:
        environment = Environment(workers, Reward(), language="cpp")
        recipe = Recipe.trloo(group=10, learning_rate=0.05)
        history = Trainer(policy, environment, [SOFTMAX], recipe, progress=False).fit(14)
    early = sum(h["reward"] for h in history[:3]) / 3
    late = sum(h["reward"] for h in history[-3:]) / 3
    assert late > early
