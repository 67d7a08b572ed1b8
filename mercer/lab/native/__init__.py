"""C++ and CUDA, compiled while Python runs."""

from mercer.lab.native.build import build

__all__ = ["build"]
