"""``mercer lab report``: a database as a page."""

from __future__ import annotations

import json
from pathlib import Path

from mercer.cli.bad_input import BadInput
from mercer.cli.lab.live import say
from mercer.lab.report import write_report


def report_searches(database: Path, out: Path | None, as_json: bool) -> None:
    """Write the page and say where it is."""
    out = out or database.with_suffix(".html")
    if out.is_dir():
        raise BadInput(f"{out} is a directory; --out must name a file")
    if out.resolve() == database.resolve():
        raise BadInput("--out must not be the database itself")
    try:
        write_report(database, out)
    except FileNotFoundError as error:
        raise BadInput(str(error)) from None
    if as_json:
        print(json.dumps({"report": str(out)}))
    else:
        say(f"{out}: open it in a browser")
