"""Fast Gram matrices against the kernel's own matrix of all pairs and against qmcpy."""

import numpy as np
import pytest
import qmcpy
import torch

from mercer.features.gram import gram
from mercer.features.points import DigitalNet, Halton, Lattice
from mercer.kernels import (
    RBF,
    AdaptiveDigitallyShiftInvariant,
    DigitallyShiftInvariant,
    ShiftInvariant,
)
from mercer.linalg import logdet, solve
from mercer.operators import Circulant, Identity, Walsh

F64 = torch.float64
WEIGHTS = [0.7, 0.4, 1.1]


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(5)


SI = ShiftInvariant(3, [1, 2, 3], WEIGHTS, 2.0)
DSI = DigitallyShiftInvariant(3, [1, 3, 4], WEIGHTS, 2.0)
PAIRS = {
    "lattice": (SI, lambda: Lattice(3, generator=generator())),
    "lattice unshifted": (SI, lambda: Lattice(3, randomisation=None)),
    "lattice natural": (SI, lambda: Lattice(3, order="natural", generator=generator())),
    "lattice mixed orders": (
        ShiftInvariant(3, weights=WEIGHTS, combination=[0.4, 0.3, 0.2, 0.1]),
        lambda: Lattice(3, generator=generator()),
    ),
    "lattice replications": (SI, lambda: Lattice(3, generator=generator(), replications=2)),
    "lattice algebra": (
        2.0 * ShiftInvariant(3, 1) + ShiftInvariant(3, 2) * ShiftInvariant(3, 1) ** 2,
        lambda: Lattice(3, generator=generator()),
    ),
    "net": (DSI, lambda: DigitalNet(3, generator=generator())),
    "net gray": (DSI, lambda: DigitalNet(3, order="gray", generator=generator())),
    "net of order 2": (DSI, lambda: DigitalNet(3, alpha=2, generator=generator())),
    "net unscrambled": (DSI, lambda: DigitalNet(3, randomisation=None)),
    "net replications": (DSI, lambda: DigitalNet(3, generator=generator(), replications=2)),
    "net adaptive": (
        AdaptiveDigitallyShiftInvariant(3, [0.5, 1.0, 2.5], WEIGHTS),
        lambda: DigitalNet(3, generator=generator()),
    ),
    "net of two coordinates": (
        DigitallyShiftInvariant(2, 2, active_dimensions=[2, 0]),
        lambda: DigitalNet(3, generator=generator()),
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_equals_all_pairs(name):
    kernel, make = PAIRS[name]
    points, n = make(), 32
    K = gram(kernel, points, n)
    assert isinstance(K, Circulant if isinstance(points, Lattice) else Walsh)
    assert "psd" in K.tags
    D = kernel(points.points(n)).dense()
    torch.testing.assert_close(K.dense(), D, rtol=1e-10, atol=1e-10)
    b = torch.randn(n, 2, generator=generator(), dtype=F64)
    S = D + 0.1 * torch.eye(n, dtype=F64)
    found = solve(K + 0.1 * Identity(n), b, method="structure").x
    torch.testing.assert_close(found, torch.linalg.solve(S, b), rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(logdet(K + 0.1 * Identity(n), method="structure"), torch.logdet(S))


@pytest.mark.parametrize("alpha", [1, 2, 3, 4])
def test_equals_qmcpy(alpha):
    n, d = 64, 3
    lattice = qmcpy.Lattice(d, seed=7)
    x = lattice(n)
    theirs = qmcpy.KernelShiftInvar(d, alpha=alpha, scale=1.5, lengthscales=WEIGHTS)
    ours = Lattice(d, generating_vector=lattice.gen_vec.astype(np.int64).ravel())
    K = gram(ShiftInvariant(d, alpha, WEIGHTS, 1.5), ours, n)
    np.testing.assert_allclose(K.column, theirs(x, x[0]), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(K.dense(), theirs(x[:, None], x[None]), rtol=1e-9, atol=1e-9)

    net = qmcpy.DigitalNetB2(d, randomize="DS", seed=7)
    x = net(n)
    theirs = qmcpy.KernelDigShiftInvar(d, t=52, alpha=alpha, scale=1.5, lengthscales=WEIGHTS)
    K = gram(DigitallyShiftInvariant(d, alpha, WEIGHTS, 1.5), DigitalNet(d), n)
    ours_column = DigitallyShiftInvariant(d, alpha, WEIGHTS, 1.5)(torch.from_numpy(x))[:, 0]
    # qmcpy cuts the sum of order four at 1e-8.
    np.testing.assert_allclose(ours_column, theirs(x, x[0]), rtol=1e-6 if alpha == 4 else 1e-10)


@pytest.mark.parametrize("name", ["lattice", "net", "net adaptive"])
def test_marginal_likelihood_is_differentiable(name):
    kernel, make = PAIRS[name]
    points, n = make(), 16
    y = points.points(n).sin().sum(-1)
    names = [key for key, _ in kernel.named_parameters()]

    def loss(*values):
        def fit():
            S = gram(kernel, points, n) + 0.1 * Identity(n)
            return y @ solve(S, y).x + logdet(S)

        return torch.func.functional_call(
            Evaluate(kernel, fit), dict(zip(map("kernel.{}".format, names), values)), ()
        )

    values = [p.detach().clone().requires_grad_() for _, p in kernel.named_parameters()]
    assert torch.autograd.gradcheck(loss, values)


class Evaluate(torch.nn.Module):
    """A function of a kernel's parameters as a module that holds the kernel."""

    def __init__(self, kernel, function):
        super().__init__()
        self.kernel, self.function = kernel, function

    def forward(self):
        return self.function()


def test_interpolates():
    n = 1 << 12
    lattice = Lattice(2, generator=generator())
    x = lattice.points(n)
    f = lambda x: (1 + 0.5 * (2 * torch.pi * x).cos()).prod(-1)  # noqa: E731
    kernel = ShiftInvariant(2, 4)
    coefficients = solve(gram(kernel, lattice, n) + 1e-9 * Identity(n), f(x)).x
    z = torch.rand(50, 2, generator=generator(), dtype=F64)
    torch.testing.assert_close(kernel(z, x) @ coefficients, f(z), rtol=0, atol=1e-7)


def test_refusals():
    lattice, net = Lattice(3), DigitalNet(3)
    with pytest.raises(ValueError, match="kernel must be ShiftInvariant on a Lattice"):
        gram(DSI, lattice, 8)
    with pytest.raises(ValueError, match="kernel must be DigitallyShiftInvariant on a DigitalNet"):
        gram(SI, net, 8)
    with pytest.raises(ValueError, match="kernel must be ShiftInvariant"):
        gram(RBF(), lattice, 8)
    with pytest.raises(ValueError, match=r"points must be a lattice .* got a Halton"):
        gram(SI, Halton(3), 8)
    with pytest.raises(ValueError, match=r"got a DigitalNet .nested uniform scrambling"):
        gram(DSI, DigitalNet(3, randomisation="nested uniform scrambling"), 8)
    with pytest.raises(ValueError, match=r"got a Lattice .gray"):
        gram(SI, Lattice(3, order="gray"), 8)
    with pytest.raises(ValueError, match="n must be a power of two, got 12"):
        gram(SI, lattice, 12)
    with pytest.raises(ValueError, match="dimension is 3, but the points have 2 columns"):
        gram(SI, Lattice(2), 8)
