"""Programs of small references, in forms that larger ones only take on a GPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mercer.lab.problems import find
from mercer.lab.templates import Schedule, Tiling, emit, fused
from tests.lab.template_cases import Medley, Parts
from tests.lab.test_templates_cpp import close, run
from tests.lab.traced import traced


def in_parts(graph):
    """Return a schedule whose reductions have several parts at the small size, too."""
    schedule = fused(graph, size="race")
    assert {tiling.form for tiling in schedule.tilings.values()} == {"split"}
    for name in schedule.tilings:
        schedule = schedule.tiled(name, rows=2, block=16, parts=2)
    return schedule


def joint(graph):
    """Return a schedule of few kernels that walk along their rows once."""
    return Schedule(joined=True, default=Tiling("loop", rows=4, block=16, online=True))


def errors(folder):
    """Return the errors of programs in Triton, which has to be interpreted here."""
    from tests.lab.interpreted_templates import error

    found = {}
    for problem, make in ((Medley, joint), (Parts, in_parts)):
        graph = traced(problem)
        path = os.path.join(folder, f"{problem.name}.py")
        candidate = emit(graph, make(graph), size="race")
        found[problem.name] = error(problem, candidate, path, lambda x: x)
    return found


def test_triton_is_right(tmp_path):
    pytest.importorskip("triton")
    if os.environ.get("TRITON_INTERPRET") == "1":
        found = errors(tmp_path)
    else:
        environment = {**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-W", "ignore", "-m", __name__, str(tmp_path)]
        done = subprocess.run(
            command, capture_output=True, text=True, env=environment, check=False,
            cwd=Path(__file__).parents[2],
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:]
        found = json.loads(done.stdout.splitlines()[-1])
    assert not {name: e for name, e in found.items() if not e < 2e-6}


def test_cpp_is_right():
    graph = traced(Medley)
    candidate = emit(graph, Schedule("cpp", default=Tiling("split", parts=3)), size="race")
    close(*run(Medley, candidate), 2e-6)
    halves, _ = run(Medley, candidate, torch.float16)
    assert {a.dtype for a in halves} == {torch.float16, torch.int64, torch.bool}


@pytest.mark.parametrize("name", ["row_log_sum_exp", "row_variance"])
def test_reductions_that_depend_on_each_other_share_a_pass(name):
    """Also where the second one is met before the first."""
    graph = traced(find(name))
    walks = [emit(graph, joint(graph), size="race").source.count("    for start0 in")]
    apart = Schedule(joined=True, default=Tiling("loop", rows=4, block=16))
    walks.append(emit(graph, apart, size="race").source.count("    for start0 in"))
    assert walks == [1, 2]


if __name__ == "__main__":
    print(json.dumps(errors(sys.argv[1])))
