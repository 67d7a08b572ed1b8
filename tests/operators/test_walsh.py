"""Walsh matrices, circulants in bit-reversed order, and the transforms behind them."""

import numpy as np
import pytest
import qmcpy
import scipy.fft
import scipy.linalg
import torch

from mercer.linalg import eigh, logdet, solve, sqrt
from mercer.operators import (
    Circulant,
    Identity,
    Walsh,
    bit_reversed_fft,
    bit_reversed_ifft,
    walsh_hadamard,
)
from mercer.testing.operator import check_operator

F64 = torch.float64
PSD = {"symmetric", "psd"}


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=F64)


def reversal(n: int) -> np.ndarray:
    digits = n.bit_length() - 1
    return np.array([int(f"{i:0{digits}b}"[::-1] or "0", 2) if digits else 0 for i in range(n)])


def reversed_circulant(column: torch.Tensor) -> Circulant:
    return Circulant(column, order="bit reversed")


def positive_column(n: int, structure: type) -> torch.Tensor:
    """The first column of a positive definite matrix of a structure, from its eigenvalues."""
    values = 0.5 + normal(n, seed=3).abs().numpy()
    if structure is Walsh:
        return torch.from_numpy(scipy.linalg.hadamard(n) @ values / n)
    values = (values + values[-np.arange(n) % n]) / 2  # of a real symmetric circulant
    return torch.from_numpy(scipy.fft.ifft(values).real[reversal(n)].copy())


@pytest.mark.parametrize("n", [1, 2, 8, 32, 64, 512, 1024])
def test_walsh_hadamard_is_hadamards_matrix(n):
    x = normal(3, n, 2)
    H = (
        torch.from_numpy(scipy.linalg.hadamard(n) / np.sqrt(n))
        if n > 1
        else torch.ones(1, 1).double()
    )
    torch.testing.assert_close(walsh_hadamard(x, dim=1), H @ x, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(walsh_hadamard(x.mT), (H @ x).mT, rtol=1e-12, atol=1e-12)
    single = walsh_hadamard(x.float(), dim=-2)
    assert single.dtype == torch.float32
    torch.testing.assert_close(single, (H @ x).float(), rtol=1e-5, atol=1e-5)
    ours = walsh_hadamard(x[0, :, 0]).numpy()
    np.testing.assert_allclose(ours, qmcpy.fwht(x[0, :, 0].numpy()), atol=1e-12)


@pytest.mark.parametrize("n", [1, 2, 16, 256])
def test_bit_reversed_fourier_transform(n):
    x = torch.complex(normal(2, n), normal(2, n, seed=1))
    expected = scipy.fft.fft(x.numpy()[:, reversal(n)], norm="ortho")
    np.testing.assert_allclose(bit_reversed_fft(x).numpy(), expected, atol=1e-12)
    np.testing.assert_allclose(bit_reversed_fft(x.mT, dim=0).mT.numpy(), expected, atol=1e-12)
    torch.testing.assert_close(bit_reversed_ifft(bit_reversed_fft(x)), x, rtol=0, atol=1e-12)
    if n > 1:
        np.testing.assert_allclose(bit_reversed_fft(x).numpy(), qmcpy.fftbr(x.numpy()), atol=1e-12)
        np.testing.assert_allclose(
            bit_reversed_ifft(x).numpy(), qmcpy.ifftbr(x.numpy()), atol=1e-12
        )


def test_transforms_are_differentiable():
    x = normal(2, 8).requires_grad_()
    assert torch.autograd.gradcheck(walsh_hadamard, (x,))
    assert torch.autograd.gradcheck(lambda x: bit_reversed_ifft(bit_reversed_fft(x) ** 2), (x,))


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (Walsh, (4,)),
        (Walsh, (2, 1, 2)),
        (Walsh, (1,)),
        (reversed_circulant, (4,)),
        (reversed_circulant, (2, 2)),
        (reversed_circulant, (1,)),
    ],
)
def test_contract(make, shape):
    check_operator(make, normal(*shape), compiled=shape == (4,))


