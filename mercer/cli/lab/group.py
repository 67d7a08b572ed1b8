"""The commands of ``mercer lab``; what they do is imported when they run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer
from typer import Argument, Option

lab = typer.Typer(
    rich_markup_mode=None, help="Compute kernels: problems, checks, races, profiles, searches."
)

Name = Annotated[Optional[str], Option("--problem", help="The problem's name.")]  # noqa: UP045
Reference = Annotated[
    Optional[Path],  # noqa: UP045 - older typer reads no other form
    Option(help="A file with Model, get_inputs and get_init_inputs; it is run in this process."),
]
Size = Annotated[Optional[str], Option(help="odd, small, desk or race.")]  # noqa: UP045
Device = Annotated[str, Option(help="auto, cpu or cuda.")]
Isolation = Annotated[str, Option(help="Of candidates: namespaces or seccomp.")]
Json = Annotated[bool, Option("--json", help="Print JSON.")]


@lab.command("list")
def list_(
    level: Annotated[Optional[int], Option(help="1, 2 or 3.")] = None,  # noqa: UP045
    tag: Annotated[Optional[list[str]], Option(help="May be repeated.")] = None,  # noqa: UP045
    as_json: Json = False,
) -> None:
    """List the problems."""
    from mercer.cli.lab.list_command import list_problems
    from mercer.cli.lab.live import answering

    with answering(as_json) as answer:
        list_problems(level, tag or [], answer)


@lab.command()
def check(
    file: Annotated[Path, Argument(help="A Python file that defines ModelNew.")],
    problem: Name = None,
    reference: Reference = None,
    seeds: Annotated[int, Option(help="Independent inputs per size.")] = 3,
    static: Annotated[
        bool, Option("--static", help="Refuse texts that a kernel has no business with, first.")
    ] = False,
    forward: Annotated[
        bool, Option("--forward", help="Without gradients, as evolve's programs are.")
    ] = False,
    device: Device = "auto",
    isolation: Isolation = "namespaces",
    as_json: Json = False,
) -> None:
    """Say whether a candidate is right: exit code 0 if it is, 1 if not.

    Its problem is that of --problem, of --reference, or of a first line "# problem: NAME".
    """
    from mercer.cli.lab.check_command import check_candidate
    from mercer.cli.lab.live import answering

    with answering(as_json) as answer:
        code = check_candidate(
            file, problem, reference, device, isolation, seeds, static, forward, answer
        )
    raise typer.Exit(code)


@lab.command()
def race(
    files: Annotated[list[Path], Argument(help="Python files that define ModelNew.")],
    problem: Name = None,
    reference: Reference = None,
    size: Size = None,
    baselines: Annotated[
        str, Option(help="Of eager, compiled, max-autotune, cuda-graphs; commas between.")
    ] = "eager,compiled",
    precision: Annotated[float, Option(help="Relative; the race ends when it is reached.")] = 0.01,
    device: Device = "auto",
    isolation: Isolation = "namespaces",
    as_json: Json = False,
) -> None:
    """Time candidates beside the reference, all in the same rounds."""
    from mercer.cli.lab.live import answering
    from mercer.cli.lab.race_command import race_candidates

    with answering(as_json) as answer:
        code = race_candidates(
            files, problem, reference, size, baselines, precision, device, isolation, answer
        )
    raise typer.Exit(code)


@lab.command()
def profile(
    script: Annotated[
        Path, Argument(help="A Python file with step(), or Model and get_inputs(); or a trace.")
    ],
    steps: Annotated[int, Option(help="Calls that are recorded.")] = 5,
    device: Device = "auto",
    draw: Annotated[Optional[Path], Option(help="A picture to write.")] = None,  # noqa: UP045
    as_json: Json = False,
) -> None:
    """Say where a program waits: launches, queues, idle time, kernels to fuse.

    The file is run in this process: profile only what you trust.
    """
    from mercer.cli.lab.live import answering
    from mercer.cli.lab.profile_command import profile_script

    with answering(as_json) as answer:
        profile_script(script, steps, device, draw, answer)


@lab.command()
def evolve(
    problem: Annotated[Optional[str], Argument(help="Its name, see list.")] = None,  # noqa: UP045
    reference: Reference = None,
    budget: Annotated[str, Option(help="90s, 10m, 1h: of all sessions of a search.")] = "10m",
    policy: Annotated[str, Option(help="greedy, tree or islands.")] = "islands",
    model: Annotated[str, Option(help="builtin, a server's address or a folder.")] = "builtin",
    model_name: Annotated[str, Option(help="On the server.")] = "",
    language: Annotated[
        str, Option(help="triton, cpp, cuda or torch; triton on a GPU, else cpp.")
    ] = "",
    baseline: Annotated[
        str, Option(help="What speed-ups are over; compiled on a GPU, else eager.")
    ] = "",
    size: Size = None,
    database: Annotated[Optional[Path], Option(help="Default: PROBLEM.db.")] = None,  # noqa: UP045
    resume: Annotated[bool, Option("--resume", help="Go on with the search in it.")] = False,
    out: Annotated[Optional[Path], Option(help="A file for the best program.")] = None,  # noqa: UP045
    seed: Annotated[int, Option(help="Of every random choice.")] = 0,
    device: Device = "auto",
    isolation: Isolation = "namespaces",
    as_json: Json = False,
) -> None:
    """Search for a fast kernel; Ctrl-C keeps all that was found."""
    from mercer.cli.lab.evolve_command import Request, evolve_kernel
    from mercer.cli.lab.live import answering

    request = Request(
        problem, reference, budget, policy, model, model_name, language, baseline, size, database,
        resume, out, seed, device, isolation,
    )  # fmt: skip
    with answering(as_json) as answer:
        code = evolve_kernel(request, answer)
    raise typer.Exit(code)


@lab.command()
def report(
    database: Annotated[Path, Argument(help="What evolve wrote.")],
    out: Annotated[Optional[Path], Option(help="Default: beside it, .html.")] = None,  # noqa: UP045
    as_json: Json = False,
) -> None:
    """Write a database of searches as one HTML page."""
    from mercer.cli.lab.live import answering
    from mercer.cli.lab.report_command import report_searches

    with answering(as_json) as answer:
        report_searches(database, out, answer)
