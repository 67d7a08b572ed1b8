"""Searching: policies, prompts, retrieval, termination, browsing."""

import math
import random

import pytest

from mercer.lab import Candidate
from mercer.lab.models import Completion, Proposer
from mercer.lab.problems import find
from mercer.lab.search import (
    Budget,
    Database,
    Entry,
    Evaluation,
    Greedy,
    Islands,
    Note,
    Retrieval,
    Tree,
    best_over_time,
    edges,
    evolve,
    failures,
    lineage,
    own_notes,
    runs,
)
from mercer.lab.search.prompt import question, synthesise
from mercer.lab.search.propose import code
from mercer.lab.search.structure import structure
from tests.lab.searching import Doubled, Verdict, Walker, evaluate, number

DRAW = random.Random(0)


def search(policy=None, database=None, proposer=None, evaluate=evaluate, **limits):
    return evolve(
        Doubled,
        proposer=proposer or Walker(),
        evaluate=evaluate,
        policy=policy or Greedy(),
        budget=Budget(**(limits or {"candidates": 40})),
        database=database or Database(":memory:"),
        seed=2,
        notes=[],
    )


def entry(k, fitness, parents=(), island=0):
    timed = (1.0, math.exp(fitness)) if fitness is not None else (None, None)
    return Entry(
        k, str(k), f"n = {k}", "triton", "", tuple(map(str, parents)), island, "judged",
        fitness is not None, "" if fitness is not None else "value", "", "", *timed,
    )  # fmt: skip


@pytest.mark.parametrize("policy", [Greedy(), Tree(), Islands(2)])
def test_every_policy_climbs_to_the_best(policy):
    found = search(policy, candidates=150)
    assert found.best.speedup == 2.0
    assert number(found.best.source) == 20
    assert len(found.entries) == 150


def test_the_same_seed_searches_the_same_way():
    assert [e.digest for e in search().entries] == [e.digest for e in search().entries]


def test_failures_are_kept_by_kind_and_never_become_parents():
    found = search(candidates=60)
    assert failures(found.entries)["value"] > 0
    failed = {e.digest for e in found.entries if e.failure}
    right = [e.number for e in found.entries if e.fitness is not None]
    later = [e for e in found.entries if e.number > right[0]]
    assert not any(set(e.parents) & failed for e in later)


def test_greedy_takes_the_fastest_and_the_older_of_equals():
    graph = [entry(0, 0.1), entry(1, 0.5), entry(2, None), entry(3, 0.5)]
    assert [e.number for e in Greedy(2).select(graph, DRAW).parents] == [1, 3]


def test_the_tree_leaves_a_branch_that_brings_nothing():
    # 0 is the faster root; its children fail again and again while 1 is untouched.
    graph = [entry(0, 0.3), entry(1, 0.25)] + [entry(k, None, [0]) for k in range(2, 30)]
    assert Tree(exploration=1.0).select(graph, DRAW).parents[0].number == 1
    assert Tree(exploration=0.0).select(graph, DRAW).parents[0].number == 0


def test_the_tree_descends_to_the_child_whose_offspring_is_best():
    graph = [entry(0, 0.0), entry(1, 0.1, [0]), entry(2, 0.2, [0]), entry(3, 0.9, [1])]
    graph += [entry(4, 0.05, [0])]
    chosen = Tree(exploration=0.0, widening=0.5).select(graph, DRAW).parents[0]
    assert chosen.number in (1, 3)


def test_islands_keep_to_themselves_between_migrations():
    graph = [entry(k, 0.1 * k, island=k % 2) for k in range(4)]
    chosen = Islands(2, migration=100).select(graph, DRAW)
    assert chosen.island == 0
    assert chosen.parents[0].island == 0
    migrating = Islands(2, migration=3).select(graph, DRAW)  # the third of island 0
    assert migrating.parents[0].number == 3


def test_a_budget_ends_the_search_for_each_of_its_reasons():
    assert search(candidates=5).stopped == "5 candidates are judged"
    assert search(candidates=500, speedup=1.5).stopped == "a speedup of 1.5 is reached"
    assert "no progress" in search(candidates=500, patience=12).stopped
    assert search(seconds=1e-9).entries == ()
    with pytest.raises(ValueError, match="must limit something"):
        Budget()


def test_a_proposer_that_repeats_itself_ends_the_search():
    class Parrot:
        name = "parrot"

        def complete(self, prompt, **options):
            return Completion("```python\nn = 4\n```")

    found = search(proposer=Parrot())
    assert len(found.entries) == 1
    assert found.stopped == "the proposer has nothing new"


