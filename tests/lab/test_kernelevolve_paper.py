"""The paper of searching for kernels: its card, its record, its formula and its control."""

from __future__ import annotations

import math
import random

import pytest

from mercer import papers
from mercer.lab.problems import find
from mercer.lab.search import Entry, Evaluation, Greedy
from mercer.lab.templates import fused, naive
from mercer.papers.lab import _kernelevolve_search as searching
from mercer.papers.lab import kernelevolve


def test_the_card_is_whole():
    papers.check("kernelevolve")


@pytest.mark.slow
def test_the_run_is_whole(tmp_path):
    result = papers.run("kernelevolve", "quick", tmp_path)
    papers.check("kernelevolve", result)
    assert (tmp_path / "kernelevolve.png").stat().st_size > 10_000


def test_without_a_record_the_claim_on_a_gpu_does_not_hold():
    claim = kernelevolve._gpu(None)
    assert math.isnan(claim.measured)
    assert not claim.holds
    assert "no record" in claim.reason


@pytest.mark.parametrize(("fast", "holds"), [(10, True), (9, False)])
def test_a_third_of_the_record_must_be_fast(fast, holds):
    rows = [{"problem": "a", "final": 1.5}] * fast + [{"problem": "b", "final": 1.49}] * (28 - fast)
    rows += [{"problem": "c", "refused": "Unsupported"}, {"problem": "d", "final": "value"}]
    claim = kernelevolve._gpu({"rows": rows, "seconds": 390.0})
    assert claim.measured == fast / 30
    assert claim.holds is holds


def test_the_formula_of_one_kernel_is_its_bytes_over_bandwidth():
    roofline = searching.Roofline(find("softmax"))
    rows, columns = find("softmax").size("race")
    graph = roofline.proposer.graph
    # One kernel reads and writes the array; 16 warps of 8 rows keep more than 40 KB under way.
    best = fused(graph, size="race")
    (name,) = best.tilings
    best = best.tiled(name, form="whole", entries=8192, warps=8)
    held = 8192 / (32 * 8) / 64
    bytes = 8 * rows * columns
    want = 4e-6 + max(held, 1.0) * bytes / 4.8e12
    assert roofline.seconds(best) == pytest.approx(want)
    assert roofline.start == roofline.seconds(naive(graph)) > want


def test_blind_selection_looks_at_no_speed():
    def entry(k, seconds):
        return Entry(k, str(k), "", "cpp", "", (), 0, "judged", seconds is not None,
                     seconds=seconds, baseline_seconds=1.0)  # fmt: skip

    graph = [entry(0, 1.0), entry(1, 0.01), entry(2, None), entry(3, 5.0)]
    generator = random.Random(0)
    drawn = [searching.Blind().select(graph, generator).parents[0].number for _ in range(3000)]
    counts = [drawn.count(k) for k in range(4)]
    assert counts[2] == 0
    assert all(abs(counts[k] - 1000) < 4 * math.sqrt(3000 * 2 / 9) for k in (0, 1, 3))


def test_a_killed_search_keeps_what_one_left_in_peace_keeps(tmp_path, monkeypatch):
    monkeypatch.setattr(
        searching.Table,
        "_measure",
        lambda self, candidate: Evaluation(
            searching.Seen(True), int(candidate.digest[:4], 16) + 1.0, 1.0
        ),
    )
    table = searching.Table(find("softmax"), seed=0, repeats=1)
    survival = searching.kill_and_resume(
        table, Greedy(), candidates=6, seed=0, kills=2, folder=tmp_path
    )
    assert survival.same
    assert survival.kills >= 1
    assert survival.repeated <= survival.kills
