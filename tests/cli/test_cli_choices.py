"""Task, columns, split and intervals."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from mercer.cli.bad_input import BadInput
from mercer.cli.columns import choose_columns
from mercer.cli.estimator import Options
from mercer.cli.intervals import Intervals
from mercer.cli.split import split_rows
from mercer.cli.target import Target, choose_target, present

TASKS = {
    "floats": ([0.5, 1.5, 2.5] * 20, "regression", ()),
    "text": (["b", "a"] * 20, "classification", ("a", "b")),
    "truth": ([True, False] * 20, "classification", ("false", "true")),
    "few whole numbers": ([10, 9, 2] * 20, "classification", ("2", "9", "10")),
    "whole floats": ([0.0, 1.0] * 20, "classification", ("0", "1")),
    "many whole numbers": (list(range(60)), "regression", ()),
    "few rows": ([1, 2, 3, 4, 5, 6], "regression", ()),
}


@pytest.mark.parametrize(("values", "task", "classes"), TASKS.values(), ids=TASKS)
def test_task_is_found_from_the_target(values, task, classes):
    target = choose_target(pl.DataFrame({"y": values}), "y")
    assert (target.task, target.classes) == (task, classes)
    assert target.why


def test_task_named_by_the_caller_wins():
    frame = pl.DataFrame({"y": [1, 2, 3] * 20})
    assert choose_target(frame, "y", "regression").task == "regression"


def test_encode_gives_the_place_among_the_classes():
    frame = pl.DataFrame({"y": [10, 9, 2] * 20})
    target = choose_target(frame, "y")
    np.testing.assert_array_equal(target.encode(frame)[:3], [2, 1, 0])
    np.testing.assert_array_equal(target.encode(pl.DataFrame({"y": [9.0]})), [1])
    with pytest.raises(BadInput, match="the class '7', which was not fitted"):
        target.encode(pl.DataFrame({"y": [7]}))


BAD_TARGETS = {
    "one class": (["a"] * 9, "auto", "only one class, 'a'"),
    "one value": ([2.5] * 9, "auto", "one value only, 2.5"),
    "text for regression": (["a", "b"] * 9, "regression", "regression needs numbers"),
    "names of rows": ([f"r{i}" for i in range(60)], "auto", "names rows more than classes"),
    "dates": (pl.Series(["2020-01-01", "2020-01-02"]).str.to_date(), "auto", "holds Date"),
    "no such task": ([1.0, 2.0], "ranking", "--task must be one of"),
}


@pytest.mark.parametrize(("values", "task", "sentence"), BAD_TARGETS.values(), ids=BAD_TARGETS)
def test_target_refused(values, task, sentence):
    with pytest.raises(BadInput, match=sentence):
        choose_target(pl.DataFrame({"y": values}), "y", task)


@pytest.mark.parametrize(
    ("values", "name", "sentence"),
    [
        ([1.0, 2.0], "Y ", "--target names 'Y ', which is not a column, did you mean 'y'"),
        ([None, None], "y", "missing in every row"),
        ([1.0, None], "y", "has 1 row with a value of 'y', at least 5"),
    ],
)
def test_rows_without_target(values, name, sentence):
    frame = pl.DataFrame({"y": pl.Series(values, dtype=pl.Float64)})
    with pytest.raises(BadInput, match=sentence):
        present(frame, name)


def test_columns_are_used_or_left_out_with_a_reason():
    n = 200
    frame = pl.DataFrame(
        {
            "": range(n),
            "number": [i * 0.5 for i in range(n)],
            "truth": [i % 2 == 0 for i in range(n)],
            "few": [f"{i % 3}x" for i in range(n)],
            "many": [f"{i % 50}x" for i in range(n)],
            "name": [f"{i}x" for i in range(n)],
            "constant": ["c"] * n,
            "nothing": pl.Series([None] * n, dtype=pl.String),
            "list": [[i] for i in range(n)],
            "unwanted": range(n),
            "y": range(n),
        }
    )
    columns = {c.name: (c.kind, c.reason) for c in choose_columns(frame, "y", ["unwanted"])}
    used = {name: kind for name, (kind, _) in columns.items() if kind}
    assert used == {"number": "number", "truth": "number", "few": "category", "many": "levels"}
    reasons = {name: reason for name, (kind, reason) in columns.items() if not kind}
    assert reasons["constant"] == "constant"
    assert reasons["nothing"] == "no values"
    assert reasons["unwanted"] == "asked to be dropped"
    assert "identifier" in reasons["name"]
    assert "row number" in reasons[""]
    assert "List" in reasons["list"]


def test_no_column_left_is_refused():
    frame = pl.DataFrame({"y": [1.0, 2.0], "c": [3, 3]})
    with pytest.raises(BadInput, match=r"no column is left.*'c' \(constant\)"):
        choose_columns(frame, "y")
    with pytest.raises(BadInput, match="--drop names 'd'"):
        choose_columns(frame, "y", ["d"])


@pytest.mark.parametrize("n", [5, 37, 1000])
@pytest.mark.parametrize("stratify", [False, True])
def test_split_parts_are_disjoint_and_whole(n, stratify):
    y = np.arange(n) % 3
    split = split_rows(y, 0.2, 4, stratify=stratify)
    rows = np.concatenate([split.train, split.calibration, split.test])
    np.testing.assert_array_equal(np.sort(rows), np.arange(n))
    assert len(split.test) >= 1
    assert abs(len(split.test) - 0.2 * n) <= 2
    assert (len(split.calibration) > 0) == (n == 1000)
    again = split_rows(y, 0.2, 4, stratify=stratify)
    np.testing.assert_array_equal(split.test, again.test)
    if stratify:
        assert set(y[split.train]) == {0, 1, 2}


def test_a_class_of_one_row_stays_in_train():
    y = np.array([0] * 50 + [1] * 50 + [2])
    for seed in range(5):
        assert 100 in split_rows(y, 0.4, seed, stratify=True).train


def test_split_of_tiny_classes_holds_something_out():
    y = np.array([0, 0, 1, 1, 2])
    split = split_rows(y, 0.2, 0, stratify=True)
    assert len(split.test) == 1
    assert set(y[split.train]) == {0, 1, 2}


@pytest.mark.parametrize("size", [0.0, 1.0, -0.1, float("nan")])
def test_test_size_refused(size):
    with pytest.raises(BadInput, match="--test-size must be between 0 and 1"):
        split_rows(np.arange(10), size, 0, stratify=False)


def test_intervals_cover_as_often_as_they_say():
    # The coverage of a split conformal interval has mean ceil((n + 1) c) / (n + 1) over draws.
    generator = np.random.default_rng(0)
    n, draws = 49, 600
    fitted = [Intervals.fit(generator.standard_cauchy(n)) for _ in range(draws)]
    for percent in (50, 90):
        widths = np.array([intervals.width(percent / 100) for intervals in fitted])
        found = 2 * np.arctan(widths) / np.pi  # of a standard Cauchy within the width
        expected = np.ceil((n + 1) * percent / 100) / (n + 1)
        assert abs(found.mean() - expected) < 5 * found.std() / np.sqrt(draws)


def test_intervals_say_when_rows_are_too_few():
    intervals = Intervals.fit(np.arange(8.0))
    assert intervals.width(0.8) == 7.0
    with pytest.raises(BadInput, match=r"8 calibration rows are too few for coverage 0.9"):
        intervals.width(0.9)
    for coverage in (0.0, 1.0, 0.905):
        with pytest.raises(BadInput, match="coverage must be a whole percentage"):
            intervals.width(coverage)
    assert Intervals.from_json(intervals.to_json()) == intervals


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"method": "magic"}, "--method must be one of auto, exact"),
        ({"kernel": "rfb"}, "--kernel must be one of rbf"),
        ({"trend": "cubic"}, "--trend must be one of linear, none"),
        ({"centers": 0}, "--centers must be at least 1, got 0"),
        ({"lengthscale": -0.3}, "--lengthscale must be positive, got -0.3"),
        ({"regularisation": float("nan")}, "--regularisation must be positive, got nan"),
        ({"seed": -1}, "--seed must be at least 0"),
    ],
)
def test_options_refused(options, sentence):
    with pytest.raises(BadInput, match=sentence):
        Options(**options)


def test_target_survives_json():
    target = Target("y", "classification", ("a", "b"), "why")
    assert Target.from_json(target.to_json()) == target
