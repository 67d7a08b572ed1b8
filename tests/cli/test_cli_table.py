"""Tables that can be read, and the sentence for those that cannot."""

from __future__ import annotations

import datetime

import pandas as pd
import polars as pl
import pytest

from mercer.cli.bad_input import BadInput
from mercer.cli.infer import infer
from mercer.cli.table import nearest, read_table


@pytest.fixture
def write(tmp_path):
    def file(name: str, content: str | bytes):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return file


def test_csv_agrees_with_pandas(write):
    text = 'a,b,"c, d"\n1,x,0.5\n2,"y, z",NA\n-3,,1e-3\n'
    ours, theirs = read_table(write("t.csv", text)), pd.read_csv(write("t.csv", text))
    assert ours.columns == list(theirs.columns)
    for name in theirs:
        expected = theirs[name].astype(object).where(theirs[name].notna(), None)
        assert ours[name].to_list() == expected.tolist()


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_separator_is_found(write, separator):
    frame = read_table(write("t.csv", f"a{separator}b\n1{separator}2\n"))
    assert frame.to_dicts() == [{"a": 1, "b": 2}]


def test_byte_order_mark_is_no_part_of_the_name(write):
    assert read_table(write("t.csv", b"\xef\xbb\xbfa,b\n1,2\n")).columns == ["a", "b"]


def test_parquet_keeps_types_and_reads_nan_as_missing(tmp_path):
    frame = pl.DataFrame(
        {"x": [1.0, float("nan")], "k": pl.Series(["a", "b"], dtype=pl.Categorical)}
    )
    frame.write_parquet(tmp_path / "t.parquet")
    read = read_table(tmp_path / "t.parquet")
    assert read["x"].to_list() == [1.0, None]
    assert read.dtypes == [pl.Float64, pl.String]


REFUSED = {
    "absent": ("absent.csv", None, "does not exist"),
    "empty": ("t.csv", "", "is empty"),
    "blank": ("t.csv", "\n \n", "is empty"),
    "header only": ("t.csv", "a,b\n", "no rows"),
    "ending": ("t.xlsx", "a", "must end in .csv"),
    "csv called parquet": ("t.parquet", "a,b\n1,2\n", "is not a Parquet file.*rename it to .csv"),
    "parquet called csv": ("t.csv", b"PAR1\x00\x01", "looks like Parquet"),
    "broken parquet": ("t.parquet", b"PAR1" + b"\x07" * 50, "broken Parquet"),
    "zip called csv": ("t.csv", b"PK\x03\x04rest", "looks like a zip archive"),
    "gzip called csv": ("t.csv", b"\x1f\x8b\x08\x00", "looks like gzip"),
    "utf-16": ("t.csv", "a,b\n1,2\n".encode("utf-16"), "not text in UTF-8"),
    "latin-1": ("t.csv", "stra\xdfe,b\n1,2\n".encode("latin-1"), "not text in UTF-8"),
    "web page": ("t.csv", "<!DOCTYPE html><p>not found", "web page"),
    "twice": ("t.csv", "a,b,a\n1,2,3\n", "name 'a' 2 times"),
    "ragged": ("t.csv", "a,b\n1,2\n1,2,3\n", "cannot be read as CSV"),
    "infinity": ("t.csv", "a,b\n1,2\n1,-inf\n", "column 'b' has infinity in row 2"),
}


@pytest.mark.parametrize(("name", "content", "sentence"), REFUSED.values(), ids=REFUSED)
def test_refused(write, tmp_path, name, content, sentence):
    path = tmp_path / name if content is None else write(name, content)
    with pytest.raises(BadInput, match=f"(?s){sentence}") as refusal:
        read_table(path)
    assert "\n" not in str(refusal.value)


def test_invalid_text_past_the_first_block_is_refused(write):
    lines = "a,b\n" + "1,x\n" * 40_000
    with pytest.raises(BadInput, match="cannot be read as CSV"):
        read_table(write("t.csv", lines.encode() + b"1,\xff\xfe\n"))


def test_a_character_cut_by_the_first_block_is_no_fault(write):
    text = "a,b\n1," + "\u00e9" * 40_000 + "\n"
    assert read_table(write("t.csv", text)).height == 1
    assert read_table(write("u.csv", "x" + text)).height == 1


D, DT, T = datetime.date, datetime.datetime, datetime.time
INFERRED = [
    (["1", "-2", None], [1, -2, None]),
    (["1", "2.5"], [1.0, 2.5]),
    (["1e3", "nan?"], ["1e3", "nan?"]),
    (["007", "012"], ["007", "012"]),
    (["0", "0.5"], [0.0, 0.5]),
    (["True", "false", " "], [True, False, None]),
    (["yes", "no"], ["yes", "no"]),
    (["2020-01-31", None], [D(2020, 1, 31), None]),
    (["31.12.2020"], [D(2020, 12, 31)]),
    (["13/02/2020", "01/02/2020"], [D(2020, 2, 13), D(2020, 2, 1)]),
    (["02/13/2020", "01/02/2020"], [D(2020, 2, 13), D(2020, 1, 2)]),
    (["01/02/2020", "03/04/2020"], ["01/02/2020", "03/04/2020"]),
    (["2020-01-31 10:20:30"], [DT(2020, 1, 31, 10, 20, 30)]),
    (["2020-01-31T10:20:30.5Z"], [DT(2020, 1, 31, 10, 20, 30, 500_000)]),
    (["2020-01-31T10:20:30+02:00"], [DT(2020, 1, 31, 8, 20, 30)]),
    (["2020-01-31 10:20"], [DT(2020, 1, 31, 10, 20)]),
    (["10:20", "23:59"], [T(10, 20), T(23, 59)]),
    (["2020-01-31", "soon"], ["2020-01-31", "soon"]),
    ([None, None], [None, None]),
]


@pytest.mark.parametrize(("text", "values"), INFERRED, ids=lambda value: str(value[0]))
def test_infer(text, values):
    assert infer(pl.Series("c", text, dtype=pl.String)).to_list() == values


def test_infer_looks_past_the_first_values():
    late = [str(i) for i in range(1000)] + ["abc"]
    assert infer(pl.Series(late)).dtype == pl.String


def test_nearest_suggests_or_lists():
    assert "'arr_delay'" in nearest("ARR_DELY", ["arr_delay", "dep_delay"])
    assert nearest("zzz", [f"c{i}" for i in range(20)]).endswith("...")
