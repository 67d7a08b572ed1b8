"""The commands and their options; each imports what it needs when it is called."""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path
from typing import Annotated, Optional

import typer
from typer import Argument, Option

from mercer.cli.bad_input import BadInput
from mercer.cli.complain import complain
from mercer.cli.lab.group import lab

# Errors of usage are turned into one sentence, so none of typer's own formatting of them is wanted.
app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Kernel models of tables, published systems and their claims, and compute kernels.",
)
papers = typer.Typer(
    rich_markup_mode=None, help="Published systems: their claims, and what is measured."
)
app.add_typer(papers, name="papers")
app.add_typer(lab, name="lab")

ALONE = ([], ["papers"], ["lab"])  # what needs a command after it, and shows its help without one

# typer has its own copy of click in some versions; this is the class that its usage errors share.
UsageError = next(cls for cls in typer.BadParameter.__mro__ if cls.__name__ == "ClickException")


def run(arguments: list[str]) -> int:
    """Run the command in ``arguments`` and return the exit code.

    0 is success; 2 is input that cannot be used, with one sentence on stderr; 1 is the loss of
    another process of a fit, likewise; 130 is an interrupt.
    """
    try:
        if arguments in ALONE:
            arguments = [*arguments, "--help"]
        code = app(arguments, standalone_mode=False, prog_name="mercer")
        return code if isinstance(code, int) else 0
    except UsageError as error:
        return _fail(error.format_message())
    except (BadInput, ValueError) as error:
        return _fail(str(error))
    except OSError as error:
        return _fail(f"{error.filename or 'writing'}: {error.strerror or error}")
    except sqlite3.Error as error:
        return _fail(f"the database cannot be used: {error}")
    except MemoryError as error:
        return _fail(f"out of memory: {error}")
    except (KeyboardInterrupt, typer.Abort):
        print("interrupted", file=sys.stderr)
        return 130


def _fail(sentence: str) -> int:
    complain(sentence)
    return 2


@app.command()
def fit(
    data: Annotated[Path, Argument(help="A CSV or Parquet file.")],
    target: Annotated[str, Option(help="The column to predict.")],
    out: Annotated[Path, Option(help="The directory for model and report.")],
    task: Annotated[str, Option(help="auto, regression or classification.")] = "auto",
    method: Annotated[str, Option(help="auto, exact, cg, askotch, nystrom or eigenpro.")] = "auto",
    kernel: Annotated[
        Optional[str],  # noqa: UP045 - older typer reads no other form
        Option(help="rbf, matern12, matern32, matern52 or laplace."),
    ] = None,
    centers: Annotated[Optional[int], Option(help="How many centres.")] = None,  # noqa: UP045
    lengthscale: Annotated[Optional[float], Option(help="Of the kernel.")] = None,  # noqa: UP045
    regularisation: Annotated[Optional[float], Option(help="Of the fit.")] = None,  # noqa: UP045
    trend: Annotated[str, Option(help="linear or none: what a regression fits first.")] = "linear",
    test_size: Annotated[float, Option(help="Share of rows held out for scoring.")] = 0.2,
    seed: Annotated[int, Option(help="Of every random choice.")] = 0,
    drop: Annotated[
        Optional[list[str]],  # noqa: UP045
        Option(help="A column to leave out; may be repeated."),
    ] = None,
    resume: Annotated[bool, Option("--resume", help="Go on from an interrupted fit.")] = False,
    device: Annotated[str, Option(help="cpu or cuda: where to fit.")] = "cpu",
    timeout: Annotated[
        float, Option(help="Seconds that a process of torchrun waits for the others.")
    ] = 600.0,
) -> None:
    """Fit a kernel model to a table, score it beside others, and write a report.

    With torchrun --nproc-per-node=N -m mercer fit ... N processes fit it together.
    """
    from mercer.cli.estimator import Options
    from mercer.cli.fit_command import fit_command
    from mercer.cli.request import Request

    options = Options(method, kernel, centers, lengthscale, regularisation, trend, seed, device)
    request = Request(data, target, out, task, tuple(drop or ()), test_size, options, resume)
    fit_command(request, timeout)


@app.command()
def predict(
    model: Annotated[Path, Argument(help="The directory that fit wrote.")],
    data: Annotated[Path, Argument(help="A CSV or Parquet file with the fitted columns.")],
    out: Annotated[Path, Option(help="The CSV file to write.")],
    coverage: Annotated[float, Option(help="Of the intervals, for regression.")] = 0.9,
) -> None:
    """Predict each row of a table with a saved model."""
    from mercer.cli.predict import predict_table

    predict_table(model, data, out, coverage, typer.echo)


@app.command()
def explain(
    model: Annotated[
        Optional[Path],  # noqa: UP045
        Argument(help="The directory that fit wrote; or give --rows and --columns."),
    ] = None,
    rows: Annotated[Optional[int], Option(help="Rows of a table to be fitted.")] = None,  # noqa: UP045
    columns: Annotated[Optional[int], Option(help="Its features.")] = None,  # noqa: UP045
    method: Annotated[str, Option(help="As for fit.")] = "auto",
) -> None:
    """Say what a saved model is, or which method a table of some size would get, and why."""
    from mercer.cli.explain import explain_model, explain_size

    if model is not None:
        typer.echo(explain_model(model))
    elif rows is not None and columns is not None:
        typer.echo(explain_size(rows, columns, method))
    else:
        raise BadInput("explain needs a model's directory, or --rows and --columns")


@app.command()
def bench(
    which: Annotated[str, Argument(help="matvec, fit, small or all; without it, a list.")] = "",
) -> None:
    """Run the comparisons with other libraries that a checkout has."""
    from mercer.cli.bench import bench_command

    code = bench_command(which, typer.echo)
    raise typer.Exit(code)


@app.command()
def demo(
    out: Annotated[Path, Option(help="The directory for model and report.")] = Path("demo_report"),
    centers: Annotated[Optional[int], Option(help="How many centres.")] = None,  # noqa: UP045
) -> None:
    """Predict the arrival delay of 327,346 flights from what is known at departure."""
    from mercer.cli.demo import demo_command

    demo_command(out, centers)


@papers.command("list")
def papers_list() -> None:
    """List the published systems."""
    from mercer.cli.papers import list_papers

    list_papers()


@papers.command("show")
def papers_show(slug: str) -> None:
    """Show one system's card."""
    from mercer.cli.papers import show_paper

    show_paper(slug)


@papers.command("run")
def papers_run(
    slug: str,
    scale: Annotated[str, Option(help="quick (under a minute) or full.")] = "quick",
    out: Annotated[Path, Option(help="The directory for table and picture.")] = Path(
        "papers_report"
    ),
) -> None:
    """Measure one system's claims."""
    from mercer.cli.papers import run_paper

    run_paper(slug, scale, out)
