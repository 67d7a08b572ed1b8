"""The judge's end of a worker: what is called, timed and delivered; no clock is believed."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mercer.lab import Candidate
from mercer.lab.runner import Refused, Session, arrange, initial_state, pack
from mercer.lab.runner.digest import digest
from mercer.lab.runner.laps import rolled, wrapped
from mercer.lab.runner.layouts import LAYOUTS, empty
from mercer.lab.runner.meta import Meta
from mercer.lab.verify import Case, agree, truth_for, truth_of
from tests.lab import small_problems as p
from tests.lab.right_candidates import function

REGIONS = {"in": 1 << 20, "out": 1 << 20}


@pytest.fixture
def session(pool):
    """A way to open sessions; their workers end with the test."""
    workers = []

    def opened(problem, candidate):
        workers.append(pool.worker(REGIONS))
        return Session(workers[-1], problem, candidate, timeout=30)

    yield opened
    for worker in workers:
        worker.close()


def timed(session, problem, *, calls, sets=3, rounds=2, backward=False, size="small"):
    """Time some calls, deliver every set, and return seconds, outputs and margins."""
    case = Case(size, backward=backward)
    truths = [truth_of(problem, Case(size, seed=k, backward=backward)) for k in range(sets)]
    session.load(size, torch.float32, 0)
    session.prepare(
        [t.inputs for t in truths],
        expected=truths[0].working,
        cotangents=truths[0].cotangents,
        shifts=[64 for _ in truths[0].inputs],
        rounds=rounds,
        backward=backward,
    )
    seconds = session.time(calls)
    delivered, margins = [], []
    for k in range(sets):
        made, outputs = session.deliver(k)
        inputs = made()
        delivered.append((inputs, outputs))
        truth = truth_for(problem, case, inputs)
        if not backward:
            margins.append(agree(truth, outputs.tensors).margin)
    return seconds, delivered, margins


@given(
    st.lists(
        st.tuples(
            st.lists(st.integers(0, 4), max_size=3),
            st.sampled_from([torch.float32, torch.bfloat16, torch.int64, torch.bool]),
        ),
        max_size=4,
    )
)
@settings(max_examples=30, deadline=None)
def test_packed_tensors_come_back(specs):
    """Whatever their shapes and dtypes, through JSON, aligned and without overlap."""
    tensors = [torch.randint(0, 2, shape).to(dtype) for shape, dtype in specs]
    metas, end = arrange(tensors)
    region = torch.zeros(max(end, 1), dtype=torch.uint8)
    pack(region, metas, tensors)
    for meta, tensor in zip(metas, tensors, strict=True):
        assert meta.offset % 64 == 0
        assert torch.equal(Meta.read(meta.json()).view(region), tensor)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", [(), (5,), (3, 4), (2, 3, 4)])
def test_layouts_have_the_shape_asked_for(shape, layout):
    """And the memory that their names promise."""
    x = empty(shape, torch.float32, "cpu", layout)
    assert x.shape == shape
    if layout == "offset":
        assert x.storage_offset() == 1
    if len(shape) > 1:
        assert x.is_contiguous() == (layout in ("contiguous", "offset"))


def test_digest_is_the_sum_of_the_bits():
    """One by one, as PyTorch adds them on a GPU, and in any order of memory."""
    for dtype in (torch.float32, torch.float16, torch.float64, torch.int64, torch.bool):
        x = (10 * torch.randn(5, 7)).to(dtype)
        bits = x.view({1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}[x.itemsize])
        total = sum(bits.flatten().tolist())
        assert (digest(x).item() - total) % 2**64 == 0
        assert digest(x) == bits.sum(dtype=torch.int64) == digest(x.mT)


@given(st.integers(1, 20), st.integers(0, 9), st.integers(0, 5))
@settings(max_examples=30, deadline=None)
def test_rounds_see_the_rolled_numbers(count, shift, turn):
    """What the judge reckons with is what lies in the worker's memory."""
    x = torch.arange(count)
    seen = wrapped(x, 5 * shift)[turn * shift :][:count]
    assert torch.equal(seen, rolled(x, turn * shift))


def test_constant_parameters_are_spread():
    """A bias of zeros and a weight of ones would let a kernel forget them."""
    state = initial_state(p.LayerNorm, "small", dtype=torch.float32, seed=0)
    assert state.names == ["weight", "bias"]
    weight, bias = state.tensors["weight"], state.tensors["bias"]
    assert 0.75 <= weight.min() < 0.8 < 1.2 < weight.max() <= 1.25
    assert -0.25 <= bias.min() < -0.2 < 0.2 < bias.max() <= 0.25
    again = initial_state(p.LayerNorm, "small", dtype=torch.float32, seed=0)
    assert torch.equal(weight, again.tensors["weight"])
    moments = initial_state(p.BatchNorm, "small", dtype=torch.float32, seed=0).tensors
    assert moments["norm.running_var"].min() > 0.7


@pytest.mark.parametrize("calls", [1, 3, 5, 8])
def test_timed_calls_are_those_that_are_judged(calls, session):
    """Delivered outputs belong to the inputs that the judge believes them to belong to."""
    opened = session(p.Softmax, function("return x.softmax(-1)"))
    sets = min(calls, 3)
    _, delivered, margins = timed(opened, p.Softmax, calls=calls, sets=sets)
    assert all(outputs.settled for _, outputs in delivered)
    assert max(margins) < 1


