"""The Triton backend: the same profile, printed as a GPU kernel."""

from mercer.engine.gpu.reductions import gradient, missing, reduce, row_maximum

__all__ = ["gradient", "missing", "reduce", "row_maximum"]
