"""What a check rests on, with a worker in this very process that says or does one thing wrong."""

import contextlib
import math
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from mercer.lab import Candidate
from mercer.lab.candidate import language_of
from mercer.lab.runner import Meta, Session
from mercer.lab.runner import harness as harnesses
from mercer.lab.runner.harness import Harness, own_threads
from mercer.lab.verify import Case, allowed_error, check, truth_for, truth_of
from mercer.lab.verify.case import cases
from mercer.lab.verify.compare import worst_entry
from tests.lab import small_problems as p
from tests.lab.right_candidates import function

RIGHT = function("return x.softmax(-1)")
QUICK = {"sizes": ("odd", "small"), "seeds": 2, "scales": (1.0,), "layouts": ("contiguous",)}


class Local:
    """A pool, and its worker, without any isolation; `said` goes over what calls reply."""

    def __init__(self, **said):
        self.said, self.commands, self.silent = said, [], False

    @contextlib.contextmanager
    def worker(self, regions):
        memory = {name: bytearray(size) for name, size in regions.items()}
        self.regions = {n: torch.frombuffer(m, dtype=torch.uint8) for n, m in memory.items()}
        self.harness = Harness(memory)
        yield self

    def region(self, name):
        return self.regions[name]

    def request(self, command, *, timeout):
        self.commands.append(command)
        if self.silent:
            return self.last
        reply = {"ok": True, **self.harness(command)}
        if command["command"] == "call":
            changed = {k: v(reply) if callable(v) else v for k, v in self.said.items()}
            reply = {**reply, **changed}
        self.last = reply
        return reply


def elsewhere(reply):
    return [{**output, "device": "cuda"} for output in reply["outputs"]]


@pytest.mark.parametrize(
    ("said", "stage", "sentence", "trials"),
    [
        ({}, "right", "", 8),
        ({"ok": 1}, "run", "None", 1),
        ({"inputs": [0]}, "conduct", "inputs were changed", 1),
        ({"last": [0]}, "conduct", "the call before were overwritten", 1),
        ({"digests": [0]}, "conduct", "still changed after the call", 1),
        ({"threads": 2}, "conduct", "left 2 threads", 2),  # the first call may start a pool
        ({"outputs": elsewhere}, "interface", "must be on cpu, got cuda", 1),
    ],
)
def test_each_finding_about_a_call_counts_by_itself(said, stage, sentence, trials):
    """However right the numbers are."""
    verdict = check(p.Softmax, RIGHT, pool=Local(**said), backward=False, **QUICK)
    assert (verdict.stage, len(verdict.trials)) == (stage, trials)
    assert sentence in verdict.reason


def test_the_first_call_of_each_size_may_start_threads_and_no_other():
    """Of sizes that come one after the other; two trials of "odd" then pass, and one of "small"."""
    calls = []

    def threads(reply):
        calls.append(reply)
        return int(len(calls) in (1, 5, 6))  # of four for each size

    verdict = check(p.Softmax, RIGHT, pool=Local(threads=threads), backward=False, **QUICK)
    assert (verdict.stage, len(verdict.trials)) == ("conduct", 6)


def test_what_was_not_written_is_not_what_was_there_before():
    """A worker that answers as before and writes nothing leaves what no result is."""
    truth = truth_of(p.Argmax, Case("odd"))
    text = function("return x.argmax(-1), x.amax(-1)")
    with Local().worker({"in": 1 << 16, "out": 1 << 16}) as worker:
        session = Session(worker, p.Argmax, text)
        session.load("odd", torch.float32, 0)
        given = {"expected": truth.working, "cotangents": truth.cotangents}
        index, _ = session.call(truth.inputs, **given).tensors
        assert torch.equal(index, truth.working[0])
        worker.silent = True
        outputs = session.call(truth.inputs, **given)
        assert bool((outputs.tensors[0] == -1).all())
        assert bool(outputs.tensors[1].isnan().all())
        assert not outputs.settled


