"""From a table to a model, its report, and predictions: with scikit-learn's kernel machines."""

from __future__ import annotations

import errno
import json
from html.parser import HTMLParser

import numpy as np
import polars as pl
import pytest
import stand_in
from sklearn import metrics

from mercer.cli import fit_command
from mercer.cli.bad_input import BadInput
from mercer.cli.fit import fit_table, write_report
from mercer.cli.importance import importance
from mercer.cli.model import TableModel, describe
from mercer.cli.predict import predict_table
from mercer.cli.request import Request
from mercer.cli.scores import scores
from mercer.cli.table import read_table
from mercer.cli.target import Target

STAND_IN = {"build": stand_in.build, "again": stand_in.again}
NASTY = "<script>alert('x')</script> $x^2 {{ 7 * 7 }} [red]"


def make_table(n: int = 400) -> pl.DataFrame:
    rng = np.random.default_rng(5)
    x, kind = rng.normal(size=n), rng.choice(["a", "b", "<b>"], n)
    y = np.sin(2 * x) + (kind == "a") + 0.1 * rng.normal(size=n)
    return pl.DataFrame(
        {
            "x": np.where(rng.random(n) < 0.05, np.nan, x),
            NASTY: kind,
            "noise": rng.normal(size=n),
            "same": ["s"] * n,
            "y": y,
            "size": np.where(y > 0.8, "large", np.where(y > 0, "middling", "small")),
        }
    ).with_columns(pl.col("x").fill_nan(None))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "table.csv"
    make_table().write_csv(path)
    return path