def test_a_search_goes_on_where_it_was_or_starts_again(tmp_path):
    with Database(tmp_path / "a.db") as database:
        first = search(database=database, candidates=7)
        second = search(database=database, candidates=20)
        assert second.run == first.run
        assert [e.digest for e in second.entries[:7]] == [e.digest for e in first.entries]
        again = evolve(
            Doubled, proposer=Walker(), evaluate=evaluate, policy=Greedy(),
            budget=Budget(candidates=3), database=database, seed=2, notes=[], resume=False,
        )  # fmt: skip
        assert len(again.entries) == 3
        assert [r.candidates for r in runs(database)] == [3]


def test_browsing_follows_the_graph():
    found = search(candidates=40)
    steps = best_over_time(found.entries)
    assert [s.speedup for s in steps] == sorted({s.speedup for s in steps})
    assert steps[-1].digest == found.best.digest
    ancestors = lineage(found.entries, found.best.digest)
    assert ancestors[-1] == found.best
    assert ancestors[0].parents == ()
    known = {e.digest for e in found.entries}
    assert all(p in known and c in known for p, c in edges(found.entries))
    with pytest.raises(ValueError, match="no candidate 'x'"):
        lineage(found.entries, "x")


def test_the_prompt_holds_what_the_next_candidate_needs():
    parent, failed = entry(0, math.log(1.25)), entry(1, None)
    prompt = synthesise(
        Doubled, [parent], [Note("n", "hold rows in registers")], [parent, failed],
        language="triton",
    )  # fmt: skip
    for part in ("return 2 * x", "1.250 times", "hold rows in registers", "candidate 1, value"):
        assert part in prompt
    assert "few long" not in prompt


def test_the_last_module_of_an_answer_counts():
    text = "```python\nclass ModelNew: a\n```\nor\n```python\nclass ModelNew: b\n```\n```py\nx\n```"
    assert code(text) == "class ModelNew: b\n"
    assert code("  ").startswith("#")


def test_bm25_is_the_published_formula():
    texts = ["rows in registers", "rows and rows of columns", "the cache holds columns"]
    found = Retrieval([Note(str(k), t) for k, t in enumerate(texts)])
    # "rows": in 2 of 3 texts; k1 = 1.5, b = 0.75, lengths 2, 3, 3 without common words.
    idf = math.log(1 + (3 - 2 + 0.5) / (2 + 0.5))
    want = idf * 2 * 2.5 / (2 + 1.5 * (0.25 + 0.75 * 3 / (8 / 3)))
    assert found.score("rows", 1) == pytest.approx(want)
    assert [n.name for n in found("registers rows")] == ["0", "1"]
    assert found("nothing else") == []


def test_our_notes_are_found_by_what_they_are_about():
    notes = Retrieval(own_notes())
    assert len(notes.notes) >= 10
    assert notes("softmax of every row")[0].name == "row_reduction"
    assert notes("transposition")[0].name == "transposition"
    assert question(Doubled, [], [entry(0, None)]).endswith("value")


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("softmax", ("row reduction",)),
        ("column_sum", ("column reduction",)),
        ("batch_norm", ("few rows",)),
        ("cumulative_sum", ("scan",)),
        ("heads_first", ("transposition",)),
        ("squared_relu", ("elementwise",)),
        ("column_gather", ()),
        ("linear_recurrence", ()),  # another graph at every size
    ],
)
def test_the_structure_of_a_reference(name, kinds):
    assert structure(find(name)) == kinds


def test_the_heading_and_the_structure_find_the_note_of_a_kind():
    """Its summary speaks of squares and weights; what it does is a chain on single entries."""
    retrieve = Retrieval(own_notes())
    asked = question(find("squared_relu"), [], [])
    assert "elementwise" in [note.name for note in retrieve(asked)]
    plain, headed = Note("a", "rows. caches"), Note("b", "# rows\ncaches")
    assert [n.name for n in Retrieval([plain, headed])("rows")] == ["b", "a"]


def test_evaluations_refuse_times_that_are_none():
    with pytest.raises(ValueError, match="seconds must be positive and finite, got 0"):
        Evaluation(Verdict(True), 0.0, 1.0)
    assert Evaluation(Verdict(False, "load"), 1.0, 1.0).fitness is None


def test_the_built_in_proposer_is_driven_by_the_search():
    proposer = Proposer(Doubled, size="race")
    seen = []

    def judged(candidate: Candidate):
        seen.append(candidate)
        return Evaluation(Verdict(True), 1.0 / len(seen), 1.0)

    found = search(proposer=proposer, evaluate=judged, candidates=12)
    count = len(proposer.openings)
    assert "triton.jit" in seen[0].source
    assert [e.schedule for e in found.entries[:count]] == [s.json() for s in proposer.openings]
    assert len({e.digest for e in found.entries}) == 12
    assert all(len(e.parents) == 1 for e in found.entries[count:])


