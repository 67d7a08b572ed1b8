"""Kernels ``k(x, y)``, one card a file, and their algebra."""

from mercer.kernels.algebra import KernelPower, KernelProduct, KernelSum, ScaledKernel
from mercer.kernels.base import Kernel
from mercer.kernels.rbf import RBF
from mercer.kernels.stationary import Stationary

__all__ = [
    "RBF",
    "Kernel",
    "KernelPower",
    "KernelProduct",
    "KernelSum",
    "ScaledKernel",
    "Stationary",
]