def test_memory_is_filled_before_the_candidate_asks_for_some(monkeypatch):
    """With NaN, twice the size of each output, and before the forward call."""
    order, filled = [], []
    full, forward = torch.full, harnesses.forward

    def noted(size, value, **options):
        filled.append((*size, value, options["dtype"]))
        order.append("fill")
        return full(size, value, **options)

    def called(*args, **options):
        order.append("call")
        return forward(*args, **options)

    monkeypatch.setattr(torch, "full", noted)
    monkeypatch.setattr(harnesses, "forward", called)
    truth = truth_of(p.Softmax, Case("odd"))
    with Local().worker({"in": 1 << 16, "out": 1 << 16}) as worker:
        session = Session(worker, p.Softmax, RIGHT)
        session.load("odd", torch.float32, 0)
        session.call(truth.inputs, expected=truth.working, cotangents=[None])
    assert order == ["fill", "fill", "call"]
    assert filled == [(7 * 33 * 4, 255, torch.uint8)] * 2
    nan = Meta((1,), "float32", 0).view(full((4,), 255, dtype=torch.uint8))
    assert math.isnan(nan.item())


def test_threads_count_but_for_those_that_wait_in_a_pool():
    """A pool's stay, and do nothing until they are asked."""
    before, end = own_threads(), threading.Event()
    with ThreadPoolExecutor(2) as executor:
        executor.submit(int).result()
        assert own_threads() == before
        started = [threading.Thread(target=end.wait) for _ in range(2)]
        for thread in started:
            thread.start()
        assert own_threads() == before + 2
        end.set()
        for thread in started:
            thread.join()
    assert own_threads() == before


def test_inputs_of_a_shape_and_layout_lie_where_the_last_ones_did():
    """So that who remembers by address is wrong, and who forgets nothing is right."""
    places = []
    text = function("self.places.append(x.data_ptr())\nreturn x.softmax(-1)")
    text = Candidate(
        text.source.replace("    def forward", "    places = []\n    def forward"), "torch"
    )
    with Local().worker({"in": 1 << 16, "out": 1 << 16}) as worker:
        session = Session(worker, p.Softmax, text)
        session.load("odd", torch.float32, 0)
        for layout, seed in [("contiguous", 0), ("strided", 0), ("contiguous", 1), ("strided", 1)]:
            truth = truth_of(p.Softmax, Case("odd", seed=seed))
            session.call(truth.inputs, expected=truth.working, cotangents=[None], layout=layout)
        places = worker.harness.model.places
    assert places[0] == places[2] != places[1] == places[3]


def test_a_check_tries_all_that_it_says():
    """Each dtype and size: the first inputs, their twin, them again, seeds, scales, layouts."""
    found = cases(
        p.Softmax,
        sizes=("odd", "small"),
        dtypes=(torch.float32, torch.float64),
        seeds=2,
        scales=(1.0, 1e-3, 30.0),
        layouts=("contiguous", "strided"),
        backward=True,
        seed=5,
    )
    assert len(found) == 2 * 2 * 7
    for dtype in (torch.float32, torch.float64):
        for size in ("odd", "small"):
            start = Case(size, dtype, 5, 1.0, True)
            assert [case for case in found if case[0].size == size and case[0].dtype == dtype] == [
                (start, "contiguous"),
                (Case(size, dtype, 7, 1.0, twin_of=5), "contiguous"),
                (Case(size, dtype, 5, 1.0), "contiguous"),
                (Case(size, dtype, 6, 1.0, True), "contiguous"),
                (Case(size, dtype, 5, 1e-3, True), "contiguous"),
                (Case(size, dtype, 5, 30.0), "contiguous"),
                (start, "strided"),
            ]
    first, twin = (
        Case("odd", seed=s, twin_of=t).draw(p.Softmax)[0] for s, t in [(5, None), (7, 5)]
    )
    same = [bool(torch.equal(a, b)) for a, b in zip(first, twin)]
    assert same == [True] + [False] * 5 + [True]


