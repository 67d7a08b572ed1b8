"""Conjugate gradients that are stopped and gone on with."""

import torch
from matrices import F64, randn, spd

from mercer.linalg.conjugate_gradients_iteration import PATIENCE, ConjugateGradients


def stepped(cg, steps):
    for _ in range(steps):
        cg.step()
    return cg


def test_batches_and_columns_are_solved_apart():
    A = torch.stack([spd(20, condition=c) for c in (2.0, 50.0, 1e3)])  # [3, n, n]
    B = randn(3, 20, 2)
    D = A.diagonal(dim1=-2, dim2=-1)[..., None]
    cg = stepped(ConjugateGradients(lambda V: A @ V, lambda R: R / D, B), 60)
    torch.testing.assert_close(cg.X, torch.linalg.solve(A, B))
    a, b, d = A[1], B[1, :, 1:], D[1]
    alone = stepped(ConjugateGradients(lambda V: a @ V, lambda R: R / d, b), 5)
    many = stepped(ConjugateGradients(lambda V: A @ V, lambda R: R / D, B), 5)
    torch.testing.assert_close(many.X[1, :, 1:], alone.X)


def test_residual_is_in_the_norm_of_the_preconditioner():
    A, B, x = spd(30), randn(30, 1), randn(30, 1)
    P = spd(30, condition=3.0)
    cg = stepped(ConjugateGradients(lambda V: A @ V, lambda R: P @ R, B, x), 3)
    R = B - A @ cg.X
    expected = ((R.mT @ P @ R) / (B.mT @ P @ B)).sqrt()
    assert abs(cg.residual - float(expected)) <= 1e-10 * float(expected)


def test_goes_on_to_the_same_bits():
    A, B = spd(40, condition=1e4), randn(40, 3)

    def fresh(state=None):
        return ConjugateGradients(lambda V: A @ V, lambda R: R / 2, B, state=state)

    whole = stepped(fresh(), 15)
    first = stepped(fresh(), 6)
    state = {name: t.clone() for name, t in first.state().items()}
    stepped(first, 2)  # does not change the state that was taken
    resumed = stepped(fresh(state), 9)
    assert torch.equal(resumed.X, whole.X)
    assert (resumed.iteration, resumed.residual) == (15, whole.residual)


def test_says_when_steps_gain_nothing():
    B = torch.ones(10, 1, dtype=F64)
    cg = stepped(ConjugateGradients(lambda V: 2 * V, lambda R: R, B), PATIENCE)
    assert not cg.stalled  # the first step did gain
    assert stepped(cg, 1).stalled
    assert torch.equal(cg.X, B / 2)


def test_only_active_columns_move():
    B = randn(5, 2)
    cg = ConjugateGradients(lambda V: 3 * V, lambda R: R, B)
    moved = cg.advance(torch.tensor([[True, False]]))
    assert moved.tolist() == [[True, False]]
    torch.testing.assert_close(cg.X, torch.stack([B[:, 0] / 3, torch.zeros(5, dtype=F64)], 1))
