"""Traces of which every number is worked out by hand, broken ones, and real ones of the CPU."""

import gzip
import itertools
import json
import random

import pytest
import torch

from mercer.lab.profile import Trace, profile
from mercer.lab.profile.intervals import length, length_without, union
from mercer.lab.profile.report import short
from tests.lab.simulated_traces import complete, simulated, trace_of

HAND = [
    complete("user_annotation", "ProfilerStep#1", 1000, 110),
    complete("cpu_op", "aten::linear", 1000, 30, **{"External id": 1}),
    complete("cpu_op", "aten::addmm", 1002, 26, **{
        "Input Dims": [[8], [4, 8], [8, 8], [], []],
        "Input type": ["c10::Half", "c10::Half", "c10::Half", "Scalar", "Scalar"],
    }),
    complete("cuda_runtime", "cudaLaunchKernel", 1010, 5, correlation=1),
    complete("kernel", "gemm", 1020, 20, 0, 7, device=0, stream=7, correlation=1),
    complete("cpu_op", "aten::relu", 1032, 18),
    complete("cpu_op", "aten::clamp_min", 1034, 14),
    complete("cuda_driver", "cuLaunchKernelEx", 1036, 4, correlation=2),
    complete("kernel", "relu", 1042, 3, 0, 7, device=0, stream=7, correlation=2),
    complete("cuda_runtime", "cudaGraphLaunch", 1060, 6, correlation=3),
    complete("kernel", "g1", 1070, 5, 0, 7, device=0, stream=7, correlation=3),
    complete("kernel", "g2", 1073, 7, 0, 8, device=0, stream=8, correlation=3),
    complete("cpu_op", "aten::copy_", 1082, 8),
    complete("cuda_runtime", "cudaMemcpyAsync", 1084, 3, correlation=4),
    complete("gpu_memcpy", "Memcpy DtoH", 1090, 5, 0, 7, device=0, stream=7, correlation=4),
    complete("kernel", "stray", 1096, 1, 0, 7, device=0, stream=7, correlation=99),
    complete("cuda_runtime", "cudaDeviceSynchronize", 1091, 8, correlation=5),
    complete("cpu_op", "aten::outside", 1500, 8),
    {"ph": "M", "name": "process_name"},
    complete("ac2g", "flow", 1, 2),
    complete("gpu_user_annotation", "ProfilerStep#1", 1020, 77),
]  # fmt: skip


@pytest.fixture
def hand(tmp_path):
    path = tmp_path / "hand.json"
    path.write_text(json.dumps({"traceEvents": HAND}))
    return Trace.read(path)


def test_every_metric_of_a_trace_worked_out_by_hand(hand):
    assert len(hand.steps) == 1
    assert hand.step.json() == pytest.approx(
        {
            "kernels": 5,
            "launches": 3,
            "unlinked": 1,
            "tklqt": 10 + 6 + 10,
            "launching": 5 + 4 + 6,
            "queueing": 5 + 2 + 4,
            "average_launch": 5,
            "average_kernel": (20 + 3 + 5 + 7 + 1) / 5,
            "busy": 20 + 3 + 10 + 5 + 1,
            "idle": 2 + 25 + 10 + 1,
            "span": 77,
            "idle_share": 1 - 39 / 97,
            "cpu_busy": 30 + 18 + 6 + 8,
            "latency": 97,
        }
    )


def test_links_and_operator_stacks(hand):
    found = [
        (d.launch.name, [e.name for e in d.work], [o.name for o in d.operators])
        for d in hand.dispatches
    ]
    assert found == [
        ("cudaLaunchKernel", ["gemm"], ["aten::linear", "aten::addmm"]),
        ("cuLaunchKernelEx", ["relu"], ["aten::relu", "aten::clamp_min"]),
        ("cudaGraphLaunch", ["g1", "g2"], []),
        ("cudaMemcpyAsync", ["Memcpy DtoH"], ["aten::copy_"]),
    ]
    assert [o.name for o in hand.outermost] == [
        "aten::linear", "aten::relu", "aten::copy_", "aten::outside"
    ]  # fmt: skip
    assert hand.dispatches[0].operators[1].bytes == 8 * 2
    assert [[d.work[0].name for d in run] for run in hand.step.sequences()] == [["gemm", "relu"]]


def test_a_launch_on_a_lane_of_its_own_is_linked_by_the_operators_number():
    trace = trace_of([
        complete("cpu_op", "aten::mm", 0, 20, **{"External id": 5}),
        complete("cuda_runtime", "cudaLaunchKernel", 3, 5, 1, 999, correlation=1,
                 **{"External id": 5}),
        complete("kernel", "gemm", 9, 4, 0, 7, stream=7, correlation=1),
    ])  # fmt: skip
    assert [o.name for o in trace.dispatches[0].operators] == ["aten::mm"]


