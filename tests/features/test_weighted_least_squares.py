"""Random designs and weighted least squares against NumPy, enumeration and closed forms."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from mercer.features.sampling import (
    Design,
    DiscreteSpace,
    KernelSpace,
    PolynomialSpace,
    WeightedLeastSquares,
    projection_dpp,
    repeated_dpp,
    sample_design,
    subsample,
    volume_rescaled_sampling,
)
from mercer.kernels import RBF, Matern


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def runge(X: Tensor) -> Tensor:
    return 1 / (1 + 25 * X[..., 0].square())


def discrete() -> DiscreteSpace:
    x = torch.linspace(-1, 1, 6, dtype=torch.float64)[:, None]
    weights = 0.5 + torch.rand(6, generator=generator(1), dtype=torch.float64)
    return DiscreteSpace(PolynomialSpace(1), x, weights)


# -- exact means by enumeration ----------------------------------------------------------------


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("n", [2, 3])
def test_volume_rescaled_means_over_all_designs(n: int, share: float) -> None:
    """With density det G over nu^n: unbiased, E G^-1 = n / (n - m + 1) I, m + 1 at n = m."""
    space, m = discrete(), 2
    nu = (space.weights * space.density(space.candidates, share)).numpy()
    w = (1 / space.density(space.candidates, share)).numpy()
    places = torch.tensor(list(itertools.product(range(6), repeat=n)))
    X = space.candidates[places]  # [6^n, n, 1]
    gram = WeightedLeastSquares(space, Design(X, torch.from_numpy(w)[places])).gram.numpy()
    density = np.linalg.det(gram) * nu[places.numpy()].prod(1)
    density = density / density.sum()
    used = density > 1e-12
    design = Design(X[used], torch.from_numpy(w)[places][used])
    p = torch.from_numpy(density[used])
    model = WeightedLeastSquares(space, design).fit(runge)
    projection = space.project(runge)

    mean = (p[:, None] * model.coefficients_).sum(0)
    torch.testing.assert_close(mean, projection.coefficients, rtol=0, atol=1e-10)
    inverse = (p[:, None, None] * torch.linalg.inv(model.gram)).sum(0)
    # Designs of repeated points have singular G and no mass; the others bring less than the whole.
    exact = n / (n - m + 1) * torch.eye(m, dtype=torch.float64)
    assert bool((torch.linalg.eigvalsh(exact - inverse) > -1e-10).all())
    if n == m:
        ratio = float((p * model.quasi_optimality(projection)).sum())
        assert ratio == pytest.approx(m + 1, rel=1e-10)


def test_volume_rescaled_designs_have_their_law() -> None:
    import scipy.stats

    space, n, draws, share = discrete(), 3, 12_000, 0.4
    design = sample_design(space, n, generator(2), block=n, share=share, draws=draws)
    place = torch.argmin((design.points - space.candidates[:, 0]).abs(), -1)  # [draws, n]
    code = (place * torch.tensor([36, 6, 1])).sum(-1).numpy()
    nu = (space.weights * space.density(space.candidates, share)).numpy()
    places = np.array(list(itertools.product(range(6), repeat=n)))
    V = (
        space(space.candidates).numpy()
        / np.sqrt(space.density(space.candidates, share).numpy())[:, None]
    )
    rows = V[places]  # [216, n, m]
    density = np.linalg.det(rows.transpose(0, 2, 1) @ rows) * nu[places].prod(1)
    density = density / density.sum()
    counts = np.bincount(code, minlength=216)
    used = density > 1e-12
    assert counts[~used].sum() == 0
    assert scipy.stats.chisquare(counts[used], draws * density[used]).pvalue > 1e-3


# -- means on the line -------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_volume_rescaled_sampling_is_unbiased(share: float) -> None:
    space, n, draws = PolynomialSpace(3), 8, 2000
    design = sample_design(space, n, generator(3), block=n, share=share, draws=draws)
    model = WeightedLeastSquares(space, design)
    x, w = np.polynomial.legendre.leggauss(300)
    exact = (w / 2 * runge(torch.from_numpy(x)[:, None]).numpy()) @ space(
        torch.from_numpy(x)[:, None]
    ).numpy()
    c = model.fit(runge).coefficients_.numpy()
    assert np.all(np.abs(c.mean(0) - exact) < 5 * c.std(0) / math.sqrt(draws))
    traces = torch.linalg.inv(model.gram).diagonal(dim1=-2, dim2=-1).sum(-1).numpy()
    error = traces.mean() - 4 * n / (n - 4 + 1)
    assert abs(error) < 5 * traces.std() / math.sqrt(draws)


@pytest.mark.parametrize(
    ("block", "share"), [(None, 0.0), (None, 0.6), (None, 1.0), (12, 1.0), (4, 0.0), (6, 0.3)]
)
def test_gram_matrix_is_the_identity_in_the_mean(block: int | None, share: float) -> None:
    space, draws = PolynomialSpace(3), 800
    design = sample_design(space, 12, generator(4), block=block, share=share, draws=draws)
    gram = WeightedLeastSquares(space, design).gram
    error = (gram.mean(0) - torch.eye(4, dtype=torch.float64)).abs()
    assert bool((error <= 5 * gram.std(0) / math.sqrt(draws) + 1e-12).all())


def test_repetitions_are_more_stable_than_independent_points() -> None:
    space, n = PolynomialSpace(9), 60
    deviations = {
        block: WeightedLeastSquares(
            space, sample_design(space, n, generator(5), block=block, draws=60)
        ).deviation.median()
        for block in (None, n, 10)
    }
    assert float(deviations[10]) < 0.8 * min(float(deviations[None]), float(deviations[n]))


# -- conditions --------------------------------------------------------------------------------


@pytest.mark.parametrize("block", [None, 5])
def test_condition_is_met(block: int | None) -> None:
    space = PolynomialSpace(4)
    options = {"block": block, "draws": 60}
    design = sample_design(space, 20, generator(6), condition=0.5, **options)
    phi = space(design.points).numpy() * np.sqrt(design.weights.numpy() / 20)[..., None]
    gram = phi.transpose(0, 2, 1) @ phi
    assert np.linalg.norm(gram - np.eye(5), 2, axis=(1, 2)).max() <= 0.5
    free = sample_design(space, 20, generator(7), **(options | {"draws": 600}))
    share = float((WeightedLeastSquares(space, free).deviation <= 0.5).double().mean())
    assert abs(design.acceptance - share) < 5 * math.sqrt(share * (1 - share) / 60)


def test_hopeless_condition_is_refused() -> None:
    with pytest.raises(ValueError, match=r"condition 0.1 was met by 0 of .* take more points"):
        sample_design(PolynomialSpace(9), 10, generator(), condition=0.1, attempts=20)


def test_subsample_is_stable_and_smaller() -> None:
    space = PolynomialSpace(5)
    design = sample_design(space, 60, generator(8), condition=0.4)
    fewer = subsample(space, design, 0.5)
    assert 6 <= fewer.n < 30
    phi = space(fewer.points).numpy() * np.sqrt(fewer.weights.numpy() / fewer.n)[:, None]
    assert np.linalg.norm(phi.T @ phi - np.eye(6), 2) <= 0.5
    rows = {tuple(row) for row in design.points.tolist()}
    assert all(tuple(row) in rows for row in fewer.points.tolist())


def test_subsample_is_greedy() -> None:
    space = PolynomialSpace(2)
    design = sample_design(space, 16, generator(18), condition=0.5)
    rows = space(design.points).numpy() * np.sqrt(design.weights.numpy())[:, None]

    def deviation(kept: list[int]) -> float:
        return float(np.linalg.norm(rows[kept].T @ rows[kept] / len(kept) - np.eye(3), 2))

    kept = list(range(16))
    while len(kept) > 3:
        fewer = min(([i for i in kept if i != k] for k in kept), key=deviation)
        if deviation(fewer) > 0.5:
            break
        kept = fewer
    assert len(kept) < 10
    assert torch.equal(subsample(space, design).points, design.points[kept])


# -- the estimate ------------------------------------------------------------------------------


def test_coefficients_by_lstsq() -> None:
    space = PolynomialSpace(3, 2, "gaussian")
    design = volume_rescaled_sampling(space, 25, generator(9), share=0.5)
    values = torch.randn(25, 2, generator=generator(10), dtype=torch.float64)
    model = WeightedLeastSquares(space, design).fit(values)
    root = np.sqrt(design.weights.numpy())[:, None]
    exact, *_ = np.linalg.lstsq(root * space(design.points).numpy(), root * values.numpy())
    np.testing.assert_allclose(model.coefficients_, exact, rtol=1e-9, atol=1e-12)
    single = WeightedLeastSquares(space, design).fit(values[:, 1])
    np.testing.assert_allclose(single.coefficients_, exact[:, 1], rtol=1e-9, atol=1e-12)
    X = torch.randn(4, 2, generator=generator(11), dtype=torch.float64)
    np.testing.assert_allclose(model.predict(X), space(X).numpy() @ exact, rtol=1e-9)
    np.testing.assert_allclose(single.predict(X), space(X).numpy() @ exact[:, 1], rtol=1e-9)
    gram = model.gram.numpy()
    np.testing.assert_allclose(model.condition_number, np.linalg.cond(gram), rtol=1e-8)
    np.testing.assert_allclose(model.stability, np.linalg.eigvalsh(gram)[0], rtol=1e-8)
    np.testing.assert_allclose(
        model.deviation, np.linalg.norm(gram - np.eye(len(gram)), 2), rtol=1e-8
    )


def test_functions_of_the_space_are_found() -> None:
    space = KernelSpace(Matern(nu=1.5), 7)
    c = torch.randn(7, generator=generator(12), dtype=torch.float64)
    design = repeated_dpp(space, 2, generator(13))
    model = WeightedLeastSquares(space, design).fit(lambda X: space(X) @ c)
    torch.testing.assert_close(model.coefficients_, c, rtol=1e-8, atol=1e-10)


def test_batch_is_its_parts_and_error_is_the_integral() -> None:
    space = PolynomialSpace(4)
    design = sample_design(space, 15, generator(14), block=5, draws=3)
    projection = space.project(runge)
    batch = WeightedLeastSquares(space, design).fit(runge)
    x, w = np.polynomial.legendre.leggauss(200)
    X = torch.from_numpy(x)[:, None]
    best = np.polynomial.legendre.legfit(x, runge(X).numpy(), 4, w=np.sqrt(w))
    least = float(w / 2 @ (np.polynomial.legendre.legval(x, best) - runge(X).numpy()) ** 2)
    for k in range(3):
        one = WeightedLeastSquares(space, Design(design.points[k], design.weights[k])).fit(runge)
        torch.testing.assert_close(one.coefficients_, batch.coefficients_[k])
        error = float(w / 2 @ (one.predict(X) - runge(X)).square().numpy())
        assert float(one.squared_error(projection)) == pytest.approx(error, rel=1e-9)
        assert float(batch.quasi_optimality(projection)[k]) == pytest.approx(
            error / least, rel=1e-8
        )


# -- almost sure bounds ------------------------------------------------------------------------


def test_bounds_hold_for_every_design() -> None:
    kernel, space = RBF(0.4), KernelSpace(RBF(0.4), 5)
    design = sample_design(space, 10, generator(15), block=5, draws=30)
    model = WeightedLeastSquares(space, design)
    z = torch.tensor([[0.3], [-0.8]], dtype=torch.float64)
    a = torch.tensor([1.0, -0.5], dtype=torch.float64)

    def f(X: Tensor) -> Tensor:
        return kernel(X, z) @ a

    b = space(z).mT @ a
    v = torch.linalg.solve(space.rkhs_gram(), b)  # of least |f - v|_H
    least = (a @ (kernel(z, z) @ a) - b @ v).sqrt()
    difference = (model.fit(f).coefficients_ - v).norm(dim=-1)
    assert bool((difference <= model.bound(kernel) * least).all())
    X = torch.linspace(-1, 1, 2001, dtype=torch.float64)[:, None]
    assert bool((difference <= model.bound() * (f(X) - space(X) @ v).abs().max()).all())


def test_kernel_bound_is_reached() -> None:
    # By the worst function of H: k(., x) applied to the leading eigenvector, and v = 0.
    kernel, space = RBF(0.4), KernelSpace(RBF(0.4), 1)
    design = sample_design(space, 4, generator(16))
    model = WeightedLeastSquares(space, design)
    X, w = design.points, design.weights
    root = (w / 4).sqrt()
    K = np.exp(-((X - X.T) ** 2).numpy() / (2 * 0.4**2))
    largest = np.linalg.eigvalsh(root[:, None].numpy() * K * root.numpy())[-1]
    assert float(model.bound(kernel)) == pytest.approx(math.sqrt(largest / float(model.gram)))
    assert float(model.bound()) == pytest.approx(math.sqrt(float(w.mean() / model.gram)))


# -- refusals ----------------------------------------------------------------------------------


def test_refusals() -> None:
    space = PolynomialSpace(3)
    design = sample_design(space, 8, generator(17))
    same = Design(torch.zeros(8, 1, dtype=torch.float64), torch.ones(8, dtype=torch.float64))
    cases = [
        (lambda: sample_design(space, 3), "n must be at least 4"),
        (lambda: sample_design(space, 8, block=3), "block must divide n = 8"),
        (lambda: sample_design(space, 8, condition=1.0), "condition must be between 0 and 1"),
        (lambda: WeightedLeastSquares(PolynomialSpace(9), design), "at least 10 points"),
        (lambda: WeightedLeastSquares(space, design).fit(torch.ones(7)), "f must have values"),
        (lambda: WeightedLeastSquares(space, design).fit(torch.full((8,), math.nan)), "NaN"),
        (lambda: WeightedLeastSquares(space, same).fit(torch.ones(8)), "do not determine"),
        (lambda: subsample(space, same), "design must meet the condition"),
        (lambda: Design(design.points, design.weights[:3]), "weights must have shape"),
        (lambda: Design(design.points, -design.weights), "weights must be positive"),
        (lambda: repeated_dpp(space, 0), "repetitions must be at least 1"),
    ]
    for call, message in cases:
        with pytest.raises(ValueError, match=message):
            call()
    assert projection_dpp(space, generator()).shape == (4, 1)
