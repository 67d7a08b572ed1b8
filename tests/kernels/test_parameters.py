"""Parameters: their domain, gradients, batches, saving; and points that are refused."""

from __future__ import annotations

import copy
import json

import pytest
import torch

from mercer.kernels import (
    RBF,
    ArcCosine,
    Constant,
    Laplace,
    Linear,
    Matern,
    Periodic,
    Polynomial,
    RationalQuadratic,
    SpectralMixture,
    Wendland,
    White,
    from_config,
)

X = torch.randn(5, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: RBF(lengthscale=-0.3), ValueError, "lengthscale must be positive, got -0.3"),
        (lambda: RBF(lengthscale=0), ValueError, "lengthscale must be positive, got 0"),
        (lambda: RBF(float("nan")), ValueError, "lengthscale must be positive, got nan"),
        (lambda: RBF([1.0, -2.0]), ValueError, "lengthscale must be positive, got -2"),
        (lambda: RBF("wide"), TypeError, "lengthscale must be a number or numbers, got 'wide'"),
        (lambda: RBF(active_dimensions=[0, 0]), ValueError, "active_dimensions must be distinct"),
        (lambda: RBF(active_dimensions=[-1]), ValueError, "active_dimensions must be at least 0"),
        (lambda: Matern(nu=0), ValueError, "nu must be above 0 and at most 200, got 0"),
        (lambda: Matern(nu=float("nan")), ValueError, "nu must be above 0 and at most 200"),
        (lambda: RationalQuadratic(alpha=-1.0), ValueError, "alpha must be positive, got -1"),
        (lambda: Laplace(norm="l3"), ValueError, 'norm must be "l2" or "l1", got \'l3\''),
        (lambda: Periodic(period=0.0), ValueError, "period must be positive, got 0"),
        (lambda: Linear(scale=-1.0), ValueError, "scale must be positive, got -1"),
        (lambda: Polynomial(0), ValueError, "degree must be at least 1, got 0"),
        (lambda: Polynomial(2.5), TypeError, "degree must be an integer, got 2.5"),
        (lambda: Polynomial(offset=-1.0), ValueError, "offset must be positive, got -1"),
        (lambda: ArcCosine(3), ValueError, "order must be 0, 1 or 2, got 3"),
        (lambda: Wendland(order=4), ValueError, "order must be 0, 1, 2 or 3, got 4"),
        (lambda: Constant(-1.0), ValueError, "variance must be positive, got -1"),
        (lambda: White(0.0), ValueError, "variance must be positive, got 0"),
        (lambda: -1.0 * RBF(), ValueError, "scale must be positive, got -1"),
        (
            lambda: SpectralMixture([1.0], [[1.0], [2.0]], [[1.0], [2.0]]),
            ValueError,
            "weights has 1 components but means has 2",
        ),
        (lambda: RBF([1.0, 2.0, 3.0])(X), ValueError, "lengthscale has 3 entries but the kernel"),
        (lambda: RBF(active_dimensions=[4])(X), ValueError, "asks for coordinate 4, but the"),
        (lambda: RBF()(X, X[:, :1]), ValueError, "X has 2 columns but Y has 1"),
        (lambda: RBF()(X, X.float()), TypeError, "Y is torch.float32 but X is torch.float64"),
        (lambda: RBF()(X, X.to("meta")), ValueError, "Y is on meta but X is on cpu"),
        (lambda: RBF()(X.long()), TypeError, "X must hold floating-point numbers"),
        (lambda: RBF()([[1.0]]), TypeError, "X must be a torch.Tensor, got list"),
        (
            lambda: RBF()(X.expand(2, 5, 2), X.expand(3, 5, 2)),
            ValueError,
            "the batches of X and Y must broadcast, got",
        ),
        (lambda: RBF()(X / 0), ValueError, "X has infinity at row 0, column 0"),
        (lambda: from_config({"kernel": "Rbf"}), ValueError, "config names the kernel 'Rbf'"),
    ],
)
def test_refusals(make, kind, message) -> None:
    with pytest.raises(kind) as caught:
        make()
    assert message in str(caught.value)


