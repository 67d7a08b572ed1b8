"""The page of a database: complete, readable by a parser, and safe whatever candidates wrote."""

from __future__ import annotations

import math
import re
import sqlite3
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from types import SimpleNamespace

import pytest

from mercer.lab import Candidate
from mercer.lab.models import Completion
from mercer.lab.report import Circumstances, recall, remember, render, write_report
from mercer.lab.report.chart import Chart, ticks
from mercer.lab.report.text import visible
from mercer.lab.search import Database, Evaluation

HOSTILE = [
    "</pre></details><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7 * 7 }} {% raw %} <!-- ",
    "a\x00b\x1b[2J\u202egnisrever\u2028 end",
    "]]></svg><style>body{display:none}</style>&lt;b&gt;",
]
VOID = {"meta", "img", "br", "link", "hr", "input"}


class Page(HTMLParser):
    """Tags, ids, links and the text of every <pre>; unbalanced tags are an error."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.ids, self.links, self.pres, self.attributes = [], [], [], [], set()
        self.stack, self.words = [], []
        self.feed(text)
        self.close()
        assert self.stack == []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attributes}
        for name, value in attributes:
            if name == "id":
                self.ids.append(value)
            if name == "href":
                self.links.append(value)
        if tag == "pre":
            self.pres.append("")
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.stack.pop()

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag

    def handle_data(self, data):
        if "pre" in self.stack:
            self.pres[-1] += data
        if "style" not in self.stack:
            self.words.append(data)


def evaluation(seconds=None, stage="", reason="", error=""):
    verdict = SimpleNamespace(right=not stage, stage=stage or "right", reason=reason)
    return Evaluation(verdict, seconds, 2e-3 if seconds else None, error)


def filled(database, hostile=""):
    """Six candidates: three right, one wrong, one that could not be timed, one in flight."""
    run = database.start("soft" + hostile, 7, {"policy": "Greedy" + hostile, "proposer": "p"})
    plan = [
        ((), evaluation(2e-3)),
        ((0,), evaluation(stage="value", reason="off by one" + hostile)),
        ((0,), evaluation(1e-3)),
        ((2, 0), evaluation(0.5e-3)),
        ((3,), evaluation(error="slower than light" + hostile)),
        ((3,), None),
    ]
    candidates = [Candidate(f"# {k}{hostile}", "cpp") for k in range(len(plan))]
    for k, (parents, found) in enumerate(plan):
        database.propose(
            run, k, candidates[k], schedule=f"s{k}{hostile}",
            parents=[candidates[p].digest for p in parents], prompt=f"prompt {k}{hostile}",
            model="m" + hostile, completion=Completion(f"answer {k}{hostile}", f"why {k}", 12),
        )  # fmt: skip
        if found is not None:
            database.judge(run, k, found, seconds=1.5)
    return run


KNOWN = Circumstances("A chip", 1e10, 1e11, "desk", 2e6, 1e7, "compiled")


def test_everything_of_every_candidate_is_there():
    with Database(":memory:") as database:
        run = filled(database)
        remember(database, run, KNOWN)
        page = Page(render(database, title="mine"))
    said = " ".join(" ".join(page.words).split())
    assert "4 times as fast as the compiled reference" in said
    assert "6 candidates, 2 of them failed, in 8 s" in said
    for k in range(6):
        assert f"r1c{k}" in page.ids
        for text in (f"# {k}", f"s{k}", f"prompt {k}", f"answer {k}", f"why {k}"):
            assert text in page.pres
    assert "off by one" in said
    assert "slower than light" in said
    # Parents of candidate 3, and the floor of the roofline: 2 MB at 10 GB/s is 200 us of its 500.
    assert "Made from 2 0" in said
    assert "40 % of the roofline" in said
    assert "200 us a call at least" in said
    assert {link.removeprefix("#") for link in page.links} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    assert page.tags.count("svg") == 3


def test_the_leaderboard_is_in_order():
    with Database(":memory:") as database:
        filled(database)
        text = render(database)
    table = text[text.index("Leaderboard") : text.index("Speed-up over time")]
    assert re.findall(r'<a href="#r1c(\d)">\d</a></td><td>([\d.]+)', table) == [
        ("3", "4"), ("2", "2"), ("0", "1"),
    ]  # fmt: skip
    assert "not known what these times were measured on" in " ".join(text.split())


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_text_stays_text(hostile):
    with Database(":memory:") as plain, Database(":memory:") as database:
        for each, text in ((plain, ""), (database, hostile)):
            remember(each, filled(each, text), KNOWN)
        harmless, page = Page(render(plain)), Page(render(database, title=hostile))
    assert page.tags == harmless.tags
    assert page.attributes == harmless.attributes
    assert page.links == harmless.links
    assert not {"script", "img"} & set(page.tags)
    assert f"# 3{visible(hostile)}" in page.pres
    assert not any(ord(c) < 32 and c not in "\n\t" for word in page.words for c in word)
    assert not any("\u202e" in word for word in page.words)


def test_pictures_are_xml_and_dots_lie_where_they_should():
    with Database(":memory:") as database:
        run = filled(database)
        remember(database, run, KNOWN)
        text = render(database)
    pictures = [ET.fromstring(s) for s in re.findall(r"<svg.*?</svg>", text, re.DOTALL)]
    for picture in pictures:
        width, height = map(float, picture.get("viewBox").split()[2:])
        for circle in picture.iter("circle"):
            assert 0 < float(circle.get("cx")) < width
            assert 0 < float(circle.get("cy")) < height
    progress, lineage, roofline = pictures

    def dots(picture):
        return {c.find("title").text: float(c.get("cy")) for c in picture.iter("circle")}

    heights = [y for _, y in sorted(dots(progress).items())]
    assert heights == sorted(heights, reverse=True)
    # On a logarithmic axis equal factors are equal steps: 1x, 2x, 4x.
    assert heights[0] - heights[1] == pytest.approx(heights[1] - heights[2], abs=0.2)
    shown = dots(lineage)
    assert len(shown) == 6
    lowest = max(shown.values())
    assert [k for k, y in shown.items() if y == lowest] == [
        "candidate 1: value", "candidate 4: timing", "candidate 5: not judged",
    ]  # fmt: skip
    assert sum("descent" in p.get("class", "") for p in lineage.iter("path")) == 3
    assert any(title.endswith("40% of the roofline") for title in dots(roofline))


def test_a_page_takes_the_place_of_the_old_one_whole(tmp_path, monkeypatch):
    with Database(tmp_path / "search.db") as database:
        filled(database)
    out = tmp_path / "deep" / "report.html"
    assert write_report(tmp_path / "search.db", out) == out
    first = out.read_text()
    assert "<h1>search</h1>" in first

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mercer.learn.atomic.os.replace", full)
    with pytest.raises(OSError, match="unchanged"):
        write_report(tmp_path / "search.db", out)
    assert [p.name for p in out.parent.iterdir()] == ["report.html"]
    assert out.read_text() == first


def test_other_files_are_refused_and_left_alone(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no database"):
        write_report(tmp_path / "absent.db", tmp_path / "a.html")
    text = tmp_path / "notes.db"
    text.write_text("not a database" * 100)
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE songs (name TEXT)")
    for path in (text, other):
        before = path.read_bytes()
        with pytest.raises(ValueError, match="not a database of searches"):
            write_report(path, tmp_path / "a.html")
        assert path.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["notes.db", "other.db"]


def test_an_empty_database_has_a_page():
    with Database(":memory:") as database:
        assert "0 searches" in render(database)
        database.start("none", 0, {})
        page = Page(render(database))
    assert "No candidate was right yet." in " ".join(page.words)


def test_circumstances_are_remembered_by_run():
    with Database(":memory:") as database:
        run = filled(database)
        assert recall(database, run) is None
        remember(database, run, Circumstances("old", 1.0, 1.0, "odd", 1.0, 1.0, "eager"))
        remember(database, run, KNOWN)
        assert recall(database, run) == KNOWN
        assert recall(database, run + 1) is None


@pytest.mark.parametrize(
    ("low", "high"), [(0.9, 1.1), (1e-3, 1e4), (0.5, 40.0), (3.0, 4.0), (1.0, 1.7)]
)
def test_ticks_lie_inside_and_are_few(low, high):
    found = ticks(low, high, logarithmic=True)
    assert 2 <= len(found) <= 8
    assert found == sorted(found)
    assert all(low <= t <= high for t in found)


def test_a_chart_maps_ends_to_ends():
    chart = Chart((1, 100), (0, 2), xlabel="x<", ylabel="y", title='"t"', logarithmic="x")
    assert chart.x(10) == pytest.approx((chart.x(1) + chart.x(100)) / 2)
    assert chart.y(1) == pytest.approx((chart.y(0) + chart.y(2)) / 2)
    assert chart.y(2) < chart.y(0)
    root = ET.fromstring(chart.svg())
    assert root.get("aria-label") == '"t"'
    assert "x<" in [t.text for t in root.iter("text")]


def test_the_roof_bends_at_the_ridge_and_the_fastest_kernel_stands_out():
    with Database(":memory:") as database:
        remember(database, filled(database), KNOWN)
        text = render(database)
    picture = ET.fromstring(re.findall(r"<svg.*?</svg>", text, re.DOTALL)[-1])
    (best,) = (c for c in picture.iter("circle") if c.get("class") == "best-dot")
    assert best.find("title").text.startswith("candidate 3: 4x")
    (roof,) = (p.get("d") for p in picture.iter("path") if p.get("class") == "roof")
    start, ridge, end = ([float(v) for v in p.split()] for p in roof[1:].split("L"))
    assert start[1] > ridge[1] == end[1]  # upwards is less
    # On a logarithmic axis from 5 / 8 to 10 * 8 operations a byte the ridge is at 10.
    share = math.log(10 * 8 / 5) / math.log(10 * 8 * 8 / 5)
    assert ridge[0] - start[0] == pytest.approx(share * (end[0] - start[0]), abs=0.2)
