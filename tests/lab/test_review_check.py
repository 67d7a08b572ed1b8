"""What a candidate says must not break the judge; and right candidates that were refused."""

import os

import pytest
import torch
from torch import nn

from mercer.lab import Argument, Candidate, normal, problem
from mercer.lab.runner import Session
from mercer.lab.sandbox import Limits, WorkerLost
from mercer.lab.sandbox.channel import Channel
from mercer.lab.verify import Case, check, truth_of
from tests.lab import small_problems as p
from tests.lab.right_candidates import function

QUICK = {"sizes": ("odd", "small"), "seeds": 1, "scales": (1.0,), "layouts": ("contiguous",)}


def test_half_a_surrogate_in_an_error_can_be_written(pool):
    """A reason goes into files and databases, which take text alone."""
    candidate = function("raise ValueError('\\ud800' + 'x' * 100000)")
    verdict = check(p.Softmax, candidate, pool=pool, **QUICK)
    assert (verdict.right, verdict.stage) == (False, "run")
    assert "ValueError: ?x" in verdict.reason
    assert len(str(verdict).encode()) < 30000


def test_half_a_surrogate_in_a_reply_is_no_text():
    """Whoever writes the reply."""
    ends = [os.pipe() for _ in range(3)]
    channel = Channel(ends[0][1], ends[1][0], ends[2][0], ends[2][0], Limits())
    assert channel._parse(b'{"id": 5, "said": "\\u00e9"}\n', 5) == {"said": "\u00e9"}
    with pytest.raises(WorkerLost, match="not JSON"):
        channel._parse(b'{"id": 5, "said": "\\ud800"}\n', 5)
    for end in [end for pipe in ends for end in pipe]:
        os.close(end)


class Saying:
    """A worker that replies what it is told to."""

    def __init__(self, **reply):
        self.reply = reply
        self.regions = {}

    def region(self, name):
        return self.regions.setdefault(name, torch.zeros(1 << 16, dtype=torch.uint8))

    def request(self, command, *, timeout):
        return {"ok": True, **self.reply}


@pytest.mark.parametrize("said", ["many", [1], {}, None, 1e300])
@pytest.mark.parametrize("name", ["threads", "digests", "inputs", "last", "outputs"])
def test_no_reply_breaks_the_judge(name, said):
    """Of any form."""
    truth = truth_of(p.Softmax, Case("odd"))
    session = Session(Saying(**{name: said}), p.Softmax, function("return x"))
    outputs = session.call(truth.inputs, expected=truth.working, cotangents=[None])
    assert outputs.threads == 0
    assert isinstance(outputs.described, list)


def test_an_endless_error_is_cut():
    """A candidate that took the harness over could fill the judge's database."""
    worker = Saying(ok=False, error="x" * 10**6, trace="y" * 10**6)
    with pytest.raises(Exception, match=r"^x+$") as caught:
        Session(worker, p.Softmax, function("return x")).load("odd", torch.float32, 0)
    assert len(str(caught.value)) + len(caught.value.trace) < 20000


@problem(1, p.ROWS, differentiable=False)
class Turned(nn.Module):
    """The imaginary part of the conjugate transform."""

    arguments = staticmethod(p.rows)

    def forward(self, x):
        return -torch.fft.fft(x).imag


def test_a_result_with_its_sign_bit_pending_is_right(pool):
    """PyTorch itself returns such tensors."""
    candidate = function("return torch.fft.fft(x).conj().imag")
    verdict = check(Turned, candidate, pool=pool, **QUICK)
    assert verdict.right, str(verdict)


MASK = """
import torch
class ModelNew(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("mask", torch.zeros(0, dtype=torch.bool), persistent=False)
    def forward(self, x):
        if self.mask.numel() < x.shape[1] ** 2:
            self.mask = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).triu()
        return x @ self.mask.to(x.dtype)
"""


def test_a_buffer_of_its_own_may_grow(pool):
    """Masks and tables are commonly kept so."""
    verdict = check(p.Cumsum, Candidate(MASK, "torch"), pool=pool, **QUICK)
    assert verdict.right, str(verdict)


THREADS = """
import torch
from concurrent.futures import ThreadPoolExecutor
POOL = ThreadPoolExecutor(4)
class ModelNew(torch.nn.Module):
    def forward(self, x):
        return torch.cat(list(POOL.map(lambda part: part.softmax(-1), x.split(16))))
"""


def test_a_pool_of_threads_may_grow_with_the_size(pool):
    """One of them does for the first size, several for the next."""
    verdict = check(p.Softmax, Candidate(THREADS, "torch"), pool=pool, backward=False, **QUICK)
    assert verdict.right, str(verdict)


@problem(1, {"odd": (3, 5), "small": (4, 8)}, differentiable=False)
class Mixed(nn.Module):
    """A mask, an index, nothing, a number, and numbers that do not exist."""

    @staticmethod
    def arguments(n, m):
        return [normal(n, m), Argument((n, m), "mask")]

    def forward(self, x, keep):
        rows = x.masked_fill(~keep, -torch.inf)
        return x > 0, rows.argsort(-1), x[:0], x.sum(), rows.amax(-1), torch.log(x), x / (x - x)


MIXED = "r = x.masked_fill(~k, -torch.inf)\nreturn [{}]"
MEMBERS = [
    "x > 0",
    "r.argsort(-1)",
    "x[:0].clone()",
    "x.sum()",
    "r.amax(-1)",
    "x.log()",
    "x / (x - x)",
]
WRONG = {
    0: "x >= x",
    1: "r.argsort(-1).flip(-1)",
    2: "x[:1].clone()",
    3: "x.sum() + 1e-3",
    4: "x.amax(-1)",
    5: "x.abs().log()",
    6: "-x * torch.inf",
}


def test_outputs_of_every_kind(pool):
    """Booleans, integers, an empty tensor, a scalar, infinities and NaN: each member counts."""
    right = function(MIXED.format(", ".join(MEMBERS)), "x, k")
    verdict = check(Mixed, right, pool=pool, **QUICK)
    assert verdict.right, str(verdict)
    for index, text in WRONG.items():
        members = [*MEMBERS]
        members[index] = text
        wrong = function(MIXED.format(", ".join(members)), "x, k")
        verdict = check(Mixed, wrong, pool=pool, **QUICK)
        assert (verdict.right, index) == (False, index)
