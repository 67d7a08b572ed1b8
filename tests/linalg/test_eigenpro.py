"""EigenPro against dense least squares, projections and spectra."""

import numpy as np
import pytest
import scipy.linalg
import torch
from scipy.spatial.distance import cdist

from mercer.kernels import RBF
from mercer.linalg.eigenpro import EigenPro
from mercer.linalg.eigenpro_batches import shuffled_batches
from mercer.linalg.eigenpro_preconditioner import EigenProPreconditioner, step_per_sample
from mercer.linalg.eigenpro_projection import ExactProjection, IterativeProjection

LENGTHSCALE = 0.8


def gaussian(X, Y):
    """The kernel matrix by SciPy."""
    squared = cdist(X.double().numpy(), Y.double().numpy(), "sqeuclidean")
    return np.exp(-squared / (2 * LENGTHSCALE**2))


@pytest.fixture(scope="module")
def table():
    generator = torch.Generator().manual_seed(3)
    X = 4 * torch.rand(300, 2, generator=generator, dtype=torch.float64)
    clean = torch.stack([X.sin().sum(1), (X[:, 0] * X[:, 1]).cos()], 1)
    noise = torch.randn(300, 2, generator=generator, dtype=torch.float64)
    return X, clean, clean + 0.3 * noise


def ridge(X, Z, Y, regularisation):
    """argmin mean |K a - y|² + regularisation aᵀ K_ZZ a, by stacked least squares."""
    n = len(X)
    w, E = scipy.linalg.eigh(gaussian(Z, Z))
    root = (E * np.sqrt(np.clip(w, 0, None))).T
    A = np.concatenate([gaussian(X, Z), np.sqrt(n * regularisation) * root])
    b = np.concatenate([Y.numpy(), np.zeros((len(Z), Y.shape[1]))])
    return scipy.linalg.lstsq(A, b, cond=1e-13)[0]


