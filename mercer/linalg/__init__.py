"""Algorithms on operators: solve, determinant, eigenvalues, roots, preconditioners."""

from mercer.linalg.askotch import ASkotchState, askotch
from mercer.linalg.cholesky import cholesky
from mercer.linalg.circulant_preconditioner import CirculantPreconditioner
from mercer.linalg.conjugate_gradients import conjugate_gradients
from mercer.linalg.eigh import eigh
from mercer.linalg.hutchpp import hutchpp
from mercer.linalg.jacobi_preconditioner import JacobiPreconditioner
from mercer.linalg.lanczos import lanczos
from mercer.linalg.leverage import ridge_leverage_scores
from mercer.linalg.logdet import logdet
from mercer.linalg.nearest_distribution import nearest_distribution
from mercer.linalg.nystrom_preconditioner import NystromPreconditioner, nystrom_approximation
from mercer.linalg.preconditioner import Preconditioner
from mercer.linalg.randomly_pivoted_cholesky import RandomlyPivotedCholesky, partial_cholesky
from mercer.linalg.solution import ConvergenceWarning, Solution
from mercer.linalg.solve import solve
from mercer.linalg.sqrt import sqrt
from mercer.linalg.trace import trace

__all__ = [
    "ASkotchState",
    "CirculantPreconditioner",
    "ConvergenceWarning",
    "JacobiPreconditioner",
    "NystromPreconditioner",
    "Preconditioner",
    "RandomlyPivotedCholesky",
    "Solution",
    "askotch",
    "cholesky",
    "conjugate_gradients",
    "eigh",
    "hutchpp",
    "lanczos",
    "logdet",
    "nearest_distribution",
    "nystrom_approximation",
    "partial_cholesky",
    "ridge_leverage_scores",
    "solve",
    "sqrt",
    "trace",
]
