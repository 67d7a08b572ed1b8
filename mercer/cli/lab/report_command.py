"""``mercer lab report``: a database as a page."""

from __future__ import annotations

import json
from pathlib import Path

from mercer.cli.bad_input import BadInput
from mercer.cli.lab.live import say
from mercer.cli.lab.place import check_place
from mercer.lab.report import check_searches, write_report


def report_searches(database: Path, out: Path | None, as_json: bool) -> None:
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
    if as_json:
        print(json.dumps({"report": str(out)}))
    else:
        say(f"{out}: open it in a browser")