@pytest.mark.parametrize("outside", [False, True])
@pytest.mark.parametrize("regularisation", [0.01, 0.1])
def test_full_batches_converge_to_the_ridge_minimiser(table, regularisation, outside):
    X, _, Y = table
    Z = X[:40]
    model = EigenPro(
        RBF(LENGTHSCALE),
        Z,
        targets=2,
        regularisation=regularisation,
        batch_size=len(X),
        subsample=X[100:200] if outside else None,
        preconditioner_rank=20,
        average=False,
    ).fit(X, Y, epochs=350 if regularisation < 0.1 else 100)
    expected = gaussian(X, Z) @ ridge(X, Z, Y, regularisation)
    np.testing.assert_allclose(model.predict(X).numpy(), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("outside", [False, True])
def test_noisy_data_lead_to_the_minimiser_over_the_centres(table, outside):
    X, _, Y = table
    Z = X[:12]
    A = gaussian(X, Z)
    best = np.mean((A @ scipy.linalg.lstsq(A, Y.numpy())[0] - Y.numpy()) ** 2)
    model = EigenPro(
        RBF(LENGTHSCALE), Z, targets=2, batch_size=60, subsample=X[50:100] if outside else None
    ).fit(X, Y, epochs=200)
    reached = float((model.predict(X) - Y).square().mean())
    assert best <= reached + 1e-12
    assert reached < best * 1.002


def test_the_average_is_nearer_the_minimiser_than_the_last_iterate(table):
    X, _, Y = table
    Z = X[:12]
    A = gaussian(X, Z)
    best = A @ scipy.linalg.lstsq(A, Y.numpy())[0]
    error = {
        average: np.linalg.norm(
            EigenPro(RBF(LENGTHSCALE), Z, targets=2, batch_size=20, average=average)
            .fit(X, Y, epochs=40)
            .predict(X)
            .numpy()
            - best
        )
        for average in (True, False)
    }
    assert error[True] < 0.5 * error[False]


def test_data_as_centres_are_interpolated():
    # Distances of a lengthscale keep K(X, X) well conditioned, so that 1e-6 is within reach.
    X = torch.arange(25.0, dtype=torch.float64)[:, None] * 0.9
    Y = torch.stack([X[:, 0].sin(), torch.linspace(-1, 1, 25, dtype=torch.float64)], 1)
    expected = scipy.linalg.solve(gaussian(X, X), Y.numpy(), assume_a="pos")
    model = EigenPro(
        RBF(LENGTHSCALE), X, targets=2, projection="none", batch_size=10, average=False
    ).fit(X, Y, epochs=250)
    np.testing.assert_allclose(model.coefficients.numpy(), expected, atol=1e-6)


def test_data_as_centres_with_regularisation():
    X = torch.arange(30.0, dtype=torch.float64)[:, None] * 0.5
    Y = X.sin()
    n, regularisation = len(X), 0.02
    expected = scipy.linalg.solve(gaussian(X, X) + n * regularisation * np.eye(n), Y.numpy())
    model = EigenPro(
        RBF(LENGTHSCALE),
        X,
        projection="none",
        regularisation=regularisation,
        batch_size=n,
        preconditioner_rank=8,
        average=False,
    ).fit(X, Y, epochs=600)
    np.testing.assert_allclose(model.coefficients.numpy(), expected, atol=1e-8)


def test_iterations_fall_by_the_ratio_of_the_eigenvalues(table):
    X, _, _ = table
    K = gaussian(X, X)
    values, vectors = scipy.linalg.eigh(K)
    q, target = 15, 28
    # The residual on the eigenvector to be learnt shrinks by 1 - step * eigenvalue: the numbers
    # of iterations are as the steps, that is as the top eigenvalues lambda_1 and lambda_{q+1},
    # up to beta / n in each.
    Y = torch.from_numpy(vectors[:, [-1 - target]]) * len(X) ** 0.5
    n, top, left = len(X), values[-1], values[-1 - q]
    predicted = (1 + (n - 1) * top / n) / (1 + (n - 1) * left / n)

    def iterations(rank):
        count = []
        EigenPro(
            RBF(LENGTHSCALE),
            X,
            projection="none",
            preconditioner_rank=rank,
            batch_size=n,
            average=False,
        ).fit(
            X,
            Y,
            epochs=20000,
            on_epoch=lambda model: count.append(0) or model.losses[-1] < 0.25,
        )
        return len(count)

    measured = iterations(0) / iterations(q)
    assert predicted > 10
    assert 0.8 * predicted < measured < 1.25 * predicted


@pytest.mark.parametrize("m", [1, 7, 100])
def test_step_is_the_inverse_of_what_one_batch_can_amplify(m):
    beta, curvature = 1.3, 0.02
    # Expected top eigenvalue of E[H_m²] relative to E[H_m]: beta / m + (m - 1) / m * curvature.
    assert step_per_sample(beta, curvature, m) * (beta + (m - 1) * curvature) == pytest.approx(1)


def test_preconditioner_flattens_the_top_of_the_spectrum(table):
    X, _, _ = table
    K, q = gaussian(X, X), 15
    P = EigenProPreconditioner(RBF(LENGTHSCALE), X, rank=q)
    values = scipy.linalg.eigh(K, eigvals_only=True)[::-1]
    assert P.beta == pytest.approx(1.0)
    assert P.curvature == pytest.approx(values[q] / len(X))
    np.testing.assert_allclose(P.values.numpy(), values[:q], rtol=1e-10)
    F = (P.basis * P.weights(0.0)).numpy()
    flat = scipy.linalg.eigh(K - (K @ F) @ (K @ F).T, eigvals_only=True)[::-1]
    np.testing.assert_allclose(flat[: q + 1], values[q], rtol=1e-8)
    np.testing.assert_allclose(flat[q + 1 : q + 10], values[q + 1 : q + 10], rtol=1e-6)
    assert P.batch_size(P.curvature, 10**9) == int(len(X) / values[q]) + 1


def test_curvature_of_a_sample_that_the_subsample_does_not_know(table):
    X, _, _ = table
    far = X + 50
    P = EigenProPreconditioner(RBF(LENGTHSCALE), X[:60], rank=15)
    K = torch.from_numpy(gaussian(far, far))
    V = torch.from_numpy(gaussian(far, X[:60])) @ P.basis
    target, left = P.reached(K, V, 10**6)
    top = scipy.linalg.eigh(K.numpy(), eigvals_only=True)[-1] / len(far)
    assert target == pytest.approx(top, rel=0.05)
    assert left == pytest.approx(top, rel=0.05)
    # Nothing may be damped below what is left anyway.
    assert float(P.weights(target).square().max()) < 1 - 60 * target / float(P.values[0]) + 1e-12


def test_steps_stay_stable_where_the_centres_are_not_like_the_data():
    generator = torch.Generator().manual_seed(0)
    Z = 40 * torch.rand(80, 2, generator=generator, dtype=torch.float64)
    X = 20 + 0.4 * torch.randn(400, 2, generator=generator, dtype=torch.float64)
    Y = X.sum(1, keepdim=True).sin()
    losses = EigenPro(RBF(LENGTHSCALE), Z, batch_size=100).fit(X, Y, epochs=30).losses
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("kind", ["exact", "iterative"])
def test_projection_solves_for_the_values_on_the_centres(table, kind):
    X, clean, _ = table
    Z, generator = X[:150], torch.Generator().manual_seed(0)
    h = torch.from_numpy(gaussian(Z, X[150:]) @ clean[150:].numpy())
    if kind == "exact":
        theta = ExactProjection(RBF(LENGTHSCALE), Z, 1e-12).solve(h)
        tolerance = 1e-9
    else:
        rows = torch.arange(0, 150, 2)
        P = EigenProPreconditioner(RBF(LENGTHSCALE), Z[rows], rank=18)
        theta = IterativeProjection(RBF(LENGTHSCALE), Z, P, rows, 20, 60, generator).solve(h)
        tolerance = 0.02
    residual = np.linalg.norm(gaussian(Z, Z) @ theta.numpy() - h.numpy()) / np.linalg.norm(h)
    assert residual < tolerance


@pytest.mark.parametrize("period", [1, 3])
def test_more_passes_make_the_iterative_projection_exact(table, period):
    # Steps on all rows, since the projection draws from the generator that orders the rows too.
    X, clean, _ = table
    grid = torch.linspace(0, 4, 6, dtype=torch.float64)
    Z = torch.cartesian_prod(grid, grid)
    exact, many, one = (
        EigenPro(
            RBF(0.5),
            Z,
            targets=2,
            batch_size=300,
            preconditioner_rank=10,
            projection_period=period,
            average=False,
            **options,
        )
        .fit(X, clean, epochs=6)
        .predict(X)
        for options in (
            {"projection": "exact"},
            {"projection": "iterative", "projection_passes": 200},
            {"projection": "iterative", "projection_passes": 1},
        )
    )
    assert torch.linalg.norm(many - exact) < 0.05 * torch.linalg.norm(clean)
    assert torch.linalg.norm(many - exact) < 0.5 * torch.linalg.norm(one - exact)


def test_one_pass_is_enough_to_learn(table):
    X, clean, _ = table
    model = EigenPro(RBF(LENGTHSCALE), X[:150], targets=2, batch_size=50, projection="iterative")
    model.fit(X, clean, epochs=15)
    assert model.projection_period == 3
    assert float((model.predict(X) - clean).square().mean()) < 0.1 * float(clean.var())


def test_delayed_projection_is_the_projection_of_the_function_before(table):
    """Two steps and one projection by hand, in the space of all points."""
    X, _, Y = table
    Z, parts = X[:30], [(X[100:150], Y[100:150]), (X[150:200], Y[150:200])]
    model = EigenPro(
        RBF(LENGTHSCALE),
        Z,
        targets=2,
        preconditioner_rank=6,
        batch_size=50,
        projection_period=2,
        average=False,
    )
    for x, y in parts:
        model.step(x, y)
    state, P = model.state, model.preconditioner
    S = Z[model.state_dict()["subsample"]]
    F = (P.basis * P.weights(state.damped_to)).numpy()
    gamma = step_per_sample(P.beta, state.curvature, 50)
    points, weights = Z[:0], np.zeros((0, 2))
    for x, y in parts:
        g = gaussian(x, points) @ weights - y.numpy()
        points = torch.cat([points, x, S])
        weights = np.concatenate([weights, -gamma * g, gamma * F @ (F.T @ (gaussian(S, x) @ g))])
    # The projection agrees with the function on the centres.
    np.testing.assert_allclose(model.predict(Z).numpy(), gaussian(Z, points) @ weights, atol=1e-7)


def test_weights_count_as_repetitions(table):
    X, _, Y = table
    Z = X[:12]
    weights = torch.zeros(300, dtype=torch.float64)
    weights[:150], weights[150:] = 30.0, 1.0
    A, root = gaussian(X, Z), weights.sqrt().numpy()[:, None]
    expected = A @ scipy.linalg.lstsq(root * A, root * Y.numpy())[0]
    plain = A @ scipy.linalg.lstsq(A, Y.numpy())[0]
    model = EigenPro(RBF(LENGTHSCALE), Z, targets=2, batch_size=60)
    got = model.fit(X, Y, epochs=300, weights=weights).predict(X).numpy()
    assert np.linalg.norm(got - expected) < 0.2 * np.linalg.norm(plain - expected)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"projection_period": 3, "regularisation": 0.01},
        {"projection": "iterative", "projection_period": 3},
    ],
)
@pytest.mark.parametrize("stop", [4, 6, 9])
def test_a_run_resumed_in_the_middle_ends_with_the_same_bits(table, options, stop):
    X, _, Y = (t.float() for t in table)

    def fresh():
        return EigenPro(
            RBF(LENGTHSCALE),
            X[:40],
            targets=2,
            batch_size=60,
            generator=torch.Generator().manual_seed(5),
            **options,
        )

    class Killed(Exception):
        pass

    def kill(model):
        if model.state.epoch * 5 + model.state.step_in_epoch == stop:
            saved.update({k: v.clone() for k, v in model.state_dict().items()})
            raise Killed

    saved: dict = {}
    whole = fresh().fit(X, Y, epochs=4)
    with pytest.raises(Killed):
        fresh().fit(X, Y, epochs=4, on_step=kill)
    resumed = fresh()
    resumed.load_state_dict(saved)
    resumed.fit(X, Y, epochs=4)
    assert torch.equal(resumed.coefficients, whole.coefficients)
    assert resumed.losses == whole.losses