def test_failed_children_count_where_the_tree_widens():
    graph = [entry(0, 0.0), *(entry(k, None, [0]) for k in (1, 2, 3)), entry(4, 0.5, [0])]
    # The root was visited five times and has four children, more than sqrt(5): enough of it.
    assert Tree(exploration=0.0).select(graph, DRAW).parents[0].number == 4


def test_the_fastest_of_a_tournament_is_the_parent():
    graph = [entry(k, 0.1 * k, island=0) for k in range(4)]
    policy = Islands(1, tournament=60, migration=100)
    chosen = [policy.select(graph, random.Random(k)).parents[0].number for k in range(8)]
    assert chosen == [3] * 8


def test_all_parents_are_kept_in_order():
    found = search(Greedy(2), candidates=12).entries
    known = {e.digest: e for e in found}
    for child in found:
        best = Greedy(2).select(found[: child.number], DRAW).parents
        if best:
            assert [known[p] for p in child.parents] == list(best)
    assert len(found[-1].parents) == 2


def test_patience_counts_candidates_without_progress_worth_counting():
    graph = [entry(0, 0.5), entry(1, 0.505), entry(2, None), entry(3, 0.509)]
    assert Budget(patience=4).spent(graph, 0.0) == ""
    assert "3 candidates in a row" in Budget(patience=3).spent(graph, 0.0)
    assert Budget(patience=3, least=0.001).spent(graph, 0.0) == ""


def test_seconds_of_earlier_processes_are_spent():
    database = Database(":memory:")
    first = search(database=database, candidates=2)
    database.judge(1, _proposed(database), Evaluation(Verdict(False, "load")), seconds=40.0)
    assert database.seconds(1) >= 40.0 + first.seconds
    again = search(database=database, seconds=30.0)
    assert again.stopped == "30 seconds are spent"
    assert len(again.entries) == 3


def _proposed(database):
    """Add a candidate to run 1 and return its number."""
    number = len(database.entries(1))
    database.propose(1, number, Candidate("class ModelNew: number = 5  # 0", "torch"))
    return number


def test_a_candidate_is_on_record_before_it_is_evaluated():
    database, seen = Database(":memory:"), []

    def noted(candidate):
        last = database.entries(1)[-1]
        seen.append((last.digest, last.state))
        assert last.digest == candidate.digest
        return evaluate(candidate)

    found = search(database=database, evaluate=noted, candidates=5)
    assert seen == [(e.digest, "proposed") for e in found.entries]


def test_what_was_proposed_before_an_end_is_evaluated_first():
    database, seen = Database(":memory:"), []

    def broken(candidate):
        seen.append(candidate.digest)
        if len(seen) == 4:
            raise KeyboardInterrupt
        return evaluate(candidate)

    with pytest.raises(KeyboardInterrupt):
        search(database=database, evaluate=broken, candidates=6)
    found = search(database=database, evaluate=broken, candidates=6).entries
    assert [e.state for e in found] == ["judged"] * 6
    assert seen == [*(e.digest for e in found[:4]), *(e.digest for e in found[3:])]


def test_a_proposer_that_repeats_itself_is_asked_again():
    class Four:
        name = "four"

        def complete(self, prompt, *, seed, **options):
            return Completion(f"```python\nclass ModelNew: number = {seed % 4}  # 0\n```")

    found = search(proposer=Four(), candidates=9)
    assert {number(e.source) for e in found.entries} == {0, 1, 2, 3}
    assert found.stopped == "the proposer has nothing new"


def test_the_latest_failure_is_repaired_while_nothing_is_right():
    found = search(evaluate=lambda _: Evaluation(Verdict(False, "value")), candidates=24).entries
    repaired = [e for e in found if e.parents]
    assert 3 < len(repaired) < 23
    assert all(e.parents == (found[e.number - 1].digest,) for e in repaired)


def test_the_prompt_shows_the_latest_failures_and_others_than_the_parents():
    graph = [entry(k, None) for k in range(5)] + [entry(5, 0.5), entry(6, 0.3)]
    prompt = synthesise(Doubled, [graph[5]], [], graph, language="triton")
    failed = prompt.split("## Failures\n")[1].split("##")[0].strip().splitlines()
    assert [line.split(",")[0] for line in failed] == [f"- candidate {k}" for k in (2, 3, 4)]
    others = prompt.split("## Others\n")[1].split("##")[0].strip().splitlines()
    assert [line.split(":")[0] for line in others] == ["- candidate 6"]
