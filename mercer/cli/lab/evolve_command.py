"""``mercer lab evolve``: search for a fast kernel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mercer.cli.atomic import new_file
from mercer.cli.bad_input import BadInput
from mercer.cli.complain import complain
from mercer.cli.lab.duration import seconds
from mercer.cli.lab.live import Answer, counted, say, waiting
from mercer.cli.lab.model import LANGUAGES, proposer_of
from mercer.cli.lab.place import check_place, device_of, open_pool
from mercer.cli.lab.subject import read_reference
from mercer.lab.candidate import Candidate
from mercer.lab.evaluator import Evaluator
from mercer.lab.models import EndpointError
from mercer.lab.problem import Problem
from mercer.lab.problems import find, work
from mercer.lab.report import Circumstances, check_searches, remember
from mercer.lab.search import (
    Budget,
    Database,
    Evaluation,
    Greedy,
    Islands,
    Policy,
    Result,
    Run,
    Tree,
    evolve,
    runs,
)
from mercer.lab.search.database import named
from mercer.lab.search.policy import ranked
from mercer.lab.timing.baseline import MODES
from mercer.lab.verify import StaticVerifier

POLICIES: dict[str, Callable[[], Policy]] = {"greedy": Greedy, "tree": Tree, "islands": Islands}


@dataclass(frozen=True)
class Request:
    """What the command line asks for; empty strings and None stand for what suits the device."""

    problem: str | None
    reference: Path | None
    budget: str
    policy: str
    model: str
    model_name: str
    language: str
    baseline: str
    size: str | None
    database: Path | None
    resume: bool
    out: Path | None
    seed: int
    device: str
    isolation: str


def evolve_kernel(request: Request, answer: Answer | None) -> int:
    """Search, print what was found, and return 0 if a candidate was right, else 1."""
    limit = Budget(seconds=seconds(request.budget))
    if request.policy not in POLICIES:
        raise BadInput(f"--policy must be one of {', '.join(POLICIES)}, got {request.policy!r}")
    problem = _problem(request)
    device = device_of(request.device)
    gpu = device == "cuda"
    size = request.size or ("race" if gpu else "desk")
    problem.size(size)
    language = request.language or ("triton" if gpu else "cpp")
    if language not in LANGUAGES:
        raise BadInput(f"--language must be one of {', '.join(LANGUAGES)}, got {language!r}")
    baseline = request.baseline or ("compiled" if gpu else "eager")
    if baseline not in MODES:
        raise BadInput(f"--baseline must be one of {', '.join(MODES)}, got {baseline!r}")
    path = request.database or Path(f"{problem.name}.db")
    _check_database(path, problem, request)
    if request.out is not None:
        check_place(request.out, "--out")
        if request.out.resolve() == path.resolve():
            raise BadInput("--out must not be the database itself")
    proposer = proposer_of(
        request.model, request.model_name, problem, size=size, language=language, device=device
    )
    with named(path), open_pool(device, request.isolation) as pool:
        with waiting(f"measuring the device for {problem.name}"):
            judge = Evaluator(
                problem,
                pool=pool,
                baseline=baseline,
                size=size,
                # What the built-in proposer writes is known to be honest.
                verifier=None if request.model == "builtin" else StaticVerifier(),
                trusted=request.model == "builtin",
            )
        with judge, Database(path) as database:  # no file is made for what cannot be measured
            noted = _Noted(judge, database, baseline)
            try:
                result = evolve(
                    problem,
                    proposer=proposer,
                    evaluate=noted,
                    policy=POLICIES[request.policy](),
                    budget=limit,
                    database=database,
                    seed=request.seed,
                    language=language,
                    progress=True,
                )
            except (EndpointError, RuntimeError) as error:
                kept = f"{path} keeps what was found, --resume goes on"
                raise BadInput(f"{error}; {kept}") from None
            except KeyboardInterrupt:
                complain(_interrupted(database, problem, request.seed, path))
                raise
    if answer is not None:
        answer({"database": str(path), "baseline": baseline, **result.json()})
    else:
        say(_told(result, baseline, path))
    if request.out is not None and result.best is not None:  # what was found is told by now
        with new_file(request.out) as fresh:
            named_problem = f"# problem: {problem.name}\n" if request.problem else ""
            fresh.write_text(named_problem + result.best.source)
    return 0 if result.best is not None else 1


class _Noted:
    """The evaluator, which notes what it measures on once a run has a candidate."""

    def __init__(self, judge: Evaluator, database: Database, baseline: str) -> None:
        self.judge, self.database = judge, database
        machine, problem = judge.machine, judge.problem
        try:
            needed = work(problem, judge.size)
        except ValueError:
            needed = work(problem, judge.size, device="cpu")
        self.known: Circumstances | None = Circumstances(
            machine.name,
            machine.bandwidth,
            machine.peak,
            judge.size,
            float(needed.bytes),
            float(needed.flops),
            baseline,
        )

    def __call__(self, candidate: Candidate) -> Evaluation:
        if self.known is not None:
            row = self.database.connection.execute(
                "SELECT MAX(run) FROM candidates LEFT JOIN verdicts USING (run, number)"
                " WHERE digest = ? AND correct IS NULL",
                (candidate.digest,),
            ).fetchone()
            remember(self.database, row[0], self.known)
            self.known = None
        return self.judge(candidate)


def _problem(request: Request) -> Problem:
    if (request.problem is None) == (request.reference is None):
        raise BadInput("evolve needs a problem's name or --reference FILE, one of them")
    if request.reference is not None:
        return read_reference(request.reference)
    assert request.problem is not None
    return find(request.problem)


def _check_database(path: Path, problem: Problem, request: Request) -> None:
    check_place(path, "--database")
    if not path.exists():
        return
    check_searches(path)
    with named(path), Database(path) as database:
        same = _same(database, problem, request.seed)
    if same and not request.resume:
        raise BadInput(
            f"{path} holds a search for {problem.name} with "
            f"{counted(same[0].candidates, 'candidate')}; "
            "--resume goes on with it, or name another --database"
        )


def _same(database: Database, problem: Problem, seed: int) -> list[Run]:
    return [r for r in runs(database) if (r.problem, r.seed) == (problem.name, seed)]


def _told(result: Result, baseline: str, path: Path) -> str:
    failed = sum(bool(e.failure) for e in result.entries)
    lines = [
        f"{result.problem}: {counted(len(result.entries), 'candidate')}, {failed} of them failed, "
        f"in {result.seconds:.0f} s; {result.stopped}"
    ]
    if result.best is None:
        lines.append("no candidate was right")
    else:
        best = result.best
        lines.append(
            f"best: candidate {best.number}, {1e6 * (best.seconds or 0):.1f} us, "
            f"{best.speedup:.2f} times as fast as {baseline}"
        )
    return "\n".join([*lines, f"all of it is in {path}: mercer lab report {path}"])


def _interrupted(database: Database, problem: Problem, seed: int, path: Path) -> str:
    last = _same(database, problem, seed)
    entries = database.entries(last[-1].number) if last else []
    best = next(iter(ranked(entries)), None)
    found = f", the best {best.speedup:.2f} times as fast" if best else ""
    return f"{path} keeps {counted(len(entries), 'candidate')}{found}; --resume goes on"
