"""``mercer lab report``: a database as a page."""

from __future__ import annotations

from pathlib import Path

from mercer.cli.bad_input import BadInput
from mercer.cli.lab.live import Answer, say
from mercer.cli.lab.place import check_place
from mercer.lab.report import check_searches, write_report


def report_searches(database: Path, out: Path | None, answer: Answer | None) -> None:
    """Write the page and say where it is."""
    out = out or database.with_suffix(".html")
    if out.resolve() == database.resolve():
        raise BadInput("--out must not be the database itself")
    try:
        check_searches(database)
    except FileNotFoundError as error:
        raise BadInput(str(error)) from None
    check_place(out, "--out")
    write_report(database, out)
    if answer is not None:
        answer({"report": str(out)})
    else:
        say(f"{out}: open it in a browser")