def test_parameters_are_constants_until_asked() -> None:
    kernel = RBF(0.5)
    assert not kernel(X).dense().requires_grad
    kernel.requires_grad_()
    (gradient,) = torch.autograd.grad(kernel(X).dense().sum(), kernel.log_lengthscale)
    s = torch.cdist(X, X).square() / 0.25
    expected = (s * (-s / 2).exp()).sum()  # d/d log l of exp(-s / 2)
    torch.testing.assert_close(gradient, expected, rtol=1e-10, atol=0)


def test_a_tensor_with_a_graph_is_used_as_it_is() -> None:
    lengthscale = torch.tensor([0.5, 0.7], dtype=torch.float64, requires_grad=True)

    def entries(lengthscale: torch.Tensor) -> torch.Tensor:
        return (2 * RBF(lengthscale))(X) @ X

    assert torch.autograd.gradcheck(entries, lengthscale)
    assert torch.equal(RBF(lengthscale).lengthscale, lengthscale)
    assert not list(RBF(lengthscale).parameters())
    jacobian = torch.func.jacrev(entries)(lengthscale.detach())
    expected = torch.autograd.functional.jacobian(entries, lengthscale)
    torch.testing.assert_close(jacobian, expected)


def test_kernels_made_inside_vmap() -> None:
    many = torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64)
    found = torch.func.vmap(lambda lengthscale: RBF(lengthscale)(X) @ X)(many)
    expected = torch.stack([RBF(lengthscale)(X) @ X for lengthscale in many])
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-14)


def test_batches_of_parameters() -> None:
    lengthscale = torch.tensor([0.5, 2.0], dtype=torch.float64)[:, None, None]  # [2, 1, 1]
    scale = torch.tensor([1.0, 3.0], dtype=torch.float64)
    alpha = torch.tensor([0.7, 1.5], dtype=torch.float64)
    kernel = scale * RationalQuadratic(lengthscale, alpha)
    K = kernel(X)
    assert K.shape == (2, 5, 5)
    for k, (l, a, c) in enumerate([(0.5, 0.7, 1.0), (2.0, 1.5, 3.0)]):
        s = torch.cdist(X, X).square() / l**2
        torch.testing.assert_close(K.dense()[k], c * (1 + s / (2 * a)) ** -a, rtol=1e-10, atol=0)
    noise = White(scale)(X).dense()
    torch.testing.assert_close(noise, scale[:, None, None] * torch.eye(5, dtype=torch.float64))


def test_config_is_json_and_exact() -> None:
    kernel = (0.3 * Matern(0.1, nu=1 / 3) + Polynomial(2, offset=0) * White(1e-7)) ** 2
    with torch.no_grad():
        for parameter in kernel.parameters():
            parameter.add_(1e-16 + 0.1)
    again = from_config(json.loads(json.dumps(kernel.to_config())))
    for name, value in kernel.state_dict().items():
        assert torch.equal(again.state_dict()[name], value)
    assert repr(again) == repr(kernel)


def test_config_of_a_given_parameter_keeps_its_value() -> None:
    kernel = RBF(torch.tensor(0.5, requires_grad=True))
    assert from_config(kernel.to_config()).lengthscale.item() == pytest.approx(0.5, rel=1e-12)


def test_own_kernels_come_back_by_name() -> None:
    class Mine(RBF):
        pass

    config = (2.0 * Mine(0.5)).to_config()
    with pytest.raises(ValueError, match="config names the kernel 'Mine'"):
        from_config(config)
    assert isinstance(from_config(config, {"Mine": Mine}).base, Mine)


def test_copies_and_precision_of_parameters() -> None:
    kernel = RBF(0.5) + Linear()
    clone = copy.deepcopy(kernel).to(torch.float32)
    assert kernel.first.log_lengthscale.dtype == torch.float64
    assert clone.first.log_lengthscale.dtype == torch.float32
    assert clone(X).dtype == torch.float64
    assert kernel(X.float()).dtype == torch.float32
