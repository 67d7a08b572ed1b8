"""Scores: right solutions by other formulas pass, each kind of broken one fails as it should."""

import json
import os
import sys

import pytest

from mercer.lab.channels import channel, score
from mercer.lab.sandbox import Pool
from mercer.lab.timing.machine import Machine
from mercer.papers.lab._tritonbench_kernels import KERNELS
from mercer.papers.lab._tritonbench_solutions import solutions

BRIEF = {"seeds": 1, "scales": (1.0,), "layouts": ("contiguous",), "timeout": 20.0}
MACHINE = Machine("CPU", 1e13, 1e15)  # faster than any, so that nothing is impossibly fast
SHORT = {"fewest": 2, "most": 2, "block": 0.002}
SOME = {
    "triton": ("paged_attention_decode", "rms_norm_int8", "top_k_gating", "gated_recurrence"),
    "torch": ("where", "topk", "scatter_add", "cross_entropy", "conv1d", "any"),
}
BROKEN = {
    "amax": "def amax(input, dim=(), keepdim=False)\n    return input",  # no Python
    "sigmoid": "def sigmoid(input):\n    return 0.5 + 0.25 * input",  # wrong values
    "mean": "def mean(input, dim):\n    return input.mean(dim)",  # another signature
    "std": "import torch\ndef std(input, dim, *, correction=1, keepdim=False):\n"
    "    return torch.std(input, dim, correction=correction)",  # keepdim forgotten
    "glu": "import os\ndef glu(input, dim=-1):\n    os.abort()",  # a crash
    "flip": "import time\ndef flip(input, dims):\n    time.sleep(60)",  # a hang
    "cumsum": "def running_sum(input, dim):\n    return input",  # another name
}


@pytest.mark.parametrize("name", ["triton", "torch"])
def test_some_solutions_pass(name, pool):
    given = {k: text for k, text in solutions(name).items() if k in SOME[name]}
    report = score(
        name, given, pool=pool, operators=SOME[name], baselines=(), check_options=BRIEF,
        progress=False,
    )  # fmt: skip
    assert report.execution_accuracy == 1, str(report)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["triton", "torch"])
def test_all_solutions_pass(name, pool):
    """In every call, layout and scale; there is one for each operator."""
    assert set(solutions(name)) == set(channel(name))
    report = score(name, solutions(name), pool=pool, baselines=(), progress=False)
    assert report.execution_accuracy == 1, str(report)


@pytest.fixture(scope="module")
def broken(pool):
    options = {**BRIEF, "timeout": 3.0}
    return score(
        "torch", BROKEN, pool=pool, operators=[*BROKEN, "matmul"], baselines=(),
        check_options=options, progress=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "stages", "said"),
    [
        ("amax", ["load"] * 3, "SyntaxError"),
        ("sigmoid", ["value"] * 2, "allowed"),
        ("mean", ["right", "run", "run"], "argument"),
        ("std", ["interface", "right"], "shape"),
        ("glu", ["worker"] * 2, "crashed"),
        ("flip", ["worker"] * 2, "timed out"),
        ("cumsum", ["run"] * 3, "cumsum"),
        ("matmul", ["missing"] * 3, "no candidate"),
    ],
)
def test_broken_candidates(name, stages, said, broken):
    row = next(row for row in broken.rows if row.operator == name)
    assert [call.stage for call in row.calls] == stages, str(broken)
    assert said in row.failure
    assert not row.right


def test_accuracies_of_broken_candidates(broken):
    """Two of eight run in every call; none is right."""
    assert [row.operator for row in broken.rows if row.called] == ["sigmoid", "std"]
    assert broken.call_accuracy == 2 / 8
    assert broken.execution_accuracy == 0
    assert broken.speedup() is None
    assert broken.efficiency is None


def test_timed_and_resumed(pool, tmp_path, monkeypatch):
    """What a file of results has is not measured again."""
    text = solutions("triton")["fused_softmax"]
    options = {
        "pool": pool, "operators": ["fused_softmax"], "size": "small", "machine": MACHINE,
        "check_options": BRIEF, "race_options": SHORT, "journal": tmp_path / "scores.jsonl",
        "progress": False,
    }  # fmt: skip
    first = score("triton", {"fused_softmax": text}, **options)
    row = first.rows[0]
    assert row.right, str(first)
    work = channel("triton")["fused_softmax"].work("small")
    assert row.efficiency.bandwidth == pytest.approx(work.bytes / row.seconds / 1e13)
    assert row.efficiency.peak == pytest.approx(work.flops / row.seconds / 1e15)
    assert first.speedup() == pytest.approx(row.speedups["eager"])

    def refuse(*arguments, **options):
        raise AssertionError("measured again")

    monkeypatch.setattr(sys.modules["mercer.lab.channels.score"], "check", refuse)
    monkeypatch.setattr("mercer.lab.leaderboard.suite.race", refuse)
    again = score("triton", {"fused_softmax": text}, **options)
    assert json.dumps(again.json()) == json.dumps(first.json())


def test_unknown_operator(pool):
    with pytest.raises(ValueError, match="no operator 'sofmax'"):
        score("torch", {}, pool=pool, operators=["sofmax"])


@pytest.fixture
def interpreted(pool, monkeypatch):
    """Workers that interpret Triton: without a GPU, those of every test do."""
    pytest.importorskip("triton")
    if os.environ.get("TRITON_INTERPRET") == "1":
        yield pool
        return
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    with Pool() as made:
        yield made


def test_triton_interpreted(interpreted):
    """A kernel in Triton is right without a GPU."""
    report = score(
        "triton", KERNELS, pool=interpreted, operators=["fused_softmax"], baselines=(),
        check_options=BRIEF, progress=False,
    )  # fmt: skip
    assert report.execution_accuracy == 1, str(report)


@pytest.mark.slow
def test_all_kernels_interpreted(interpreted):
    report = score(
        "triton", KERNELS, pool=interpreted, operators=list(KERNELS), baselines=(),
        check_options={"seeds": 1, "timeout": 300.0}, progress=False,
    )  # fmt: skip
    assert report.execution_accuracy == 1, str(report)


@pytest.mark.gpu
def test_kernels_on_a_gpu(tmp_path):
    """Right in every condition, and each has a time and a share of the roofline."""
    assert os.environ.get("TRITON_INTERPRET") != "1"
    for name, text in KERNELS.items():
        (tmp_path / f"{name}.py").write_text(text)
    with Pool(device="cuda") as pool:
        report = score("triton", tmp_path, pool=pool, operators=list(KERNELS), progress=False)
    assert report.execution_accuracy == 1, str(report)
    assert all(0 < row.efficiency.roofline < 1.2 for row in report.rows), str(report)
