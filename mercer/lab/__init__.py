"""Writing compute kernels: problems, verification, timing, profiling, search and learning."""

from mercer.lab.argument import Argument, normal
from mercer.lab.candidate import Candidate
from mercer.lab.problem import Problem, problem

__all__ = ["Argument", "Candidate", "Problem", "normal", "problem"]
