"""Ensembles of networks: training, the estimator, saving."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn

from mercer import load
from mercer.kernels import RBF
from mercer.measure.ensembles import (
    Descent,
    FunctionSpace,
    GreedyEnsembleClassifier,
    cnn,
    mlp,
    train_member,
)
from mercer.testing import check_estimator

SMALL = {
    "hidden": (32, 32),
    "epochs": 20,
    "batch_size": 32,
    "learning_rate": 0.01,
    "random_state": 0,
}


@pytest.fixture(scope="module")
def moons():
    from sklearn.datasets import make_moons

    return make_moons(200, noise=0.15, random_state=0)


def test_contract():
    check_estimator(
        GreedyEnsembleClassifier(2, hidden=(8,), epochs=3), order=False, scikit_learn=False
    )


@pytest.mark.slow
def test_contract_of_scikit_learn():
    from sklearn.utils.estimator_checks import check_estimator as check

    check(GreedyEnsembleClassifier(2, hidden=(16,), epochs=40, learning_rate=0.02))


def test_a_step_is_the_gradient_of_loss_less_diversity():
    """One step of plain gradient descent by hand, of a linear network, in numpy."""
    rng = np.random.default_rng(0)
    X, y, Z = rng.standard_normal((5, 2)), np.array([0, 1, 1, 0, 1]), rng.standard_normal((3, 2))
    W = rng.standard_normal((2, 2))
    w = np.ones(3)
    S = rng.dirichlet(np.ones(2), (2, 3))  # two members at three inputs
    lam, ell = 0.7, 0.4

    def objective(W):
        def softmax(F):
            e = np.exp(F - F.max(axis=1, keepdims=True))
            return e / e.sum(axis=1, keepdims=True)

        loss = -np.log(softmax(X @ W.T)[np.arange(5), y]).mean()
        squares = ((softmax(Z @ W.T)[None] - S) ** 2).sum(axis=2) @ w / w.sum()
        return loss + lam * np.log(np.exp(-squares / (2 * ell**2)).mean())

    h, slope = 1e-6, np.zeros((2, 2))
    for i, j in itertools.product(range(2), range(2)):
        E = np.zeros((2, 2))
        E[i, j] = h
        slope[i, j] = (objective(W + E) - objective(W - E)) / (2 * h)
    seen = []

    class Descending(torch.optim.SGD):
        def __init__(self, parameters, lr, weight_decay, fused):
            super().__init__(parameters, lr=lr)

        def step(self, closure=None):
            seen.append(self.param_groups[0]["params"][0].grad.clone().numpy())

    network = nn.Linear(2, 2, bias=False).double()
    with torch.no_grad():
        network.weight.copy_(torch.tensor(W))
    space = FunctionSpace(torch.tensor(Z), torch.tensor(w), RBF(ell), lam, 10)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.optim, "Adam", Descending)
        patch.setattr(torch, "randint", lambda n, size, generator: torch.arange(n))
        train_member(
            network,
            torch.tensor(X),
            torch.tensor(y),
            torch.tensor(S),
            space,
            Descent(1, 5, 0.1, 0.0),
        )
    np.testing.assert_allclose(seen[0], slope, rtol=1e-5, atol=1e-8)


def test_members_differ_away_from_data_and_agree_on_them(moons):
    X, y = moons
    angles = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    far = X.mean(axis=0) + 8 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    plain, greedy = (
        GreedyEnsembleClassifier(3, diversity=strength, **SMALL).fit(X, y)
        for strength in (0.0, 0.1)
    )
    assert min(m.score(X, y) for m in (plain, greedy)) > 0.95

    def disagreement(model):
        return model.uncertainty(far, "mutual-information").mean()

    assert disagreement(greedy) > 2 * disagreement(plain)
    # The first member has nothing to differ from.
    for name, value in plain.states_[0].items():
        assert torch.equal(value, greedy.states_[0][name])
    assert [r["diversity"] > 0 for r in greedy.history_[::20]] == [False, True, True]
    assert all(r["diversity"] == 0 for r in plain.history_)


def test_probabilities_are_means_of_the_members(moons):
    X, y = moons
    model = GreedyEnsembleClassifier(3, **{**SMALL, "epochs": 5}).fit(X, np.array(["a", "b"])[y])
    P = model.member_probabilities(X[:7])
    by_hand = [
        nn.functional.softmax(network(torch.tensor(X[:7])), dim=1).detach()
        for network in model.networks()
    ]
    torch.testing.assert_close(P, torch.stack(by_hand), rtol=1e-12, atol=0)
    np.testing.assert_allclose(model.predict_proba(X[:7]), P.mean(dim=0), rtol=1e-12)
    assert (
        model.classes_[model.predict_proba(X).argmax(axis=1)].tolist() == model.predict(X).tolist()
    )
    entropy, shared = (model.uncertainty(X, s) for s in ("entropy", "mutual-information"))
    assert isinstance(entropy, np.ndarray)
    assert (shared <= entropy).all()
    assert (entropy <= math.log(2) + 1e-12).all()


def test_inputs_and_weights_decide_where_members_differ(moons):
    X, y = moons
    left, right = (
        np.array([c, 0.0]) + 0.3 * np.random.default_rng(0).standard_normal((100, 2))
        for c in (-8.0, 8.0)
    )
    inputs, weight = np.concatenate([left, right]), np.repeat([1e-6, 1.0], 100)
    how = {**SMALL, "diversity": 0.5}
    model = GreedyEnsembleClassifier(2, **how).fit(X, y, inputs=inputs, input_weight=weight)

    def apart(where):
        P = model.member_probabilities(where)
        return float((P[0] - P[1]).abs().mean())

    assert apart(right) > 0.8
    assert apart(left) < 0.2
    with pytest.raises(ValueError, match=r"input_weight must have shape \(200,\), got \(7,\)"):
        GreedyEnsembleClassifier(2).fit(X, y, inputs=inputs, input_weight=weight[:7])
    weight[0] = 0.0
    with pytest.raises(ValueError, match="input_weight must be positive, got 0"):
        GreedyEnsembleClassifier(2).fit(X, y, inputs=inputs, input_weight=weight)


def test_a_factory_draws_from_the_seed_and_leaves_the_global_stream_alone(moons):
    X, y = moons

    def factory(features, classes):
        return nn.Sequential(
            nn.Linear(features, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, classes)
        )

    torch.manual_seed(3)
    wanted = torch.rand(2)
    torch.manual_seed(3)
    model = GreedyEnsembleClassifier(2, network=factory, **{**SMALL, "epochs": 5}).fit(X, y)
    assert torch.equal(torch.rand(2), wanted)
    # The running variance is that of the data, not of the noise about them, 25 times as large.
    for state in model.states_:
        spread = (torch.tensor(X) @ state["0.weight"].mT).var(dim=0)
        assert bool((state["1.running_var"] < 3 * spread + 0.1).all())
    with pytest.raises(TypeError, match="network is a callable, which cannot be saved"):
        model.save("nowhere")
    with pytest.raises(TypeError, match=r"network must make a torch\.nn\.Module, got int"):
        GreedyEnsembleClassifier(2, network=lambda d, C: d).fit(X, y)


def test_images_are_read_by_convolutions(tmp_path):
    from sklearn.datasets import load_digits

    X, y = load_digits(n_class=3, return_X_y=True)
    X = (X / 16).astype(np.float32)
    model = GreedyEnsembleClassifier(
        2,
        network="cnn",
        hidden=(4, 8),
        epochs=12,
        batch_size=32,
        learning_rate=0.01,
        random_state=0,
    ).fit(X[:400], y[:400])
    assert model.score(X[400:], y[400:]) > 0.9
    model.save(tmp_path / "model")
    loaded = load(tmp_path / "model")
    assert np.array_equal(loaded.predict_proba(X), model.predict_proba(X))
    assert model.predict_proba(X).dtype == np.float32
    with pytest.raises(ValueError, match=r"rows of side \* side pixels, got 7 columns"):
        GreedyEnsembleClassifier(2, network="cnn").fit(X[:, :7], y)


def test_networks_have_the_layers_that_they_say():
    assert sum(p.numel() for p in mlp(3, 2, (5, 4)).parameters()) == 20 + 24 + 10
    assert sum(p.numel() for p in cnn(81, 2, (3, 4)).parameters()) == 30 + 112 + 2 * (4 * 9 + 1)


@pytest.mark.parametrize(
    ("argument", "value", "message"),
    [
        ("members", 0, "members must be at least 1, got 0"),
        ("diversity", -1.0, "diversity must be between 0"),
        ("diversity", math.nan, "diversity must be between 0"),
        ("spread", 0.0, "spread must be positive, got 0"),
        ("network", "resnet", "network must be 'mlp', 'cnn' or a callable, got 'resnet'"),
    ],
)
def test_bad_arguments_are_refused(moons, argument, value, message):
    X, y = moons
    with pytest.raises(ValueError, match=message):
        GreedyEnsembleClassifier(**{**SMALL, "members": 2, argument: value}).fit(X, y)


def test_divergence_of_training_is_said(moons):
    X, y = moons
    with pytest.raises(FloatingPointError, match="lower learning_rate"):
        GreedyEnsembleClassifier(2, **{**SMALL, "learning_rate": 1e200}).fit(X, y)
    model = GreedyEnsembleClassifier(1, **{**SMALL, "epochs": 1}).fit(X, y)
    with pytest.raises(ValueError, match="score must be one of entropy, mutual-information"):
        model.uncertainty(X, "variance")
