"""The Triton backend: the same profile, printed as a GPU kernel."""

from mercer.engine.gpu.reductions import explain, gradient, missing, reduce, row_maximum, softmax

__all__ = ["explain", "gradient", "missing", "reduce", "row_maximum", "softmax"]