def test_a_stream_is_a_table(table):
    X, _, Y = table
    make = lambda: EigenPro(RBF(LENGTHSCALE), X[:40], targets=2, batch_size=70)  # noqa: E731
    model, streamed = make(), make()
    model.fit(X, Y, epochs=2)
    for _ in range(2):
        streamed.epoch(shuffled_batches(X, Y, 70, generator=streamed.generator))
    assert torch.equal(model.coefficients, streamed.coefficients)


def test_shuffled_batches_yield_every_row_once():
    X = torch.arange(23.0)[:, None]
    parts = list(shuffled_batches(X, -X, 5, generator=torch.Generator().manual_seed(1)))
    rows = torch.cat([r for *_, r in parts])
    assert sorted(rows.tolist()) == list(range(23))
    assert rows.tolist() != list(range(23))
    assert all(torch.equal(x, X[r]) and torch.equal(y, -X[r]) for x, y, r in parts)


def test_a_snapshot_is_not_changed_by_later_steps(table):
    X, _, Y = table
    model = EigenPro(RBF(LENGTHSCALE), X[:40], targets=2, batch_size=60).fit(X, Y, epochs=1)
    saved = model.state_dict()
    before = {k: v.clone() for k, v in saved.items()}
    model.fit(X, Y, epochs=2)
    assert all(torch.equal(saved[k], before[k]) for k in saved)
    assert not torch.equal(model.state_dict()["coefficients"], before["coefficients"])


