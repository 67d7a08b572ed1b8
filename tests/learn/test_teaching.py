"""Functional teaching against dense functional gradient descent, and its bounds."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from scipy.stats import chisquare

from mercer.kernels import RBF, Linear, Matern
from mercer.learn.teaching import (
    Learner,
    contrast,
    greedy_teaching,
    random_teaching,
    synthesised_teaching,
    teaching_bound,
)
from mercer.learn.teaching.loss import LOSSES


def gram(X, Z):
    return np.exp(-cdist(X, Z, "sqeuclidean") / (2 * 0.4**2))


@pytest.fixture(scope="module")
def pool():
    rng = np.random.default_rng(0)
    return rng.uniform(-1, 1, (30, 2)), rng.standard_normal(30), rng.uniform(-1, 1, (7, 2))


SLOPES = {
    "square": lambda f, y: 2 * (f - y),
    "logistic": lambda f, y: -y / (1 + np.exp(y * f)),
    "hinge": lambda f, y: np.where(y * f < 1, -y, 0.0),
}


@pytest.mark.parametrize("loss", ["square", "logistic"])
@pytest.mark.parametrize("k", [1, 4])
def test_greedy_teaching_is_dense_functional_gradient_descent(pool, loss, k):
    X, y, new = pool
    y = y if loss == "square" else np.sign(y)
    K, f, taught, a = gram(X, X), np.sin(X[:, 0]), [], np.zeros(30)
    for _ in range(25):
        slope = SLOPES[loss](f, y)
        rows = np.argsort(-abs(slope))[:k]
        a[rows] -= 0.3 / k * slope[rows]
        f = np.sin(X[:, 0]) + K @ a
        taught.append(sorted(rows))
    learner = Learner(RBF(0.4), loss=loss, rate=0.3, initial=lambda X: torch.sin(X[:, 0]))
    lessons = greedy_teaching(learner, torch.from_numpy(X), torch.from_numpy(y), k=k, iterations=25)
    assert [sorted(rows.tolist()) for rows in lessons.chosen] == taught
    np.testing.assert_allclose(lessons.values, f, rtol=1e-10, atol=1e-12)
    expected = np.sin(new[:, 0]) + gram(new, X) @ a
    np.testing.assert_allclose(learner(torch.from_numpy(new)), expected, rtol=1e-10, atol=1e-12)
    if loss == "square":
        assert float(lessons.losses[-1]) == pytest.approx(((f - y) ** 2).mean(), rel=1e-6)
        assert float(lessons.largest[-1]) == pytest.approx(((f - y) ** 2).max(), rel=1e-6)


def test_the_linear_kernel_teaches_the_weights_of_a_linear_model(pool):
    X, _, new = pool
    target, w = np.array([1.5, -0.7]), np.zeros(2)
    lessons = random_teaching(
        learner := Learner(Linear(), rate=0.2),
        torch.from_numpy(X),
        torch.from_numpy(X @ target),
        k=2,
        iterations=40,
        generator=torch.Generator().manual_seed(0),
    )
    for rows in lessons.chosen.numpy():
        w -= 0.2 / 2 * 2 * X[rows].T @ (X[rows] @ (w - target))
    np.testing.assert_allclose(learner(torch.from_numpy(new)), new @ w, rtol=1e-8, atol=1e-10)


def test_lessons_of_the_whole_pool_are_powers_of_a_matrix(pool):
    X, y, _ = pool
    pooled = [
        teach(
            Learner(RBF(0.4), rate=0.5),
            torch.from_numpy(X),
            torch.from_numpy(y),
            k=30,
            iterations=20,
        )
        for teach in (random_teaching, greedy_teaching)
    ]
    step = np.eye(30) - 2 * 0.5 / 30 * gram(X, X)
    expected = y - np.linalg.matrix_power(step, 20) @ y
    for lessons in pooled:
        np.testing.assert_allclose(lessons.values, expected, rtol=1e-9, atol=1e-11)


def test_later_lessons_go_on_from_earlier_ones(pool):
    X, y = (torch.from_numpy(t) for t in pool[:2])
    whole, parted = Learner(RBF(0.4), rate=0.3), Learner(RBF(0.4), rate=0.3)
    expected = greedy_teaching(whole, X, y, k=2, iterations=12).values
    greedy_teaching(parted, X, y, k=2, iterations=5)
    found = greedy_teaching(parted, X, y, k=2, iterations=7).values
    np.testing.assert_allclose(found, expected, rtol=1e-10)
    rows = torch.tensor([1, 5])
    whole.learn(X[rows], y[rows])
    step = gram(X, X[rows]) @ (2 * 0.3 / 2 * (y - expected)[rows].numpy())
    np.testing.assert_allclose(whole(X), expected.numpy() + step, rtol=1e-10)


def test_random_teaching_draws_every_example_equally(pool):
    X, y = (torch.from_numpy(t[:6]) for t in pool[:2])
    for k, lessons in ((1, 600), (3, 200)):
        taught = random_teaching(
            Learner(RBF(0.4), rate=0.1),
            X,
            y,
            k=k,
            iterations=lessons,
            generator=torch.Generator().manual_seed(k),
        ).chosen
        assert chisquare(np.bincount(taught.flatten(), minlength=6)).pvalue > 0.01
        assert all(len(set(rows.tolist())) == k for rows in taught)


def test_the_bounds_hold_for_a_target_in_the_space():
    rng = np.random.default_rng(1)
    X, Z, c = rng.uniform(0, 1, (40, 1)), rng.uniform(0, 1, (5, 1)), rng.standard_normal(5)
    target, norm = gram(X, Z) @ c, float(c @ gram(Z, Z) @ c)
    X, y = torch.from_numpy(X), torch.from_numpy(target)
    epsilon, rate = 0.01 * float(y.square().mean()), 0.4
    lessons = greedy_teaching(Learner(RBF(0.4), rate=rate), X, y, iterations=2000, epsilon=epsilon)
    tight = contrast(lessons, epsilon)
    # Errors of the taught examples are the largest ones; they sum to at most this.
    total = float(lessons.largest[:-1].sum())
    assert 0.2 < total / (norm / (4 * rate * (1 - rate))) <= 1
    bound = teaching_bound(norm, epsilon, rate=rate, largest=1.0)
    assert bound == pytest.approx(norm / (4 * 0.4 * 0.6 * epsilon))
    dimension = lessons.teaching_dimension(epsilon)
    assert dimension == len(lessons.chosen)
    assert dimension <= teaching_bound(norm, epsilon, rate=rate, largest=1.0, contrast=tight)


def test_what_lessons_take_from_the_squared_norm_is_what_they_taught():
    """With ``k(x, x) = 1`` the inequality behind the bounds is an equality."""
    rng = np.random.default_rng(1)
    X, Z, c = rng.uniform(0, 1, (40, 1)), rng.uniform(0, 1, (5, 1)), rng.standard_normal(5)
    X, y, rate = torch.from_numpy(X), torch.from_numpy(gram(X, Z) @ c), 0.4

    def spent(learner):
        points = np.r_[Z, learner.points.numpy()]
        e = np.r_[-c, learner.coefficients.numpy()]
        left = e @ gram(points, points) @ e
        return (c @ gram(Z, Z) @ c - left) / (4 * rate * (1 - rate))

    lessons = greedy_teaching(learner := Learner(RBF(0.4), rate=rate), X, y, iterations=60)
    assert float(lessons.largest[:-1].sum()) == pytest.approx(spent(learner), rel=1e-9)
    differences = []
    for seed in range(40):
        learner, generator = Learner(RBF(0.4), rate=rate), torch.Generator().manual_seed(seed)
        lessons = random_teaching(learner, X, y, iterations=12, generator=generator)
        differences.append(float(lessons.losses[:-1].sum()) - spent(learner))
    assert abs(np.mean(differences)) < 3 * np.std(differences) / np.sqrt(40)


def test_synthesis_from_the_pool_is_greedy_teaching(pool):
    X = torch.from_numpy(pool[0])
    expected = greedy_teaching(
        one := Learner(Matern(0.5, nu=1.5), rate=0.3), X, X[:, 0].sin(), k=3, iterations=15
    )
    taught = synthesised_teaching(
        two := Learner(Matern(0.5, nu=1.5), rate=0.3),
        lambda X: X[:, 0].sin(),
        lambda n: X,
        candidates=30,
        k=3,
        iterations=15,
    )
    np.testing.assert_allclose(taught, X[expected.chosen], rtol=0)
    np.testing.assert_allclose(two(X), one(X), rtol=1e-9, atol=1e-12)


def test_a_lesson_takes_one_product_of_n_by_k(pool):
    X, y = (torch.from_numpy(t) for t in pool[:2])
    shapes = []

    class Watched(RBF):
        def forward(self, X, Y=None, **options):
            shapes.append((len(X), len(X if Y is None else Y)))
            return super().forward(X, Y, **options)

    greedy_teaching(Learner(Watched(0.4), rate=0.3), X, y, k=2, iterations=9)
    assert shapes == [(30, 2)] * 9


@pytest.mark.parametrize("name", LOSSES)
def test_losses_have_their_derivatives(name):
    loss, generator = LOSSES[name](), torch.Generator().manual_seed(0)
    f = torch.randn(200, generator=generator, dtype=torch.float64)
    y = torch.where(torch.rand(200, generator=generator) < 0.5, 1.0, -1.0).double()
    h = 1e-6
    slope = (loss(f + h, y) - loss(f - h, y)) / (2 * h)
    np.testing.assert_allclose(loss.derivative(f, y), slope, atol=1e-6)
    np.testing.assert_allclose(loss.derivative(f, y), SLOPES[name](f.numpy(), y.numpy()))
    bend = (loss.derivative(f + 1e-4, y) - loss.derivative(f, y)).abs().max() / 1e-4
    assert float(bend) <= loss.lipschitz * (1 + 1e-6)
    assert name == "hinge" or float(bend) > 0.95 * loss.lipschitz


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"k": 31}, "k must be at most the 30 points of the pool, got 31"),
        ({"iterations": 0}, "iterations must be at least 1, got 0"),
        ({"epsilon": -1.0}, "epsilon must be between 0 and inf, got -1"),
        ({"y": torch.zeros(29, dtype=torch.float64)}, r"got \(30, 2\) and \(29,\)"),
        ({"y": torch.full((30,), torch.nan, dtype=torch.float64)}, "y has NaN"),
    ],
)
def test_what_teachers_refuse(pool, change, message):
    X, y = (torch.from_numpy(t) for t in pool[:2])
    given = {"y": y, "iterations": 5, **change}
    with pytest.raises(ValueError, match=message):
        greedy_teaching(Learner(RBF(), rate=0.1), X, **given)


def test_what_learners_and_bounds_refuse():
    with pytest.raises(ValueError, match="rate must be positive, got -1"):
        Learner(RBF(), rate=-1.0)
    with pytest.raises(ValueError, match="loss must be one of square, logistic, hinge"):
        Learner(RBF(), loss="cubic", rate=0.1)
    with pytest.raises(TypeError, match="kernel must be a Kernel, got str"):
        Learner("rbf", rate=0.1)
    with pytest.raises(ValueError, match=r"rate must be below 1 / largest = 0.5, got 0.6"):
        teaching_bound(1.0, 0.1, rate=0.6, largest=2.0)
    with pytest.raises(ValueError, match="k must be at most the 2 candidates, got 3"):
        synthesised_teaching(
            Learner(RBF(), rate=0.1), torch.sin, torch.rand, candidates=2, k=3, iterations=1
        )
