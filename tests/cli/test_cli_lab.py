"""mercer lab as a shell sees it: verdicts, exit codes, one sentence, and what Ctrl-C keeps."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import nullcontext

import pytest
from typer.testing import CliRunner

from mercer.cli import app
from mercer.cli.bad_input import BadInput
from mercer.cli.lab import check_command
from mercer.cli.lab.duration import seconds
from mercer.cli.lab.group import lab
from tests.lab.shared_pool import shared_pool

RIGHT = """# problem: row_sum
import torch
from torch import nn


class ModelNew(nn.Module):
    def forward(self, x):
        return x.sum(-1)
"""
REFERENCE = """import torch
from torch import nn


class Model(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return self.factor * x


def get_inputs():
    return [torch.randn(5, 7)]


def get_init_inputs():
    return [3.0]
"""
BAD = {
    "no file": ("check absent.py", "absent.py does not exist"),
    "no problem": ("check bare.py", 'begin the file with "# problem: NAME"'),
    "unknown problem": ("check right.py --problem row_sun", "did you mean row_sum"),
    "two problems": ("check right.py --problem a --reference reference.py", "not both"),
    "device": ("check right.py --device tpu", "--device must be one of auto, cpu, cuda"),
    "isolation": ("check right.py --isolation hope", "isolation must be one of"),
    "empty": ("check empty.py", "must not be empty"),
    "level": ("list --level 4", "level must be 1, 2 or 3"),
    "tag": ("list --tag fast", "no problem has the tag 'fast'"),
    "size": ("race right.py --size huge", "no size 'huge'"),
    "baseline": ("race right.py --baselines slow", "--baselines must be of eager"),
    "precision": ("race right.py --precision 0", "--precision must lie between 0 and 1"),
    "budget": ("evolve row_sum --budget soon", "a time such as 90s, 10m or 1h, got 'soon'"),
    "policy": ("evolve row_sum --policy luck", "--policy must be one of greedy, tree, islands"),
    "model": ("evolve row_sum --model parrot", "--model must be builtin, an http address"),
    "server": ("evolve row_sum --model http://localhost:1/v1", "--model-name"),
    "language": ("evolve row_sum --language basic", "--language must be one of"),
    "writes": ("evolve row_sum --language cuda", "writes triton or cpp, not cuda"),
    "nothing": ("evolve", "a problem's name or --reference FILE"),
    "other database": ("evolve row_sum --database songs.db", "songs.db is not a database of"),
    "no report": ("report absent.db", "there is no database absent.db"),
    "no database": ("report right.py", "right.py is not a database of searches"),
    "over itself": ("report songs.db --out songs.db", "must not be the database itself"),
    "no script": ("profile absent.py", "absent.py does not exist"),
    "no step": ("profile right.py", "must define step()"),
    "raises": ("profile raises.py", "raises.py raised ZeroDivisionError"),
    "no trace": ("profile broken.json", "is not whole JSON"),
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "right.py").write_text(RIGHT)
    (tmp_path / "wrong.py").write_text(RIGHT.replace("x.sum(-1)", "x.sum(-1) + 1e-3"))
    (tmp_path / "bare.py").write_text(RIGHT.split("\n", 1)[1])
    (tmp_path / "empty.py").write_text("\n")
    (tmp_path / "raises.py").write_text("1 / 0\n")
    (tmp_path / "broken.json").write_text('{"traceEvents": [')
    (tmp_path / "reference.py").write_text(REFERENCE)
    with sqlite3.connect(tmp_path / "songs.db") as connection:
        connection.execute("CREATE TABLE songs (name TEXT)")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("line", "sentence"), BAD.values(), ids=BAD)
def test_bad_input_is_one_sentence_and_code_2(folder, capsys, line, sentence):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert app.run(["lab", *line.split()]) == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count("\n") == 1
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize(
    ("text", "value"),
    [("90s", 90), ("10m", 600), ("1h", 3600), ("1h30m", 5400), ("2m5s", 125), ("7", 7),
     ("0.5m", 30)],
)  # fmt: skip
def test_budgets_are_times(text, value):
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["", "m", "-5s", "0s", "10x", "5s3m", "1h1h", "nan", "1 h"])
def test_other_budgets_are_refused(text):
    with pytest.raises(BadInput, match="--budget must be a time"):
        seconds(text)


def test_help_lists_the_commands():
    shown = CliRunner().invoke(lab, ["--help"])
    assert shown.exit_code == 0
    for command in ("list", "check", "race", "profile", "evolve", "report"):
        assert f"\n  {command} " in shown.output


def test_list_in_both_forms():
    plain = CliRunner().invoke(lab, ["list", "--level", "1", "--tag", "softmax"])
    rows = json.loads(CliRunner().invoke(lab, ["list", "--json"]).output)
    assert "1  softmax " in plain.output
    assert len(rows) >= 100
    assert {row["level"] for row in rows} == {1, 2, 3}
    assert len(plain.output.splitlines()) == sum(
        row["level"] == 1 and "softmax" in row["tags"] for row in rows
    )


def isolated(result):
    if result.exception and "isolated here" in str(result.exception):
        pytest.skip(str(result.exception))
    return result


@pytest.fixture
def shared(monkeypatch):
    """Candidates of several commands run in workers of one pool: importing torch takes seconds."""
    try:
        pool = shared_pool()
    except RuntimeError as error:
        pytest.skip(str(error))
    monkeypatch.setattr(check_command, "open_pool", lambda *options: nullcontext(pool))


def test_check_tells_right_from_wrong(folder, shared):
    runner = CliRunner()
    right = runner.invoke(lab, ["check", "right.py", "--device", "cpu", "--json"])
    assert right.exit_code == 0
    found = json.loads(right.output)
    assert (found["problem"], found["right"], found["stage"]) == ("row_sum", True, "right")
    wrong = runner.invoke(lab, ["check", "wrong.py", "--device", "cpu", "--seeds", "1"])
    assert wrong.exit_code == 1
    assert "wrong.py for row_sum: wrong (value)" in wrong.output


def test_check_against_the_public_format(folder, shared):
    (folder / "mine.py").write_text(
        "from torch import nn\n\n\nclass ModelNew(nn.Module):\n"
        "    def __init__(self, factor):\n        super().__init__()\n"
        "        self.factor = factor\n\n    def forward(self, x):\n"
        "        return x * self.factor\n"
    )
    line = ["check", "mine.py", "--reference", "reference.py", "--device", "cpu", "--seeds", "1"]
    result = CliRunner().invoke(lab, line)
    assert result.exit_code == 0
    assert "mine.py for reference: right" in result.output


@pytest.mark.slow
def test_race_of_tiny_size(folder):
    line = "race right.py wrong.py --size odd --baselines eager --precision 0.5 --device cpu"
    result = isolated(CliRunner().invoke(lab, [*line.split(), "--json"]))
    assert result.exit_code == 0
    (found,) = json.loads(result.output)
    assert [e["name"] for e in found["entries"]] == ["eager", "0: right", "1: wrong"]
    assert [e["right"] for e in found["entries"]] == [True, True, False]
    assert found["entries"][1]["speedups"]["eager"]["median"] > 0
    assert found["entries"][2]["seconds"] is None


def test_profile_of_a_script_and_of_a_model(folder):
    (folder / "step.py").write_text("import torch\n\n\ndef step():\n    torch.ones(9).cumsum(0)\n")
    line = ["profile", "step.py", "--steps", "2", "--device", "cpu", "--draw", "step.png"]
    shown = CliRunner().invoke(lab, line)
    assert shown.exit_code == 0, shown.output
    assert "aten::cumsum" in shown.output
    assert (folder / "step.png").read_bytes()[:4] == b"\x89PNG"
    line = ["profile", "reference.py", "--steps", "1", "--device", "cpu", "--json"]
    found = json.loads(CliRunner().invoke(lab, line).output)
    assert (found["origin"], found["chains"], len(found["steps"])) == ("reference.py", [], 1)


@pytest.mark.slow
def test_evolve_then_report(folder):
    line = "evolve row_sum --budget 5s --size small --policy greedy --device cpu --database s.db"
    result = isolated(CliRunner().invoke(lab, [*line.split(), "--json"]))
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["best"]["speedup"] > 0
    assert found["entries"]
    assert app.run(["lab", *line.split()]) == 2  # it is there already
    again = CliRunner().invoke(lab, [*line.split(), "--resume", "--json"])
    assert json.loads(again.stdout)["entries"][: len(found["entries"])] == found["entries"]
    shown = CliRunner().invoke(lab, ["report", "s.db"])
    assert shown.exit_code == 0
    page = (folder / "s.html").read_text()
    assert "row_sum" in page
    assert "times</b> as fast as the eager reference" in " ".join(page.split())
    assert "us a call at least" in page  # the roofline is known


@pytest.mark.slow
def test_interrupt_keeps_what_was_found(folder):
    line = "lab evolve row_sum --budget 1h --size small --device cpu --database s.db"
    process = subprocess.Popen(
        [sys.executable, "-m", "mercer", *line.split()],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip

    def judged():
        try:
            with sqlite3.connect("file:s.db?mode=ro", uri=True) as connection:
                return connection.execute("SELECT COUNT(*) FROM verdicts").fetchone()[0]
        except sqlite3.OperationalError:
            return 0

    deadline = time.monotonic() + 240
    while judged() < 2:
        if process.poll() is not None:
            pytest.skip(process.stderr.read())
        assert time.monotonic() < deadline
        time.sleep(0.2)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert out == ""
    assert "Traceback" not in err
    assert "s.db keeps" in err
    assert "--resume goes on" in err
    assert judged() >= 2
    left = subprocess.run(
        ["pgrep", "-g", str(process.pid)], capture_output=True, text=True, check=False
    )
    assert left.stdout == ""
