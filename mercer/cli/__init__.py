"""The command line ``mercer``: fit, predict, explain, papers, lab, bench, demo."""

from __future__ import annotations

import importlib.util
import sys

NEEDED = ("typer", "rich", "polars", "matplotlib")


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with its code.

    Parameters
    ----------
    arguments : list of str, optional
        Without the program's name; those of the process by default.
    """
    if missing := [name for name in NEEDED if importlib.util.find_spec(name) is None]:
        print(
            f"the command line needs {', '.join(missing)}: pip install 'mercer[cli]'",
            file=sys.stderr,
        )
        sys.exit(2)
    from mercer.cli.app import run

    sys.exit(run(sys.argv[1:] if arguments is None else arguments))
