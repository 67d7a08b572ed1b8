"""``mercer fit`` in two processes: the model of one, and what is left when one is killed."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from safetensors import safe_open

from mercer.cli import app
from mercer.cli.model import TableModel
from mercer.cli.table import read_table
from tests.ranks import start

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
SLOW = str(Path(__file__).parent / "slow_fit.py")
ROUNDING = float(np.sqrt(np.finfo(np.float64).eps))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("work")
    rng = np.random.default_rng(8)
    x, z = rng.uniform(-3, 3, (2, 240))
    y = 4 * x + 2 * np.sin(3 * x) * z + 0.1 * rng.normal(size=240)
    pl.DataFrame({"x": x, "z": z, "y": y, "high": y > 0.3}).write_csv(place / "t.csv")
    return place


def arguments(folder, out, target="y", other="high"):
    line = ["fit", str(folder / "t.csv"), "--target", target, "--drop", other, "--out", str(out)]
    return [*line, "--kernel", "matern52", "--lengthscale", "1.5", "--method", "nystrom"]


@pytest.fixture(scope="module")
def whole(folder):
    """The regression that one process fits."""
    assert app.run(arguments(folder, folder / "whole")) == 0
    return TableModel.load(folder / "whole")


def finished(process, seconds):
    try:
        out, err = process.communicate(timeout=seconds)
    finally:
        process.kill()
    return process.returncode, out, err


def same_predictions(folder, model, other):
    table = read_table(folder / "t.csv")
    expected = other.predict(table)
    assert np.abs(model.predict(table) - expected).max() <= ROUNDING * np.abs(expected).max()


def history(out):
    """What the checkpoint beside ``out`` says of the steps so far."""
    place = out.parent / f"{out.name}.mercer-checkpoint"
    if not place.exists():
        return []
    with safe_open(place, framework="pt") as file:
        return json.loads(file.metadata()["mercer"])["history"]


def kill_in_the_middle(folder, out, rank, processes):
    """Kill one rank after three steps."""
    deadline = time.monotonic() + 60
    while len(history(out)) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
        assert all(p.poll() is None for p in processes), "the fit ended before it could be killed"
    os.kill(int((folder / f"pid-{rank}").read_text()), signal.SIGKILL)


def test_the_model_of_one_process(folder, whole):
    out = folder / "together"
    code, said, err = finished(start([*TORCHRUN, "-m", "mercer", *arguments(folder, out)]), 90)
    assert code == 0, err
    assert said.count("gradient boosting") == 2  # said that it is fitted, and its row: once
    assert sorted(path.name for path in out.iterdir()) == ["estimator", "report.html", "table.json"]
    model = TableModel.load(out)
    same_predictions(folder, model, whole)
    assert "divided over 2 processes" in model.estimator.explain_


@pytest.fixture(scope="module")
def killed(folder):
    """Where a run was to leave its model, of which a rank was killed; its code and stderr."""
    out = folder / "killed"
    process = start([*TORCHRUN, SLOW, str(folder), *arguments(folder, out)])
    kill_in_the_middle(folder, out, 1, [process])
    code, _, err = finished(process, 40)
    return out, code, err


def test_a_killed_rank_ends_the_run(killed):
    out, code, err = killed
    assert code != 0
    said = [line for line in err.splitlines() if line.startswith("mercer")]
    assert len(said) == 1, err
    assert said[0].startswith("mercer: rank 0 ")
    assert said[0].endswith("mercer-checkpoint, go on from it with --resume")
    assert "Traceback" not in err.partition("mercer:")[0]
    assert not out.exists()


def test_the_run_is_resumed(folder, killed, whole):
    out, *_ = killed
    left = history(out)
    assert len(left) >= 3
    line = [*TORCHRUN, "-m", "mercer", *arguments(folder, out), "--resume"]
    code, said, err = finished(start(line), 90)
    assert code == 0, err
    assert "nothing to resume" not in said
    model = TableModel.load(out)
    assert model.estimator.machine.history_[: len(left)] == left
    same_predictions(folder, model, whole)
    assert history(out) == []


def test_the_first_rank_is_killed_and_one_process_goes_on(folder, whole):
    """Without torchrun, which would end the others: they notice for themselves."""
    out = folder / "first"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    told = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    line = [sys.executable, SLOW, str(folder), *arguments(folder, out), "--timeout", "20"]
    ranks = [start(line, RANK=r, LOCAL_RANK=r, LOCAL_WORLD_SIZE="2", **told) for r in "01"]
    kill_in_the_middle(folder, out, 0, ranks)
    code, _, err = finished(ranks[1], 40)
    finished(ranks[0], 10)
    assert code == 1
    (said,) = err.splitlines()
    assert said.startswith("mercer (rank 1): rank 1 lost another of the 2 processes of this run")
    assert said.endswith("mercer-checkpoint, go on from it with --resume")

    left = history(out)
    assert app.run([*arguments(folder, out), "--resume"]) == 0
    model = TableModel.load(out)
    assert model.estimator.machine.history_[: len(left)] == left
    same_predictions(folder, model, whole)
