"""mercer lab at its doors: places, files, references and databases that cannot be used."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing, nullcontext

import pytest

from mercer.cli import app
from mercer.cli.atomic import new_directory, new_file
from mercer.cli.lab import check_command, evolve_command, race_command
from mercer.lab.candidate import Candidate
from mercer.lab.problems import read_problem
from mercer.lab.report import write_report
from mercer.lab.search import Database, Entry, Evaluation, Result
from mercer.lab.timing.course import Course
from mercer.lab.verify import Case, Verdict, truth_of
from mercer.learn.atomic import write_file

CANDIDATE = """# problem: softmax
from torch import nn


class ModelNew(nn.Module):
    def forward(self, x):
        return x + 1
"""
REFERENCE = """import sys

import torch
from torch import nn


class Model(nn.Module):
    def forward(self, x):
        return {returned}


def get_inputs():
    return [{given}]


def get_init_inputs():
    return []
"""
X = "torch.ones(3, 4)"
UNUSABLE = {
    "raises": ("x @ x", X, "forward of the reference raised RuntimeError: mat1 and mat2 shapes"),
    "exits": ("sys.exit()", X, "forward of the reference raised SystemExit"),
    "dict": ("{'a': x}", X, "forward must return tensors, got dict"),
    "number": ("3.0", X, "forward must return tensors, got float"),
    "nothing": ("()", X, "all that forward returns is empty"),
    "complex": ("x * 1j", X, "output 0 is complex; return torch.view_as_real of it"),
    "complex input": ("2 * x", "1j * torch.ones(3)", "output 0 is complex"),
    "empty": ("2 * x", "torch.ones(0, 4)", "all that forward returns is empty"),
}
BAD = {
    "reference exits": ("check c.py --reference exits.py", "exits.py raised SystemExit: 3"),
    "reference binary": ("check c.py --reference binary.py", "binary.py is not text in UTF-8"),
    "no seeds": ("check c.py --seeds 0", "--seeds must be at least 1, got 0"),
    "fewer seeds": ("check c.py --seeds -1", "--seeds must be at least 1, got -1"),
    "report to a pipe": ("report s.db --out pipe", "pipe is a device or a pipe; --out must name"),
    "report to nowhere": ("report s.db --out no/a.html", "there is no folder no for a.html"),
    "report to a folder": ("report s.db --out folder", "folder is a directory; --out must name"),
    "report of a folder": ("report folder", "folder is a directory, not a database"),
    "report of a pipe": ("report pipe", "pipe is no regular file, not a database"),
    "report of damage": ("report damaged.db", "damaged.db cannot be used as a database: database"),
    "search in damage": (
        "evolve softmax --database damaged.db --resume",
        "damaged.db cannot be used as a database: database disk image is malformed",
    ),
    "search in a folder": (
        "evolve softmax --database folder",
        "folder is a directory; --database must name a file",
    ),
    "search in a pipe": ("evolve softmax --database pipe", "pipe is a device or a pipe"),
    "search nowhere": ("evolve softmax --database no/a.db", "there is no folder no for a.db"),
    "search again": ("evolve softmax --database s.db", "s.db holds a search for softmax with 1 ca"),
    "baseline": (
        "evolve softmax --baseline fast",
        "--baseline must be one of eager, compiled, max-autotune, cuda-graphs, got 'fast'",
    ),
    "picture of no kind": ("profile step.py --draw a.xyz", "--draw must end in one of .eps, "),
    "picture without": ("profile step.py --draw picture", "--draw must end in one of"),
    "picture nowhere": ("profile step.py --draw no/a.png", "there is no folder no for a.png"),
    "picture in a pipe": ("profile step.py --draw pipe.png", "pipe.png is a device or a pipe"),
}


def searched(path, seeds=(0,)):
    """A file with a search of each seed: as many candidates as its place in `seeds`, from one."""
    with Database(path) as database:
        for k, seed in enumerate(seeds):
            run = database.start("softmax", seed, {"language": "cpp"})
            for number in range(k + 1):
                database.propose(run, number, Candidate(f"{CANDIDATE}# {number}", "torch"))
                right = Evaluation(Verdict(True, "right", ""), 1e-3, 2e-3)
                database.judge(run, number, right, seconds=1.0)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "c.py").write_text(CANDIDATE)
    (tmp_path / "exits.py").write_text("import sys\n\nsys.exit(3)\n")
    (tmp_path / "binary.py").write_bytes(b"\xff\xfe")
    (tmp_path / "step.py").write_text("raise RuntimeError('it was run')\n")
    (tmp_path / "folder").mkdir()
    searched(tmp_path / "s.db")
    text = (tmp_path / "s.db").read_bytes()
    with closing(sqlite3.connect(tmp_path / "s.db")) as connection:
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        roots = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'runs'")
        (root,) = roots.fetchone()
    begin = size * (root - 1)
    (tmp_path / "damaged.db").write_bytes(text[:begin] + b"\xee" * size + text[begin + size :])
    for name in ("pipe", "pipe.png"):
        os.mkfifo(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(evolve_command, "open_pool", unwanted)
    return tmp_path


def unwanted(*options):
    raise AssertionError("this was to be refused before a process is started")


def contents(folder):
    return {
        path.name: path.read_bytes() if path.is_file() else path.stat().st_mode
        for path in folder.iterdir()
        if not path.name.endswith(("-shm", "-wal"))  # what SQLite may leave beside a damaged file
    }


@pytest.mark.parametrize(("line", "sentence"), BAD.values(), ids=BAD)
def test_bad_input_is_one_sentence_and_code_2(folder, capsys, monkeypatch, line, sentence):
    monkeypatch.setattr(check_command, "open_pool", unwanted)
    before = contents(folder)
    assert app.run(["lab", *line.split()]) == 2
    shown = capsys.readouterr()
    assert sentence in shown.err
    assert (shown.err.count("\n"), shown.out) == (1, "")
    assert contents(folder) == before


def test_a_database_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"file/a\.db cannot be used as a database: unable"):
        Database(tmp_path / "file" / "a.db")
    with pytest.raises(ValueError, match="is a directory, not a database of searches"):
        write_report(tmp_path, tmp_path / "a.html")


def test_sqlite_elsewhere_is_one_sentence(monkeypatch, capsys):
    def full(*options):
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr("mercer.cli.lab.list_command.list_problems", full)
    assert app.run(["lab", "list"]) == 2
    said = capsys.readouterr().err
    assert said == "mercer: the database cannot be used: database or disk is full\n"


@pytest.mark.parametrize(("returned", "given", "reason"), UNUSABLE.values(), ids=UNUSABLE)
def test_an_unusable_reference_says_why(tmp_path, returned, given, reason):
    path = tmp_path / "odd_one.py"
    path.write_text(REFERENCE.replace("{returned}", returned).replace("{given}", given))
    problem = read_problem(path)
    for attempt in (
        lambda: truth_of(problem, Case("odd")),
        lambda: Course(problem, "odd", device="cpu"),
    ):
        with pytest.raises(TypeError) as caught:
            attempt()
        assert str(caught.value).startswith(f"odd_one cannot be checked: {reason}")


@pytest.mark.parametrize("command", ["check", "race", "evolve"])
def test_every_command_says_why_a_reference_is_unusable(folder, capsys, monkeypatch, command):
    (folder / "ref.py").write_text(
        REFERENCE.replace("{returned}", "{'a': x}").replace("{given}", X)
    )
    for module in (check_command, race_command, evolve_command):
        monkeypatch.setattr(module, "open_pool", lambda *options: nullcontext(Idle()))
    before = contents(folder)
    file = [] if command == "evolve" else ["c.py"]
    assert app.run(["lab", command, *file, "--reference", "ref.py", "--device", "cpu"]) == 2
    said = capsys.readouterr().err
    assert said == "mercer: ref cannot be checked: forward must return tensors, got dict\n"
    assert contents(folder) == before  # no database is left either


class Idle:
    """A pool that has made no worker yet, and can make none."""

    device = "cpu"

    def worker(self, regions):
        raise RuntimeError("workers run as user 7, who cannot reach here")


def test_a_worker_that_cannot_be_made_is_one_sentence(folder, capsys, monkeypatch):
    monkeypatch.setattr(check_command, "open_pool", lambda *options: nullcontext(Idle()))
    assert app.run(["lab", "check", "c.py", "--device", "cpu", "--seeds", "1"]) == 2
    said = capsys.readouterr().err
    assert said == (
        "mercer: softmax cannot be checked: workers run as user 7, who cannot reach here\n"
    )


def test_one_that_is_partly_empty_is_checked(tmp_path):
    path = tmp_path / "halves.py"
    path.write_text(REFERENCE.replace("{returned}", "(x[:0], 2 * x)").replace("{given}", X))
    truth = truth_of(read_problem(path), Case("odd"))
    assert [y.numel() for y in truth.working] == [0, 12]


def in_place(writer):
    def write(path):
        with writer(path):
            pass

    return write


WRITERS = {
    "write_file": lambda path: write_file(path, b"1"),
    "new_file": in_place(new_file),
    "new_directory": in_place(new_directory),
}


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_a_pipe_is_not_replaced(tmp_path, write):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    link = tmp_path / "link"
    link.symlink_to(pipe)
    for place in (pipe, link):
        with pytest.raises(FileExistsError, match="no regular file; name another"):
            write(place)
    assert pipe.is_fifo()
    assert link.is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "pipe"]


@pytest.mark.parametrize(("seed", "count"), [(3, "1 candidate"), (4, "2 candidates")])
def test_an_interrupt_counts_the_search_that_was_stopped(
    tmp_path, monkeypatch, capsys, seed, count
):
    def stopped(*arguments, **options):
        raise KeyboardInterrupt

    searched(tmp_path / "s.db", seeds=(3, 4))
    monkeypatch.setattr(evolve_command, "open_pool", lambda *options: nullcontext(Idle()))
    monkeypatch.setattr(evolve_command, "Evaluator", lambda *a, **o: nullcontext())
    monkeypatch.setattr(evolve_command, "_Noted", lambda *a: None)
    monkeypatch.setattr(evolve_command, "evolve", stopped)
    line = f"lab evolve softmax --resume --seed {seed} --device cpu --database {tmp_path / 's.db'}"
    assert app.run(line.split()) == 130
    said = capsys.readouterr().err
    assert f"s.db keeps {count}, the best 2.00 times as fast; --resume goes on" in said


def test_an_interrupted_race_tells_what_it_measured(folder, monkeypatch, capsys):
    def stopped(*arguments, **options):
        raise KeyboardInterrupt("race of softmax stopped: round 3: eager 9.5 us")

    monkeypatch.setattr(race_command, "open_pool", lambda *options: nullcontext(Idle()))
    monkeypatch.setattr(race_command, "race", stopped)
    assert app.run(["lab", "race", "c.py", "--device", "cpu"]) == 130
    shown = capsys.readouterr()
    assert shown.err.startswith("mercer: race of softmax stopped: round 3: eager 9.5 us\n")
    assert shown.out == ""


PRINTS = """import ctypes
import os

