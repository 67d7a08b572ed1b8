"""The loop over problems: its shares by hand, its file after a kill, its threads."""

import json
import multiprocessing
import os
import signal
import time

import pytest
import torch

from mercer.lab import Candidate
from mercer.lab.leaderboard import Journal, SuiteReport, SuiteRow, evaluate_suite
from mercer.lab.leaderboard.loop import Task, work_off
from mercer.lab.problems import find
from mercer.lab.timing.machine import Machine
from tests.lab import small_problems as p
from tests.lab.right_candidates import DENSE, LINEAR, function, layer

BRIEF = {"sizes": ("odd",), "scales": (1.0,), "layouts": ("contiguous",)}
PROBLEMS = [p.Softmax, p.RowSum, p.Linear, p.Attention]
CANDIDATES = {
    "softmax": function("return x.softmax(-1)"),
    "row_sum": function("return x[:, 1:].sum(-1)"),
    "linear": layer(DENSE, LINEAR[1]),
}


def suite(pool, **options):
    given = {"baselines": (), "seeds": 2, "check_options": BRIEF, "progress": False, **options}
    return evaluate_suite(PROBLEMS, CANDIDATES, pool=pool, **given)


def row(name, level, right=True, **speedups):
    return SuiteRow(name, level, "c", right, "right" if right else "value", speedups=speedups)


def test_fast_p_by_level():
    """By hand, level by level; a baseline that failed is not beaten."""
    rows = (
        row("a", 1, eager=3.0, compiled=1.2),
        row("b", 1, eager=0.5, compiled=0.4),
        row("c", 1, right=False),
        row("d", 2, eager=1.0),
        SuiteRow("e", 3),
    )
    report = SuiteReport(rows, ("eager", "compiled"), (0.0, 1.0, 2.0), "CPU")
    assert report.levels == [1, 2, 3]
    assert [report.fast_p(x, level=1) for x in (0, 0.4, 1, 3)] == [2 / 3, 2 / 3, 1 / 3, 0]
    assert report.fast_p(0.99, level=2) == 1
    assert report.fast_p(1.0, level=2) == 0  # above, not at
    assert report.fast_p(0) == 3 / 5
    assert report.fast_p(1, baseline="compiled") == 1 / 5
    assert report.fast_p(0.1, baseline="compiled", level=2) == 0
    with pytest.raises(ValueError, match="one of eager, compiled, got 'other'"):
        report.fast_p(1, baseline="other")
    assert json.loads(json.dumps(report.json()))["fast_p"] == report.table()
    assert "33.3 %" in str(report)
    assert "missing: there is no candidate" in str(report)


def test_suite_counts_right_candidates(pool):
    """One is wrong, one is missing."""
    report = suite(pool)
    stages = {r.problem: r.stage for r in report.rows}
    assert stages == {
        "softmax": "right", "row_sum": "value", "linear": "right", "attention": "missing"
    }  # fmt: skip
    assert report.fast_p(0) == 0.5
    assert report.fast_p(0, level=2) == 1
    with pytest.raises(ValueError, match="baseline must be one of"):
        report.fast_p(1)


def test_only_some_levels(pool):
    assert [r.problem for r in suite(pool, levels=[2]).rows] == ["linear"]
    with pytest.raises(ValueError, match="at least one problem"):
        evaluate_suite([p.Softmax], {}, pool=pool, levels=[3])
    with pytest.raises(ValueError, match="no problem 'softmx'"):
        evaluate_suite([p.Softmax], {"softmx": CANDIDATES["softmax"]}, pool=pool)


def test_races_are_in_the_report(pool):
    """A candidate that sleeps is right and slower; it counts for p = 0 alone."""
    problem = find("softmax")
    slow = Candidate(
        "import time, torch\nclass ModelNew(torch.nn.Module):\n    def forward(self, x):\n"
        "        time.sleep(0.005)\n        return x.softmax(-1)\n",
        "torch",
    )
    report = evaluate_suite(
        [problem], {"softmax": slow}, pool=pool, baselines=("eager",), seeds=1,
        check_options=BRIEF, machine=Machine("CPU", 1e13, 1e15), progress=False,
        race_options={"size": "small", "fewest": 2, "most": 2, "block": 0.01},
    )  # fmt: skip
    assert report.rows[0].right, str(report)
    assert report.rows[0].seconds >= 0.005
    assert report.fast_p(0) == 1
    assert report.fast_p(1) == 0


