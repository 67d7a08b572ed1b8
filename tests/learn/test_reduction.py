"""Sufficient dimension reduction: distances, the eigenproblem, orders and the estimator."""

import math

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from sklearn.utils.estimator_checks import check_estimator

from mercer.kernels import RBF, Laplace, Linear
from mercer.learn import load
from mercer.learn.reduction import (
    GeneralisedSlicedInverseRegression,
    bic_order,
    centred_gram,
    distance_correlation,
    generalised_cross_validation,
    inverse_regression,
    ladle_order,
    nystrom_gram,
    quantile_embedding,
    rank_correlation,
    sliced_directions,
    sliced_embedding,
)
from mercer.learn.reduction.bandwidth import kernel_of


def tensor(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def squared_distance(phi):
    return float((phi[0] - phi[1]).square().sum())


# -- embeddings ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("sizes", "levels"), [((7, 7), None), ((3, 4), 12), ((5, 2), 10)])
def test_quantiles_embed_the_wasserstein_distance(sizes, levels):
    ot = pytest.importorskip("ot")
    a, b = (tensor(m, seed=m + k) for k, m in enumerate(sizes))
    want = ot.wasserstein_1d(a.numpy(), b.numpy(), p=2)
    assert squared_distance(quantile_embedding([a, b], levels)) == pytest.approx(want, rel=1e-12)


def test_kernels_of_embedded_normal_laws_are_those_of_the_closed_form():
    levels = (torch.arange(200_000, dtype=torch.float64) + 0.5) / 200_000
    z = torch.special.ndtri(levels)
    phi = quantile_embedding(torch.stack((z, 1 + 3 * z)))
    squared = 1.0**2 + (3 - 1) ** 2
    assert squared_distance(phi) == pytest.approx(squared, rel=1e-4)
    gaussian, laplacian = RBF(lengthscale=2.0)(phi)[0, 1], Laplace(lengthscale=2.0)(phi)[0, 1]
    assert float(gaussian) == pytest.approx(math.exp(-squared / 8), rel=1e-4)
    assert float(laplacian) == pytest.approx(math.exp(-math.sqrt(squared) / 2), rel=1e-4)


@pytest.mark.parametrize(("sizes", "levels"), [((6, 6), None), ((3, 4), 12)])
def test_projections_embed_the_sliced_distance(sizes, levels):
    ot = pytest.importorskip("ot")
    a, b = (tensor(m, 3, seed=m + k) for k, m in enumerate(sizes))
    theta = sliced_directions(9, 3, torch.Generator().manual_seed(1))
    want = ot.sliced_wasserstein_distance(a.numpy(), b.numpy(), projections=theta.mT.numpy())
    found = squared_distance(sliced_embedding([a, b], theta, levels))
    assert found == pytest.approx(want**2, rel=1e-12)


def test_samples_are_sets_and_dtypes_are_kept():
    x = tensor(4, 6, 2).float()
    shuffled = x[:, [3, 1, 5, 0, 2, 4]]
    theta = sliced_directions(5, 2)
    torch.testing.assert_close(sliced_embedding(shuffled, theta), sliced_embedding(x, theta))
    assert quantile_embedding(x[..., 0]).dtype == torch.float32
    assert quantile_embedding([[1, 2], [3, 4]]).dtype == torch.float64


# -- the eigenproblem ------------------------------------------------------------------------------


def candidate(Kx, Ky, ex, ey=None):
    """The matrix of the publication, term by term."""
    n = len(Kx)
    Q = np.eye(n) - np.ones((n, n)) / n
    Gx, Gy = Q @ Kx @ Q, Q @ Ky @ Q
    inverse = np.linalg.inv(Gx + ex * np.linalg.eigvalsh(Gx)[-1] * np.eye(n))
    if ey is not None:
        Gy = Gy @ np.linalg.inv(Gy + ey * np.linalg.eigvalsh(Gy)[-1] * np.eye(n))
    M = inverse @ Gx @ Gy @ Gx @ inverse
    values, V = np.linalg.eigh((M + M.T) / 2)
    return values[::-1], math.sqrt(n) * Q @ inverse @ V[:, ::-1]


@pytest.mark.parametrize("ey", [None, 0.02])
def test_eigenproblem_is_that_of_the_dense_matrices(ey):
    x, y, new = tensor(40, 3), tensor(40, 2, seed=1) ** 2, tensor(5, 3, seed=2)
    kernel = RBF(lengthscale=1.5)
    found = inverse_regression(centred_gram(kernel, x), centred_gram(kernel, y), 0.01, ey)
    Kx, Ky = (torch.exp(-(torch.cdist(z, z) ** 2) / 4.5).numpy() for z in (x, y))
    values, coefficients = candidate(Kx, Ky, 0.01, ey)
    np.testing.assert_allclose(found.values[:6], values[:6], rtol=1e-8)
    k_new = torch.exp(-(torch.cdist(new, x) ** 2) / 4.5).numpy()
    want = (k_new - Kx.mean(axis=0)) @ coefficients[:, :3]
    got = (kernel(new, x).dense() - kernel(x).dense().mean(dim=0)) @ found.coefficients[:, :3]
    np.testing.assert_allclose(got.abs(), np.abs(want), rtol=1e-6, atol=1e-8)


def test_linear_kernels_give_canonical_correlations():
    from statsmodels.multivariate.cancorr import CanCorr

    x = tensor(60, 4)
    y = x[:, :2] @ tensor(2, 3, seed=5) + tensor(60, 3, seed=1)
    want = CanCorr(y.numpy(), x.numpy()).cancorr ** 2
    gram = centred_gram(Linear(), x), centred_gram(Linear(), y)
    assert [len(g.values) for g in gram] == [4, 3]
    found = inverse_regression(*gram, 1e-10, 1e-10)
    np.testing.assert_allclose(found.values, want, rtol=1e-7)
    np.testing.assert_allclose(found.scores.mT @ found.scores / 60, np.eye(3), atol=1e-7)


def test_scores_are_the_functions_on_the_sample():
    x, y = tensor(30, 2), tensor(30, 1, seed=1)
    kernel = Laplace()
    for gram in (centred_gram(kernel, x), nystrom_gram(kernel, x, 12)):
        found = inverse_regression(gram, centred_gram(kernel, y), 0.1)
        functions = kernel(x, gram.points) @ found.coefficients
        torch.testing.assert_close(functions - functions.mean(dim=0), found.scores)


def test_all_landmarks_are_the_whole_matrix():
    x, y = tensor(25, 2), centred_gram(RBF(), tensor(25, 1, seed=1))
    whole = inverse_regression(centred_gram(Laplace(), x), y, 0.05)
    some = inverse_regression(nystrom_gram(Laplace(), x, 25), y, 0.05)
    torch.testing.assert_close(some.values[:5], whole.values[:5])
    torch.testing.assert_close(some.scores[:, :5], whole.scores[:, :5])


def test_bandwidth_is_the_root_mean_square_of_pairs():
    from scipy.spatial.distance import pdist

    x = tensor(20, 3)
    want = math.sqrt((pdist(x.numpy()) ** 2).mean())
    assert float(kernel_of("kernel", "gaussian", x).lengthscale) == pytest.approx(want, rel=1e-12)


def test_cross_validation_is_its_formula_with_the_mean_counted():
    x, y = tensor(30, 2), tensor(30, 1, seed=1)
    Kx, Ky = RBF()(x).dense().numpy(), RBF()(y).dense().numpy()
    Q = np.eye(30) - 1 / 30
    Gx, Gy = Q @ Kx @ Q, Q @ Ky @ Q
    top = np.linalg.eigvalsh(Gx)[-1]
    found = generalised_cross_validation(
        centred_gram(RBF(), x), centred_gram(RBF(), y), (1e-3, 0.1, 1.0)
    )
    for got, epsilon in zip(found, (1e-3, 0.1, 1.0)):
        H = Gx @ np.linalg.inv(Gx + epsilon * top * np.eye(30))
        with_mean = H + np.ones((30, 30)) / 30
        want = ((Gy - with_mean @ Gy) ** 2).sum() / (1 - np.trace(with_mean) / 30) ** 2
        assert float(got) == pytest.approx(want, rel=1e-8)


# -- orders and measures ---------------------------------------------------------------------------


def test_bic_order_by_hand():
    values, n = torch.tensor([4.0, 3.0, 2.0, 0.5]), 1000
    step = 2 * 4 * math.sqrt(math.log(n) / n)  # 0.66
    assert step == pytest.approx(0.6649, abs=1e-3)
    assert bic_order(values, n) == 3
    assert bic_order(values, n, penalty=7.0) == 2
    assert bic_order(values, 6, penalty=4.0) == 0


@pytest.mark.parametrize("order", [1, 2])
def test_ladle_finds_the_rank_of_a_linear_model(order):
    x = tensor(300, 6)
    y = x[:, :order] + 0.3 * tensor(300, order, seed=1)
    y = torch.cat((y, tensor(300, 4, seed=2)), dim=1)
    grams = centred_gram(Linear(), x), centred_gram(Linear(), y)
    steps = []
    found = ladle_order(*grams, 1e-6, 1e-6, repeats=20, on_step=steps.append)
    assert found == order
    assert steps[-1] == {"iteration": 20, "of": 20}


def test_distance_correlation_is_that_of_statsmodels():
    from statsmodels.stats.dist_dependence_measures import distance_correlation as other

    x = tensor(30, 3)
    y = x[:, :2].square() + 0.5 * tensor(30, 2, seed=1)
    assert float(distance_correlation(x, y)) == pytest.approx(other(x.numpy(), y.numpy()), rel=1e-9)
    assert float(distance_correlation(x, torch.ones_like(y))) == 0


def test_rank_correlation_of_numbers_is_that_of_spearman():
    from scipy.stats import spearmanr

    x, y = tensor(40), tensor(40) + tensor(40, seed=1)
    want = spearmanr(x.numpy(), y.numpy()).statistic ** 2
    assert float(rank_correlation(x, y)) == pytest.approx(want, rel=1e-9)
    turned = tensor(40, 3) @ torch.linalg.qr(tensor(3, 3, seed=3)).Q
    assert float(rank_correlation(tensor(40, 3).float(), turned.float())) == pytest.approx(1)


# -- the estimator ---------------------------------------------------------------------------------


def pairs(n=120, m=80, seed=0):
    rng = np.random.default_rng(seed)
    centre, spread = rng.normal(size=n), rng.uniform(0.5, 2, n)
    X = rng.normal(centre[:, None], spread[:, None], (n, m))
    return X, rng.normal(spread[:, None] ** 2, 0.5, (n, m)), spread


LAW = {"predictor": "distribution", "response": "distribution"}


@pytest.mark.parametrize("weight", ["identity", "inverse"])
@pytest.mark.parametrize("kernel", ["gaussian", "laplacian"])
def test_new_distributions_are_reduced_to_what_matters(weight, kernel):
    X, Y, _ = pairs()
    model = GeneralisedSlicedInverseRegression(kernel, kernel, 1, weight=weight, **LAW).fit(X, Y)
    new, _, spread = pairs(seed=1)
    assert abs(np.corrcoef(model.transform(new)[:, 0], spread)[0, 1]) > 0.9
    np.testing.assert_allclose(model.transform(X).mean(axis=0), 0, atol=1e-9)


def test_an_embedding_is_the_same_as_distributions():
    X, Y, _ = pairs(40)
    law = GeneralisedSlicedInverseRegression(components=2, **LAW).fit(X, Y)
    plain = GeneralisedSlicedInverseRegression(components=2)
    plain.fit(quantile_embedding(X).numpy(), quantile_embedding(Y).numpy())
    np.testing.assert_array_equal(
        law.transform(X[:5]), plain.transform(quantile_embedding(X[:5]).numpy())
    )


def test_clouds_of_unequal_sizes():
    rng = np.random.default_rng(0)
    sizes, spread = rng.integers(20, 40, 60), rng.uniform(0.5, 2, 60)
    clouds = [torch.from_numpy(s * rng.standard_normal((m, 2))) for m, s in zip(sizes, spread)]
    model = GeneralisedSlicedInverseRegression(
        components=1, predictor="distribution", directions=20, levels=30, random_state=0
    ).fit(clouds, spread)
    Z = model.transform(clouds)
    assert isinstance(Z, torch.Tensor)
    assert abs(np.corrcoef(Z[:, 0], spread)[0, 1]) > 0.9
    assert model.directions_.shape == (20, 2)
    with pytest.raises(ValueError, match="distributions in 2 dimensions, got 1"):
        model.transform(pairs(5)[0])


def test_containers_names_and_saving(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((50, 3))
    y = X[:, 0] ** 2 + X[:, 1]
    model = GeneralisedSlicedInverseRegression(components=2, random_state=0).fit(X, y)
    Z = model.transform(X)
    assert Z.shape == (50, 2)
    names = ["generalisedslicedinverseregression0", "generalisedslicedinverseregression1"]
    assert list(model.get_feature_names_out()) == names
    np.testing.assert_array_equal(model.transform(torch.from_numpy(X)).numpy(), Z)
    table = pd.DataFrame(X, columns=list("abc"), index=np.arange(50)[::-1])
    fitted = GeneralisedSlicedInverseRegression(components=2).fit(table, y)
    framed = fitted.transform(table)
    assert list(framed.columns) == names
    assert framed.index.equals(table.index)
    np.testing.assert_array_equal(framed.to_numpy(), Z)
    drawn = fitted.transform(pl.DataFrame({name: X[:, k] for k, name in enumerate("abc")}))
    assert isinstance(drawn, pl.DataFrame)
    np.testing.assert_array_equal(drawn.to_numpy(), Z)
    model.save(tmp_path / "model")
    np.testing.assert_array_equal(load(tmp_path / "model").transform(X), Z)


def test_order_of_rows_does_not_matter():
    X, Y, _ = pairs(50)
    order = np.random.default_rng(1).permutation(50)
    one = GeneralisedSlicedInverseRegression(components=1, **LAW).fit(X, Y)
    two = GeneralisedSlicedInverseRegression(components=1, **LAW).fit(X[order], Y[order])
    np.testing.assert_allclose(one.transform(X), two.transform(X), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(
    ("options", "X", "message"),
    [
        ({"kernel_x": "cubic"}, None, "kernel_x must be one of gaussian, laplacian or a Kernel"),
        ({"weight": "half"}, None, "weight must be one of identity, inverse, got 'half'"),
        ({"components": "all"}, None, "components must be bic, ladle or int, got 'all'"),
        ({"components": 99}, None, "components must be at most 1., the rank"),
        ({"predictor": "law"}, None, "predictor must be one of vector, distribution, got 'law'"),
        ({"regularisation_x": -1.0}, None, "regularisation_x must be positive, got -1"),
        ({}, np.ones((20, 2)), "all rows of its variable are equal"),
        ({"predictor": "distribution"}, [[1.0], []], r"X\[1\] must have shape \(m,\) or"),
        ({"predictor": "distribution"}, [["a"], ["b"]], r"X\[0\] must hold numbers"),
        ({"predictor": "distribution"}, [[1.0], [np.nan]], r"X\[1\] has NaN at row 0, column 0"),
    ],
)
def test_refusals(options, X, message):
    X = tensor(20, 2).numpy() if X is None else X
    with pytest.raises((ValueError, TypeError), match=message):
        GeneralisedSlicedInverseRegression(**options).fit(X, tensor(len(X), seed=1).numpy())


def test_the_contract_of_scikit_learn():
    check_estimator(GeneralisedSlicedInverseRegression(), on_skip=None)


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"weight": "inverse"}, {"components": "ladle"}])
def test_the_contract_of_scikit_learn_with_options(options):
    check_estimator(GeneralisedSlicedInverseRegression(**options), on_skip=None)
