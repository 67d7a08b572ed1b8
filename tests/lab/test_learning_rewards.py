"""Rules, rewards, coverage and rejection."""

from __future__ import annotations

import math

import pytest
import torch

from mercer.lab import Candidate
from mercer.lab.learning import (
    KernelRule,
    Outcome,
    ProfilingRejection,
    Reward,
    coverage,
    kernel_names,
    kernel_times,
)
from mercer.lab.problems import find
from mercer.lab.profile import Event, Trace
from mercer.lab.templates import emit, fused, naive
from tests.lab.small_problems import Linear, Softmax
from tests.lab.traced import traced

KERNEL = """
import torch
import triton
import triton.language as tl
from torch import nn


@triton.jit
def rows(x, y, n: tl.constexpr):
    i = tl.program_id(0)
    k = tl.arange(0, n)
    e = tl.exp(tl.load(x + i * n + k))
    tl.store(y + i * n + k, e / tl.sum(e, 0))
"""
LAUNCHED = (
    KERNEL
    + """

class ModelNew(nn.Module):
    def forward(self, x):
        y = torch.empty_like(x)
        rows[(x.shape[0],)](x, y, x.shape[1])
        return y
"""
)
IDLE = (
    KERNEL
    + """

class ModelNew(nn.Module):
    def forward(self, x):
        return x.softmax(-1)
"""
)
DECOY = (
    KERNEL
    + """

class ModelNew(nn.Module):
    def forward(self, x):
        y = torch.empty_like(x)
        rows[(1,)](x, y, 1)
        return torch.softmax(x, -1)
"""
)
CUDA = '''
import ctypes
import torch
from torch import nn
from mercer.lab.native import build

library = build("""
template <int B> __global__ void __launch_bounds__(256) soft(const float* x, float* y) {}
__device__ float helper(float x) { return x; }
__global__ static void finish(float* y) {}
extern "C" void run(float* x, float* y) { soft<1><<<1, 1>>>(x, y); }
""", language="cuda")


class ModelNew(nn.Module):
    def forward(self, x):
        y = torch.empty_like(x)
        library.run(ctypes.c_void_p(x.data_ptr()), ctypes.c_void_p(y.data_ptr()))
        return y
'''


def test_a_kernel_that_is_launched_passes_the_rule():
    assert KernelRule()(Softmax, Candidate(LAUNCHED, "triton")).accept
    assert KernelRule()(Softmax, Candidate(CUDA, "cuda")).accept
    assert KernelRule()(None, Candidate(LAUNCHED, "triton")).accept


@pytest.mark.parametrize(
    ("source", "language", "reason"),
    [
        (IDLE, "triton", "launches no kernel"),
        (DECOY, "triton", "left to PyTorch"),
        (LAUNCHED, "cuda", "no kernel in cuda"),
        (CUDA, "triton", "no kernel in triton"),
        (IDLE.replace("@triton.jit", "# triton.jit"), "triton", "no kernel in triton"),
        (LAUNCHED, "torch", "no kernel in torch"),
        (LAUNCHED + "import time\n", "triton", "a kernel needs no clock"),
        ("def f(:", "triton", "not Python"),
    ],
)
def test_what_is_no_kernel_is_refused_with_its_reason(source, language, reason):
    opinion = KernelRule()(Softmax, Candidate(source, language))
    assert not opinion.accept
    assert reason in opinion.reason


@pytest.mark.parametrize("language", ["triton", "cpp"])
def test_the_labs_own_templates_pass_the_rule(language):
    problem = find("softmax")
    for schedule in (
        naive(traced(problem), language),
        fused(traced(problem), size="small", language=language),
    ):
        candidate = emit(traced(problem), schedule, size="small")
        opinion = KernelRule()(problem, candidate)
        assert opinion.accept, opinion.reason
        idle = candidate.source[: candidate.source.index("    def forward")]
        idle += "    def forward(self, x):\n        return x\n"
        assert not KernelRule()(problem, Candidate(idle, language)).accept


def test_part_of_the_work_may_stay_an_operator():
    source = LAUNCHED.replace("y = torch.empty_like(x)", "x = F.linear(x, self.w); y = x.clone()")
    assert KernelRule()(Linear, Candidate(source, "triton")).accept  # relu is not left to torch
    source = source.replace("return y", "return torch.relu(y)")
    assert not KernelRule()(Linear, Candidate(source, "triton")).accept