def test_timed_gradients(session):
    """With gradients, these are kept and delivered too."""
    opened = session(p.Linear, Candidate(p_linear(), "torch"))
    _, delivered, _ = timed(opened, p.Linear, calls=4, sets=2, rounds=1, backward=True)
    for k, (_, outputs) in enumerate(delivered):
        assert outputs.settled
        inputs = truth_of(p.Linear, Case("small", seed=k)).inputs
        module = p.Linear.reference("small")
        module.load_state_dict(
            initial_state(p.Linear, "small", dtype=torch.float32, seed=0).tensors
        )
        x = inputs[0].clone().requires_grad_()
        y = module(x)
        y.backward(truth_of(p.Linear, Case("small", seed=0, backward=True)).cotangents[0])
        for found, exact in zip(outputs.tensors, [y, x.grad, module.weight.grad, module.bias.grad]):
            torch.testing.assert_close(found, exact.detach())


def p_linear():
    """A linear layer as a candidate."""
    return """
import torch
class ModelNew(torch.nn.Module):
    def __init__(self, m, k):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(k, m))
        self.bias = torch.nn.Parameter(torch.zeros(k))
    def forward(self, x):
        return torch.relu(x @ self.weight.mT + self.bias)
"""


PATCHED = """
import time, torch
sleep = time.sleep
time.perf_counter = time.time = time.monotonic = lambda: 0.0
torch.cuda.synchronize = lambda *a: None
class Event:
    def __init__(self, *a, **k): pass
    def record(self, *a): pass
    def synchronize(self): pass
    def elapsed_time(self, other): return 1e-9
torch.cuda.Event = Event
class ModelNew(torch.nn.Module):
    def forward(self, x):
        sleep(0.02)
        return x.softmax(-1)
"""


def test_patched_timers_change_nothing(session, monkeypatch):
    """In one process the patch deceives; the judge's clock is in another."""
    import time

    clock = time.perf_counter
    for name in ("perf_counter", "time", "monotonic"):
        monkeypatch.setattr(time, name, getattr(time, name))
    monkeypatch.setattr(torch.cuda, "synchronize", torch.cuda.synchronize)
    monkeypatch.setattr(torch.cuda, "Event", torch.cuda.Event)
    space = {"__name__": "candidate"}
    exec(PATCHED, space)
    started = time.perf_counter()
    space["ModelNew"]()(torch.zeros(2, 2))
    assert time.perf_counter() - started == 0
    monkeypatch.undo()
    assert time.perf_counter is clock
    seconds, _, margins = timed(session(p.Softmax, Candidate(PATCHED, "torch")), p.Softmax, calls=5)
    assert seconds >= 5 * 0.02
    assert max(margins) < 1


LATE = """
import torch
from mercer.lab.runner import harness, laps
def run(self, calls):
    self.calls, sets = calls, len(self._sets)
    self.kept = [[torch.zeros(64, 128)] for _ in range(min(calls, sets))]
laps.Laps.run = run
deliver = harness.Harness.deliver
def late(self, command):
    k, sets = command["set"], self._laps._sets
    last = self._laps.calls - 1 - (self._laps.calls - 1 - k) % len(sets)
    x = sets[k][last // len(sets) % len(sets[k])][0]
    self._laps.kept[k] = [x.softmax(-1)]
    return deliver(self, command)
harness.Harness.deliver = late
class ModelNew(torch.nn.Module):
    def forward(self, x):
        return x.softmax(-1)
"""


def test_work_put_off_until_delivery_is_seen(session):
    """Right numbers, but not those that were there when the clock stopped."""
    _, delivered, margins = timed(session(p.Softmax, Candidate(LATE, "torch")), p.Softmax, calls=6)
    assert max(margins) < 1
    assert not any(outputs.settled for _, outputs in delivered)


def test_results_kept_from_round_to_round_are_wrong(session):
    """Every round has numbers of its own, even where address and first use are known."""
    text = """
import torch
class ModelNew(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.seen = {}
    def forward(self, x):
        key = x.untyped_storage().data_ptr()
        if key not in self.seen:
            self.seen[key] = x.softmax(-1)
        return self.seen[key]
"""
    _, _, margins = timed(session(p.Softmax, Candidate(text, "torch")), p.Softmax, calls=6)
    assert min(margins) > 1


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("x = 1", "ModelNew"),
        ("class ModelNew: pass", "torch.nn.Module"),
        ("import torch\nclass ModelNew(torch.nn.Linear): pass", "argument"),
        ("def f(:", "SyntaxError"),
        (
            "import torch\nclass ModelNew(torch.nn.Module):\n"
            "  def __init__(s, m): super().__init__()",
            "state_dict",
        ),
    ],
)
def test_a_text_that_cannot_be_loaded_is_refused(source, sentence, session):
    """With the candidate's own error."""
    problem = p.LayerNorm if "s, m" in source or "Linear" in source else p.Softmax
    with pytest.raises(Refused, match=sentence) as caught:
        session(problem, Candidate(source, "torch")).load("odd", torch.float32, 0)
    assert caught.value.command == "load"