def test_float32_reaches_the_error_of_float64(table):
    X, _, Y = table
    error = {}
    for dtype in (torch.float32, torch.float64):
        x, y = X.to(dtype), Y.to(dtype)
        model = EigenPro(RBF(LENGTHSCALE), x[:12], targets=2, batch_size=100).fit(x, y, epochs=60)
        assert model.coefficients.dtype == dtype
        error[dtype] = float((model.predict(x) - y).square().mean())
    assert error[torch.float32] == pytest.approx(error[torch.float64], rel=1e-3)


def test_equal_centres_are_no_obstacle(table):
    X, _, Y = (t.float() for t in table)
    Z = torch.cat([X[:20], X[:20]])
    losses = EigenPro(RBF(LENGTHSCALE), Z, targets=2, batch_size=100).fit(X, Y, epochs=20).losses
    assert losses[-1] < losses[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"regularisation": -1.0}, "regularisation must be at least 0, got -1"),
        ({"projection": "best"}, "projection must be one of"),
        ({"preconditioner_rank": 40}, "preconditioner_rank must be below the 40 points"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"subsample": torch.zeros(3, 2), "projection": "none"}, "subsample may be points only"),
    ],
)
def test_bad_arguments_are_named(table, options, message):
    with pytest.raises(ValueError, match=message):
        EigenPro(RBF(LENGTHSCALE), table[0][:40], **options)