@pytest.fixture(scope="module", params=["y", "size"])
def fitted(request, data, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "model"
    drop = ("size",) if request.param == "y" else ("y",)
    lines: list[str] = []
    fit = fit_table(
        Request(data, request.param, out, drop=drop), lines.append, build=stand_in.build
    )
    write_report(fit)
    return fit, out, lines


def _names(target):
    linear = "logistic regression" if target.is_classification else "ridge regression"
    return [linear, "gradient boosting"]


def test_predictions_after_load_equal_those_before_save(fitted, data):
    fit, out, _ = fitted
    frame = read_table(data)
    loaded = TableModel.load(out, stand_in.load)
    np.testing.assert_array_equal(loaded.predict(frame), fit.model.predict(frame))
    assert loaded.features == fit.model.features
    assert loaded.intervals == fit.model.intervals
    assert not (out.parent / "model.mercer-checkpoint").exists()


def test_scores_are_of_the_held_out_rows_for_all_alike(fitted, data):
    fit, _, _ = fitted
    assert [result.name for result in fit.results] == ["mercer", *_names(fit.model.target)]
    held_out = read_table(data)[fit.split.test]
    again = fit.model.predict(held_out)
    np.testing.assert_allclose(again, fit.results[0].predicted, rtol=1e-12)
    if fit.model.target.task == "regression":
        truth = held_out["y"].to_numpy()
        expected = np.sqrt(np.mean((again - truth) ** 2))
        assert fit.results[0].scores["RMSE"] == pytest.approx(expected)
    else:
        labels = np.array(fit.model.target.classes)[again.argmax(axis=1)]
        expected = np.mean(labels == held_out["size"].to_numpy())
        assert fit.results[0].scores["accuracy"] == pytest.approx(expected)
    headline = {result.name: next(iter(result.scores.values())) for result in fit.results}
    assert headline["gradient boosting"] > 0.7  # the table can be learned, so the scores are real


def test_every_choice_is_said(fitted):
    _, out, lines = fitted
    text = "\n".join(lines)
    assert "400 rows and 6 columns" in text
    assert "'same' is not used: constant" in text
    assert "asked to be dropped" in text
    assert str(out) in text
    assert describe(out)["record"]["columns"][0]["name"] == "x"


def test_what_drives_the_target_comes_first(fitted):
    fit, _, _ = fitted
    assert set(list(fit.importance)[:2]) == {"x", NASTY}
    assert fit.importance["noise"] < 0.2 * fit.importance["x"]


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.text = ""

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.addresses += [value for name, value in attributes if name in ("src", "href", "srcset")]

    def handle_data(self, data):
        self.text += data


def test_the_report_needs_nothing_from_outside_and_trusts_no_name(fitted):
    fit, out, _ = fitted
    html = (out / "report.html").read_text(encoding="utf-8")
    page = Page()
    page.feed(html)
    assert "script" not in page.tags
    assert page.addresses
    assert all(address.startswith("data:image/") for address in page.addresses)
    assert "url(" not in html
    assert "@import" not in html
    assert NASTY in page.text  # shown, not obeyed
    for words in ("gradient boosting", "Learning curve", "What drove the prediction", "400 rows"):
        assert words in page.text
    if fit.model.target.task == "regression":
        assert "the stand-in <knows> no other" in page.text
        wanted = ("Predicted against true", "Residuals", "Calibration of intervals")
    else:
        wanted = ("Confusion", "Reliability")
    assert all(words in page.text for words in wanted)


def test_predictions_are_written_row_by_row(fitted, data, tmp_path):
    fit, out, _ = fitted
    lines: list[str] = []
    path = tmp_path / "predictions.csv"
    predict_table(out, data, path, 0.8, lines.append, stand_in.load)
    written, model = pl.read_csv(path), fit.model.predict(read_table(data))
    assert written.height == 400
    if fit.model.target.task == "regression":
        np.testing.assert_array_equal(written["prediction"].to_numpy(), model)
        width = fit.model.intervals.width(0.8)
        np.testing.assert_allclose(written["high"] - written["low"], 2 * width)
        assert any("RMSE" in line for line in lines)
    else:
        chosen = np.array(fit.model.target.classes)[model.argmax(axis=1)]
        assert written["prediction"].to_list() == chosen.tolist()
        columns = [f"probability of {label}" for label in ("large", "middling", "small")]
        np.testing.assert_array_equal(written.select(columns).to_numpy(), model)


def test_prediction_needs_no_target(fitted, data, tmp_path):
    _, out, _ = fitted
    bare = tmp_path / "bare.parquet"
    read_table(data).head(3).drop("y", "size", "same").write_parquet(bare)
    predict_table(out, bare, tmp_path / "p.csv", 0.9, lambda line: None, stand_in.load)
    assert pl.read_csv(tmp_path / "p.csv").height == 3


def test_prediction_refuses_what_is_no_model(tmp_path, data):
    for folder, sentence in (
        (tmp_path / "none", "is not a directory"),
        (tmp_path, "holds no model"),
    ):
        with pytest.raises(BadInput, match=sentence):
            predict_table(folder, data, tmp_path / "p.csv", 0.9, print, stand_in.load)
    (tmp_path / "table.json").write_text('{"format": 99}')
    with pytest.raises(BadInput, match="format 99"):
        TableModel.load(tmp_path, stand_in.load)
    (tmp_path / "table.json").write_text('{"format"')
    with pytest.raises(BadInput, match="is damaged"):
        TableModel.load(tmp_path, stand_in.load)


def test_out_that_is_no_model_is_not_replaced(tmp_path, data):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(BadInput, match="holds something other than a model"):
        fit_table(Request(data, "y", tmp_path), print, **STAND_IN)
    assert (tmp_path / "thesis.tex").exists()


def test_a_full_disk_leaves_no_half_written_model(tmp_path, data):
    class Full(stand_in.Regressor):
        def save(self, directory):
            directory.mkdir()
            (directory / "half").write_text("half")
            raise OSError(errno.ENOSPC, "No space left on device", str(directory))

    with pytest.raises(OSError, match="No space left"):
        fit_table(Request(data, "y", tmp_path / "model"), print, build=lambda *a, **k: Full())
    assert not (tmp_path / "model").exists()
    assert [path.name for path in tmp_path.iterdir()] == []


def test_an_interrupt_says_where_the_checkpoint_is(tmp_path, data, capsys, monkeypatch):
    class Interrupted(stand_in.Regressor):
        def __init__(self, checkpoint):
            self.checkpoint = checkpoint

        def fit(self, X, y):
            self.checkpoint.write_text("half of the work")
            raise KeyboardInterrupt

    def build(target, options, checkpoint=None, verbose=False):
        return Interrupted(checkpoint)

    request = Request(data, "y", tmp_path / "model")
    fit = fit_command.fit_table
    monkeypatch.setattr(fit_command, "fit_table", lambda r, say: fit(r, say, build=build))
    with pytest.raises(fit_command.typer.Exit) as stop:
        fit_command.fit_command(request)
    assert stop.value.exit_code == 130
    said = capsys.readouterr().err
    assert str(tmp_path / "model.mercer-checkpoint") in said
    assert "--resume" in said
    assert (tmp_path / "model.mercer-checkpoint").read_text() == "half of the work"


def test_a_checkpoint_is_kept_only_when_asked(tmp_path):
    (tmp_path / "m.mercer-checkpoint").write_text("half")
    lines: list[str] = []
    place = Request(tmp_path / "d.csv", "y", tmp_path / "m", resume=True).start(lines.append)
    assert place.read_text() == "half"
    assert lines == []
    place = Request(tmp_path / "d.csv", "y", tmp_path / "m").start(lines.append)
    assert not place.exists()
    assert "discarded" in lines[0]


def test_small_and_duplicate_tables_are_fitted(tmp_path):
    for rows in (["0.5,1", "1.5,2", "2.5,4", "3.5,8", "4.5,16"], ["0.5,1", "1.5,2"] * 10):
        path = tmp_path / "t.csv"
        path.write_text("x,y\n" + "\n".join(rows) + "\n")
        request = Request(path, "y", tmp_path / f"m{len(rows)}", "regression")
        fit = fit_table(request, lambda line: None, **STAND_IN)
        assert fit.model.intervals is None
        assert write_report(fit).is_file()


def test_table_json_is_plain(fitted):
    _, out, _ = fitted
    text = (out / "table.json").read_text()
    assert json.loads(text)["target"]["name"] in ("y", "size")
    assert "NaN" not in text
    assert "Infinity" not in text


def test_scores_are_scikit_learns():
    rng = np.random.default_rng(0)
    y, p = np.array([0, 1, 1, 0, 1]), rng.dirichlet([1, 1], 5)
    found = scores(Target("y", "classification", ("a", "b")), y, p)
    assert found["log loss"] == pytest.approx(-np.mean(np.log(p[np.arange(5), y])))
    assert found["AUC"] == pytest.approx(metrics.roc_auc_score(y, p[:, 1]))


def test_importance_of_a_known_linear_model():
    # Shuffling x_k adds 2 w_k^2 var(x_k) to the mean square error of y = w x + noise.
    rng = np.random.default_rng(1)
    X, w = rng.normal(size=(2000, 3)), np.array([2.0, 1.0, 0.0])
    y = X @ w + 0.5 * rng.normal(size=2000)

    class Linear:
        def predict(self, X):
            return X @ w

    class Blocks:
        blocks = {"a": slice(0, 1), "b": slice(1, 2), "c": slice(2, 3)}  # noqa: RUF012

    found = importance(Linear(), Blocks(), Target("y", "regression"), X, y, seed=0, repeats=20)
    assert list(found) == ["a", "b", "c"]
    for name, weight in zip("abc", w):
        assert found[name] == pytest.approx(np.sqrt(0.25 + 2 * weight**2) - 0.5, abs=0.06)