def test_what_is_below_the_smallest_normal_number_may_come_out_as_zero():
    """And what is above it may not."""
    exact = torch.tensor([1e-39] * 10 + [3e-38] * 10).double()
    allowed = allowed_error(exact, exact.float(), [exact], torch.float32)
    assert bool((exact[:10] <= allowed[:10]).all())
    assert bool((exact[10:] > allowed[10:]).all())


def test_the_scale_of_an_error_is_the_largest_that_was_measured():
    """Half a unit in the last place, the reference's own error, or the effect of moved inputs."""
    exact = torch.full((20,), 1.5).double()
    unit = 2.0**-23
    off = exact + 5 * unit
    kappa = 2**6.5
    for working, moved, scale in [
        (exact, [exact], 0.5),
        (off, [exact], 5.0),
        (exact, [exact, off], 5.0),
    ]:
        allowed = allowed_error(exact, working, moved, torch.float32)
        torch.testing.assert_close(allowed, torch.full_like(exact, kappa * scale * unit))


def test_the_largest_entry_of_a_gradient_lends_its_unit_to_all_and_that_of_an_output_does_not():
    exact = torch.cat([torch.full((20,), 1e-6), torch.full((20,), 1.5)]).double()
    output, gradient = (
        allowed_error(exact, exact, [exact], torch.float32, gradient=g) for g in (False, True)
    )
    assert output[0] < 1e-4 * output[-1]
    assert gradient[0] == gradient[-1] == output[-1] == 2**6.5 * 2.0**-24


def test_inputs_are_moved_at_random_three_times_and_once_away_from_zero(monkeypatch):
    """Each time by other signs: sums of mixed sign and of one sign are conditioned differently."""
    drawn, moved = [], []
    original = truth_for.__globals__["perturbed"]

    def noted(tensors, dtype, generator):
        found = original(tensors, dtype, generator)
        drawn.append(generator is not None)
        moved.append(found[0].numpy().tobytes())
        return found

    monkeypatch.setitem(truth_for.__globals__, "perturbed", noted)
    case = Case("odd")
    truth_for(p.Softmax, case, case.draw(p.Softmax))
    assert sorted(drawn) == [False, True, True, True]
    assert len(set(moved)) == 4


def test_integers_that_are_off_by_one_are_wrong():
    """Of a table that has no ties."""
    expected = truth_of(p.Argmax, Case("odd")).expected[0]
    assert worst_entry(expected.exact - 1, expected).margin == math.inf


def test_the_truth_is_that_of_double_precision():
    """Not of the working one, in which the reference would be its own judge."""
    truth = truth_of(p.Softmax, Case("small"))
    (x,) = truth.inputs
    exact = truth.expected[0].exact
    torch.testing.assert_close(exact, x.double().softmax(-1), rtol=1e-14, atol=0)
    assert truth.expected[0].working.dtype == torch.float32
    cotangent = truth_of(p.Softmax, Case("small", backward=True)).cotangents[0]
    assert not torch.equal(cotangent, x)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("@triton.jit\ndef f(): pass  # in place of __global__", "triton"),
        ("source = '__global__ void f() {}'; cpp_sources = 'extern \"C\"'", "cuda"),
        ("source = 'extern \"C\" void f() {}'", "cpp"),
        ("load_inline(cpp_sources='')", "cpp"),
        ("import torch", "torch"),
    ],
)
def test_the_language_is_that_of_the_first_compiler_named(text, language):
    assert language_of(text) == language


def test_a_candidate_has_a_text_and_a_known_language():
    for source in ("", " \n\t"):
        with pytest.raises(ValueError, match="source must not be empty"):
            Candidate(source, "torch")
    with pytest.raises(ValueError, match="language must be one of"):
        Candidate("x = 1", "fortran")
