"""The laws of algebra: sums, multiples, products and Kronecker products against matrices."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from mercer.operators.base import Operator
from mercer.operators.dense import Dense
from mercer.operators.identity import Identity
from mercer.operators.scaled import is_identity
from mercer.testing.operator_comparison import broken, check_matrix, evaluated, random_like

# Kronecker products are formed only up to this many entries.
_LARGEST = 2000


def check_algebra(K: Operator, D: Tensor, rtol: float, generator: torch.Generator) -> None:
    """Demand that the algebra of ``K`` is the algebra of its matrix ``D``.

    Parameters
    ----------
    K : Operator, shape (*batch, n, m)
        The operator to judge.
    D : Tensor, shape (*batch, n, m)
        Its matrix, in float64.
    rtol : float
        Allowed error beside the sums of absolute terms.
    generator : torch.Generator
        Where the other operands come from.
    """
    S = D.abs()
    R = random_like(K, (K.n, K.m), generator)
    c = random_like(K, (), generator)
    cs = random_like(K, (2, *(1 for _ in K.batch)), generator)
    column = cs.double()[..., None, None]
    E, F = R.double(), R.double().abs()
    laws: dict[str, tuple[Callable[[], Operator], Tensor, Tensor]] = {
        "-K": (lambda: -K, -D, S),
        "2 K": (lambda: 2 * K, 2 * D, 2 * S),
        "K / 4": (lambda: K / 4, D / 4, S / 4),
        "c K": (lambda: c * K, c.double() * D, c.double().abs() * S),
        "2 (c K)": (lambda: 2 * (c * K), 2 * c.double() * D, 2 * c.double().abs() * S),
        "c K, one c for each of a batch": (lambda: K * cs, column * D, column.abs() * S),
        "K + K": (lambda: K + K, 2 * D, 2 * S),
        "K + Dense": (lambda: K + Dense(R), D + E, S + F),
        "K - Dense": (lambda: K - Dense(R), D - E, S + F),
        "matrix + K": (lambda: R + K, D + E, S + F),
        "matrix - K": (lambda: R - K, E - D, S + F),
        "K + Dense + K": (lambda: K + (Dense(R) + K), 2 * D + E, 2 * S + F),
        "K @ Kᵀ": (lambda: K @ K.mT, D @ D.mT, S @ S.mT),
        "Kᵀ @ K": (lambda: K.mT @ K, D.mT @ D, S.mT @ S),
        "Dense @ K": (lambda: Dense(R).mT @ K, E.mT @ D, F.mT @ S),
        "K @ Dense": (lambda: K @ Dense(R.mT), D @ E.mT, S @ F.mT),
        "K @ (Kᵀ @ K)": (lambda: K @ (K.mT @ K), D @ D.mT @ D, S @ S.mT @ S),
    }
    if K.is_square:
        eye = torch.eye(K.n, dtype=torch.float64, device=K.device)
        laws["K + Identity / 2"] = (lambda: K + 0.5 * Identity(K.n), D + eye / 2, S + eye / 2)
        laws["Identity - K"] = (lambda: Identity(K.n) - K, eye - D, S + eye)
        laws["Identity @ K"] = (lambda: Identity(K.n) @ K, D, S)
    if 6 * K.n * K.m <= _LARGEST:
        B = random_like(K, (2, 3), generator)
        G = B.double()
        laws["K ⊗ B"] = (lambda: K.kron(Dense(B)), _kron(D, G), _kron(S, G.abs()))
        laws["B ⊗ K"] = (lambda: Dense(B).kron(K), _kron(G, D), _kron(G.abs(), S))
    for law, (make, expected, scale) in laws.items():
        made = evaluated(law, K, make)
        if made.dtype != K.dtype and not is_identity(K):
            raise broken(law, K, f"it changed the dtype to {made.dtype}")
        check_matrix(law, made, expected, scale, 2 * rtol, generator)


def _kron(A: Tensor, B: Tensor) -> Tensor:
    """The Kronecker product of matrices of which one may have a batch."""
    batch = torch.broadcast_shapes(A.shape[:-2], B.shape[:-2])
    A, B = A.expand(*batch, *A.shape[-2:]), B.expand(*batch, *B.shape[-2:])
    n, m = A.shape[-2] * B.shape[-2], A.shape[-1] * B.shape[-1]
    if n * m == 0:
        return A.new_zeros(*batch, n, m)
    bands = []
    for i in range(A.shape[-2]):
        blocks = [A[..., i, j, None, None] * B for j in range(A.shape[-1])]
        bands.append(torch.cat(blocks, -1))
    return torch.cat(bands, -2)
