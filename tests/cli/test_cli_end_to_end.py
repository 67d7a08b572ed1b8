"""The command with mercer's own estimators, on a table small enough to be quick."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import mercer
from mercer.cli import app
from mercer.cli.model import TableModel
from mercer.cli.table import read_table


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("work")
    rng = np.random.default_rng(8)
    x, kind = rng.uniform(-3, 3, 160), rng.choice(["a", "b"], 160)
    y = 4 * x + 2 * np.sin(3 * x) + (kind == "a") + 0.1 * rng.normal(size=160)
    table = pl.DataFrame({"x": x, "kind": kind, "y": y, "high": y > 0.3})
    table.write_csv(place / "t.csv")
    return place


@pytest.mark.parametrize(("target", "other"), [("y", "high"), ("high", "y")])
def test_fit_predict_explain(folder, capsys, target, other):
    data, out, predictions = folder / "t.csv", folder / target, folder / f"{target}.csv"
    line = ["fit", str(data), "--target", target, "--drop", other, "--out", str(out)]
    assert app.run([*line, "--kernel", "rbf"]) == 0
    said = capsys.readouterr().out
    assert "gradient boosting" in said
    assert "report.html" in said
    assert (out / "report.html").is_file()
    assert sorted(path.name for path in out.iterdir()) == ["estimator", "report.html", "table.json"]

    assert app.run(["predict", str(out), str(data), "--out", str(predictions)]) == 0
    capsys.readouterr()
    written, truth = pl.read_csv(predictions)["prediction"], read_table(data)[target]
    if target == "y":
        model = TableModel.load(out)
        np.testing.assert_array_equal(written.to_numpy(), model.predict(read_table(data)))
        assert np.corrcoef(written.to_numpy(), truth.to_numpy())[0, 1] > 0.99
    else:
        assert np.mean(written.cast(pl.String).to_numpy() == truth.cast(pl.String).to_numpy()) > 0.9

    assert app.run(["explain", str(out)]) == 0
    assert "method exact" in capsys.readouterr().out


def test_the_estimator_can_be_loaded_by_itself(folder):
    place = folder / "alone"
    line = ["fit", str(folder / "t.csv"), "--target", "y", "--out", str(place), "--kernel", "rbf"]
    assert app.run([*line, "--drop", "high", "--trend", "none"]) == 0
    table = read_table(folder / "t.csv")
    model = TableModel.load(place)
    X = model.features.transform(table)
    alone = mercer.load(place / "estimator").predict(X)
    np.testing.assert_array_equal(alone, model.predict(table))


def test_explain_a_size(capsys):
    assert app.run(["explain", "--rows", "300000", "--columns", "20"]) == 0
    assert "300,000" in capsys.readouterr().out


def test_a_method_that_cannot_be_used_is_refused_in_a_sentence(folder, capsys):
    line = ["fit", str(folder / "t.csv"), "--target", "y", "--out", str(folder / "no")]
    assert app.run([*line, "--method", "exact", "--centers", "7"]) == 2
    assert "centers=7" in capsys.readouterr().err
    assert not (folder / "no").exists()
