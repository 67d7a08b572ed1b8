"""The two channels: what is in them, how functions become modules, what reports count."""

import ast
import importlib
import inspect
import json
import re
import sys
from types import SimpleNamespace

import pytest
import torch

from mercer.lab import Candidate
from mercer.lab.channels import (
    CallResult,
    ChannelReport,
    Efficiency,
    OperatorRow,
    adapt,
    channel,
    read_candidates,
    score,
)
from mercer.lab.channels.call import Codes, call

EVERY = [(c, o) for c in ("triton", "torch") for o in channel(c).values()]
IDS = [f"{c} {o.name}" for c, o in EVERY]


def test_both_channels_are_filled():
    """As many operators as promised, each called in one way at least."""
    assert len(channel("triton")) >= 24
    assert len(channel("torch")) >= 40
    assert all(o.calls and o.description for _, o in EVERY)


def test_unknown_channel():
    with pytest.raises(ValueError, match="channel must be one of triton, torch, got 'cuda'"):
        channel("cuda")


@pytest.mark.parametrize("operator", [o for _, o in EVERY], ids=IDS)
def test_calls_fit_the_signature(operator):
    """Python itself binds the arguments of every call."""
    space = {"torch": torch}
    exec(f"def {operator.name}{_bare(operator.signature)}: ...", space)
    for one in operator.calls:
        eval(
            f"{operator.name}({one.text})",
            {**space, **dict.fromkeys(one.tensors, torch.zeros(2, 2))},
        )


def _bare(signature):
    """A signature without annotations."""
    tree = ast.parse(f"def f{signature}: ...").body[0]
    for argument in (*tree.args.posonlyargs, *tree.args.args, *tree.args.kwonlyargs):
        argument.annotation = None
    return f"({ast.unparse(tree.args)})"


@pytest.mark.parametrize("name", list(channel("torch")))
def test_signature_is_that_of_pytorch(name):
    """Names and defaults of Python functions; of builtins, names of documentation and schemas."""
    operator = channel("torch")[name]
    module = operator.reference.split()[1]
    function = getattr(importlib.import_module(module), name)
    tree = ast.parse(f"def f{operator.signature}: ...").body[0].args
    names = [a.arg for a in (*tree.args, *tree.kwonlyargs)]
    try:
        known = inspect.signature(function).parameters
    except ValueError:
        packet = getattr(torch.ops.aten, name)
        schemas = [getattr(packet, overload)._schema for overload in packet.overloads()]
        known = {a.name for schema in schemas for a in schema.arguments}
        known |= set(re.findall(r"\w+", function.__doc__ or ""))
        assert set(names) - {"input"} <= known
        return
    assert [n for n in known if n in names] == names
    space = {}
    exec(f"def f{operator.signature}: ...", space)
    for key, parameter in inspect.signature(space["f"]).parameters.items():
        assert parameter.default == known[key].default, key


@pytest.mark.parametrize("operator", [o for _, o in EVERY], ids=IDS)
def test_module_is_the_function(operator):
    """The problem's module returns what the function returns, in every trial."""
    space = {}
    exec(operator.reference, space)
    function = space[operator.name]
    for size in operator.trials:
        inputs = operator.problem.draw(size, seed=1)
        number = operator.problem.size(size)[0]
        one = operator.calls[number]
        named = dict(zip(one.tensors, inputs, strict=True))
        expected = eval(
            f"{operator.name}({one.text})", {"torch": torch, operator.name: function, **named}
        )
        found = operator.problem.reference(size)(*inputs)
        pairs = [(found, expected)] if isinstance(found, torch.Tensor) else zip(found, expected)
        for a, b in pairs:
            torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_adapter_keeps_the_lines_of_the_text():
    """So that a traceback points to the line that its author wrote."""
    candidate = Candidate("from __future__ import annotations\ndef amax(x, dim): return 1", "torch")
    adapted = adapt(channel("torch")["amax"], candidate)
    assert adapted.source.splitlines()[:2] == candidate.source.splitlines()
    assert adapted.language == "torch"
    assert "class ModelNew" in adapted.source


def test_codes_are_of_eight_bits():
    x = Codes((1000,)).draw(torch.Generator().manual_seed(0))
    assert x.dtype == torch.int8
    assert int(x.min()) == -127
    assert int(x.max()) == 127


