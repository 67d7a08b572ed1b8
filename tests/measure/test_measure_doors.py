"""What arguments that are out of range are told."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.linalg
import torch

from mercer import checks
from mercer.kernels import RBF
from mercer.learn import containers
from mercer.learn.estimator import Estimator
from mercer.measure.counterfactual import counterfactual_weights, minimum_stein_discrepancy
from mercer.measure.discrepancy import mean_discrepancy
from mercer.measure.hypothesis import stein_test, two_sample_test
from mercer.measure.mean_field import minimise_measure
from mercer.measure.modes import find_mode
from mercer.measure.moments import GMM, KMM, MomentProblem
from mercer.measure.orlicz import orlicz_wasserstein
from mercer.measure.perturbation import find_modes
from mercer.measure.private import PrivateSum
from mercer.measure.proximity import (
    communicability,
    heat,
    heat_page_rank,
    logarithm,
    normalised_heat,
    page_rank,
    resistance_distance,
    shortest_path_commute_time_distance,
    sigmoid_commute_time,
)
from mercer.measure.quasimetric import IntervalQuasimetricEmbedding, interval_quasimetric
from mercer.measure.stein import kernel_stein_discrepancy
from mercer.measure.thinning import thin
from mercer.measure.tsne import TSNE
from mercer.measure.walk_jump import log_concave_chain

NAN = float("nan")
X = torch.randn(30, 2, generator=torch.Generator().manual_seed(0))
Y = torch.randn(20, 2, generator=torch.Generator().manual_seed(1))
Z = X[:, :1].double()
ZERO = torch.zeros(1, dtype=torch.float64)
MEAN = MomentProblem(lambda x, theta: x - theta, ZERO)
TREATED = torch.arange(30) % 2 == 0
PAIRS = torch.block_diag(*[torch.tensor([[0.0, 1.0], [1.0, 0.0]])] * 2)
LONE = torch.block_diag(PAIRS[:2, :2], torch.zeros(1, 1))


class _Reader(Estimator):
    pass


def score(x: torch.Tensor) -> torch.Tensor:
    return -x


def minimised(functional: Callable[[torch.Tensor], Any], steps: int = 3) -> Any:
    return minimise_measure(
        functional, torch.ones(5, 1), steps, step=0.1, friction=None, temperature=0.0
    )


def chain(smoothed: Callable[[torch.Tensor, float], torch.Tensor]) -> torch.Tensor:
    return log_concave_chain(smoothed, ZERO[None], noise=1.0, measurements=2, steps=2, step=0.1)


def square_root(x: torch.Tensor, theta: torch.Tensor) -> torch.Tensor:
    """A moment that the sample is in the domain of, and reference points around it are not."""
    return (x - float(Z.min())).sqrt() - theta


PROPENSITY = {"propensity": torch.full((30,), 0.5), "regularisation": 1.0}
SAMPLES = (mean_discrepancy, two_sample_test)

SENTENCES: list[tuple[str, Callable[[], object]]] = [
    # moments
    ("moment gives NaN at start and row 0 of x", lambda: KMM(
        MomentProblem(lambda x, theta: (x - theta) * NAN, ZERO)).fit(Z)),
    ("moment gives infinity at start and row 0 of x", lambda: GMM(
        MomentProblem(lambda x, theta: x / theta, ZERO)).fit(Z)),
    ("moment gives NaN at start and row .* of the reference points", lambda: KMM(
        MomentProblem(square_root, ZERO), reference="kde", reference_count=50, bandwidth=1.0,
        generator=torch.Generator().manual_seed(0)).fit(Z)),
    ("moment must be a function of points and parameters, got int",
     lambda: MomentProblem(3, ZERO)),  # type: ignore[arg-type]
    ("moment must return a torch.Tensor, got float", lambda: MomentProblem(
        lambda x, theta: 3.0, ZERO)(Z, ZERO)),  # type: ignore[arg-type, return-value]
    ("kernel must be a Kernel or FeatureMap, such as RBF.., got 'rbf'", lambda: KMM(
        MEAN, kernel="rbf").fit(Z)),  # type: ignore[arg-type]
    ("instruments must be a Kernel, a FeatureMap or a function of z, got 'rbf'", lambda: GMM(
        MEAN, instruments="rbf").fit(Z, Z)),  # type: ignore[arg-type]
    # samples and kernels
    *((sentence, lambda f=f, a=a: f(*a)) for f in SAMPLES for sentence, a in (
        ("Y is torch.float64 but X is torch.float32", (X, Y.double(), RBF())),
        ("X has 2 columns but Y has 1", (X, Y[:, :1], RBF())),
        ("X must be a torch.Tensor, got ndarray", (X.numpy(), Y.numpy(), RBF())),
        ("Y has NaN at row 0, column 0", (X, Y * NAN, RBF())),
        ("Y must be a sample of shape", (X, Y[:, 0], RBF())),
        ("kernel must be a Kernel, such as RBF.., got 'rbf'", (X, Y, "rbf")),
        ("kernel must be a Kernel, such as RBF.., got the class RBF", (X, Y, RBF)),
    )),
    ("the sample must be a torch.Tensor, got ndarray",
     lambda: stein_test(X.numpy(), RBF(), score)),  # type: ignore[arg-type]
    *(("kernel must be a Kernel, such as RBF.., got 'rbf'", f) for f in (
        lambda: stein_test(X, "rbf", score),  # type: ignore[arg-type]
        lambda: kernel_stein_discrepancy(X, "rbf", score),  # type: ignore[arg-type]
        lambda: minimum_stein_discrepancy(
            lambda t, y: -((y - t) ** 2).sum(-1), ZERO.float(), X, "rbf"),  # type: ignore[arg-type]
        lambda: counterfactual_weights(
            X, TREATED, kernel="rbf", **PROPENSITY),  # type: ignore[arg-type]
    )),
    ("function must be an OrliczFunction, such as Power.2.0., got 'w2'",
     lambda: orlicz_wasserstein(X, Y, "w2")),  # type: ignore[arg-type]
    # functions that are not differentiable, or NaN
    ("functional must give a differentiable tensor of the particles, got float",
     lambda: minimised(lambda x: 1.0)),
    ("functional must give a differentiable tensor of the particles, got one that does not depend",
     lambda: minimised(lambda x: torch.tensor(1.0))),
    ("functional must give a differentiable tensor of the particles, got one that does not depend",
     lambda: minimised(lambda x: torch.ones(1, requires_grad=True).sum())),
    ("functional gives NaN in iteration 1 at points of entries up to 1;",
     lambda: minimised(lambda x: (x * NAN).sum())),
    ("the gradient of functional gives infinity in iteration 1",
     lambda: minimised(lambda x: (x - 1).sqrt().sum())),
    ("functional gives NaN in iteration 2 at points of entries up to",
     lambda: minimised(lambda x: (x - 0.85).log().sum() + 0.4 * x.sum(), 9)),
    ("x is not finite after iteration .*; a smaller step",
     lambda: minimised(lambda x: 1e20 * (x**4).mean(), 9)),
    ("smoothed_score gives NaN in iteration 1 at points of entries up to 0;",
     lambda: chain(lambda y, noise: y * NAN)),
    ("log_density must be a differentiable tensor of its parameter", lambda: (
        minimum_stein_discrepancy(lambda t, y: -(y**2).sum(-1), ZERO.float(), X, RBF()))),
    ("log_density must be a differentiable tensor of its parameter", lambda: (
        minimum_stein_discrepancy(lambda t, y: t - (y**2).sum(-1), ZERO.float(), X, RBF()))),
    ("log_density is NaN at row 0 of starts", lambda: find_modes(lambda x: (x * NAN).sum(-1), X)),
    ("log_density is NaN at row 1 of starts", lambda: find_modes(
        lambda x: x.log().sum(-1) - x.sum(-1), torch.tensor([[1.0], [-1.0]]))),
    ("log_density has a gradient that is NaN at row 0", lambda: find_modes(
        lambda x: -(x**2).sum(-1).sqrt(), torch.zeros(1, 2))),
    # privacy
    *(("epsilon is too small for the noise to fit in integers", lambda e=e, d=d: (
        PrivateSum(RBF(), epsilon=e, delta=d).fit(X))) for e, d in (
            (1e-300, 0.0), (5e-324, 0.0), (5e-324, 1e-300))),
    # complex numbers and vectors
    ("^X must hold real numbers, got torch.complex64; pass real and imaginary parts as columns$",
     lambda: checks.floating("X", X + 0j)),
    ("^X must hold real numbers, got torch.complex64; pass real and imaginary parts as columns$",
     lambda: containers.points(_Reader(), X + 0j, reset=True)),
    ("^Complex data not supported: X must hold real numbers, pass real and imaginary parts as c",
     lambda: containers.points(_Reader(), X.numpy() + 0j, reset=True)),
    ("^means has NaN at index 1; remove", lambda: checks.finite("means", torch.tensor([0, NAN]))),
    ("^means has NaN; remove", lambda: checks.finite("means", torch.tensor(NAN))),
    ("^means has NaN at axis 0 0, axis 1 0, axis 2 0; remove",
     lambda: checks.finite("means", torch.full((1, 1, 1), NAN))),
    # graphs
    ("^resistance_distance needs a connected graph", lambda: resistance_distance(PAIRS)),
    ("^sigmoid_commute_time needs a connected graph", lambda: sigmoid_commute_time(PAIRS, 0.5)),
    ("^sigmoid_commute_time needs a connected graph",
     lambda: sigmoid_commute_time(PAIRS, 0.5, corrected=True)),
    ("^shortest_path_commute_time_distance needs a connected graph",
     lambda: shortest_path_commute_time_distance(PAIRS, 0.5)),
    ("^page_rank needs an edge at every node", lambda: page_rank(LONE, 0.5)),
    ("^heat_page_rank needs an edge at every node", lambda: heat_page_rank(LONE, 0.5)),
    *(("^t times the spectral radius is 1e.30, and beyond 4.5e.13 the rounding of torch.float64 "
       "decides the result; take a smaller t", lambda f=f: f(PAIRS.double(), 1e30))
      for f in (heat, normalised_heat, communicability, heat_page_rank)),
    ("beyond 8.4e.04 the rounding of torch.float32 decides the result; take float64 or a smaller",
     lambda: heat(PAIRS, 1e6)),
    # shapes
    ("^x has shape .5, 64. and y .4, 64., which do not broadcast", lambda: (
        IntervalQuasimetricEmbedding(64, 8)(torch.zeros(5, 64), torch.zeros(4, 64)))),
    ("^x has shape .5, 64. and y .4, 64., which do not broadcast", lambda: (
        interval_quasimetric(torch.zeros(5, 64), torch.zeros(4, 64), 8))),
    ("^X must have a column at least, got shape .32, 0.",
     lambda: thin(torch.zeros(32, 0), RBF(), 16)),
    ("X must have shape .n, d. with a row and a column at least, got .30, 0.",
     lambda: find_mode(X[:, :0], RBF())),
]  # fmt: skip


@pytest.mark.parametrize(
    ("sentence", "call"), SENTENCES, ids=[str(k) for k in range(len(SENTENCES))]
)
def test_what_is_wrong_is_said_in_one_sentence(sentence: str, call: Callable[[], object]) -> None:
    with pytest.raises((TypeError, ValueError), match=sentence) as caught:
        call()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("backend", ["auto", "torch"])
@pytest.mark.parametrize(
    ("dtype", "factor"),
    [(torch.float32, 2.0**83), (torch.float64, 2.0**664), (torch.float32, 2.0**-100)],
)
def test_tsne_of_data_whose_squares_are_out_of_range(
    dtype: torch.dtype, factor: float, backend: str
) -> None:
    def embedded(table: torch.Tensor, new: torch.Tensor) -> torch.Tensor:
        how: dict[str, Any] = {"max_iter": 9, "early_iter": 5, "transform_iter": 4}
        tsne = TSNE(perplexity=5, random_state=0, backend=backend, **how)
        fitted = tsne.fit_transform(table)
        assert bool((tsne.transform(table[:3]) == fitted[:3]).all())
        return torch.cat([fitted, tsne.transform(new)])

    table, new = X.to(dtype), Y.to(dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = embedded(table * factor, new * factor)
    assert bool((found == embedded(table, new)).all())  # factors are powers of two


def test_tsne_places_rows_that_are_far_larger_than_those_fitted() -> None:
    tsne = TSNE(perplexity=5, max_iter=9, early_iter=5, transform_iter=4, random_state=0).fit(X)
    assert bool(torch.isfinite(tsne.transform(X * 1e30)).all())


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_a_device_that_there_is_not() -> None:
    with pytest.raises(ValueError, match="device='cuda' needs a GPU that torch can use"):
        TSNE(device="cuda").fit(X)
    with pytest.raises(ValueError, match=r"device must be one of torch.*got 'nonsense'"):
        TSNE(device="nonsense").fit(X)


def test_tsne_makes_no_folder_for_its_picture(tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    steps: list[Any] = []
    with pytest.raises(ValueError, match=r"live must name a file in a folder that exists.*absent'"):
        TSNE(perplexity=5, live=absent / "x.png").fit(X, on_step=lambda *a: steps.append(a))
    assert not absent.exists()
    assert not steps


@pytest.mark.parametrize("power", [1, 2, 4])
def test_climbs_of_an_unbounded_density_end_without_warnings(power: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match=r"none of the 5 starts .* may have no bound"):
            find_modes(lambda x: (x**power).sum(-1), X[:5])


def test_a_start_that_leads_nowhere_leaves_the_modes_of_others() -> None:
    def hill(x: torch.Tensor) -> torch.Tensor:  # a mode at 0, and no bound above 2
        return torch.where(x < 2, -(x**2), x**2 - 8).sum(-1)

    found = find_modes(hill, torch.tensor([[5.0], [0.5]]))
    assert found.locations.shape == (1, 1)
    torch.testing.assert_close(found.locations, torch.zeros(1, 1))
    torch.testing.assert_close(found.covariances, torch.full((1, 1, 1), 0.5))


PATH = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 2.0], [0.0, 2.0, 0.0]])


@pytest.mark.parametrize("t", [100.0, 4000.0, 1e6, 1e12])
def test_heat_of_long_times(t: float) -> None:
    # By the eigenvectors of the Laplacian; the entries approach 1/3.
    values, vectors = scipy.linalg.eigh(np.diag(PATH.sum(0)) - PATH)
    exact = (vectors * np.exp(-t * values.clip(min=0))) @ vectors.T
    rounding = 1e-14 * max(t, 100.0)
    K = heat(PATH, t)
    np.testing.assert_allclose(K.dense(), exact, atol=rounding)
    v = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    np.testing.assert_allclose(K @ v, exact @ v.numpy(), atol=4 * rounding)


@pytest.mark.parametrize("t", [3.0, 4000.0])
def test_heat_of_float32_is_exact_to_its_rounding(t: float) -> None:
    exact = heat(PATH, t).dense().float()
    torch.testing.assert_close(heat(PATH.astype(np.float32), t).dense(), exact, rtol=1e-6, atol=0)


def test_heat_of_long_times_on_many_nodes() -> None:
    n, t = 300, 2e5  # a ring, whose eigenvalues are 2 - 2 cos(2 pi k / n)
    ring = torch.eye(n, dtype=torch.float64).roll(1, 0)
    K = heat(ring + ring.mT, t)
    angles = 2 * math.pi * torch.arange(n, dtype=torch.float64) / n
    wave = angles.cos()
    factor = math.exp(-t * (2 - 2 * math.cos(2 * math.pi / n)))
    torch.testing.assert_close(K @ wave, factor * wave, rtol=0, atol=1e-9)
    with pytest.raises(ValueError, match=r"products with the exponential are up to 1e\+08"):
        heat(ring + ring.mT, 1e9) @ wave


def test_gradient_of_long_times_is_that_of_the_entries() -> None:
    edge = torch.tensor([[0.0, 1.0], [1.0, 0.0]], dtype=torch.float64)
    t = torch.tensor(2e4, dtype=torch.float64, requires_grad=True)
    # log cosh(t) has the slope 1 there.
    (slope,) = torch.autograd.grad(logarithm(communicability(edge, t))[0, 0], t)
    assert float(slope) == pytest.approx(1.0, abs=1e-9)


def test_a_projection_to_more_dimensions_is_called_so() -> None:
    found = find_mode(X, RBF(), dimension=10, generator=torch.Generator().manual_seed(0))
    assert "in 10 dimensions, more than the 2 of the points, 1 projections;" in found.explain
    assert "in all 2 dimensions;" in find_mode(X, RBF()).explain