def test_bad_tables_are_named(table):
    X, _, Y = table
    model = EigenPro(RBF(LENGTHSCALE), X[:40], targets=2)
    with pytest.raises(ValueError, match="Y 2 columns"):
        model.fit(X, Y[:, :1], epochs=1)
    bad = X.clone()
    bad[3, 1] = torch.nan
    with pytest.raises(ValueError, match="X has NaN at row 3, column 1"):
        model.fit(bad, Y, epochs=1)
    with pytest.raises(ValueError, match="rows of X must be the centers"):
        EigenPro(RBF(), X[:40], targets=2, projection="none").fit(X[:39], Y[:39], epochs=1)
    with pytest.raises(ValueError, match="not all 0"):
        model.fit(X, Y, epochs=1, weights=torch.zeros(300))


def test_a_state_of_another_model_is_refused(table):
    X, _, _ = table
    saved = EigenPro(RBF(), X[:40], targets=2).state_dict()
    with pytest.raises(ValueError, match="another subsample"):
        EigenPro(
            RBF(), X[:40], targets=2, generator=torch.Generator().manual_seed(1)
        ).load_state_dict(saved)
    with pytest.raises(ValueError, match="coefficients in the state is"):
        EigenPro(RBF(), X[:41], targets=2).load_state_dict(saved)
    saved.pop("losses")
    model = EigenPro(RBF(), X[:40], targets=2)
    with pytest.raises(ValueError, match="lacks 'losses'"):
        model.load_state_dict(saved)


def test_a_residual_that_overflows_is_said():
    Z = torch.arange(5.0)[:, None]
    model = EigenPro(RBF(), Z)
    with pytest.raises(FloatingPointError, match="no longer finite"):
        model.step(Z, torch.full((5, 1), torch.inf))


@pytest.mark.gpu
def test_the_gpu_agrees_with_the_cpu(table):
    X, _, Y = (t.float() for t in table)
    fit = {
        device: EigenPro(RBF(LENGTHSCALE), X[:100].to(device), targets=2, batch_size=100)
        .fit(X, Y, epochs=10)
        .predict(X)
        .cpu()
        for device in ("cpu", "cuda")
    }
    torch.testing.assert_close(fit["cuda"], fit["cpu"], atol=2e-3, rtol=0)