def test_shapes_with_products_and_scalars():
    one = call("x, y, z", x="2*n 3", y="", z="m ~ index n*m")
    arguments = one.arguments({"n": 4, "m": 5})
    assert [a.shape for a in arguments] == [(8, 3), (), (5,)]
    assert arguments[2].high == 20


def test_work_of_an_operator():
    """Bytes of SwiGLU: three matrices of float32; of codes: one byte each."""
    swiglu, codes = (channel("triton")[n] for n in ("swiglu", "int8_dequantise_rows"))
    assert swiglu.work("small").bytes == 3 * 32 * 64 * 4
    assert codes.work("small").bytes == 32 * 64 * (1 + 4) + 32 * 4


def test_folder_of_candidates(tmp_path):
    (tmp_path / "amax.py").write_text("from torch import amax")
    (tmp_path / "notes.txt").write_text("nothing")
    assert list(read_candidates(tmp_path, channel("torch"))) == ["amax"]
    (tmp_path / "amix.py").write_text("from torch import amax")
    with pytest.raises(ValueError, match="no operator 'amix'"):
        read_candidates(str(tmp_path), channel("torch"))
    with pytest.raises(ValueError, match="mapping or a folder"):
        read_candidates(tmp_path / "missing", channel("torch"))


def test_report_counts():
    """By hand: of four operators three run, two are right, one of these was timed at 4x, one 1x."""
    right, wrong = CallResult("f(x)", "right"), CallResult("f(x, 1)", "value", "off")
    crash, missing = CallResult("g(x)", "worker", "lost"), CallResult("h(x)", "missing")
    assert wrong.ran
    assert not crash.ran
    assert not missing.ran
    report = ChannelReport(
        "torch",
        (
            OperatorRow("a", "torch", (right,), 1e-6, {"eager": 4.0}, Efficiency(0.2, 0.1)),
            OperatorRow("b", "torch", (right, right), 1e-6, {"eager": 1.0}, Efficiency(0.1, 0.6)),
            OperatorRow("c", "torch", (right, wrong)),
            OperatorRow("d", "torch", (right, crash)),
        ),
        ("eager",),
        "CPU",
    )
    assert report.call_accuracy == 0.75
    assert report.execution_accuracy == 0.5
    assert report.speedup() == pytest.approx(2.0)
    assert report.efficiency == pytest.approx(0.4)
    record = json.loads(json.dumps(report.json()))
    assert record["speedup"] == {"eager": pytest.approx(2.0)}
    assert [row["right"] for row in record["rows"]] == [True, True, False, False]
    assert "1 of 2 calls right; worker: lost" in str(report)


def test_wrong_under_the_clock_is_wrong():
    right = CallResult("f(x)", "right")
    row = OperatorRow("a", "torch", (right,), note="stale outputs", lost=True)
    assert row.called
    assert not row.right
    assert row.failure == "race: stale outputs"


def failing(failures, asked):
    """Return a check that ends at the first size that is said to fail."""

    def check(problem, candidate, *, sizes, **options):
        asked.append(sizes)
        for size in sizes:
            if size in failures:
                trial = SimpleNamespace(case=SimpleNamespace(size=size))
                stage = failures[size]
                return SimpleNamespace(right=False, stage=stage, reason="no", trials=[trial])
        return SimpleNamespace(right=True)

    return check


def judged(monkeypatch, failures):
    """Return the row of a candidate that fails so, and the sizes of each check."""
    asked = []
    module = sys.modules["mercer.lab.channels.score"]
    monkeypatch.setattr(module, "check", failing(failures, asked))
    report = score(
        "torch", {"clamp": "def clamp(input): ..."}, pool=SimpleNamespace(device="cpu"),
        operators=["clamp"], baselines=(), progress=False,
    )  # fmt: skip
    return [call.stage for call in report.rows[0].calls], asked


def test_a_check_goes_on_behind_a_failure_but_not_behind_a_lost_worker(monkeypatch):
    trials = channel("torch")["clamp"].trials  # two sizes of the first call, one of each other
    found = judged(monkeypatch, {trials[1]: "value", trials[2]: "run"})
    assert found == (["value", "run", "right"], [trials, trials[2:], trials[3:]])
    found = judged(monkeypatch, {trials[1]: "worker", trials[3]: "run"})
    assert found == (["worker"] * 3, [trials])


def test_a_call_is_wrong_if_it_is_at_one_size(monkeypatch):
    assert judged(monkeypatch, {"odd": "value"})[0] == ["value", "right", "right"]
    assert judged(monkeypatch, {"small": "value"})[0] == ["value", "right", "right"]
