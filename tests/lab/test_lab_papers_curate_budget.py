"""The papers of curation and of budgets, in full but for their size."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
import torch

from mercer import papers
from mercer.lab.curate import prompt_of
from mercer.lab.native.build import build
from mercer.lab.problems import find
from mercer.papers.lab import _concur_teacher, _re_bench_scan


@pytest.mark.parametrize("slug", ["concur", "re-bench"])
def test_the_card_is_whole(slug):
    papers.check(slug)


@pytest.mark.slow
@pytest.mark.parametrize("slug", ["concur", "re-bench"])
def test_the_run_is_whole(slug, tmp_path):
    result = papers.run(slug, "quick", tmp_path)
    papers.check(slug, result)
    assert (tmp_path / f"{slug}.png").stat().st_size > 10_000


def test_every_schedule_is_a_prefix_sum():
    names = [f"scan{k}" for k in range(len(_re_bench_scan.SCHEDULES))]
    entries = "".join(
        f'extern "C" void {name}(const float* x, float* y, long n, long m, float* s) '
        f"{{ scan<{', '.join(map(str, s))}>(x, y, n, m, s); }}\n"
        for name, s in zip(names, _re_bench_scan.SCHEDULES)
    )
    library = build(_re_bench_scan.KERNEL + entries, flags=["-O1"])
    x = torch.randint(-9, 10, (16, 48)).float()  # sums of small integers are exact
    expected = np.cumsum(x.numpy(), axis=1)
    for name in names:
        y, sums = torch.full_like(x, torch.nan), torch.full((16,), torch.nan)
        x_p, y_p, s_p = (ctypes.c_void_p(t.data_ptr()) for t in (x, y, sums))
        getattr(library, name)(x_p, y_p, ctypes.c_long(16), ctypes.c_long(48), s_p)
        np.testing.assert_array_equal(y.numpy(), expected)


def landscape():
    rng = np.random.default_rng(0)
    seconds = rng.uniform(1.0, 2.0, (2, len(_re_bench_scan.SCHEDULES)))
    seconds[:, _re_bench_scan.SCHEDULES.index(_re_bench_scan.START)] = 4.0
    return _re_bench_scan.Landscape(((1, 1), (1, 1)), seconds, 3.0, 0.0)


def test_agents_spend_their_time_as_said(monkeypatch):
    monkeypatch.setattr(_re_bench_scan, "SHAPES", ((1, 1), (1, 1)))
    plain = landscape()
    quick = _re_bench_scan.play(plain, "quick", budget=30.0, seed=3)
    assert [a.elapsed for a in quick.attempts] == [3.0 * k for k in range(1, 11)]
    steady = _re_bench_scan.play(plain, "steady", budget=90.0, seed=3)
    assert [a.elapsed for a in steady.attempts] == [62.0, 68.0, 74.0, 80.0, 86.0, 92.0]
    assert steady.start == 8.0


def test_the_steady_agent_changes_one_choice_of_its_best(monkeypatch):
    monkeypatch.setattr(_re_bench_scan, "SHAPES", ((1, 1), (1, 1)))
    run = _re_bench_scan.play(landscape(), "steady", budget=400.0, seed=1)
    best = [_re_bench_scan.SCHEDULES.index(_re_bench_scan.START)] * 2
    seconds = 8.0
    for attempt in run.attempts:
        choice = _re_bench_scan._read(attempt.candidate)
        differ = [
            (a, b)
            for k in range(2)
            for a, b in zip(_re_bench_scan.SCHEDULES[choice[k]], _re_bench_scan.SCHEDULES[best[k]])
            if a != b
        ]
        assert len(differ) == 1
        if attempt.seconds < seconds:
            best, seconds = choice, attempt.seconds
    assert seconds < 4.0


def test_the_reasoner_has_the_law_that_it_states():
    prompt = prompt_of(find("softmax"))
    needed = _concur_teacher.decisions(prompt)
    judge = _concur_teacher.judge(find("softmax"))
    # A habit of one digression in three, hence half a digression a decision; half are tuned.
    sure = _concur_teacher.Reasoner((1e9, 2e9), (1e9, 1e9))
    answers = [sure.complete(prompt, seed=s) for s in range(800)]
    waits = np.array([a.reasoning.count("Wait") for a in answers])
    assert abs(waits.mean() - needed / 2) < 4 * np.sqrt(needed * 0.75 / 800)
    right = np.array(
        [judge(_concur_teacher.Candidate(a.text.split("```")[1][7:], "torch")).verdict.right
         for a in answers]
    )  # fmt: skip
    # E[0.9^waits] for a negative binomial: ((2/3) / (1 - 0.9/3))^decisions.
    assert abs(right.mean() - (2 / 3 / 0.7) ** needed) < 4 * 0.5 / np.sqrt(800)


def test_a_student_has_the_habits_of_its_traces():
    trace = _concur_teacher.ReasoningTrace(
        "t", "k", 0, "", "Wait\nWait\nregisters\nregisters\nregisters\nplain way", 6, "x", True, 1.0
    )
    student = _concur_teacher.learn([trace], "s")
    digresses, tunes = student.digresses, student.tunes
    assert digresses[0] / sum(digresses) == pytest.approx(1 / 3, abs=1e-6)
    assert tunes[0] / sum(tunes) == pytest.approx(3 / 4, abs=1e-6)
