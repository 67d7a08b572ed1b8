"""ASkotch: the solution, the speed, the state."""

import copy
import dataclasses

import pytest
import torch
from matrices import F64, gaussian_gram, generator, randn

from mercer.linalg import askotch, conjugate_gradients
from mercer.operators import Dense, Identity, Operator

PSD = {"symmetric", "psd"}
NOISE = 1e-3
GRAM = gaussian_gram(240, d=3, lengthscale=1.0)
B = randn(240, 2)


def options(**more):
    return {"block_size": 60, "rank": 30, "generator": generator(), **more}


@pytest.mark.parametrize("sampling", ["uniform", "leverage"])
@pytest.mark.parametrize("accelerate", [True, False])
def test_solves_the_full_problem(sampling, accelerate):
    state = askotch(
        Dense(GRAM, PSD), NOISE, B, tol=1e-8, **options(sampling=sampling, accelerate=accelerate)
    )
    A = GRAM + NOISE * torch.eye(240, dtype=F64)
    expected = torch.linalg.solve(A, B)
    assert state.residual <= 1e-8
    true = torch.linalg.vector_norm(A @ state.w - B, dim=0) / torch.linalg.vector_norm(B, dim=0)
    assert float(true.max()) == pytest.approx(state.residual)
    torch.testing.assert_close(state.w, expected, rtol=0, atol=2e-8 / NOISE * float(B.norm()))


@pytest.mark.parametrize("noise", [1e-4, 1e-6])
def test_fewer_passes_than_conjugate_gradients(noise):
    """Over the rows of an ill-conditioned matrix, the measurements of the residual included."""
    gram, b = gaussian_gram(300, d=2, lengthscale=0.5), randn(300, 1)
    K = Dense(gram, PSD)
    state = askotch(
        K, noise, b, tol=1e-6, block_size=100, rank=80, check_every=9, generator=generator()
    )
    passes = state.iteration * 100 / 300 + state.iteration / 9
    found = conjugate_gradients(K + noise * Identity(300), b, tol=1e-6)
    assert state.residual <= 1e-6
    assert bool(found.converged.all())
    assert passes < found.iterations * (0.8 if noise == 1e-4 else 0.25)


def test_one_block_of_all_rows_is_newton():
    """With the whole matrix as block, full rank and no acceleration, a step solves at once."""
    state = askotch(
        Dense(GRAM, PSD),
        10.0,
        B,
        tol=1e-3,
        block_size=240,
        rank=240,
        max_iterations=40,
        accelerate=False,
        generator=generator(),
    )
    assert state.iteration < 10


def test_vector_and_columns_agree():
    K = Dense(GRAM, PSD)
    vector = askotch(K, NOISE, B[:, 0], max_iterations=10, **options())
    column = askotch(K, NOISE, B[:, :1], max_iterations=10, **options())
    assert vector.w.shape == (240,)
    torch.testing.assert_close(vector.w, column.w[:, 0])


@pytest.mark.parametrize("sampling", ["uniform", "leverage"])
def test_resumes_to_the_same_bits(sampling):
    K = Dense(GRAM, PSD)
    whole = askotch(K, NOISE, B, tol=1e-12, max_iterations=20, **options(sampling=sampling))
    half = askotch(K, NOISE, B, tol=1e-12, max_iterations=9, **options(sampling=sampling))
    saved = copy.deepcopy(dataclasses.asdict(half))
    assert all(isinstance(v, (int, float, torch.Tensor)) for v in saved.values())
    half = type(half)(**saved)
    again = askotch(K, NOISE, B, tol=1e-12, max_iterations=20, block_size=60, rank=30, state=half)
    assert again.iteration == whole.iteration == 20
    assert torch.equal(again.w, whole.w)
    assert torch.equal(again.y, whole.y)


def test_vector_resumes():
    K = Dense(GRAM, PSD)
    whole = askotch(K, NOISE, B[:, 0], tol=1e-12, max_iterations=6, **options())
    half = askotch(K, NOISE, B[:, 0], tol=1e-12, max_iterations=3, **options())
    again = askotch(
        K, NOISE, B[:, 0], tol=1e-12, max_iterations=6, block_size=60, rank=30, state=half
    )
    assert torch.equal(again.w, whole.w)


def test_callback_sees_every_state():
    seen = []
    askotch(
        Dense(GRAM, PSD),
        NOISE,
        B,
        tol=1e-12,
        max_iterations=7,
        callback=lambda state: seen.append((state.iteration, state.w)),
        **options(),
    )
    assert [iteration for iteration, _ in seen] == [1, 2, 3, 4, 5, 6, 7]
    assert not torch.equal(seen[0][1], seen[1][1])


def test_only_blocks_of_rows_are_asked_for():
    class Rows(Operator):
        """Counts what costs more than a block."""

        def __init__(self):
            super().__init__((240, 240), F64, torch.device("cpu"), PSD)
            self.products, self.largest = 0, 0

        def _matmul(self, V):
            self.products += 1
            return GRAM @ V

        def _take(self, rows, cols):
            return Dense(GRAM[rows])

        def _entries(self, i, j):
            self.largest = max(self.largest, i.numel())
            return GRAM[i, j]

    K = Rows()
    askotch(K, NOISE, B, max_iterations=3, check_every=100, tol=1e-12, **options())
    assert K.products == 1  # the residual at the end
    assert K.largest <= 60 * 60


def test_zero_right_hand_side():
    state = askotch(Dense(GRAM, PSD), NOISE, torch.zeros(240, 1, dtype=F64))
    assert state.iteration == 0
    assert not bool(state.w.any())


@pytest.mark.parametrize(
    ("more", "match"),
    [
        ({"noise": 0.0}, "noise must be positive, got 0"),
        ({"tol": -1.0}, "tol must be positive"),
        ({"block_size": 0}, "block_size must be at least 1"),
        ({"rank": 0}, "rank must be at least 1"),
        ({"sampling": "best"}, "sampling must be"),
        ({"mu": 3.0, "nu": 2.0}, "mu must be at most nu"),
        ({"mu": 0.9, "nu": 2.0}, "mu must be at most nu and 1 / nu"),
    ],
)
def test_refusals(more, match):
    more = {"noise": NOISE, **more}
    with pytest.raises(ValueError, match=match):
        askotch(Dense(GRAM, PSD), more.pop("noise"), B, **more)


def test_state_of_another_problem_is_refused():
    state = askotch(Dense(GRAM, PSD), NOISE, B, max_iterations=1, **options())
    with pytest.raises(ValueError, match=r"of shape \(240, 2\), got \(240, 1\)"):
        askotch(Dense(GRAM, PSD), NOISE, B[:, :1], state=state)