print("at import")


def step():
    print("in a step")
    os.write(1, b"below Python\\n")
    ctypes.CDLL(None).puts(b"in C")
"""


def test_what_a_profiled_program_prints_is_no_part_of_the_json(folder, capfd):
    (folder / "step.py").write_text(PRINTS + "    import torch; torch.ones(9).cumsum(0)\n")
    line = ["profile", "step.py", "--steps", "1", "--device", "cpu", "--json"]
    assert app.run(["lab", *line]) == 0
    shown = capfd.readouterr()
    assert json.loads(shown.out)["origin"] == "step.py"
    for text in ("at import", "in a step", "below Python", "in C"):
        assert text in shown.err


def test_what_a_reference_prints_is_no_part_of_the_json(folder, monkeypatch, capfd):
    def checked(problem, candidate, **options):
        problem.reference("odd")(*problem.draw("odd", seed=0))
        return Verdict(True, "right", "")

    text = REFERENCE.format(returned="(print('in forward'), 2 * x)[1]", given=X)
    (folder / "reference.py").write_text('print("at import")\n' + text)
    (folder / "c.py").write_text(CANDIDATE)
    monkeypatch.setattr(check_command, "open_pool", lambda *options: nullcontext())
    monkeypatch.setattr(check_command, "check", checked)
    line = ["check", "c.py", "--reference", "reference.py", "--device", "cpu", "--json"]
    assert app.run(["lab", *line]) == 0
    shown = capfd.readouterr()
    assert json.loads(shown.out)["right"] is True
    assert "at import" in shown.err
    assert "in forward" in shown.err


@pytest.mark.parametrize(("flags", "backward"), [([], None), (["--forward"], False)])
def test_gradients_are_checked_unless_it_is_forward_only(folder, monkeypatch, flags, backward):
    def checked(problem, candidate, **options):
        assert options["backward"] is backward
        return Verdict(True, "right", "")

    (folder / "c.py").write_text("# problem: softmax\n" + CANDIDATE)
    monkeypatch.setattr(check_command, "open_pool", lambda *options: nullcontext())
    monkeypatch.setattr(check_command, "check", checked)
    assert app.run(["lab", "check", "c.py", "--device", "cpu", *flags]) == 0


def test_a_profile_is_told_before_its_picture_fails(folder, monkeypatch, capsys):
    def full(trace, path):
        raise OSError(28, "No space left on device", str(path))

    (folder / "step.py").write_text("import torch\n\n\ndef step():\n    torch.ones(9).cumsum(0)\n")
    monkeypatch.setattr("mercer.lab.profile.Trace.draw", full)
    line = "lab profile step.py --steps 1 --device cpu --draw a.png"
    assert app.run(line.split()) == 2
    shown = capsys.readouterr()
    assert "aten::cumsum" in shown.out
    assert shown.err.endswith("mercer: a.png: No space left on device\n")


def test_the_best_program_is_written_where_out_says(folder, monkeypatch, capsys):
    best = Entry(0, "d", "def f(): pass\n", "cpp", "", (), 0, "judged", True, "", "", "", 1.0, 2.0)
    result = Result("softmax", 1, best, (best,), "so", 3.0)
    monkeypatch.setattr(evolve_command, "open_pool", lambda *options: nullcontext(Idle()))
    monkeypatch.setattr(evolve_command, "Evaluator", lambda *a, **o: nullcontext())
    monkeypatch.setattr(evolve_command, "_Noted", lambda *a: None)
    monkeypatch.setattr(evolve_command, "evolve", lambda *a, **o: result)
    line = ["lab", "evolve", "softmax", "--resume", "--device", "cpu", "--database", "s.db"]
    assert app.run([*line, "--out", "best.py"]) == 0
    assert (folder / "best.py").read_text() == "# problem: softmax\n" + best.source
    capsys.readouterr()
    refusals = {
        "s.db": "--out must not be the database itself",
        "no/a.py": "there is no folder no for a.py",
        ".": ". is a directory; --out must name a file",
    }
    for out, sentence in refusals.items():
        assert app.run([*line, "--out", out]) == 2
        assert sentence in capsys.readouterr().err


def test_one_candidate_is_singular(folder, monkeypatch, capsys):
    result = Result("softmax", 1, None, (Entry(0, "d", "", "cpp", "", (), 0, "judged"),), "so", 3.0)
    monkeypatch.setattr(evolve_command, "open_pool", lambda *options: nullcontext(Idle()))
    monkeypatch.setattr(evolve_command, "Evaluator", lambda *a, **o: nullcontext())
    monkeypatch.setattr(evolve_command, "_Noted", lambda *a: None)
    monkeypatch.setattr(evolve_command, "evolve", lambda *a, **o: result)
    app.run(["lab", "evolve", "softmax", "--resume", "--device", "cpu", "--database", "s.db"])
    assert "softmax: 1 candidate, " in capsys.readouterr().out
    write_report("s.db", "s.html")
    assert "1 candidate, 0 of them failed" in " ".join((folder / "s.html").read_text().split())
