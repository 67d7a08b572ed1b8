"""Quasimetrics: against unions by brute force, closed forms, SciPy and the authors' numbers."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy import integrate, stats
from torch import Tensor

from mercer.measure.quasimetric import (
    ConcaveActivation,
    DeepNorm,
    EuclideanEmbedding,
    IntervalQuasimetricEmbedding,
    LatentQuasimetric,
    MetricResidualNetwork,
    PoissonQuasimetricEmbedding,
    Quasimetric,
    WideNorm,
    fit_distances,
    frechet_embedding,
    interval_quasimetric,
    interval_union,
    landmark_features,
    mlp,
    poisson_race,
    reduce_components,
)
from mercer.measure.quasimetric.reduction import Reduction
from mercer.testing import check_operator

D = 12
AUTHORS: tuple[tuple[Reduction, float, float], ...] = (
    ("maxmean", 1.4738444944700044, 1.4591958308954838),
    ("sum", 4.153207787807528, 3.966738646975823),
    ("max", 1.7169727819582943, 1.831463481408342),
    ("mean", 1.3844025959358426, 1.3222462156586077),
)


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _vectors(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=_generator(seed), dtype=torch.float64)


def _heads() -> dict[str, Quasimetric]:
    heads: dict[str, Quasimetric] = {
        f"interval {how}": IntervalQuasimetricEmbedding(D, 3, reduction=how)  # type: ignore[arg-type]
        for how in ("sum", "mean", "max", "maxmean")
    }
    heads["poisson half-line"] = PoissonQuasimetricEmbedding(D, 3)
    heads["poisson gaussian"] = PoissonQuasimetricEmbedding(D, 3, shape="gaussian")
    heads["deep"] = DeepNorm(D, 5, generator=_generator())
    heads["deep, no lines"] = DeepNorm(D, 5, lines=0, generator=_generator())
    heads["wide"] = WideNorm(D, 5, rows=4, generator=_generator())
    heads["wide, no lines"] = WideNorm(D, 5, rows=4, lines=0, generator=_generator())
    heads["residual"] = MetricResidualNetwork(D, hidden=7, outputs=3, generator=_generator())
    heads["euclidean"] = EuclideanEmbedding(D)
    heads["taxicab"] = EuclideanEmbedding(D, p=1.0)
    return {name: head.double() for name, head in heads.items()}


def _union(left: Tensor, right: Tensor) -> float:
    """Length of a union of intervals, by the cells between all end points."""
    ends = sorted({*left.tolist(), *right.tolist()})
    return math.fsum(
        b - a
        for a, b in pairwise(ends)
        if any(x <= a and b <= y for x, y in zip(left.tolist(), right.tolist()))
    )


def _cycle(n: int) -> Tensor:
    """Distances along a one-way ring: farthest from symmetric."""
    steps = torch.arange(n, dtype=torch.float64)
    return (steps[None, :] - steps[:, None]) % n


def _space(n: int, seed: int) -> Tensor:
    """Shortest ways in a complete graph with random lengths of arcs."""
    lengths = torch.rand(n, n, generator=_generator(seed), dtype=torch.float64) ** 4
    lengths.fill_diagonal_(0)
    for k in range(n):
        lengths = torch.minimum(lengths, lengths[:, k, None] + lengths[k])
    return lengths


@pytest.mark.parametrize("length", [1, 2, 5, 16])
def test_the_union_is_the_sum_of_the_covered_cells(length: int) -> None:
    x, y = _vectors(2, 40, length)
    x[:20], y[:20] = x[:20].round(), y[:20].round()  # with shared end points
    expected = torch.tensor([_union(a, b) for a, b in zip(x, y)], dtype=torch.float64)
    torch.testing.assert_close(interval_union(x, y), expected, rtol=1e-14, atol=1e-14)


def test_components_are_consecutive_parts() -> None:
    x, y = _vectors(2, 9, D)
    parts = torch.tensor(
        [[_union(a[k : k + 4], b[k : k + 4]) for k in range(0, D, 4)] for a, b in zip(x, y)],
        dtype=torch.float64,
    )
    largest, mean = parts.amax(1), parts.mean(1)
    expected = {"sum": parts.sum(1), "mean": mean, "max": largest}
    for how, value in expected.items():
        torch.testing.assert_close(interval_quasimetric(x, y, 3, reduction=how), value)
    got = interval_quasimetric(x, y, 3, reduction="maxmean", alpha=0.3)
    torch.testing.assert_close(got, 0.3 * largest + 0.7 * mean)


def test_the_numbers_of_the_authors_package() -> None:
    """torchqmet 0.1.0: ``IQE(12, 4, reduction=...)`` of these vectors in float64."""
    k = torch.arange(1.0, 13.0, dtype=torch.float64)
    x, y = torch.sin(k**2), torch.cos(3 * k)
    for reduction, ahead, back in AUTHORS:
        d = IntervalQuasimetricEmbedding(12, 3, reduction=reduction)
        assert float(d(x, y).detach()) == pytest.approx(ahead, rel=1e-7)  # alpha in float32
        assert float(d(y, x).detach()) == pytest.approx(back, rel=1e-7)


@pytest.mark.parametrize("name", _heads())
def test_axioms(name: str) -> None:
    head = _heads()[name]
    for scale in (0.1, 1.0, 10.0):
        X = scale * _vectors(14, D)
        d = head.pairwise(X).detach()
        assert torch.equal(d.diagonal(), torch.zeros(14, dtype=torch.float64))
        assert (d >= 0).all()
        detour = (d[:, :, None] + d[None]).amin(1)  # [x, z], over y
        assert ((d - detour) <= 1e-12 * d.max()).all()
        off = ~torch.eye(14, dtype=torch.bool)
        asymmetry = (d - d.mT).abs()[off].max() / d.max()
        symmetric = isinstance(head, EuclideanEmbedding)
        assert bool(asymmetry < 1e-12) == symmetric


def test_the_published_residual_network_breaks_the_triangle_inequality() -> None:
    squared = MetricResidualNetwork(D, hidden=7, outputs=3, power=2, generator=_generator())
    line = torch.linspace(-30, 30, 3)[:, None] * torch.ones(D)
    d = squared.pairwise(line).detach()
    assert d[0, 2] > 1.05 * (d[0, 1] + d[1, 2])


@pytest.mark.parametrize("name", _heads())
def test_positive_homogeneity(name: str) -> None:
    head = _heads()[name]
    x, y = _vectors(2, 20, D)
    error = [((head(c * x, c * y) / (c * head(x, y))) - 1).abs().max() for c in (1e-3, 1e3)]
    assert (max(error) < 1e-12) == head.homogeneous


@pytest.mark.parametrize("distances", [_cycle(9), _space(11, 0), _space(25, 1)])
def test_any_finite_space_is_embedded(distances: Tensor) -> None:
    n = len(distances)
    u = frechet_embedding(distances)
    exact = IntervalQuasimetricEmbedding(n, n, reduction="max").pairwise(u)
    torch.testing.assert_close(exact, distances, rtol=0, atol=1e-14)
    between = IntervalQuasimetricEmbedding(n, n, reduction="maxmean")
    off = ~torch.eye(n, dtype=torch.bool)
    ratio = (between.pairwise(u) / distances)[off].detach()
    assert ratio.min() >= between.alpha.item() - 1e-6
    assert ratio.max() <= 1 + 1e-12


def test_sums_of_quasipartitions_are_embedded_by_the_sum() -> None:
    """One component is ``c 1[some j separates x from y]`` with coordinates 0 and c."""
    generator = _generator(3)
    weights = torch.rand(3, generator=generator, dtype=torch.float64)
    bits = torch.randint(0, 2, (10, 3, 4), generator=generator)
    separated = (bits[:, None] < bits[None]).any(-1)  # [10, 10, 3]
    u = (bits * weights[:, None]).flatten(1)
    got = IntervalQuasimetricEmbedding(12, 3, reduction="sum").pairwise(u)
    torch.testing.assert_close(got, (separated * weights).sum(-1), rtol=1e-14, atol=0)


def test_parameters() -> None:
    def count(head: Quasimetric) -> int:
        return sum(p.numel() for p in head.parameters())

    assert count(IntervalQuasimetricEmbedding(64, 8)) == 1
    assert count(IntervalQuasimetricEmbedding(64, 8, reduction="sum")) == 0
    assert count(WideNorm(64, 8)) > 32_000


@pytest.mark.parametrize("name", _heads())
def test_gradients(name: str) -> None:
    head = _heads()[name]
    x, y = (v.requires_grad_() for v in _vectors(2, D, seed=5))
    assert torch.autograd.gradcheck(head, (x, y))
    if name != "poisson gaussian":  # whose race has first gradients only
        assert torch.autograd.gradgradcheck(head, (x, y))
    for parameter in head.parameters():
        (gradient,) = torch.autograd.grad(head(x, y).sum(), parameter)
        assert gradient.isfinite().all()
        with torch.no_grad():
            flat, k, step = parameter.view(-1), parameter.numel() // 2, 1e-6
            flat[k] += step
            up = head(x, y).sum()
            flat[k] -= 2 * step
            down = head(x, y).sum()
            flat[k] += step
        slope = float(up - down) / (2 * step)
        assert float(gradient.view(-1)[k]) == pytest.approx(slope, rel=1e-6, abs=1e-8)


def test_gradients_are_finite_where_points_coincide() -> None:
    for head in _heads().values():
        x = _vectors(3, D).requires_grad_()
        head(x, x.detach()).sum().backward()
        assert x.grad is not None
        assert x.grad.isfinite().all()


def test_the_matrix_of_distances_is_an_operator() -> None:
    X, Y = _vectors(5, 6), _vectors(4, 6, seed=1)
    d = IntervalQuasimetricEmbedding(6, 2, reduction="sum")
    check_operator(d.operator, X, Y, dtypes=(torch.float64, torch.float32), compiled=False)


def test_blocks_of_rows_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mercer.measure.quasimetric.operator.TILE", 64)
    for name in ("interval maxmean", "wide", "residual"):
        head = _heads()[name]
        X, Y, V = _vectors(11, D), _vectors(2, 7, D, seed=1), _vectors(2, 11, 7, seed=2)
        results = []
        for form in (head.pairwise, lambda X, Y, h=head: h(X[:, None], Y[:, None])):
            A, B = X.clone().requires_grad_(), Y.clone().requires_grad_()
            distances = form(A, B)
            wanted = (A, B, *head.parameters())
            results.append((distances, *torch.autograd.grad((distances * V).sum(), wanted)))
        for tiled, whole in zip(*results):
            torch.testing.assert_close(tiled, whole, rtol=1e-12, atol=1e-12)
        with torch.no_grad():
            torch.testing.assert_close(head.pairwise(X, Y), results[1][0])


def test_far_intervals_do_not_cancel_in_float32() -> None:
    x = torch.arange(16.0) * 1e4
    assert interval_quasimetric(x, x + 0.5, 1) == 8.0
    assert interval_quasimetric(x + 0.5, x, 1) == 0.0


def test_the_poisson_race_is_the_law_of_skellam() -> None:
    a = np.array([1e-6, 0.3, 1.0, 4.0, 30.0, 200.0, 3.0])
    b = np.array([2.0, 1e-6, 1.0, 2.5, 40.0, 180.0, 90.0])
    A, B = (torch.tensor(v, requires_grad=True) for v in (a, b))
    race = poisson_race(A, B)
    np.testing.assert_allclose(race.detach(), stats.skellam.cdf(0, a, b), atol=1e-12)
    race.sum().backward()
    np.testing.assert_allclose(A.grad, -stats.skellam.pmf(0, a, b), atol=1e-12)
    np.testing.assert_allclose(B.grad, stats.skellam.pmf(1, a, b), atol=1e-12)
    zero = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    assert poisson_race(zero, zero) == 1
    assert torch.autograd.grad(poisson_race(zero, zero), zero)[0] == -1


def test_poisson_quasimetrics_are_their_definitions() -> None:
    x, y = _vectors(2, 3)
    half = PoissonQuasimetricEmbedding(3, 1).double()
    only = (x - y).clamp(min=0).mean()
    assert float(half.components(x, y)) == pytest.approx(1 - math.exp(-only), rel=1e-12)
    gaussian = PoissonQuasimetricEmbedding(3, 1, shape="gaussian").double()
    with torch.no_grad():
        gaussian.log_variance += 0.4
        gaussian.log_mass.fill_(math.log(10))
    sd = math.exp(0.2)
    stay = 1.0
    for u, v in zip(x.tolist(), y.tolist()):
        rates = []
        for a, b in ((u, v), (v, u)):

            def area(t: float, a: float = a, b: float = b) -> float:
                excess = max(stats.norm.pdf(t - a) - stats.norm.pdf(t - b), 0.0)
                return float(excess * stats.norm.pdf(t, scale=sd))

            rates.append(10 * integrate.quad(area, -12, 12, points=[(u + v) / 2])[0] / 3)
        stay *= stats.skellam.cdf(0, *rates)
    assert float(gaussian.components(x, y).detach()) == pytest.approx(1 - stay, rel=1e-8)


def test_norms_are_their_definitions() -> None:
    x, y = _vectors(2, D)
    z = (x - y).numpy()
    wide = WideNorm(D, 2, rows=3, lines=0, reduction="sum", generator=_generator()).double()
    W = np.abs(wide.weights[0].detach().numpy())
    halves = np.concatenate([np.maximum(z, 0), np.maximum(-z, 0)])
    expected = sum(np.linalg.norm(W[3 * k : 3 * k + 3] @ halves) for k in range(2))
    assert float(wide(x, y).detach()) == pytest.approx(expected, rel=1e-12)
    deep = DeepNorm(D, 4, layers=2, lines=0, reduction="max", generator=_generator()).double()
    U, V, W = (w.detach().numpy() for w in deep.weights)
    h = np.maximum(U @ z, 0)
    expected = np.maximum(np.abs(W) @ h + V @ z, 0).max()
    assert float(deep(x, y).detach()) == pytest.approx(expected, rel=1e-12)
    residual = MetricResidualNetwork(D, hidden=6, outputs=5, generator=_generator()).double()
    f, g = residual.symmetric(x) - residual.symmetric(y), residual.one_sided
    expected = math.sqrt(float(f.detach().square().mean())) + max(
        0.0, float((g(x) - g(y)).detach().max())
    )
    assert float(residual(x, y).detach()) == pytest.approx(expected, rel=1e-12)
    assert float(EuclideanEmbedding(D)(x, y)) == pytest.approx(np.linalg.norm(z), rel=1e-12)
    lines = ConcaveActivation(3, 4, generator=_generator())
    slopes = 2 / (1 + np.exp(-lines.slopes.detach().numpy()))
    heights = np.log1p(np.exp(lines.intercepts.detach().numpy()))
    values = slopes * 5.0
    values[:, 1:] += heights
    np.testing.assert_allclose(lines(torch.full((3,), 5.0)).detach(), values.min(1), rtol=1e-6)


def test_a_one_way_ring_is_learned_where_a_metric_fails() -> None:
    D, points = _cycle(12).float(), torch.arange(12)
    i, j = torch.cartesian_prod(points, points).T
    errors = []
    for metric in (IntervalQuasimetricEmbedding(64, 8), EuclideanEmbedding(64)):
        start = torch.randn(12, 64, generator=_generator())
        model = LatentQuasimetric(torch.nn.Embedding.from_pretrained(start, False), metric)
        losses = fit_distances(model, points, i, j, D[i, j], epochs=200, learning_rate=0.3)
        assert losses[-1] < losses[0]
        errors.append(float((model.pairwise(points) - D).detach().abs().mean()))
    # d + d' = 12 for each of the 132 pairs, and a metric can at best say 6 twice.
    best_metric = float((D - 6).abs().sum() - 12 * 6) / 144
    assert errors[1] > 0.99 * best_metric
    assert errors[0] < 0.25 * best_metric


def test_pairs_without_a_way_have_discounted_distance_zero() -> None:
    i, j = torch.cartesian_prod(torch.arange(6), torch.arange(6)).T
    D = (j - i).float().where(j >= i, torch.inf)  # a path: no way back
    start = torch.randn(6, 16, generator=_generator())
    model = LatentQuasimetric(
        torch.nn.Embedding.from_pretrained(start, False), PoissonQuasimetricEmbedding(16, 4)
    )
    points = torch.arange(6)
    fit_distances(model, points, i, j, D, epochs=200, learning_rate=0.1, generator=_generator())
    learned = model.pairwise(points).detach()
    assert learned[i, j][j < i].min() > 15
    assert (learned[i, j] - D)[j >= i].abs().max() < 1
    finite = D.isfinite()
    squares = fit_distances(
        model,
        points,
        i[finite],
        j[finite],
        D[finite],
        discount=None,
        epochs=50,
        batch_size=7,
        generator=_generator(),
    )
    assert squares[-1] < squares[0]


def test_the_same_generator_gives_the_same_model() -> None:
    def train() -> Tensor:
        generator = _generator(4)
        model = LatentQuasimetric(
            mlp((3, 5, 8), generator=generator), WideNorm(8, 2, generator=generator)
        )
        x = torch.randn(20, 3, generator=generator)
        ends = torch.randint(20, (2, 64), generator=generator)
        fit_distances(
            model,
            x,
            *ends,
            torch.rand(64, generator=generator),
            epochs=2,
            batch_size=10,
            generator=generator,
        )
        return model.pairwise(x).detach()

    state = torch.random.get_rng_state()
    assert torch.equal(train(), train())
    assert torch.equal(torch.random.get_rng_state(), state)


def test_landmark_features() -> None:
    distances = torch.tensor([[0.0, 1.0, 3.0], [torch.inf, 0.0, 2.0], [1.0, 2.0, 0.0]])
    got = landmark_features(distances, torch.tensor([2, 0]), discount=0.5)
    expected = [[1 / 8, 1, 1 / 2, 1], [1 / 4, 0, 1 / 4, 1 / 2], [1, 1 / 2, 1, 1 / 8]]
    assert got.tolist() == expected


def _bad() -> list[tuple[object, str]]:
    x, nan = torch.ones(2, 4), torch.tensor([1.0, math.nan, 0.0, 0.0])
    d = IntervalQuasimetricEmbedding(4, 2)
    model = LatentQuasimetric(torch.nn.Identity(), d)
    i, one = torch.tensor([0]), torch.tensor([1.0])
    return [
        (lambda: interval_quasimetric(x, x, 3), "components must divide the dimension 4"),
        (lambda: interval_quasimetric(x, torch.ones(2, 5), 2), "x and y must be vectors of one"),
        (lambda: interval_quasimetric(x, nan, 2), "y has NaN at index 1; remove"),
        (lambda: interval_quasimetric(x, x.double(), 2), "y is torch.float64 but x is"),
        (lambda: interval_quasimetric(x, x, 2, reduction="maxmean"), "alpha must be given for"),
        (lambda: interval_quasimetric(x, x, 2, reduction="median"), "reduction must be 'sum', "),
        (lambda: reduce_components(x, "sum", alpha=0.5), "alpha must be given for reduction"),
        (lambda: reduce_components(x, "maxmean", alpha=2.0), "alpha must be between 0 and 1"),
        (lambda: IntervalQuasimetricEmbedding(4, 0), "components must be at least 1, got 0"),
        (lambda: IntervalQuasimetricEmbedding(4, 2, reduction="min"), "reduction must be"),
        (lambda: d(x, torch.ones(2, 3)), r"y must have shape \(\*s, 4\), got \(2, 3\)"),
        (lambda: d.operator(torch.ones(4)), r"X must have shape \(\*batch, n, 4\), got \(4,\)"),
        (lambda: d(x, x.long()), "y must hold floating-point numbers"),
        (lambda: WideNorm(4, 2)(x.double(), x.double()), "x is torch.float64 but the layer is"),
        (lambda: PoissonQuasimetricEmbedding(4, 2, shape="disc"), "shape must be 'half-line'"),
        (lambda: MetricResidualNetwork(4, power=3), "power must be 1 or 2, got 3"),
        (lambda: EuclideanEmbedding(4, p=0.5), "p must be at least 1, got 0.5"),
        (lambda: mlp((3,)), r"sizes must name input and output at least, got \(3,\)"),
        (lambda: LatentQuasimetric(d, d.forward), "metric must be a Quasimetric, got method"),
        (lambda: frechet_embedding(torch.ones(2, 3)), "distances must be a square matrix"),
        (lambda: frechet_embedding(torch.ones(2, 2)), "distances must be zero on the diagonal"),
        (
            lambda: frechet_embedding(torch.tensor([[0.0, 1, 9], [1, 0, 1], [1, 1, 0]])),
            "got 9 from 0 to 2 but 2 by way of 1",
        ),
        (lambda: fit_distances(model, x, i, i, one, discount=1.0), "discount must be above 0"),
        (lambda: fit_distances(model, x, i, i, -one), "distances must be at least 0, got"),
        (lambda: fit_distances(model, x, i, i + 2, one), "must be rows of points, 0 to 1, got 0"),
        (lambda: fit_distances(model, x, i.float(), i, one), "sources must be a vector of"),
        (lambda: fit_distances(model, x, i, i, torch.ones(2)), "must be vectors of one length"),
        (
            lambda: fit_distances(model, x, i, i, one / 0, discount=None),
            "distances must be finite where discount is None",
        ),
        (lambda: landmark_features(torch.ones(2, 3), i), "distances must be a square matrix"),
        (lambda: landmark_features(-torch.ones(2, 2), i), "distances must be at least 0"),
    ]


@pytest.mark.parametrize(("call", "message"), _bad())
def test_bad_input_is_one_sentence(call: object, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message) as error:
        call()  # type: ignore[operator]
    assert "\n" not in str(error.value)
