"""``mercer explain``: what runs, and why."""

from __future__ import annotations

from pathlib import Path

from mercer.cli.bad_input import BadInput
from mercer.cli.estimator import METHODS
from mercer.cli.model import describe
from mercer.cli.report import number


def explain_model(directory: Path) -> str:
    """What a saved model predicts, from what, how well, and how its method was chosen."""
    description = describe(directory)
    target, record = description["target"], description["record"]
    used = [column for column in record["columns"] if column["kind"]]
    unused = [column for column in record["columns"] if not column["kind"]]
    found = ", ".join(f"{name} {number(value)}" for name, value in record["scores"].items())
    lines = [
        f"{target['task']} of {target['name']!r}: {target['why']}",
        f"fitted on {record['rows']['fitted']:,} rows of {record['data']} "
        f"in {record['fit seconds']:g} s, {description['dtype']}",
        f"held-out scores: {found}",
        "columns: " + ", ".join(f"{column['name']} ({column['kind']})" for column in used),
        *(f"column {column['name']!r} is not used: {column['reason']}" for column in unused),
        record["explain"],
    ]
    return "\n".join(line for line in lines if line)


def explain_size(rows: int, columns: int, method: str) -> str:
    """Which method a table of this size would get, and why."""
    for name, value in (("--rows", rows), ("--columns", columns)):
        if value < 1:
            raise BadInput(f"{name} must be at least 1, got {value}")
    if method not in METHODS:
        raise BadInput(f"--method must be one of {', '.join(METHODS)}, got {method!r}")
    from mercer.learn import plan

    return str(plan(rows, columns, method=method))
