"""The database of searches: whole steps or none, whatever happens."""

import os
import random
import signal
import sqlite3
import time
from collections import Counter

import pytest

from mercer.lab import Candidate
from mercer.lab.models import Completion
from mercer.lab.search import Budget, Database, Evaluation, Greedy, dialogue, evolve
from tests.lab.searching import Doubled, Verdict, Walker, evaluate


@pytest.fixture
def database(tmp_path):
    with Database(tmp_path / "search.db") as found:
        yield found


def test_a_candidate_comes_back_with_all_it_was_made_of(database):
    run = database.start("softmax", 3, {"policy": "greedy"})
    first, second = Candidate("a = 1", "triton"), Candidate("b = 1", "triton")
    database.propose(run, 0, first, schedule="{}")
    answer = Completion("answer", "thoughts", 12)
    database.propose(
        run, 1, second, parents=[first.digest], island=2, prompt="p", seed=9, model="m",
        completion=answer,
    )  # fmt: skip
    database.judge(run, 0, Evaluation(Verdict(True), 0.5, 2.0), seconds=1.5)
    database.judge(run, 1, Evaluation(Verdict(False, "load", "no")), seconds=0.25)
    one, two = database.entries(run)
    assert (one.speedup, one.state, one.schedule) == (4.0, "judged", "{}")
    assert (two.failure, two.reason, two.parents, two.island) == ("load", "no", (first.digest,), 2)
    assert database.seconds(run) == 1.75
    said = dialogue(database, run, 1)
    assert (said.prompt, said.text, said.reasoning, said.tokens, said.seed) == (
        "p", "answer", "thoughts", 12, 9,
    )  # fmt: skip
    assert dialogue(database, run, 0) is None


def test_half_a_step_is_not_kept(database):
    run = database.start("softmax", 0, {})
    with pytest.raises(sqlite3.IntegrityError):
        database.propose(run, 0, Candidate("a = 1", "triton"), parents=["nobody"])
    assert database.entries(run) == []
    with pytest.raises(sqlite3.IntegrityError):
        database.judge(run, 5, Evaluation(Verdict(True), 1.0, 1.0), seconds=1.0)
    assert database.seconds(run) == 0


def test_the_same_text_is_a_candidate_once(database):
    run = database.start("softmax", 0, {})
    database.propose(run, 0, Candidate("a = 1", "triton"))
    with pytest.raises(sqlite3.IntegrityError):
        database.propose(run, 1, Candidate("a = 1", "triton"))


def test_another_version_of_the_tables_is_refused(tmp_path):
    path = tmp_path / "new.db"
    with sqlite3.connect(path) as file:
        file.execute("PRAGMA user_version = 7")
    with pytest.raises(ValueError, match="has version 7 of the tables"):
        Database(path)


def search(path, log, count):
    """Search, noting every evaluation in a file."""

    def noted(candidate):
        with open(log, "a") as file:
            file.write(candidate.digest + "\n")
        return evaluate(candidate)

    with Database(path) as database:
        return evolve(
            Doubled, proposer=Walker(), evaluate=noted, policy=Greedy(),
            budget=Budget(candidates=count), database=database, seed=1, notes=[],
        )  # fmt: skip


def killed(path, log, count, seconds):
    """Search in another process, kill it after a while, and say whether it was still at work."""
    child = os.fork()
    if child == 0:
        try:
            search(path, log, count)
        finally:
            os._exit(0)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def test_a_killed_search_loses_at_most_the_candidate_in_flight(tmp_path):
    path, log, count = tmp_path / "search.db", tmp_path / "log", 120
    generator = random.Random(0)
    kills = sum(killed(path, log, count, generator.uniform(0, 0.15)) for _ in range(12))
    assert kills > 2
    found = list(search(path, log, count).entries)
    with Database(path) as database:
        assert database.connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    evaluations = Counter(log.read_text().split())
    assert len(found) == count
    assert all(e.state == "judged" for e in found)
    assert set(evaluations) == {e.digest for e in found}  # nothing proposed was lost
    assert sum(evaluations.values()) - count <= kills  # each kill costs one evaluation at most
    peaceful = search(":memory:", tmp_path / "other", count)  # the way of one left in peace
    assert [e.digest for e in peaceful.entries] == [e.digest for e in found]
