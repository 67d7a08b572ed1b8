"""Encoders against scikit-learn's transformers on the same column, and against their own JSON."""

from __future__ import annotations

import datetime
import json

import numpy as np
import polars as pl
import pytest
from sklearn.impute import SimpleImputer
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler, TargetEncoder

from mercer.cli.bad_input import BadInput
from mercer.cli.columns import choose_columns
from mercer.cli.encoders import (
    CategoryEncoder,
    DateEncoder,
    LevelMeanEncoder,
    NumberEncoder,
    TimeEncoder,
)
from mercer.cli.features import Features
from mercer.cli.target import Target

NUMBER = Target("y", "regression")
THREE = Target("y", "classification", ("a", "b", "c"))
rng = np.random.default_rng(3)
N = 400
Y = rng.normal(size=N)
VALUES = np.where(rng.random(N) < 0.1, np.nan, rng.gamma(2.0, 30.0, N))
LETTERS = rng.choice(list("abcdef"), N, p=[0.5, 0.3, 0.18, 0.01, 0.005, 0.005])
SHOPS = np.array([f"shop {i}" for i in rng.integers(0, 60, N)])


def column(name, values):
    return pl.Series(name, values).fill_nan(None) if name == "x" else pl.Series(name, values)


def test_number_is_imputed_and_standardised_as_scikit_learn_does():
    encoder, X = NumberEncoder.fit(column("x", VALUES), NUMBER, Y, 0)
    oracle = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    np.testing.assert_allclose(X[:, 0], oracle.fit_transform(VALUES[:, None])[:, 0], rtol=1e-13)
    np.testing.assert_array_equal(X[:, 1], np.isnan(VALUES))
    fresh = pl.Series("x", [None, 12.5])
    np.testing.assert_allclose(
        encoder.transform(fresh)[:, 0], oracle.transform([[np.nan], [12.5]])[:, 0], rtol=1e-13
    )


def test_category_is_one_hot_as_scikit_learn_does():
    encoder, X = CategoryEncoder.fit(column("k", LETTERS), NUMBER, Y, 0)
    oracle = OneHotEncoder(
        min_frequency=4, handle_unknown="infrequent_if_exist", sparse_output=False
    )
    np.testing.assert_array_equal(X, oracle.fit_transform(LETTERS.astype(object)[:, None]))
    fresh = np.array(["b", "never", "f"], dtype=object)
    np.testing.assert_array_equal(
        encoder.transform(pl.Series("k", fresh.tolist())), oracle.transform(fresh[:, None])
    )
    assert encoder.names == ["k = a", "k = b", "k = c", "k = d", "k = rare"]


def test_without_rare_levels_an_unknown_level_is_zero_everywhere():
    encoder, _ = CategoryEncoder.fit(pl.Series("k", ["a", "b"] * 20), NUMBER, Y[:40], 0)
    np.testing.assert_array_equal(encoder.transform(pl.Series("k", ["z"])), [[0.0, 0.0]])


def test_missing_category_is_a_level():
    encoder, X = CategoryEncoder.fit(pl.Series("k", ["a", None] * 20), NUMBER, Y[:40], 0)
    assert encoder.names == ["k = (missing)", "k = a"]
    np.testing.assert_array_equal(X[:2], [[0, 1], [1, 0]])


@pytest.mark.parametrize("kind", ["continuous", "binary", "multiclass"])
def test_level_means_are_scikit_learns(kind):
    target, y = NUMBER, Y
    if kind == "binary":
        target, y = Target("y", "classification", ("n", "p")), (Y > 0).astype(np.int64)
    if kind == "multiclass":
        target, y = THREE, np.digitize(Y, [-0.5, 0.5])
    encoder, X = LevelMeanEncoder.fit(column("shop", SHOPS), target, y, 7)
    text = SHOPS.astype(object)[:, None]
    oracle = TargetEncoder(target_type=kind).fit(text, y)
    crossed = np.empty_like(X)
    for rest, fold in KFold(5, shuffle=True, random_state=7).split(text):
        part = TargetEncoder(target_type=kind).fit(text[rest], y[rest])
        crossed[fold] = part.transform(text[fold])
    scaler = StandardScaler().fit(crossed)
    np.testing.assert_allclose(X, scaler.transform(crossed), rtol=1e-10, atol=1e-12)
    fresh = ["shop 3", "shop 59", "a new shop"]
    expected = scaler.transform(oracle.transform(np.array(fresh, dtype=object)[:, None]))
    np.testing.assert_allclose(encoder.transform(pl.Series("shop", fresh)), expected, rtol=1e-10)


