"""``mercer lab check``: is a candidate right."""

from __future__ import annotations

from pathlib import Path

from mercer.cli.bad_input import BadInput
from mercer.cli.lab.live import Answer, say, waiting
from mercer.cli.lab.place import device_of, open_pool
from mercer.cli.lab.subject import problem_of, read_candidate
from mercer.lab.verify import StaticVerifier, check


def check_candidate(
    file: Path,
    problem: str | None,
    reference: Path | None,
    device: str,
    isolation: str,
    seeds: int,
    static: bool,
    forward: bool,
    answer: Answer | None,
) -> int:
    """Check a file, print the verdict, and return 0 if it is right, else 1."""
    if seeds < 1:
        raise BadInput(f"--seeds must be at least 1, got {seeds}")
    candidate = read_candidate(file)
    of = problem_of(candidate, problem, reference)
    device = device_of(device)
    with waiting(f"checking {file.name} for {of.name}"), open_pool(device, isolation) as pool:
        verifier = StaticVerifier() if static else None
        try:
            verdict = check(
                of,
                candidate,
                pool=pool,
                device=device,
                seeds=seeds,
                backward=False if forward else None,
                verifier=verifier,
            )
        except RuntimeError as error:
            raise BadInput(f"{of.name} cannot be checked: {error}") from error
    if answer is not None:
        answer({"file": str(file), "problem": of.name, **verdict.json()})
    else:
        say(f"{file} for {of.name}: {verdict}")
    return 0 if verdict.right else 1
