"""Is a candidate right: whatever it tries, and however it computes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch

from mercer.lab.candidate import Candidate
from mercer.lab.problem import Problem
from mercer.lab.runner.layouts import LAYOUTS
from mercer.lab.runner.meta import arrange
from mercer.lab.runner.session import Refused, Session
from mercer.lab.runner.state import initial_state
from mercer.lab.sandbox import WorkerLost
from mercer.lab.verify.case import Case, cases
from mercer.lab.verify.compare import agree
from mercer.lab.verify.conduct import wrong_conduct, wrong_interface
from mercer.lab.verify.hints import hint_value
from mercer.lab.verify.truth import Truth, truth_of
from mercer.lab.verify.verdict import Trial, Verdict
from mercer.lab.verify.verifier import Verifier


class PoolLike(Protocol):
    """What makes workers: `mercer.lab.sandbox.Pool`."""

    def worker(self, regions: dict[str, int]) -> Any:
        """Return a context manager of a worker."""
        ...


def check(
    problem: Problem,
    candidate: Candidate,
    *,
    pool: PoolLike,
    device: str = "cpu",
    sizes: Sequence[str] = ("odd", "small"),
    dtypes: Sequence[torch.dtype] = (torch.float32,),
    seeds: int = 3,
    scales: Sequence[float] = (1.0, 1e-3, 30.0),
    layouts: Sequence[str] = LAYOUTS,
    backward: bool | None = None,
    verifier: Verifier | None = None,
    seed: int = 0,
    timeout: float = 60.0,
) -> Verdict:
    """Try a candidate in an isolated worker and say whether it is right.

    The worker holds the candidate and the inputs; reference, truth and comparison stay here. The
    first failure ends the check.

    Parameters
    ----------
    problem : Problem
    candidate : Candidate
    pool : Pool
        That the worker comes from.
    device : str, optional
        Where candidate and reference run.
    sizes, dtypes : sequence, optional
    seeds : int, optional
        Independent inputs per size and dtype, beside those that share their ends with the first.
    scales : sequence of float, optional
        Factors of the inputs whose law is normal, tried with the first seed; the first one always.
    layouts : sequence of str, optional
        Of the inputs in memory: contiguous, transposed, strided, offset.
    backward : bool, optional
        Whether the gradients are tried too. Default: if the problem is differentiable.
    verifier : Verifier, optional
        Reads the text first.
    seed : int, optional
        Of all inputs that are drawn.
    timeout : float, optional
        Seconds for one command; building a candidate is one.

    Returns
    -------
    Verdict
        `print` says what failed where.

    Raises
    ------
    ValueError
        A size, layout or number of seeds that there is not.
    Unusable
        The reference cannot be called, or returns what nothing can be compared with.
    """
    if seeds < 1 or not sizes or not dtypes or not scales or not layouts:
        raise ValueError("seeds, sizes, dtypes, scales and layouts must have at least one member")
    unknown = [name for name in layouts if name not in LAYOUTS]
    if unknown:
        raise ValueError(f"layout must be one of {', '.join(LAYOUTS)}, got {unknown[0]!r}")
    if verifier is not None:
        opinion = verifier(problem, candidate)
        if not opinion.accept:
            return Verdict(False, "verifier", opinion.reason)
    plan = cases(
        problem,
        sizes=sizes,
        dtypes=dtypes,
        seeds=seeds,
        scales=scales,
        layouts=layouts,
        backward=problem.differentiable if backward is None else backward,
        seed=seed,
    )
    truths = {case: truth_of(problem, case, device) for case, _ in plan}
    with pool.worker(regions(problem, truths)) as worker:
        session = Session(worker, problem, candidate, device, timeout=timeout)
        return _try_all(session, plan, truths)


def regions(problem: Problem, truths: dict[Case, Truth]) -> dict[str, int]:
    """Return how large the shared regions must be for these cases."""
    incoming, outgoing = [64], [64]
    for case, truth in truths.items():
        state = initial_state(problem, case.size, dtype=case.dtype, seed=case.state_seed)
        given = [*truth.inputs, *(c for c in truth.cotangents if c is not None)]
        incoming += [arrange(list(state.tensors.values()))[1], arrange(given)[1]]
        outgoing.append(arrange(truth.working)[1])
    return {"in": max(incoming), "out": max(outgoing)}


def _try_all(
    session: Session, plan: Sequence[tuple[Case, str]], truths: dict[Case, Truth]
) -> Verdict:
    trials: list[Trial] = []
    loaded: tuple[str, torch.dtype] | None = None
    for case, layout in plan:
        trials.append(Trial(case, layout))
        try:
            if loaded != (case.size, case.dtype):
                session.load(case.size, case.dtype, case.state_seed)
                loaded = (case.size, case.dtype)
            verdict = _try(session, trials, truths[case])
        except Refused as error:
            stage = "load" if error.command == "load" else "run"
            verdict = _failed(trials, stage, str(error), trace=error.trace)
        except WorkerLost as lost:
            verdict = _failed(trials, "worker", str(lost))
        if verdict is not None:
            return verdict
    return Verdict(True, "right", "", tuple(trials), _margin(trials))


def _try(session: Session, trials: list[Trial], truth: Truth) -> Verdict | None:
    """Make the last of `trials`; return a verdict if it fails."""
    case, layout = trials[-1].case, trials[-1].layout
    outputs = session.call(
        truth.inputs,
        expected=truth.working,
        cotangents=truth.cotangents,
        layout=layout,
        backward=case.backward,
        state=truth.state,
    )
    wrong = wrong_interface(outputs, truth, session.device)
    if wrong:
        return _failed(trials, "interface", wrong)
    before = [(t.case.size, t.case.dtype) for t in trials[:-1]]
    wrong = wrong_conduct(outputs, truth, first=(case.size, case.dtype) not in before[-1:])
    if wrong:
        return _failed(trials, "conduct", wrong)
    worst = agree(truth, outputs.tensors)
    trials[-1] = Trial(case, layout, worst)
    if worst is not None and not worst.margin <= 1:
        return _failed(trials, "value", str(worst), hint=hint_value(trials))
    return None


def _failed(
    trials: Sequence[Trial], stage: str, reason: str, *, hint: str = "", trace: str = ""
) -> Verdict:
    return Verdict(False, stage, reason, tuple(trials), _margin(trials), hint, trace)


def _margin(trials: Sequence[Trial]) -> float:
    return max((t.worst.margin for t in trials if t.worst is not None), default=0.0)