def test_kernels_are_found_in_the_language_that_is_claimed():
    assert kernel_names(Candidate(CUDA, "cuda")) == {"soft", "finish"}
    assert "run" in kernel_names(Candidate(CUDA, "cpp"))
    assert kernel_names(Candidate(LAUNCHED, "triton")) == {"rows"}
    block = 'x = """extern "C" {\nvoid add(float* x) { for (;;) {} }\n}"""'
    assert kernel_names(Candidate(block, "cpp")) == {"add"}
    declared = 'x = """extern "C" {\nfloat expf(float);\n}\nextern "C" void add(T* x) {}"""'
    assert kernel_names(Candidate(declared, "cpp")) == {"add"}
    inline = 'x = "torch::Tensor twice(torch::Tensor x) { return 2 * x; }"'
    assert kernel_names(Candidate(inline, "cpp")) == {"twice"}


@pytest.mark.parametrize(
    ("told", "own"),
    [
        ("rows", True),
        ("rows(float const*, float*)", True),
        ("void rows<256, true>(float*)", True),
        ("void own::rows<float>(float*)", True),
        ("_Z4rowsPKfPf", True),
        ("_ZN3own4rowsEPf", True),
        ("rows_of_another", False),
        ("void at::native::rows<float>(float*)", False),
        ("_Z8arrowsPf", False),
        ("vectorized_elementwise_kernel<4, rows>", False),
        ("Memcpy DtoD", False),
    ],
)
def test_names_of_a_profiler_are_matched_whole(told, own):
    assert coverage({told: 3.0, "else": 1.0}, ["rows"]) == (0.75 if own else 0.0)


def test_coverage_is_the_share_of_time_in_a_trace():
    events = []
    for k, (name, duration) in enumerate([("rows", 2.0), ("add", 6.0), ("rows", 1.0)]):
        events += [
            Event("cudaLaunchKernel", "runtime", 10.0 * k, 1.0, (1, 1), correlation=k),
            Event(name, "kernel", 10.0 * k + 2, duration, (0, 7), correlation=k),
        ]
    times = kernel_times(Trace(events))
    assert times == {"rows": 3.0, "add": 6.0}
    assert coverage(times, ["rows"]) == pytest.approx(1 / 3)
    with pytest.raises(ValueError, match="no time"):
        coverage({}, ["rows"])


def test_the_reward_adds_up_over_stages():
    reward = Reward(refused=-1.0, compiled=0.5, right=1.0, speedup=2.0, clip=(0.5, 3.0))
    assert reward(Outcome("rule")) == -1
    assert reward(Outcome("check")) == -1
    assert reward(Outcome("check", compiled=True)) == -0.5
    assert reward(Outcome("right", True, True, speedup=0.1)) == -0.5 + 1 + 2 * 0.5
    assert reward(Outcome("right", True, True, speedup=1.5)) == -0.5 + 1 + 2 * 1.5
    assert reward(Outcome("right", True, True, speedup=90.0)) == -0.5 + 1 + 2 * 3


def test_a_lazy_right_candidate_is_worth_less_by_its_coverage():
    reward = Reward(coverage=0.5)
    lazy = Outcome("right", True, True, speedup=1.0, coverage=0.01)
    real = Outcome("right", True, True, speedup=1.0, coverage=0.9)
    assert reward(real) - reward(lazy) == pytest.approx(0.5 * 0.89)
    assert reward(Outcome("check", True)) == 0
    with pytest.raises(ValueError, match="needs profiles"):
        reward(Outcome("right", True, True, speedup=1.0))


def test_rejection_keeps_with_the_probability_that_it_states():
    rejection = ProfilingRejection(threshold=0.3, width=0.4)
    generator = torch.Generator().manual_seed(0)
    n = 20000
    kept = rejection([0.4] * n, [True] * n, generator).double().mean()
    assert abs(kept - 0.25) < 4 * math.sqrt(0.25 * 0.75 / n)
    shares, right = [0.3, 0.301, 0.7, 0.0], [True, True, True, False]
    found = rejection.probability(shares, right)
    assert torch.allclose(found, torch.tensor([0.0, 0.0025, 1.0, 1.0]).double())
    assert not rejection([0.2] * 100, [True] * 100, generator).any()
    assert rejection([math.nan] * 100, [False] * 100, generator).all()


def test_rejection_without_a_width_is_a_threshold_and_speed_excuses():
    assert ProfilingRejection(0.5, 0.0).probability([0.5, 0.51], [True] * 2).tolist() == [0, 1]
    fast = ProfilingRejection(speedup=1.5)
    assert fast.probability([0.0, 0.0], [True] * 2, [1.6, 1.4]).tolist() == [1, 0]
    with pytest.raises(ValueError, match="speedups must be given"):
        fast.probability([0.0], [True])
    with pytest.raises(ValueError, match="was it profiled"):
        ProfilingRejection().probability([math.nan], [True])


def test_outcomes_that_cannot_be_are_refused_and_json_has_no_nan():
    with pytest.raises(ValueError, match="speedup of a right"):
        Outcome("right", True, True)
    with pytest.raises(ValueError, match="stage must be"):
        Outcome("done")
    assert Outcome("rule").json()["speedup"] is None
