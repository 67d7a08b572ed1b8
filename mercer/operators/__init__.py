"""Operators: matrices that are applied, not stored, one structure per file."""

from mercer.operators.banded import Banded
from mercer.operators.base import Operator, as_operator
from mercer.operators.bit_reversed_fft import bit_reversed_fft, bit_reversed_ifft
from mercer.operators.block import Block
from mercer.operators.causal_low_rank import CausalLowRank
from mercer.operators.circulant import Circulant
from mercer.operators.dense import Dense
from mercer.operators.diagonal import Diagonal
from mercer.operators.entrywise_product import EntrywiseProduct
from mercer.operators.identity import Identity
from mercer.operators.kernel_operator import KernelOperator
from mercer.operators.kronecker import Kronecker
from mercer.operators.low_rank import LowRank
from mercer.operators.normalised import Normalised
from mercer.operators.pairwise import Pairwise
from mercer.operators.permuted import Permuted, take
from mercer.operators.product import Product, product
from mercer.operators.scaled import Scaled, scale
from mercer.operators.sharded import Sharded
from mercer.operators.sparse import Sparse
from mercer.operators.spectral import Spectral
from mercer.operators.sum import Sum, add
from mercer.operators.toeplitz import Toeplitz
from mercer.operators.walsh import Walsh
from mercer.operators.walsh_hadamard import walsh_hadamard
from mercer.operators.zero import Zero

__all__ = [
    "Banded",
    "Block",
    "CausalLowRank",
    "Circulant",
    "Dense",
    "Diagonal",
    "EntrywiseProduct",
    "Identity",
    "KernelOperator",
    "Kronecker",
    "LowRank",
    "Normalised",
    "Operator",
    "Pairwise",
    "Permuted",
    "Product",
    "Scaled",
    "Sharded",
    "Sparse",
    "Spectral",
    "Sum",
    "Toeplitz",
    "Walsh",
    "Zero",
    "add",
    "as_operator",
    "bit_reversed_fft",
    "bit_reversed_ifft",
    "product",
    "scale",
    "take",
    "walsh_hadamard",
]
