"""What kernels are written for: problems of our own, and those of the public benchmark's files."""

from mercer.lab.problems.catalogue import catalogue, find
from mercer.lab.problems.file import FileProblem, read_problem, read_problems
from mercer.lab.problems.work import Work, work
from mercer.lab.problems.writing import standalone, write_problem

__all__ = [
    "FileProblem",
    "Work",
    "catalogue",
    "find",
    "read_problem",
    "read_problems",
    "standalone",
    "work",
    "write_problem",
]
