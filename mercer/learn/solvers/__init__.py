"""One solver a file, all with the interface of :class:`mercer.learn.problem.Solver`."""

from mercer.learn.problem import Solver
from mercer.learn.solvers.askotch import solve_askotch
from mercer.learn.solvers.cg import solve_cg
from mercer.learn.solvers.eigenpro import solve_eigenpro
from mercer.learn.solvers.exact import solve_exact
from mercer.learn.solvers.nystrom import solve_nystrom

SOLVERS: dict[str, Solver] = {
    "exact": solve_exact,
    "cg": solve_cg,
    "askotch": solve_askotch,
    "nystrom": solve_nystrom,
    "eigenpro": solve_eigenpro,
}

__all__ = [
    "SOLVERS",
    "solve_askotch",
    "solve_cg",
    "solve_eigenpro",
    "solve_exact",
    "solve_nystrom",
]