def test_neighbours_in_time_are_not_parents():
    trace = trace_of([
        complete("cpu_op", "first", 0, 10),
        complete("cpu_op", "second", 10, 5),
        complete("cuda_runtime", "cudaLaunchKernel", 10, 2, correlation=1),
        complete("kernel", "k", 14, 4, 0, 7, stream=7, correlation=1),
    ])  # fmt: skip
    assert [o.name for o in trace.dispatches[0].operators] == ["second"]


def test_of_a_runtime_call_and_the_driver_call_inside_the_outer_is_the_launch():
    trace = trace_of([
        complete("cuda_driver", "cuLaunchKernel", 4, 2, correlation=1),
        complete("cuda_runtime", "cudaLaunchKernel", 3, 5, correlation=1),
        complete("kernel", "k", 13, 4, 0, 7, stream=7, correlation=1),
    ])  # fmt: skip
    assert [d.delay for d in trace.dispatches] == [10]


def test_a_kernel_that_begins_before_its_launch_by_the_clocks_has_no_delay():
    trace = trace_of([
        complete("cuda_runtime", "cudaLaunchKernel", 3, 5, correlation=1),
        complete("kernel", "k", 2.8, 4, 0, 7, stream=7, correlation=1),
    ])  # fmt: skip
    assert (trace.step.tklqt, trace.step.launching, trace.step.queueing) == (0, 0, 0)


def test_the_median_step_is_one_that_happened():
    trace = trace_of(simulated("abc", 2.0, steps=4, noise=0.5))
    latencies = sorted(step.latency for step in trace.steps)
    assert trace.step.latency == latencies[1]
    assert trace.step.busy + trace.step.idle == pytest.approx(trace.step.span)


@pytest.mark.parametrize("seed", range(20))
def test_laws_of_random_traces(seed):
    """Idle and busy are the span; times are not negative; links are a bijection."""
    generator = random.Random(seed)
    events = []
    for k in range(generator.randrange(1, 40)):
        ts = generator.uniform(0, 1000)
        start = ts + generator.uniform(-1, 30)
        events += [
            complete("cuda_runtime", "cudaLaunchKernel", ts, generator.uniform(0, 9),
                     correlation=k),
            complete("kernel", f"k{k}", start, generator.uniform(0, 50), 0, k % 3, device=0,
                     stream=k % 3, correlation=k),
        ]  # fmt: skip
        if generator.random() < 0.5:
            events.append(complete("cpu_op", "op", ts - 5, generator.uniform(0, 90)))
    generator.shuffle(events)
    trace = trace_of(events)
    step = trace.step
    assert step.idle + step.busy == pytest.approx(step.span)
    assert step.tklqt >= 0
    assert step.launching + step.queueing == pytest.approx(step.tklqt)
    assert sorted(d.launch.correlation for d in trace.dispatches) == list(range(len(step.launches)))
    for d in trace.dispatches:
        assert [e.name for e in d.work] == [f"k{d.launch.correlation}"]
        for outer, inner in itertools.pairwise(d.operators):
            assert outer.start <= inner.start < outer.end
        assert all(o.start <= d.launch.start < o.end for o in d.operators)


@pytest.mark.parametrize("seed", range(10))
def test_unions_against_counting_unit_cells(seed):
    generator = random.Random(seed)

    def draw():
        starts = [generator.randrange(60) for _ in range(generator.randrange(8))]
        return [(s, s + generator.randrange(12)) for s in starts]

    intervals, holes = draw(), draw()
    cells = {c for a, b in intervals for c in range(a, b)}
    dark = {c for a, b in holes for c in range(a, b)}
    assert length(intervals) == len(cells)
    assert length_without(intervals, holes) == len(cells - dark)
    merged = union(intervals)
    assert all(before[1] < after[0] for before, after in itertools.pairwise(merged))


def test_written_traces_read_back_with_the_same_metrics(hand, tmp_path):
    for name in ("back.json", "back.json.gz"):
        hand.write(tmp_path / name)
        back = Trace.read(tmp_path / name)
        assert back.step.json() == hand.step.json()
        stacks = [[[o.name for o in d.operators] for d in t.dispatches] for t in (hand, back)]
        assert stacks[0] == stacks[1]
    packed = (tmp_path / "back.json.gz").read_bytes()
    assert json.loads(gzip.decompress(packed))["traceEvents"]


def test_a_bare_list_of_events_is_a_trace_too(tmp_path):
    path = tmp_path / "list.json"
    path.write_text(json.dumps(HAND))
    assert Trace.read(path).step.tklqt == 26


