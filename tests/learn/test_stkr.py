"""Spectrally transformed kernel regression against dense matrix functions."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from sklearn.decomposition import KernelPCA
from sklearn.linear_model import Ridge as LinearRidge

from mercer.kernels import RBF, Linear
from mercer.learn.spectral import SpectrallyTransformedClassifier as Classifier
from mercer.learn.spectral import SpectrallyTransformedRegressor as Regressor
from mercer.learn.spectral import stkr_machine
from mercer.learn.spectral.polynomial_operator import PolynomialOperator
from mercer.learn.spectral.similarity import Similarity
from mercer.learn.spectral.transform import InversePolynomial, Polynomial, TopComponents
from mercer.operators import Dense
from mercer.testing import check_estimator, check_operator

POWER = (0.5, 0.0, 2.0)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.uniform(-2, 2, (50, 2))
    return X, np.sin(2 * X[:, :1]) + X[:, 1:], rng.uniform(-2, 2, (9, 2))


def gram(X, Z, lengthscale=0.7):
    return np.exp(-cdist(X, Z, "sqeuclidean") / (2 * lengthscale**2))


def dense_stkr(K, cross, y, labelled, beta, s):
    """The estimator written with ``K_s`` itself, by an eigendecomposition."""
    total, n = len(K), len(labelled)
    w, V = np.linalg.eigh(K / total)
    Ks = total * (V * s(w)) @ V.T
    inverse = np.where(w > 1e-12, 1 / np.where(w > 1e-12, w, 1), 0)
    # K_s(x, x_j) = k(x, X) K^{-1} K_s[:, j].
    new = cross @ (V * inverse / total) @ V.T @ Ks
    a = np.linalg.solve(Ks[np.ix_(labelled, labelled)] + n * beta * np.eye(n), y)
    return Ks[:, labelled] @ a, new[:, labelled] @ a


def polynomial(w):
    return 0.5 * w + 2.0 * w**3


@pytest.mark.parametrize("normalised", [False, True])
@pytest.mark.parametrize("transformation", [POWER, "inverse laplacian"])
def test_estimator_is_ridge_regression_with_the_transformed_kernel(
    data, transformation, normalised
):
    X, y, new = data
    K, cross = gram(X, X), gram(new, X)
    if normalised:
        d, e = K.mean(1), cross.mean(1)
        K, cross = K / np.sqrt(np.outer(d, d)), cross / np.sqrt(np.outer(e, d))
    top = np.linalg.eigvalsh(K / 50)[-1]
    eta = 0.9 / top
    s = polynomial if transformation == POWER else lambda w: w / (1 - eta * w)
    centre = y[:12].mean(0)
    old, fresh = dense_stkr(K, cross, y[:12] - centre, np.arange(12), 0.01, s)
    model = Regressor(
        RBF(0.7),
        transformation,
        eta=0.9,
        regularisation=0.01,
        normalised=normalised,
        tolerance=1e-13,
    )
    model.fit(X[:12], y[:12], unlabelled=X[12:])
    np.testing.assert_allclose(model.transduction_.numpy(), old + centre, rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(model.predict(new), fresh + centre, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(model.predict(X), old + centre, rtol=1e-7, atol=1e-8)


def test_kpca_is_ridge_regression_on_the_components_of_scikit_learn(data):
    X, y, new = data
    model = Regressor(
        RBF(0.7), "kpca", rank=6, regularisation=0.01, normalised=False, tolerance=1e-12
    ).fit(X[:12], y[:12], unlabelled=X[12:])
    # scikit-learn centres the kernel; a kernel of zero row sums stays as it is.
    K = gram(X, X)
    w, V = np.linalg.eigh(K)
    theirs = KernelPCA(6, kernel="precomputed")
    J = np.eye(50) - 1 / 50
    centred = theirs.fit(J @ K @ J).eigenvalues_
    np.testing.assert_allclose(centred, np.linalg.eigvalsh(J @ K @ J)[:-7:-1], rtol=1e-8)
    features = np.sqrt(50) * V[:, -6:]
    linear = LinearRidge(alpha=12 * 0.01, fit_intercept=False)
    centre = y[:12].mean(0)
    linear.fit(features[:12], y[:12] - centre)
    np.testing.assert_allclose(
        model.transduction_.numpy(), linear.predict(features).reshape(-1, 1) + centre, rtol=1e-6
    )
    mapped = gram(new, X) @ V[:, -6:] / w[-6:] * np.sqrt(50)
    np.testing.assert_allclose(
        model.predict(new), linear.predict(mapped).reshape(-1, 1) + centre, rtol=1e-6
    )


def test_polynomials_take_no_eigendecomposition(data, monkeypatch):
    X, y, _ = data

    def refuse(*args, **kwargs):
        raise AssertionError("an eigendecomposition")

    monkeypatch.setattr(torch.linalg, "eigh", refuse)
    monkeypatch.setattr(torch.linalg, "svd", refuse)
    for transformation in (POWER, "inverse laplacian"):
        model = Regressor(RBF(0.7), transformation, regularisation=0.01)
        model.fit(X[:12], y[:12], unlabelled=X[12:])
        assert model.n_iter_ > 1


def test_rows_share_neighbours_as_counted_by_hand(data):
    X, _, new = data
    D, E = cdist(X, X), cdist(new, X)

    def sets(D):
        return [set(row) for row in np.argsort(D, axis=1)[:, :5]]

    want = [[len(a & b) for b in sets(D)] for a in sets(E)]
    points = torch.from_numpy(X)
    similarity = Similarity(points, None, neighbours=5, normalised=False)
    assert similarity.cross(torch.from_numpy(new)).dense().tolist() == want
    scaled = Similarity(points, None, neighbours=5, normalised=True).operator()
    values = torch.linalg.eigvalsh(scaled.dense() / 50)
    assert "psd" in scaled.tags
    assert float(values[0]) > -1e-12
    assert float(values[-1]) == pytest.approx(1.0, rel=1e-12)


@pytest.mark.parametrize(
    "transform", [Polynomial(POWER), InversePolynomial((1.0, -0.4, -0.3))], ids=["p", "1/p"]
)
def test_transforms_are_functions_of_the_spectrum(data, transform):
    K = gram(data[0], data[0])
    w, V = np.linalg.eigh(K / np.linalg.eigvalsh(K)[-1])
    G = Dense(torch.from_numpy(V * w @ V.T), tags={"psd"})
    B = torch.from_numpy(np.random.default_rng(1).standard_normal((50, 2)))
    s = transform(torch.from_numpy(w)).numpy()
    want = (V * s) @ V.T @ B.numpy()
    found = G @ transform.apply(G, B, 1e-13)
    np.testing.assert_allclose(found.numpy(), want, rtol=1e-8, atol=1e-9)
    rows = torch.arange(0, 50, 5)
    Y = B[:10]
    S = 50 * (V * s) @ V.T
    a = np.linalg.solve(S[np.ix_(rows, rows)] + 0.3 * np.eye(10), Y.numpy())
    fit = transform.fit(G, rows, Y, 0.3, 1e-12)
    assert fit.converged
    np.testing.assert_allclose(
        50 * (G @ fit.coefficients).numpy(), S[:, rows] @ a, rtol=1e-7, atol=1e-8
    )


def test_top_components_drop_the_null_space():
    A = torch.tensor([[1.0], [2.0], [3.0]], dtype=torch.float64)
    top = TopComponents.of(Dense(A @ A.mT, tags={"psd"}), 3)
    assert len(top.values) == 1
    assert float(top.values[0]) == pytest.approx(14.0)


def test_polynomial_operator_keeps_the_contract():
    def build(A):
        return PolynomialOperator(Dense(A @ A.mT, tags={"psd"}), (0.5, 0.1, 0.2))

    A = torch.randn(4, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    check_operator(build, A)


@pytest.mark.parametrize("machine", [Regressor, Classifier])
def test_contract(machine):
    check_estimator(machine(), scikit_learn=False)


@pytest.mark.slow
@pytest.mark.parametrize("transformation", ["inverse laplacian", [0.0, 0.0, 1.0], "kpca"])
@pytest.mark.parametrize("machine", [Regressor, Classifier])
def test_contract_of_scikit_learn(machine, transformation):
    check_estimator(machine(transformation=transformation))


def moons(n=200, seed=0):
    rng = np.random.default_rng(seed)
    t = rng.uniform(0, np.pi, n)
    y = np.arange(n) % 2
    X = np.c_[np.cos(t) + y - 0.5, np.where(y, -1, 1) * np.sin(t) + 0.25 * (2 * y - 1)]
    return X + 0.05 * rng.standard_normal((n, 2)), y


@pytest.mark.parametrize("transformation", ["inverse laplacian", [0.0] * 7 + [1.0], "kpca"])
def test_two_labels_suffice_for_two_moons(transformation):
    X, y = moons()
    marked = np.full(200, -1)
    marked[:6] = y[:6]
    model = Classifier(transformation=transformation, rank=4, random_state=0).fit(X, marked)
    assert model.classes_.tolist() == [0, 1]
    assert (model.transduction_ == y).mean() > 0.97
    new, truth = moons(50, seed=5)
    assert (model.predict(new) == truth).mean() > 0.95
    assert (model.predict(new) == (model.decision_function(new) > 0)).all()
    assert "6 of 200 points are labelled" in model.explain_


def test_minus_one_is_a_class_beside_one_other_only():
    X, y = moons(40)
    assert Classifier().fit(X, 2 * y - 1).classes_.tolist() == [-1, 1]
    assert Classifier().fit(X, np.where(np.arange(40) < 20, y, -1)).classes_.tolist() == [0, 1]


def test_labels_by_mark_and_by_argument_are_the_same():
    X, y = moons(60)
    marked = np.where(np.arange(60) < 10, y, -1)
    one = Classifier(random_state=0).fit(X, marked)
    two = Classifier(random_state=0).fit(X[:10], y[:10], unlabelled=X[10:])
    assert (one.transduction_ == two.transduction_).all()


def test_what_is_chosen_leaves_out_best():
    """Regularisation and lengthscale against leaving labelled rows out in turn."""
    X, _ = moons(60)
    X, target = X[:, :1], X[:, 1:]
    model = Regressor("rbf", POWER, tolerance=1e-12).fit(X[:15], target[:15], unlabelled=X[15:])
    length = float(model.kernel_.lengthscale)
    K = gram(X, X, length)
    d = K.mean(1)
    K = K / np.sqrt(np.outer(d, d))
    centred = target[:15] - target[:15].mean()

    def left_out(beta):
        squares = []
        for i in range(15):
            rest = np.delete(np.arange(15), i)
            old, _ = dense_stkr(K, K[:1], centred[rest], rest, 15 / 14 * beta, polynomial)
            squares.append((old[i] - centred[i]) ** 2)
        return float(np.mean(squares))

    beta = model.regularisation_
    assert left_out(beta) <= min(left_out(10 * beta), left_out(beta / 10)) * (1 + 1e-6)
    assert f"leave-one-out error {left_out(beta):.3g}"[:-1] in model.explain_


def test_labelled_rows_beyond_the_most_are_sampled(monkeypatch):
    monkeypatch.setattr(stkr_machine, "SOME", 8)
    X, y = moons(60)
    model = Classifier(random_state=0).fit(X, np.where(np.arange(60) < 20, y, -1))
    assert "on 8 rows" in model.explain_
    assert "20 of 60 points" in model.explain_


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"transformation": "heat"}, ValueError, "transformation must be one of inverse laplacian"),
        ({"transformation": [0.0, 0.0]}, ValueError, "at least 0 and some positive"),
        ({"transformation": [1.0, -2.0]}, ValueError, "at least 0 and some positive"),
        ({"eta": 1.0}, ValueError, "eta must be at least 0 and below 1, got 1"),
        ({"neighbours": 0}, ValueError, "neighbours must be at least 1"),
        ({"rank": 0}, ValueError, "rank must be at least 1"),
        ({"regularisation": 0.0}, ValueError, "regularisation must be positive"),
        ({"kernel": 3}, TypeError, "kernel must be a name or a Kernel, got int"),
        ({"kernel": "sigmoid"}, ValueError, "kernel must be one of"),
    ],
)
def test_bad_arguments(data, arguments, error, message):
    X, y, _ = data
    with pytest.raises(error, match=message):
        Regressor(**arguments).fit(X, y)


def test_bad_unlabelled_points(data):
    X, y, _ = data
    with pytest.raises(ValueError, match=r"unlabelled must have shape \(m, 2\), got \(3, 1\)"):
        Regressor().fit(X, y, unlabelled=np.ones((3, 1)))
    with pytest.raises(ValueError, match="unlabelled has NaN at row 1, column 0"):
        Regressor().fit(X, y, unlabelled=np.array([[0.0, 1.0], [np.nan, 1.0]]))
    with pytest.raises(ValueError, match="which must be positive"):
        Regressor(Linear()).fit(X, y)