def test_entries():
    column = normal(16)
    i = np.arange(16)
    expected = column.numpy()[i[:, None] ^ i]
    np.testing.assert_array_equal(Walsh(column).dense().numpy(), expected)
    rev = reversal(16)
    natural = scipy.linalg.circulant(column.numpy()[rev])
    np.testing.assert_array_equal(reversed_circulant(column).dense(), natural[np.ix_(rev, rev)])
    np.testing.assert_array_equal(reversed_circulant(column)[:, 0], column)


@pytest.mark.parametrize("structure", [Walsh, reversed_circulant])
@pytest.mark.parametrize("n", [1, 2, 16])
def test_rules_equal_dense(structure, n):
    column = positive_column(n, structure)
    K = Walsh(column, PSD) if structure is Walsh else Circulant(column, PSD, order="bit reversed")
    A = K.dense()
    B = normal(n, 3)
    for noise in (None, torch.tensor(0.3, dtype=F64)):
        S = K if noise is None else K + noise * Identity(n)
        D = A if noise is None else A + noise * torch.eye(n, dtype=F64)
        found = solve(S, B, method="structure")
        torch.testing.assert_close(found.x, torch.linalg.solve(D, B), rtol=1e-10, atol=1e-12)
        assert "fast" in found.explain
        torch.testing.assert_close(logdet(S, method="structure"), torch.logdet(D))
    R = sqrt(K, method="structure")
    assert type(R) is type(K)
    torch.testing.assert_close(R.dense() @ R.dense(), A)
    rank = max(n // 2, 1)
    values, vectors = eigh(K, rank, method="structure")
    torch.testing.assert_close(values, torch.linalg.eigvalsh(A)[n - rank :])
    torch.testing.assert_close(A @ vectors, vectors * values)
    torch.testing.assert_close(vectors.mT @ vectors, torch.eye(rank, dtype=F64))


@pytest.mark.parametrize("structure", [Walsh, reversed_circulant])
def test_rules_are_differentiable(structure):
    column, noise = positive_column(4, structure), torch.tensor(0.2, dtype=F64)
    b = normal(4, 2)

    def both(column, noise, b):
        S = structure(column) + noise * Identity(4)
        return solve(S, b).x, logdet(S)

    inputs = [t.clone().requires_grad_() for t in (column, noise, b)]
    assert torch.autograd.gradcheck(both, inputs)
    assert torch.autograd.gradgradcheck(both, inputs)


def test_sign_of_a_determinant():
    column = normal(2, 8)
    for K in (Walsh(column), reversed_circulant(column), Circulant(column)):
        signs, logs = torch.linalg.slogdet(K.dense())
        for k in range(2):
            if signs[k] > 0:
                torch.testing.assert_close(logdet(K[k], method="structure"), logs[k])
            else:
                with pytest.raises(ValueError, match="must be positive"):
                    logdet(K[k], method="structure")


def test_refusals():
    with pytest.raises(ValueError, match=r"column must have a power of two entries .* got 6"):
        Walsh(normal(6))
    with pytest.raises(ValueError, match=r"power of two entries .* got 0"):
        reversed_circulant(normal(0))
    with pytest.raises(ValueError, match="order must be one of natural, bit reversed, got 'gray'"):
        Circulant(normal(4), order="gray")
    with pytest.raises(ValueError, match=r"x must have a power of two entries .* got 12"):
        walsh_hadamard(normal(12))
    with pytest.raises(TypeError, match="x must hold floating-point numbers"):
        walsh_hadamard(torch.arange(4))
    with pytest.raises(torch.linalg.LinAlgError, match="an eigenvalue of the walsh matrix"):
        solve(Walsh(torch.ones(4)), torch.ones(4))