WHOLE = json.dumps({"traceEvents": HAND}).encode()


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "is empty"),
        (b"  \n", "is empty"),
        (WHOLE[:-40], "is not whole JSON"),
        (gzip.compress(WHOLE)[:-60], "is not whole: gzip says"),
        (gzip.compress(WHOLE)[:-20] + b"x" * 20, "is not whole: gzip says"),
        (b"{}", "no list of traceEvents"),
        (b"3", "no list of traceEvents"),
        (b'{"traceEvents": []}', "has 0 trace events but no operator"),
        (b'{"traceEvents": [{"ph": "M"}]}', "has 1 trace events but no operator"),
        (b'{"traceEvents": [7]}', "trace event 0 is not an object but 7"),
        (b'{"traceEvents": [{"ph": "X", "cat": "kernel", "name": "k"}]}', "finite ts"),
        (
            b'{"traceEvents": [{"ph": "X", "cat": "kernel", "name": "k", "ts": 1, "dur": -2}]}',
            "got ts 1 and dur -2",
        ),
        (
            b'{"traceEvents": [{"ph": "X", "cat": "kernel", "name": "k", "ts": NaN, "dur": 2}]}',
            "finite ts",
        ),
    ],
)
def test_broken_files_are_one_sentence(tmp_path, data, sentence):
    path = tmp_path / "broken.json"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=sentence) as caught:
        Trace.read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_one_sentence(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no trace"):
        Trace.read(tmp_path / "none.json")


def test_steps_without_anything_inside_are_refused():
    trace = trace_of([
        complete("user_annotation", "ProfilerStep#1", 0, 5), complete("cpu_op", "late", 9, 5)
    ])  # fmt: skip
    with pytest.raises(ValueError, match="no operators, launches or kernels inside its steps"):
        _ = trace.step


def test_text_and_json(hand):
    text = hand.text(rich=False)
    rows = [line.split() for line in text.splitlines()]
    assert ["TKLQT", "26", "us"] in rows
    assert ["gemm", "1", "20", "20"] in rows
    assert "1 pieces of the GPU's work have no launch" in text
    assert "TKLQT" in hand.text(rich=True)
    found = json.loads(json.dumps(hand.json()))
    assert found["schema"] == "mercer.profile/1"
    assert sorted(found) == [
        "bound", "gpu", "launch_floor", "origin", "schema", "step", "steps"
    ]  # fmt: skip
    assert found["steps"] == [found["step"]]


def test_names_of_kernels_are_shortened():
    name = (
        "void at::native::(anonymous namespace)::softmax_kernel<4, at::native::Functor<float>>(int)"
    )
    assert short(name) == "softmax_kernel<4, Functor<float>>(int)"


def test_a_real_trace_of_the_cpu(tmp_path):
    module = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.ReLU())
    trace = profile(module, torch.randn(4, 8), warmup=1, steps=3, device="cpu")
    assert len(trace.steps) == 3
    for step in trace.steps:
        names = [event.name for event in step.operators]
        assert names[0] == "aten::linear"
        assert "aten::addmm" in names
        assert 0 < step.cpu_busy <= step.latency
    assert [event.name for event in trace.outermost] == 3 * ["aten::linear", "aten::relu"]
    shapes = {e.name: e.shapes for e in trace.events}
    assert shapes["aten::relu"] == ((4, 8),)
    assert "need a run on a GPU" in trace.text()
    assert trace.step.tklqt == 0
    trace.write(tmp_path / "cpu.json.gz")
    assert Trace.read(tmp_path / "cpu.json.gz").step.latency == trace.step.latency
    trace.draw(tmp_path / "cpu.png")
    assert (tmp_path / "cpu.png").read_bytes()[:4] == b"\x89PNG"


def test_arguments_of_profile_are_checked():
    with pytest.raises(ValueError, match="steps must be at least 1, got 0"):
        profile(torch.relu, torch.ones(2), steps=0)
    with pytest.raises(ValueError, match="device must be cpu or cuda, got meta"):
        profile(torch.relu, torch.ones(2), device="meta")
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="sees no GPU"):
            profile(torch.relu, torch.ones(2), device="cuda")


def test_errors_of_the_function_come_through():
    with pytest.raises(ZeroDivisionError):
        profile(lambda: 1 / 0, device="cpu")


def test_a_picture_of_a_trace_with_kernels(hand, tmp_path):
    hand.draw(tmp_path / "hand.png")
    assert (tmp_path / "hand.png").stat().st_size > 5000


def test_kernels_of_most_time_come_first():
    events = [complete("kernel", "a", 10 * k, 2, 0, 7, stream=7) for k in range(4)]
    events.append(complete("kernel", "c", 50, 6, 0, 7, stream=7))
    first = [line.split()[:1] for line in trace_of(events).text(rich=False).splitlines()]
    assert [row for row in first if row in (["a"], ["c"])] == [["a"], ["c"]]  # 8 us, and 6
