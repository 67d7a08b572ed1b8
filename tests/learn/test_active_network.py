"""The network that is trained between batches."""

import copy
import math

import numpy as np
import pytest
import torch
from torch import nn

from mercer.learn.active import (
    Ensemble,
    NetworkRegressor,
    TangentLinear,
    select_batch,
    tangent_kernel,
)
from mercer.testing import check_estimator


def table(n=400, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.uniform(-2, 2, (n, 3)) * [1, 10, 0.1] + [0, 5, 0]
    return X, np.sin(2 * X[:, 0]) + 0.1 * X[:, 1]


def test_the_contract_of_estimators():
    model = NetworkRegressor((16,), epochs=12, batch_size=16, random_state=0)
    check_estimator(model, order=False, scikit_learn=False)


@pytest.mark.slow
def test_the_contract_of_scikit_learn():
    check_estimator(NetworkRegressor((16,), epochs=60, batch_size=32, random_state=0), order=False)


@pytest.mark.parametrize("activation", ["relu", "silu"])
def test_it_learns_a_smooth_function(activation):
    X, y = table()
    model = NetworkRegressor(
        (32, 32), activation=activation, epochs=40, batch_size=32, random_state=0
    ).fit(X, y)
    Z, z = table(seed=1)
    assert np.mean((model.predict(Z) - z) ** 2) < 0.02 * z.var()


def test_the_network_is_what_predicts():
    X, y = table(60)
    model = NetworkRegressor((8,), epochs=3, random_state=0).fit(X, y)
    with torch.no_grad():
        F = model.network()(torch.from_numpy(X))[:, 0]
    standardised = (model.predict(X) - float(model.target_centre_)) / float(model.target_scale_)
    np.testing.assert_allclose(F, standardised, rtol=1e-10)
    batch = select_batch(model.network(), torch.from_numpy(X[:10]), torch.from_numpy(X[10:]),
                         batch_size=4)  # fmt: skip
    assert len(batch.unique()) == 4


def test_the_epoch_of_the_least_validation_error_is_kept():
    X, y = table(80)
    Z, z = table(50, seed=1)
    model = NetworkRegressor((16,), epochs=30, random_state=0).fit(X, y, validation=(Z, z))
    errors = [record["validation_error"] for record in model.history_]
    found = np.mean((model.predict(Z) - z) ** 2) / float(model.target_scale_) ** 2
    assert found == pytest.approx(min(errors), rel=1e-6)
    assert min(errors) < errors[-1]  # so that it matters which


def test_steps_of_tangent_layers_do_not_depend_on_the_width():
    """The tangent kernel of random networks tends to a limit as they widen."""
    X = torch.randn(5, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def kernel(width):
        generator = torch.Generator().manual_seed(1)
        gains = {"weight_gain": math.sqrt(2), "bias_gain": 0.5, "generator": generator}
        net = nn.Sequential(
            TangentLinear(3, width, **gains), nn.ReLU(), TangentLinear(width, 1, **gains)
        )
        return tangent_kernel(net.double(), X).dense()

    # NNGP plus its derivative times the kernel below, plus the biases of both layers.
    inner = 2 * (X @ X.mT) / 3
    norm = inner.diagonal().sqrt()
    angle = (inner / norm[:, None] / norm).clamp(-1, 1).arccos()
    derivative = (math.pi - angle) / math.pi
    last = norm[:, None] * norm * (angle.sin() + (math.pi - angle) * angle.cos()) / math.pi
    limit = last + derivative * (inner + 0.25) + 0.25
    torch.testing.assert_close(kernel(100_000), limit, rtol=0.03, atol=0.03)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"activation": "gelu"}, "activation must be one of relu, silu, got 'gelu'"),
        ({"epochs": 0}, "epochs must be at least 1, got 0"),
        ({"learning_rate": -1.0}, "learning_rate must be positive, got -1"),
        ({"validation_fraction": 1.0}, "validation_fraction must be between 0 and 0.99, got 1"),
    ],
)
def test_bad_arguments_get_one_sentence(options, message):
    with pytest.raises(ValueError, match=message):
        NetworkRegressor((4,), **options).fit(*table(20))


def test_networks_trained_side_by_side_are_those_trained_alone():
    X, Y = (torch.randn(3, 40, k, generator=torch.Generator().manual_seed(k)) for k in (2, 1))
    together = Ensemble(3, (2, 8, 1), generator=torch.Generator().manual_seed(0)).double()
    alone = copy.deepcopy(together)
    parts = [t.double() for t in (X, Y, X[:, :9], Y[:, :9])]
    sizes = {"epochs": 6, "batch_size": 16}
    together.fit(*parts, **sizes, generator=torch.Generator().manual_seed(1))
    for k in range(3):
        single = Ensemble(1, (2, 8, 1)).double()
        with torch.no_grad():
            for p, q in zip(single.parameters(), alone.parameters()):
                p.copy_(q[k : k + 1])
        single.fit(*(t[k : k + 1] for t in parts), **sizes,
                   generator=torch.Generator().manual_seed(1))  # fmt: skip
        expected = single(parts[0][k : k + 1])[0]
        torch.testing.assert_close(together(parts[0])[k], expected)
        torch.testing.assert_close(together.member(k)(parts[0][k]), expected)