def test_a_second_run_checks_nothing(pool, tmp_path, monkeypatch):
    path = tmp_path / "results.jsonl"
    first = suite(pool, journal=path)
    assert len(path.read_text().splitlines()) == 3
    monkeypatch.setattr("mercer.lab.leaderboard.suite.check", None)
    assert suite(pool, journal=path) == first
    with pytest.raises(TypeError):  # other options are other results
        suite(pool, journal=path, seeds=3)


def killed(path):
    """Put two results down, then wait in the third."""
    tasks = [
        Task(name, lambda name=name: (name == "c" and time.sleep(60)) or {"right": True})
        for name in "abc"
    ]
    with Journal(path) as journal:
        work_off(tasks, journal, workers=1, progress=False, title="")


def test_killed_at_any_moment(tmp_path):
    """SIGKILL loses only what was under way; a line cut off is dropped and made again."""
    path = tmp_path / "results.jsonl"
    process = multiprocessing.get_context("fork").Process(target=killed, args=(path,))
    process.start()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if path.exists() and path.read_bytes().count(b"\n") == 2:
            break
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    with open(path, "a") as file:
        file.write('{"key": "c", "resu')
    made = []
    tasks = [Task(n, lambda n=n: made.append(n) or {"right": False}) for n in "abcd"]
    with Journal(path) as journal:
        found = work_off(tasks, journal, workers=2, progress=False, title="")
    assert sorted(made) == ["c", "d"]
    assert [checked["right"] for checked, _ in found] == [True, True, False, False]
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert sorted(line["key"] for line in lines) == ["a", "b", "c", "d"]


def test_a_file_of_something_else(tmp_path):
    path = tmp_path / "results.jsonl"
    path.write_text('{"key": "a", "result": {}}\nhello\n')
    with pytest.raises(ValueError, match=r"line 2 of .* is not a result"):
        Journal(path)
    assert path.read_text().endswith("hello\n")


def test_two_runs_do_not_share_a_file(tmp_path):
    with (
        Journal(tmp_path / "results.jsonl"),
        pytest.raises(RuntimeError, match="another run has"),
    ):
        Journal(tmp_path / "results.jsonl")


def test_races_are_alone_and_after_all_checks():
    order = []
    tasks = [
        Task(
            f"check {n}",
            lambda n=n: order.append(f"check {n}") or {"right": n != 1},
            f"race {n}",
            lambda n=n: order.append(f"race {n}") or {"seconds": 1.0},
        )
        for n in range(4)
    ]
    with Journal() as journal:
        found = work_off([*tasks, tasks[0]], journal, workers=3, progress=False, title="")
    assert sorted(order[:4]) == [f"check {n}" for n in range(4)]
    assert order[4:] == ["race 0", "race 2", "race 3"]
    assert found[1][1] == {}
    assert found[0] == found[4]


def test_a_failing_judge_is_not_hidden():
    def broken():
        raise RuntimeError("no sandbox")

    with Journal() as journal, pytest.raises(RuntimeError, match="no sandbox"):
        work_off([Task("a", broken)], journal, workers=2, progress=False, title="")


def test_parameters_in_threads_are_those_of_one():
    """Drawing parameters sets the global generator; threads must not mix their numbers."""
    from concurrent.futures import ThreadPoolExecutor

    problem = p.Linear
    expected = [p.Linear.reference("small", seed=s).weight for s in range(4)]

    def weight(k):
        return problem.reference("small", seed=k % 4).weight

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(weight, range(200)))
    assert all(torch.equal(w, expected[k % 4]) for k, w in enumerate(found))
