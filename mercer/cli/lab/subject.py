"""A candidate's file, and which problem it is for."""

from __future__ import annotations

import re
from pathlib import Path

from mercer.cli.bad_input import BadInput
from mercer.lab.candidate import Candidate
from mercer.lab.problem import Problem

MARK = re.compile(r"#\s*problem:\s*(\S+)\s*$")


def read_candidate(path: Path) -> Candidate:
    """Read a file; its text is not run here."""
    if not path.is_file():
        raise BadInput(f"{path} does not exist" if not path.exists() else f"{path} is not a file")
    try:
        return Candidate.read(path)
    except UnicodeDecodeError:
        raise BadInput(f"{path} is not text in UTF-8") from None
    except ValueError as error:
        raise BadInput(f"{path}: {error}") from None


def problem_of(candidate: Candidate, name: str | None, reference: Path | None) -> Problem:
    """Find the problem: by its name, in a file of the public format, or as the first line says.

    Parameters
    ----------
    candidate : Candidate
    name : str, optional
        What ``--problem`` says.
    reference : Path, optional
        What ``--reference`` says: a file that is run in this process.
    """
    from mercer.lab.problems import find

    if name is not None and reference is not None:
        raise BadInput("give --problem or --reference, not both")
    if reference is not None:
        return read_reference(reference)
    if name is None:
        first = candidate.source.lstrip().split("\n", 1)[0]
        found = MARK.match(first)
        if found is None:
            raise BadInput(
                f"which problem is {candidate.name} for? give --problem NAME or --reference FILE, "
                f'or begin the file with "# problem: NAME"; mercer lab list has the names'
            )
        name = found[1]
    return find(name)


def read_reference(path: Path) -> Problem:
    """Read a problem in the public benchmark's format."""
    from mercer.lab.problems import read_problem

    if not path.is_file():
        raise BadInput(f"{path} does not exist" if not path.exists() else f"{path} is not a file")
    return read_problem(path)
