"""The registry, the runner and, slowly, every registered paper."""

import dataclasses
import json
import subprocess
import sys
import types

import pytest

from mercer import papers
from mercer.papers import Claim, Paper, Result, registry
from mercer.papers import registry as registry_function
from mercer.papers import runner as runner_module

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def fake(monkeypatch):
    """A paper that takes no time; what its picture does can be replaced."""

    def draw(figure):
        figure.subplots().plot([1, 2], [3, 4])

    module = types.SimpleNamespace(draw=draw)
    module.run = lambda scale, *, seed=0: Result(
        claims=(
            Claim.at_most("Small.", paper=1.0, measured=0.5, bound=1.0, if_not="Big."),
            Claim.at_least("Fast.", paper="yes", measured=0.5, bound=1.0, if_not="Slow machine."),
        ),
        columns=("a", "b"),
        rows=((1, seed), (2, scale)),
        draw=lambda figure: module.draw(figure),
        note="A note.",
    )
    monkeypatch.setattr(runner_module, "find", lambda slug: module)
    return module


def test_what_a_run_writes(fake, tmp_path):
    result = papers.run("fake", out=tmp_path / "new", seed=7)
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == ["fake.json", "fake.png"]
    assert (tmp_path / "new" / "fake.png").read_bytes().startswith(PNG)
    saved = json.loads((tmp_path / "new" / "fake.json").read_text())
    assert [(c["holds"], c["reason"]) for c in saved["claims"]] == [
        (True, ""),
        (False, "Slow machine."),
    ]
    assert saved["rows"] == [[1, 7], [2, "quick"]]
    assert saved["seed"] == 7
    assert saved["machine"] == result.machine != ""
    assert saved["seconds"] >= 0


def test_the_table_shows_figures_side_by_side(fake):
    lines = str(papers.run("fake")).splitlines()
    small = next(line for line in lines if "Small." in line)
    fast = next(line for line in lines if "Fast." in line)
    assert small.split() == ["holds", "1", "0.5", "at", "most", "1", "Small."]
    assert fast.startswith("does not hold  yes    0.5")
    assert fast.endswith("Fast. Slow machine.")
    assert lines[-1] == "A note."


@pytest.mark.parametrize("stop", [KeyboardInterrupt, OSError])
def test_an_interrupted_run_leaves_what_was_there(fake, tmp_path, stop):
    papers.run("fake", out=tmp_path)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}

    def interrupted(figure):
        raise stop

    fake.draw = interrupted
    with pytest.raises(stop):
        papers.run("fake", out=tmp_path, seed=1)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_a_full_disk_leaves_what_was_there(fake, tmp_path, monkeypatch):
    papers.run("fake", out=tmp_path)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(runner_module.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        papers.run("fake", out=tmp_path, seed=1)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_unknown_names_are_answered_with_the_nearest():
    with pytest.raises(ValueError, match="got 'eigenpro-3'; did you mean eigenpro3"):
        papers.run("eigenpro-3")
    with pytest.raises(ValueError, match=r"there are .*eigenpro3"):
        papers.run("zzz")
    with pytest.raises(ValueError, match="scale must be one of quick, full, got 'small'"):
        papers.run("eigenpro3", "small")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"slug": "Two Words"}, "slug must be of lower-case"),
        ({"url": "arxiv.org/abs/1"}, "must begin with https"),
        ({"title": ""}, "title of the paper 'eigenpro3' must not be empty"),
        ({"claims": ()}, "claims of the paper"),
    ],
)
def test_a_card_is_complete(change, message):
    card = registry()["eigenpro3"]
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(card, **change)


def test_a_card_in_the_wrong_place_is_refused(monkeypatch):
    module = types.ModuleType("mercer.papers.learn.other")
    module.PAPER = registry()["eigenpro3"]
    monkeypatch.setattr(sys.modules["mercer.papers.registry"], "modules", lambda: {"other": module})
    with pytest.raises(ValueError, match=r"its place is mercer\.papers\.learn\.eigenpro3"):
        registry_function()


def test_cards_load_without_matplotlib():
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from mercer.papers import registry\n"
        "assert all(isinstance(s, str) for s in registry())"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("slug", registry())
def test_every_card(slug):
    papers.check(slug)
    assert isinstance(registry()[slug], Paper)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"claims": ()}, "the claims measured must be those of the card"),
        ({"rows": ()}, "must have a table"),
        ({"rows": ((1,),)}, "must have 2 cells"),
        ({"draw": None}, "must draw a picture"),
    ],
)
def test_a_result_is_complete(change, message):
    texts = registry()["eigenpro3"].claims
    claims = tuple(Claim.at_most(text, paper=1, measured=0, bound=1, if_not="no") for text in texts)
    good = Result(claims, ("a", "b"), ((1, 2),), draw=print)
    papers.check("eigenpro3", good)
    with pytest.raises(AssertionError, match=message):
        papers.check("eigenpro3", dataclasses.replace(good, **change))


@pytest.mark.slow
@pytest.mark.parametrize("slug", registry())
def test_every_quick_run(slug, tmp_path):
    result = papers.run(slug, out=tmp_path)
    papers.check(slug, result)
    assert (tmp_path / f"{slug}.png").read_bytes().startswith(PNG)
    assert all(claim.holds or claim.reason for claim in result.claims)
