"""``mercer fit`` as a person sees it."""

from __future__ import annotations

import sys

import typer
from rich.console import Console
from rich.table import Table

from mercer.cli.complain import complain
from mercer.cli.fit import Fit, fit_table, write_report
from mercer.cli.model import DESCRIPTION
from mercer.cli.report import number
from mercer.cli.request import Request
from mercer.cli.together import together
from mercer.distributed import TIMEOUT, LostRank


def fit_command(request: Request, timeout: float = TIMEOUT) -> Fit | None:
    """Fit, print the scores beside the contenders', and write the report.

    Parameters
    ----------
    request : Request
    timeout : float
        Seconds that a process which torchrun started waits for the others.

    Returns
    -------
    Fit or None
        None in every process but the first.

    Raises
    ------
    typer.Exit
        With code 130 on an interrupt, and 1 if another process of the run is lost, after saying
        what is left and where.
    """
    console = Console(highlight=False, soft_wrap=True)

    def say(line: str) -> None:
        # Names from the table may hold brackets, which are not markup.
        console.print(line, markup=False, style="dim")

    before = _saved(request)
    try:
        with together(timeout):
            fit = fit_table(request, say)
            if fit is None:
                return None
            report = write_report(fit)
    except LostRank as lost:
        complain(f"{lost}; {_left(request, before)}")
        raise typer.Exit(1) from lost
    except KeyboardInterrupt:
        print(f"interrupted: {_left(request, before)}", file=sys.stderr)
        raise typer.Exit(130) from None
    if explain := fit.model.record["explain"]:
        console.print(explain, markup=False)
    console.print(_table(fit))
    console.print(f"model   {request.out}\nreport  {report}", markup=False)
    return fit


def _table(fit: Fit) -> Table:
    table = Table(title=f"{len(fit.y):,} held-out rows", title_justify="left")
    table.add_column("model")
    for name in [*fit.results[0].scores, "fit, s", "predict, s"]:
        table.add_column(name, justify="right")
    for result in fit.results:
        cells = [number(value) for value in result.scores.values()]
        times = [f"{result.fit_seconds:.1f}", f"{result.predict_seconds:.1f}"]
        table.add_row(result.name, *cells, *times)
    return table


def _saved(request: Request) -> int | None:
    """When the model in ``out`` was written, if there is one."""
    path = request.out / DESCRIPTION
    return path.stat().st_mtime_ns if path.is_file() else None


def _left(request: Request, before: int | None) -> str:
    if request.checkpoint.exists():
        return f"the checkpoint is {request.checkpoint}, go on from it with --resume"
    now = _saved(request)
    if now is not None and now != before:
        return f"the model is saved in {request.out}, without a report"
    return "the fit had left no checkpoint yet, nothing was written"
