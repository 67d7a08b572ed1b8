"""Scalable neural network kernels against quadrature, NumPy and gradient descent."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import scipy.integrate
import scipy.stats
import torch
from torch import Tensor, nn

from mercer.features import FeatureMap
from mercer.features.neural import (
    ComposedFeatures,
    Exponentials,
    FourierTransform,
    FullyBundledNetwork,
    MaclaurinFeatures,
    ReLUFeatures,
    SNNKLinear,
    UniversalRandomFeatures,
    activation_spectrum,
    bundle,
    fourier_series,
    power_series,
    ridge_readout,
    snnk_from_linear,
    snnk_linear,
)
from mercer.operators import LowRank
from mercer.testing import check_feature_map

VALUES = {
    "cos": np.cos,
    "sin": np.sin,
    "exp": np.exp,
    "gaussian": lambda z: np.exp(-(z**2) / 2),
    "sinc": lambda z: np.sin(z) / z,
    "tanh": np.tanh,
}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def layer_data(scale: float = 0.35) -> tuple[Tensor, Tensor]:
    g = generator(1)
    X = scale * torch.randn(4, 3, generator=g, dtype=torch.float64)
    Y = scale * torch.randn(5, 4, generator=g, dtype=torch.float64)  # rows (w, b)
    return X, Y


def preactivations(X: Tensor, Y: Tensor) -> np.ndarray:
    return X.numpy() @ Y.numpy()[:, :-1].T + Y.numpy()[:, -1]


class Square(nn.Module):
    def forward(self, z: Tensor) -> Tensor:
        return z.square()


class ExactSquare(FeatureMap):
    """``(w . x + b)^2`` without randomness."""

    def __init__(self, d: int) -> None:
        super().__init__()
        self.dimension = (d + 1) ** 2

    def features(self, X: Tensor) -> Tensor:
        return self.features_of_second(torch.cat([X, torch.ones_like(X[..., :1])], -1))

    def features_of_second(self, Y: Tensor) -> Tensor:
        return (Y[..., :, None] * Y[..., None, :]).flatten(-2)


# -- universal random features -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "inputs"),
    [*((name, "positive") for name in VALUES), ("sin", "trigonometric"), ("tanh", "trigonometric")],
)
def test_universal_features_are_unbiased(name: str, inputs: str) -> None:
    X, Y = layer_data()
    exact = torch.from_numpy(VALUES[name](preactivations(X, Y)))

    def make(g: torch.Generator) -> UniversalRandomFeatures:
        return UniversalRandomFeatures(name, 3, 64, inputs=inputs, balance=1.3, generator=g)

    known = isinstance(activation_spectrum(name), Exponentials)
    variance = make(generator()).variance(X, Y) if known else None
    check_feature_map(make, X, Y, exact, variance=variance, draws=100)


def test_series_features_are_unbiased() -> None:
    X, Y = layer_data()
    series = fourier_series(torch.relu, half_width=2.0, order=4)
    k, L = np.arange(5), 2.0
    coefficients = scipy.integrate.quad_vec(
        lambda z: z * np.cos(np.pi * k * (z + L) / (2 * L)) / np.where(k == 0, 2 * L, L), 0, L
    )[0]
    z = preactivations(X, Y)
    exact = np.cos(np.pi * k * (z[..., None] + L) / (2 * L)) @ coefficients
    np.testing.assert_allclose(series(torch.from_numpy(z)), exact, atol=2e-6)

    def make(g: torch.Generator) -> UniversalRandomFeatures:
        return UniversalRandomFeatures(series, 3, 64, A=-0.02, generator=g)

    variance = make(generator()).variance(X, Y)
    check_feature_map(make, X, Y, torch.from_numpy(exact), variance=variance, draws=100)


@pytest.mark.parametrize("inputs", ["positive", "trigonometric"])
@pytest.mark.parametrize("A", [-0.3, 0.0, 0.05])
@pytest.mark.parametrize("rate", [0.8, 1.2j])
def test_variance_by_quadrature(rate: complex, A: float, inputs: str) -> None:
    """One dimension, one frequency: the second moment is an integral over g."""
    x, w, b, balance, a = 0.6, -0.9, 0.3, 0.7, 1.5 - 0.4j
    rho, eta = np.sqrt(abs(rate) * balance), np.sqrt(abs(rate) / balance)
    turn = rate / abs(rate)
    rho, eta = (rho, eta * turn) if inputs == "positive" else (rho * turn, eta)

    def term(g: float) -> float:
        both = 2 * A * g**2 + np.sqrt(1 - 4 * A) * g * (rho * x + eta * w)
        both = both - (rho * x) ** 2 / 2 - (eta * w) ** 2 / 2
        return float((a * np.exp(rate * b) * np.sqrt(1 - 4 * A) * np.exp(both)).real)

    mean, second = (
        scipy.integrate.quad(lambda g, p: term(g) ** p * scipy.stats.norm.pdf(g), -30, 30, (p,))[0]
        for p in (1, 2)
    )
    assert mean == pytest.approx((a * np.exp(rate * (w * x + b))).real, abs=1e-8)
    spectrum = Exponentials(torch.tensor([rate]), torch.tensor([a], dtype=torch.complex128))
    phi = UniversalRandomFeatures(spectrum, 1, 7, inputs=inputs, balance=balance, A=A)
    X, Y = (torch.tensor([row], dtype=torch.float64) for row in ([x], [w, b]))
    assert float(phi.variance(X, Y)) == pytest.approx((second - mean**2) / 7, rel=1e-6)


@pytest.mark.parametrize("name", ["gaussian", "tanh"])
def test_transforms_by_quadrature(name: str) -> None:
    spectrum = activation_spectrum(name)
    assert isinstance(spectrum, FourierTransform)

    def integrand(omega: float, z: float) -> float:
        F = complex(spectrum.transform(torch.tensor(omega, dtype=torch.float64)))
        return (F * np.exp(1j * omega * z)).real / math.pi

    for z in (-1.3, 0.4):
        value = scipy.integrate.quad(integrand, 1e-12, 60, args=(z,), limit=200)[0]
        assert value == pytest.approx(VALUES[name](z), abs=1e-8)


@pytest.mark.parametrize(
    ("proposal", "law"),
    [
        ("half_normal", scipy.stats.halfnorm(scale=0.7)),
        ("uniform", scipy.stats.uniform(scale=0.7)),
        ("exponential", scipy.stats.expon(scale=0.7)),
        ("chi_square", scipy.stats.chi2(1, scale=0.7)),
    ],
)
def test_proposals(proposal: str, law) -> None:
    spectrum = FourierTransform(torch.ones_like, torch.ones_like, proposal, 0.7)
    rates, amplitudes = spectrum.draw(2000, generator())
    omega = rates.imag.numpy()
    assert scipy.stats.kstest(omega, law.cdf).pvalue > 1e-3
    np.testing.assert_allclose(amplitudes.real, 1 / (math.pi * law.pdf(omega)), rtol=1e-10)


def test_error_of_a_converted_layer_falls_as_the_root_of_the_count() -> None:
    g = generator(2)
    linear = nn.Linear(6, 8).double()
    x = torch.randn(20, 6, generator=g, dtype=torch.float64)
    x = x / x.norm(dim=-1, keepdim=True)
    counts, errors = (50, 3200), []
    for count in counts:
        square = 0.0
        for _ in range(12):
            layer = snnk_from_linear(linear, "sin", count, input_norm=1.0, generator=g)
            square += (layer(x) - torch.sin(linear(x))).square().mean().item()
        errors.append(square)
    slope = math.log(errors[1] / errors[0]) / 2 / math.log(counts[1] / counts[0])
    assert -0.58 < slope < -0.42
    predicted = layer.features.variance(x, torch.cat([linear.weight, linear.bias[:, None]], 1))
    assert errors[1] / 12 == pytest.approx(predicted.mean().item(), rel=0.25)


# -- ReLU and polynomial features --------------------------------------------------------------


@pytest.mark.parametrize(("bias", "normalize"), [(True, True), (False, False)])
def test_relu_features(bias: bool, normalize: bool) -> None:
    X, Y = layer_data(1.0)
    Y = Y if bias else Y[:, :3]
    U = X.numpy() / np.linalg.norm(X.numpy(), axis=1, keepdims=True) if normalize else X.numpy()
    U = np.pad(U, ((0, 0), (0, 1)), constant_values=1.0) if bias else U
    mean, second = (
        torch.tensor(
            [[_relu_moment(u, v, power) for v in Y.numpy()] for u in U], dtype=torch.float64
        )
        for power in (1, 2)
    )

    def make(g: torch.Generator) -> ReLUFeatures:
        return ReLUFeatures(3, 32, bias=bias, normalize=normalize, generator=g)

    torch.testing.assert_close(make(generator()).variance(X, Y) * 32, second - mean.square())
    check_feature_map(make, X, Y, mean, variance=(second - mean.square()) / 32, draws=100)


def _relu_moment(u: np.ndarray, v: np.ndarray, power: int) -> float:
    """``E max(g.u, 0)^p max(g.v, 0)^p`` in polar coordinates of the plane of u and v."""
    sizes = float(np.linalg.norm(u) * np.linalg.norm(v)) ** power
    theta = math.acos(float(u @ v) / (np.linalg.norm(u) * np.linalg.norm(v)))
    radial = {1: 2.0, 2: 8.0}[power]  # E r^(2p) of two standard normals
    angular = scipy.integrate.quad(
        lambda t: (math.cos(t) * math.cos(t - theta)) ** power, theta - math.pi / 2, math.pi / 2
    )[0]
    return sizes * radial * angular / (2 * math.pi)


def test_relu_variance_at_parallel_points_and_zero() -> None:
    x = torch.tensor([[3.0, 4.0], [0.0, 0.0]], dtype=torch.float64)
    found = ReLUFeatures(2, 1, bias=False).variance(x, torch.cat([x[:1], -x[:1]]))
    # E relu(s)^4 - (E relu(s)^2)^2 for s ~ N(0, 25), and nothing for opposite points
    expected = torch.tensor([[25.0**2 * (1.5 - 0.25), 0.0], [0.0, 0.0]], dtype=torch.float64)
    torch.testing.assert_close(found, expected, atol=1e-10, rtol=1e-10)


def test_maclaurin_features() -> None:
    X, Y = layer_data()
    c = torch.tensor([0.5, -1.0, 0.0, 0.8])
    exact = torch.from_numpy(np.polynomial.polynomial.polyval(preactivations(X, Y), c.numpy()))

    def make(g: torch.Generator) -> MaclaurinFeatures:
        return MaclaurinFeatures(c, 3, 64, radius=1.2, generator=g)

    variance = make(generator()).variance(X, Y)
    check_feature_map(make, X, Y, exact, variance=variance, draws=100)


def test_power_series() -> None:
    gelu = power_series(nn.functional.gelu, half_width=3.0, degree=14)
    z = np.linspace(-3, 3, 301)
    error = np.polynomial.polynomial.polyval(z, gelu.numpy()) - z * scipy.stats.norm.cdf(z)
    assert np.abs(error).max() < 1e-4
    nodes = 3 * np.cos(np.pi * (np.arange(15) + 0.5) / 15)  # Chebyshev's
    error = np.polynomial.polynomial.polyval(nodes, gelu.numpy()) - nodes * scipy.stats.norm.cdf(
        nodes
    )
    assert np.abs(error).max() < 1e-11


# -- the layer ---------------------------------------------------------------------------------


def test_layer_forms_agree() -> None:
    X, Y = layer_data()
    phi = UniversalRandomFeatures("tanh", 3, 16, inputs="trigonometric", generator=generator())
    layer = SNNKLinear(3, 5, phi, trainable="weight", bias=True, generator=generator()).double()
    with torch.no_grad():
        layer.weight.copy_(Y)
        layer.bias.fill_(0.25)
    expected = phi(X) @ phi.second(Y).mT + 0.25
    folded = layer.folded()
    assert [name for name, _ in folded.named_parameters()] == ["readout", "bias"]
    assert folded.readout.numel() == 5 * 32
    for out in (
        layer(X),
        folded(X),
        layer.operator(X).dense() + 0.25,
        snnk_linear(X, phi, layer.psi, layer.bias),
        copy.deepcopy(folded)(X[None])[0],
    ):
        torch.testing.assert_close(out, expected)
    assert isinstance(layer.operator(X), LowRank)
    V = torch.randn(2, 5, dtype=torch.float64)
    torch.testing.assert_close(layer.operator(X) @ V.mT, (expected - 0.25) @ V.mT)


@pytest.mark.parametrize("trainable", ["psi", "weight"])
def test_layer_gradients_and_saving(trainable: str) -> None:
    X, _ = layer_data()
    phi = ReLUFeatures(3, 6, generator=generator())
    layer = SNNKLinear(3, 2, phi, trainable=trainable, generator=generator()).double()
    (parameter,) = layer.parameters()

    def output(value: Tensor) -> Tensor:
        name = {"psi": "readout", "weight": "weight"}[trainable]
        return torch.func.functional_call(layer, {name: value}, (X,))

    assert torch.autograd.gradcheck(output, (parameter,))
    other = SNNKLinear(3, 2, ReLUFeatures(3, 6), trainable=trainable).double()
    assert not torch.equal(other(X), layer(X))
    other.load_state_dict(layer.state_dict())
    torch.testing.assert_close(other(X), layer(X))


def test_trainable_parameters_do_not_depend_on_the_inputs() -> None:
    sizes = [
        sum(p.numel() for p in SNNKLinear(d, 7, ReLUFeatures(d, 11)).parameters()) for d in (5, 500)
    ]
    assert sizes == [77, 77]


# -- bundling and the closed form --------------------------------------------------------------


def _network(activation: type[nn.Module]) -> nn.Sequential:
    layers = [nn.Linear(3, 4), activation(), nn.Linear(4, 2), activation(), nn.Linear(2, 3)]
    return nn.Sequential(*layers, nn.Tanh()).double()


@pytest.mark.parametrize("start", [0, 1])
@pytest.mark.parametrize("calibrated", [False, True])
def test_bundling_is_exact_with_exact_features(start: int, calibrated: bool) -> None:
    model = _network(Square)
    X = torch.randn(700, 3, dtype=torch.float64)
    d = 4 if start else 3
    first = ExactSquare(d)
    maps = [first] if start else [first, ExactSquare(first.dimension)]
    bundled = bundle(model, maps, start=start, calibration=X if calibrated else None, ridge=1e-12)
    assert [type(module) for module in bundled[2 * start :]] == [SNNKLinear, nn.Tanh]
    torch.testing.assert_close(
        bundled(X[:9]), model(X[:9]), atol=1e-5 if calibrated else 1e-10, rtol=1e-5
    )
    with torch.no_grad():  # what is outside the bundle is a copy
        model[0].weight.zero_()
    assert start == 0 or bool(bundled[0].weight.any())


def test_bundling_at_the_end_of_a_network() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2), Square()).double()
    x = torch.randn(6, 3, dtype=torch.float64)
    bundled = bundle(model, [ExactSquare(4)], start=1)
    assert len(bundled) == 3
    torch.testing.assert_close(bundled(x), model(x))


def test_bundling_by_universal_features() -> None:
    """Two sine layers of small weights: the mean over many draws is close to the network."""
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(2, 2), nn.Identity(), nn.Linear(2, 1)).double()
    x = 0.3 * torch.randn(5, 2, dtype=torch.float64)
    g = generator()
    outputs = [
        bundle(model, [UniversalRandomFeatures("sin", 2, 400, generator=g)])(x) for _ in range(60)
    ]
    exact = model[2](torch.sin(model[0](x)))
    spread = torch.stack(outputs).std(0) / math.sqrt(60)
    assert bool(((torch.stack(outputs).mean(0) - exact).abs() < 5 * spread).all())


@pytest.mark.parametrize(("n", "ridge"), [(80, 0.0), (80, 0.3), (10, 0.02)])
def test_closed_form_is_least_squares(n: int, ridge: float) -> None:
    X = torch.randn(n, 3, dtype=torch.float64)
    Y = torch.randn(n, 2, dtype=torch.float64)
    maps = [
        ReLUFeatures(3, 30, generator=generator()),
        ReLUFeatures(30, 14, generator=generator(1)),
    ]
    network = FullyBundledNetwork(3, 2, maps).fit(X, Y, ridge=ridge)
    F = maps[1](maps[0](X)).numpy()
    center, level = F.mean(0), Y.numpy().mean(0)
    rows = np.vstack([F - center, math.sqrt(n * ridge) * np.eye(14)])
    psi = np.linalg.lstsq(rows, np.vstack([Y.numpy() - level, np.zeros((14, 2))]), rcond=None)[0]
    np.testing.assert_allclose(network.psi.detach().mT, psi, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(
        network(X).detach(), (F - center) @ psi + level, rtol=1e-6, atol=1e-6
    )


def test_closed_form_is_the_optimum_of_training() -> None:
    X = torch.randn(60, 3, dtype=torch.float64)
    Y = torch.sin(X @ torch.randn(3, 2, dtype=torch.float64))
    maps = [ReLUFeatures(3, 12, generator=generator())]
    trained = FullyBundledNetwork(3, 2, maps).double()
    ridge = 1e-3

    def loss(network: FullyBundledNetwork) -> Tensor:
        misfit = (network(X) - Y).square().sum() / len(X)
        return misfit + ridge * network.psi.square().sum()

    optimizer = torch.optim.LBFGS(
        trained.parameters(), max_iter=300, tolerance_grad=1e-12, tolerance_change=0,
        line_search_fn="strong_wolfe",
    )  # fmt: skip

    def closure() -> Tensor:
        optimizer.zero_grad()
        value = loss(trained)
        value.backward()
        return value

    optimizer.step(closure)
    solved = FullyBundledNetwork(3, 2, maps).fit(X, Y, ridge=ridge)
    torch.testing.assert_close(solved.psi, trained.psi, rtol=1e-4, atol=1e-6)
    assert loss(solved).item() <= loss(trained).item() * (1 + 1e-12)


def test_readout_without_intercept_and_in_single_precision() -> None:
    F, Y = torch.randn(40, 5), torch.randn(40, 2)
    psi, constant = ridge_readout(F, Y, intercept=False)
    expected = np.linalg.lstsq(F.double().numpy(), Y.double().numpy(), rcond=None)[0]
    assert psi.dtype == torch.float32
    np.testing.assert_allclose(psi.mT, expected, rtol=1e-5, atol=1e-6)
    assert not bool(constant.any())


# -- refusals ----------------------------------------------------------------------------------


def _universal(**options) -> UniversalRandomFeatures:
    return UniversalRandomFeatures(**{"activation": "sin", "d": 3, "count": 4, **options})


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: _universal(activation="relu"), "activation must be .* got 'relu'"),
        (lambda: _universal(A=0.125), "A must be below 1/8"),
        (lambda: _universal(balance=-1.0), "balance must be positive, got -1"),
        (lambda: _universal(inputs="both"), "inputs must be .* got 'both'"),
        (lambda: _universal(count=0), "count must be at least 1, got 0"),
        (lambda: _universal()(torch.ones(2, 4)), "X must have 3 columns, got 4"),
        (lambda: _universal().second(torch.ones(2, 5)), "3 weights, or these and a bias, got 5"),
        (lambda: _universal()(torch.tensor([[1.0, math.nan, 0.0]])), "NaN at row 0, column 1"),
        (lambda: fourier_series(torch.log, 1.0, 5), "activation must be finite"),
        (lambda: fourier_series(torch.relu, 1.0, 2048), "order must be below 2048"),
        (lambda: power_series(torch.log, 1.0, 5), "activation must be finite"),
        (lambda: MaclaurinFeatures(torch.zeros(3), 3, 4), "not all zero"),
        (lambda: Exponentials(torch.ones(2), torch.zeros(2)), "must not all be zero"),
        (lambda: Exponentials(torch.ones(2), torch.zeros(3)), "one shape"),
        (lambda: FourierTransform(torch.ones_like, torch.cos, "cauchy"), "got 'cauchy'"),
        (lambda: SNNKLinear(3, 2, ReLUFeatures(3, 4), trainable="all"), "got 'all'"),
        (lambda: SNNKLinear(3, 2, ReLUFeatures(3, 4))(torch.ones(1, 2)), "x must have 3 columns"),
        (lambda: bundle(_network(Square), []), "0 maps from layer 0"),
        (lambda: bundle(_network(Square), [ExactSquare(3)] * 3, start=1), "3 maps from layer 1"),
        (lambda: bundle(nn.Sequential(nn.ReLU()), [ExactSquare(3)]), "begin with a Linear"),
        (lambda: ridge_readout(torch.ones(3, 4), torch.ones(3, 1)), "ridge must be positive"),
        (lambda: ridge_readout(torch.ones(3, 4), torch.ones(2, 1)), "as many rows"),
        (
            lambda: FullyBundledNetwork(3, 2, [ReLUFeatures(3, 4)]).fit(
                torch.ones(5, 3), torch.ones(5, 1)
            ),
            r"Y must have shape \(n, 2\), got \(5, 1\)",
        ),
    ],
)
def test_refusals(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_refusals_of_types() -> None:
    with pytest.raises(TypeError, match="features must be a FeatureMap, got ReLU"):
        SNNKLinear(3, 2, nn.ReLU())
    with pytest.raises(TypeError, match="maps must be feature maps, at least one, got none"):
        ComposedFeatures()
    with pytest.raises(TypeError, match=r"linear must be a torch.nn.Linear, got ReLU"):
        snnk_from_linear(nn.ReLU(), "sin", 4, input_norm=1.0)
    with pytest.raises(TypeError, match=r"model must be a torch.nn.Sequential, got Linear"):
        bundle(nn.Linear(3, 2), [ExactSquare(3)])
    with pytest.raises(TypeError, match=r"variance has a closed form .* got FourierTransform"):
        _universal(activation="tanh").variance(torch.ones(1, 3), torch.ones(1, 3))