def test_level_means_do_not_tell_a_row_its_own_target():
    alone = pl.Series("id", [f"row {i}" for i in range(N)])
    _, X = LevelMeanEncoder.fit(alone, NUMBER, Y, 0)
    slope = np.polyfit(X[:, 0], Y, 1)[0]
    assert slope < 0.05  # a mean that held the row's own target would rise with it


def test_date_parts_are_the_calendars():
    start = datetime.datetime(2019, 3, 1)
    dates = [start + datetime.timedelta(hours=31 * i) for i in range(600)]
    encoder, X = DateEncoder.fit(pl.Series("d", dates), NUMBER, np.zeros(600), 0)
    raw = X * encoder.scale + encoder.mean
    day = np.array([(d - d.replace(hour=0)).seconds / 86400 for d in dates])
    week = (np.array([d.weekday() for d in dates]) + day) / 7
    year = (np.array([d.timetuple().tm_yday - 1 for d in dates]) + day) / 365.25
    expected = [np.array([d.year for d in dates]) + year]
    for turn in (year, week, day):
        expected += [np.sin(2 * np.pi * turn), np.cos(2 * np.pi * turn)]
    np.testing.assert_allclose(raw, np.column_stack(expected), atol=1e-9)


def test_date_parts_that_do_not_vary_are_left_out():
    noon = [datetime.datetime(2020, 5, day, 12) for day in range(1, 29)]
    encoder, X = DateEncoder.fit(pl.Series("d", noon), NUMBER, np.zeros(28), 0)
    assert X.shape == (28, 5)
    assert not any("day" in name for name in encoder.names)


@pytest.mark.parametrize(
    ("encoder", "values"),
    [
        (DateEncoder, [datetime.date(2020, 1, 1), None, datetime.date(2021, 7, 2)]),
        (TimeEncoder, [datetime.time(3), None, datetime.time(15, 30)]),
    ],
)
def test_missing_dates_and_times_are_marked_and_finite(encoder, values):
    fitted, X = encoder.fit(pl.Series("d", values), NUMBER, np.zeros(3), 0)
    np.testing.assert_array_equal(X[:, -1], [0, 1, 0])
    assert np.isfinite(X).all()
    np.testing.assert_array_equal(X[1, :-1], 0.0)
    assert np.isfinite(fitted.transform(pl.Series("d", [None], dtype=pl.Null))).all()


def table() -> pl.DataFrame:
    start = datetime.datetime(2020, 1, 1)
    return pl.DataFrame(
        {
            "x": VALUES,
            "flag": rng.random(N) < 0.5,
            "k": LETTERS,
            "shop": SHOPS,
            "when": [start + datetime.timedelta(hours=7 * i) for i in range(N)],
            "at": [datetime.time(i % 24, i % 60) for i in range(N)],
            "y": Y,
        }
    ).with_columns(pl.col("x").fill_nan(None))


def test_features_from_json_are_the_same_to_the_last_bit():
    frame = table()
    features, X = Features.fit(frame, choose_columns(frame, "y"), NUMBER, Y, 0)
    again = Features.from_json(json.loads(json.dumps(features.to_json(), allow_nan=False)))
    assert again == features
    np.testing.assert_array_equal(again.transform(frame), features.transform(frame))
    assert X.shape == (N, len(features.names))
    blocks = list(features.blocks.values())
    assert [block.start for block in blocks[1:]] == [block.stop for block in blocks[:-1]]
    assert blocks[-1].stop == X.shape[1]


def test_features_say_which_column_a_table_lacks():
    frame = table()
    features, _ = Features.fit(frame, choose_columns(frame, "y"), NUMBER, Y, 0)
    with pytest.raises(BadInput, match=r"lacks column 'shop'.*did you mean 'Shop'"):
        features.transform(frame.rename({"shop": "Shop"}))


@pytest.mark.parametrize(
    ("name", "values", "sentence"),
    [
        ("x", ["3", "abc"], "'x' held numbers when fitted, but now has 'abc'"),
        ("when", ["soon", "later"], "'when' held dates when fitted, but now has 'soon'"),
        ("at", [1, 2], "'at' held times of day when fitted, but now has 1"),
    ],
)
def test_features_say_which_column_changed(name, values, sentence):
    frame = table()
    features, _ = Features.fit(frame, choose_columns(frame, "y"), NUMBER, Y, 0)
    changed = frame.head(2).with_columns(pl.Series(name, values))
    with pytest.raises(BadInput, match=sentence):
        features.transform(changed)
