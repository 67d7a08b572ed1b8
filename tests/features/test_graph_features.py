from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.integrate
import scipy.linalg
import scipy.sparse
import torch

from mercer.features.graph import (
    Graph,
    GraphRandomFeatures,
    LearnedModulation,
    Modulation,
    WalkEnsemble,
    cluster_nodes,
    diffusion,
    exponential,
    inverse_cosine,
    learn_modulation,
    matern,
    mesh_graph,
    p_step_random_walk,
    random_walks,
    regress_nodes,
    regularised_laplacian,
    relative_frobenius,
    solve_graph_ode,
    spawn,
    vertex_normals,
)
from mercer.testing import check_operator

F64 = torch.float64
A = np.array(  # weighted, irregular, with a node of one edge
    [
        [0.0, 1.0, 2.0, 0.0, 0.0],
        [1.0, 0.0, 0.5, 1.0, 0.0],
        [2.0, 0.5, 0.0, 0.0, 1.5],
        [0.0, 1.0, 0.0, 0.0, 0.0],
        [0.0, 0.0, 1.5, 0.0, 0.0],
    ]
)
W = A / np.sqrt(np.outer(A.sum(1), A.sum(1)))
L = np.eye(5) - W


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def copies(matrix: np.ndarray, count: int) -> scipy.sparse.csr_array:
    """A graph of many copies side by side: one draw of walks is many draws on the one."""
    return scipy.sparse.csr_array(scipy.sparse.kron(scipy.sparse.eye_array(count), matrix))


def estimates(
    matrix: np.ndarray, modulation, count: int, diagonal: str = "features", **options
) -> np.ndarray:
    """Independent estimates of the kernel, ``[count, n, n]``."""
    phi = GraphRandomFeatures(copies(matrix, count), modulation, **options)
    n = len(matrix)
    blocks = phi.operator(diagonal).dense().reshape(count, n, count, n)
    return blocks.diagonal(dim1=0, dim2=2).movedim(-1, 0).numpy()


def assert_mean(draws: np.ndarray, exact: np.ndarray) -> None:
    error = draws.std(0) / math.sqrt(len(draws)) + 1e-12
    assert np.abs((draws.mean(0) - exact) / error).max() < 5.0


# -- modulations ------------------------------------------------------------------------------


def series_of(kernel, radius: float, count: int) -> np.ndarray:
    """Taylor coefficients of a function of x = 1 - L, by Cauchy's integral."""
    x = radius * np.exp(2j * np.pi * np.arange(256) / 256)
    return (np.fft.fft(kernel(x)) / 256).real[:count] / radius ** np.arange(count)


KERNELS = {
    "diffusion": (diffusion(1.7), lambda x: np.exp(-0.85 * (1 - x))),
    "exponential": (exponential(-0.6), lambda x: np.exp(-0.6 * x)),
    "laplacian": (regularised_laplacian(1.0, 0.8), lambda x: 1 / (1 + 0.8 * (1 - x))),
    "squared laplacian": (regularised_laplacian(2.0), lambda x: (2 - x) ** -2),
    "matern": (matern(1.5, 1.2), lambda x: (1 + 1.44 / 3 * (1 - x)) ** -1.5),
    "two steps": (p_step_random_walk(2, 2.5), lambda x: (1.5 + x) ** 2),
    "three steps": (p_step_random_walk(3), lambda x: (1 + x) ** 3),
    "inverse cosine": (inverse_cosine(), lambda x: np.cos(np.pi / 4 * (1 - x))),
}


@pytest.mark.parametrize("name", KERNELS)
def test_the_convolution_of_the_modulations_is_the_kernel(name: str) -> None:
    modulation, kernel = KERNELS[name]
    f, g = modulation if isinstance(modulation, tuple) else (modulation, modulation)
    count = 24
    product = np.convolve(f(count).numpy(), g(count).numpy())[:count]
    expected = series_of(kernel, 0.9, count)
    np.testing.assert_allclose(product, expected, atol=1e-12, rtol=1e-9)
    if f.longest is not None:
        assert not f(40)[f.longest + 1 :].any()
        assert f(40)[f.longest] != 0


def test_the_square_root_of_a_series_is_that_of_scipy_and_of_the_closed_form() -> None:
    f = Modulation.from_series(lambda k: 1 / math.factorial(k))(12)
    torch.testing.assert_close(f, exponential(1.0)(12), rtol=1e-9, atol=1e-15)
    cosine = Modulation.from_series(
        lambda k: math.cos(math.pi / 4 - k * math.pi / 2) * (math.pi / 4) ** k / math.factorial(k)
    )(30)
    expected = series_of(lambda x: np.sqrt(np.cos(np.pi / 4 * (1 - x))), 0.7, 30)
    np.testing.assert_allclose(cosine.numpy(), expected, atol=1e-10)
    assert Modulation.from_series([4.0])(0).shape == (0,)


# -- walks ------------------------------------------------------------------------------------


def enumerated(start: int, p_halt: float, f: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and second moments of one walk's features, summed over all walks of bounded length."""
    neighbours = [np.flatnonzero(row) for row in W]
    last = len(f) - 1
    mean, second = np.zeros(5), np.zeros((5, 5))
    walks = [(start, 1.0, 1.0, f[0] * np.eye(5)[start])]  # node, probability, load, features
    for l in range(last + 1):
        ends = p_halt if l < last else 1.0
        onward = []
        for u, probability, load, phi in walks:
            mean += probability * ends * phi
            second += probability * ends * np.outer(phi, phi)
            for v in neighbours[u] if l < last else ():
                step = (1 - p_halt) / len(neighbours[u])
                loaded = load * W[u, v] / step
                onward.append(
                    (v, probability * step, loaded, phi + f[l + 1] * loaded * np.eye(5)[v])
                )
        walks = onward
    return mean, second


P_HALT = 0.4
SHORT = 0.5 ** np.arange(8) * [1, -1, 1, 1, -1, 1, 1, 1]
MOMENTS = [enumerated(start, P_HALT, SHORT) for start in range(5)]
short = Modulation(lambda count: torch.from_numpy(SHORT[:count]), longest=7)


def test_the_enumerated_mean_is_the_power_series() -> None:
    exact = sum(SHORT[l] * np.linalg.matrix_power(W, l) for l in range(8))
    np.testing.assert_allclose(np.stack([mean for mean, _ in MOMENTS]), exact, atol=1e-12)


def test_walks_have_the_moments_of_their_enumeration() -> None:
    count = 20_000
    ensemble = random_walks(Graph(W), count, P_HALT, seeded(), short.longest)
    assert ensemble.longest == 7
    f = short(8)
    phi = torch.zeros(count * 5, 5, dtype=F64)
    loads = ensemble.load * f[ensemble.length]
    phi.index_put_((ensemble.trace, ensemble.node), loads, accumulate=True)
    single = phi.reshape(count, 5, 5).numpy()  # [walk, start, node]
    for start, (mean, second) in enumerate(MOMENTS):
        of_start = single[:, start]
        products = of_start[:, :, None] * of_start[:, None, :]
        for found, expected in ((of_start, mean), (products, second)):
            error = found.std(0) / math.sqrt(count) + 1e-12
            assert np.abs((found.mean(0) - expected) / error).max() < 5
    np.testing.assert_allclose(ensemble.features(f).dense(), single.mean(0), atol=1e-12)


def test_the_variance_of_an_entry_is_that_of_the_enumeration() -> None:
    walks, count = 3, 4000
    phi = GraphRandomFeatures(
        W, short, walks=walks * count, p_halt=P_HALT, ensembles=2, generator=seeded(1)
    )
    f, groups = short(8), []
    for ensemble in (phi.first, phi.second):
        rows = ensemble.trace % (5 * count)  # three walks of one number go into one estimate
        parts = torch.zeros(5 * count, 5, dtype=F64)
        loads = ensemble.load * f[ensemble.length] / walks
        parts.index_put_((rows, ensemble.node), loads, accumulate=True)
        groups.append(parts.reshape(count, 5, 5).numpy())
    entries = groups[0] @ groups[1].transpose(0, 2, 1)  # [count, 5, 5]
    mean = np.stack([m for m, _ in MOMENTS])
    outer = mean[:, :, None] * mean[:, None, :]
    moments = outer + (np.stack([s for _, s in MOMENTS]) - outer) / walks
    variance = np.einsum("iab,jba->ij", moments, moments) - (mean @ mean.T) ** 2
    deviations = (entries - entries.mean(0)) ** 2
    error = deviations.std(0) / math.sqrt(count)
    assert np.abs((deviations.mean(0) - variance) / error).max() < 5


def test_a_node_without_edges_keeps_its_walks() -> None:
    graph = Graph(np.diag([1.0, 0.0, 0.0]) + np.eye(3, k=1))
    ensemble = random_walks(graph, 50, 0.2, seeded())
    assert set(ensemble.node[ensemble.trace % 3 == 2].tolist()) == {2}
    assert int((ensemble.trace % 3 == 2).sum()) == 50


# -- features ---------------------------------------------------------------------------------

EXACT = {
    "diffusion": (diffusion(2.0), scipy.linalg.expm(-L)),
    "laplacian": (regularised_laplacian(1.0), scipy.linalg.inv(np.eye(5) + L)),
    "two steps": (p_step_random_walk(2), np.linalg.matrix_power(2 * np.eye(5) - L, 2)),
    "three steps": (p_step_random_walk(3), np.linalg.matrix_power(2 * np.eye(5) - L, 3)),
    "inverse cosine": (inverse_cosine(), scipy.linalg.cosm(np.pi / 4 * L)),
}


@pytest.mark.parametrize("name", EXACT)
def test_two_ensembles_are_unbiased_everywhere(name: str) -> None:
    modulation, exact = EXACT[name]
    assert_mean(estimates(W, modulation, 200, walks=60, ensembles=2), exact)


def test_one_ensemble_is_biased_on_the_diagonal_by_the_variance_of_the_features() -> None:
    exact = sum(SHORT[l] * np.linalg.matrix_power(W, l) for l in range(8))
    exact = exact @ exact
    bias = np.diag([np.trace(s - np.outer(m, m)) / 4 for m, s in MOMENTS])
    options = {"walks": 4, "p_halt": P_HALT}
    draws = estimates(W, short, 400, **options)
    assert_mean(draws, exact + bias)
    assert (np.diag(draws.mean(0) - exact) > 5 * np.diag(draws.std(0)) / 20).any()
    assert_mean(estimates(W, short, 400, "unbiased", **options), exact)


def test_walks_on_a_directed_graph_are_unbiased() -> None:
    directed = np.array([[0.0, 0.6, 0.0], [0.0, 0.2, -0.5], [0.7, 0.0, 0.0]])
    assert_mean(estimates(directed, exponential(1.0), 300, walks=60), scipy.linalg.expm(directed))


def test_the_error_falls_with_the_square_root_of_the_walks() -> None:
    exact, sizes = scipy.linalg.expm(-L), (50, 400, 3200)
    errors = [
        np.linalg.norm(estimates(W, diffusion(2.0), 40, walks=m) - exact, axis=(1, 2)).mean()
        for m in sizes
    ]
    slope = np.polyfit(np.log(sizes), np.log(errors), 1)[0]
    assert -0.56 < slope < -0.46


def test_shards_are_independent_streams_that_merge() -> None:
    graph = Graph(W)
    phi = GraphRandomFeatures(graph, diffusion(), walks=7, shards=3, generator=seeded(5))
    streams = spawn(seeded(5), 3)
    parts = [random_walks(graph, k, 0.5, g) for k, g in zip((3, 2, 2), streams)]
    f = diffusion()(40)
    whole = sum(part.walks * part.features(f).dense() for part in parts) / 7
    torch.testing.assert_close(phi.features().dense(), whole)
    merged = WalkEnsemble.merge(parts)
    torch.testing.assert_close(merged.diagonal_bias(f), phi.first.diagonal_bias(f))
    assert len({tuple(part.load[:15].tolist()) for part in parts}) == 3
    draws = estimates(W, diffusion(2.0), 200, walks=60, ensembles=2, shards=6)
    assert_mean(draws, scipy.linalg.expm(-L))


def test_a_seed_is_a_map() -> None:
    one, two, other = (
        GraphRandomFeatures(W, diffusion(), generator=seeded(k)).features().dense()
        for k in (1, 1, 2)
    )
    assert torch.equal(one, two)
    assert not torch.equal(one, other)


def test_forms_of_the_features() -> None:
    phi = GraphRandomFeatures(W, diffusion(), walks=5)
    dense = phi.features().dense()
    np.testing.assert_array_equal(phi.sparse().toarray(), dense)
    nodes = torch.tensor([3, 0])
    torch.testing.assert_close(phi(nodes), dense[nodes])
    assert "psd" in phi.operator().tags
    assert "psd" not in phi.operator("unbiased").tags
    single = GraphRandomFeatures(W.astype(np.float32), diffusion(), walks=5)
    assert single.operator().dtype == torch.float32
    torch.testing.assert_close(single.features().dense().double(), dense, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("ensembles", [1, 2])
def test_the_operator_fulfils_the_contract(ensembles: int) -> None:
    ensemble = GraphRandomFeatures(W, short, walks=3, p_halt=P_HALT, ensembles=ensembles)

    def make(f: torch.Tensor):
        phi = ensemble.first.features(f)
        if ensembles == 1:
            return phi @ phi.mT
        return phi @ ensemble.second.features(f).mT

    check_operator(make, short(8), dtypes=(F64,), compiled=False)
    torch.testing.assert_close(make(short(8)).dense(), ensemble.operator().dense())


# -- graphs -----------------------------------------------------------------------------------


def test_every_container_is_the_same_graph() -> None:
    tensor = torch.from_numpy(A)
    for made in (
        A,
        scipy.sparse.csr_matrix(A),
        scipy.sparse.coo_array(A),
        tensor,
        tensor.to_sparse(),
        tensor.to_sparse_csr(),
        Graph(A),
        Graph(A).weights,
    ):
        graph = Graph(made)
        assert graph.symmetric
        torch.testing.assert_close(graph.weights.dense(), tensor)
    np.testing.assert_allclose(Graph(A).normalised().weights.dense(), W, atol=1e-15)
    counts = Graph(scipy.sparse.eye_array(3, k=1, dtype=np.int64))
    assert not counts.symmetric
    assert counts.weights.dtype == F64
    assert torch.equal(counts.transposed.weights.dense(), counts.weights.dense().mT)
    assert counts.degrees.tolist() == [1, 1, 0]
    lone = GraphRandomFeatures(Graph(np.zeros((2, 2))).normalised(), diffusion(4.0))
    np.testing.assert_allclose(lone.features().dense(), np.eye(2) / math.e)


BAD = [
    (lambda: Graph(np.zeros((2, 3))), "adjacency must be a square matrix, got shape (2, 3)"),
    (lambda: Graph(torch.zeros(3)), "adjacency must be a square matrix, got shape (3,)"),
    (lambda: Graph(np.array([[0, np.nan], [1, 0]])), "NaN or infinity at row 0, column 1"),
    (lambda: Graph(torch.eye(2).half()), "float32 or float64"),
    (lambda: Graph(np.array([["a"]])), "real numbers"),
    (lambda: Graph([[1.0]]), "must be a torch.Tensor, got list"),
    (lambda: Graph(np.eye(3, k=1)).normalised(), "must be symmetric"),
    (lambda: Graph(-np.eye(2)).normalised(), "got -1 at row 0, column 0"),
    (lambda: random_walks(Graph(W), 0, 0.5, seeded()), "walks must be at least 1"),
    (lambda: random_walks(Graph(W), 1, 1.0, seeded()), "p_halt must be above 0 and below 1, got 1"),
    (lambda: GraphRandomFeatures(W, diffusion(), walks=1, shards=2), "shards must be at most"),
    (lambda: GraphRandomFeatures(W, diffusion(), ensembles=3), "ensembles must be 1 or 2, got 3"),
    (lambda: GraphRandomFeatures(W, inverse_cosine(), ensembles=1), "got 1"),
    (lambda: GraphRandomFeatures(np.eye(3, k=1), diffusion(), ensembles=1), "directed graph"),
    (lambda: GraphRandomFeatures(W, 1.0), "a Modulation or a pair of them, got 1.0"),
    (lambda: GraphRandomFeatures(W, diffusion()).operator("x"), "got 'x'"),
    (lambda: GraphRandomFeatures(W, diffusion(), walks=1).operator("unbiased"), "at least 2"),
    (lambda: WalkEnsemble.merge([]), "parts must be ensembles on one graph"),
    (lambda: Modulation.from_series([0.0, 1.0]), "alpha[0] must be positive, got 0"),
    (lambda: diffusion(-1.0), "variance must be positive, got -1"),
    (lambda: p_step_random_walk(2, 1.5), "shift must be at least 2, got 1.5"),
    (lambda: LearnedModulation(diffusion(), hidden=0), "hidden must be at least 1"),
    (lambda: regress_nodes(identity(), torch.tensor([0, 0]), torch.ones(2).double()), "once"),
    (lambda: regress_nodes(identity(), torch.tensor([0]), torch.ones(2).double()), "shapes"),
    (lambda: regress_nodes(identity(), torch.tensor([0]), torch.ones(1).double()), "node 1 has no"),
    (lambda: solve_graph_ode(W, torch.ones(4).double(), torch.ones(1)), "x0 must have shape (5,)"),
    (lambda: solve_graph_ode(W, torch.ones(5).double(), -torch.ones(1)), "times must be"),
    (lambda: cluster_nodes(GraphRandomFeatures(W, diffusion()), 6), "at most 5"),
]


def identity():
    phi = Graph(np.eye(3)).weights
    return phi @ phi.mT


@pytest.mark.parametrize(("call", "message"), BAD)
def test_bad_input_is_refused_in_one_sentence(call, message: str) -> None:
    with pytest.raises((ValueError, TypeError)) as caught:
        call()
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


# -- uses -------------------------------------------------------------------------------------


def ring(n: int, k: int) -> np.ndarray:
    """A ring whose nodes see their k nearest on each side; normalised."""
    steps = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
    steps = np.minimum(steps, n - steps)
    return ((steps > 0) & (steps <= k)) / (2.0 * k)


def test_the_gradient_reaches_the_modulation() -> None:
    phi = GraphRandomFeatures(W, LearnedModulation(diffusion(), hidden=2), walks=4)
    slope, shift, weight = phi.parameters()
    weight.data.fill_(0.3)

    def value(*parameters: torch.Tensor) -> torch.Tensor:
        K = torch.func.functional_call(
            _Operator(phi),
            dict(
                zip(
                    ("phi.modulation.slope", "phi.modulation.shift", "phi.modulation.weight"),
                    parameters,
                )
            ),
            (),
        )
        return K.square().sum()

    assert torch.autograd.gradcheck(value, (slope, shift, weight))


class _Operator(torch.nn.Module):
    def __init__(self, phi: GraphRandomFeatures) -> None:
        super().__init__()
        self.phi = phi

    def forward(self) -> torch.Tensor:
        return self.phi.operator().dense()


def test_a_learned_modulation_lowers_the_error_on_another_graph() -> None:
    learned = LearnedModulation(diffusion(4.0))
    target = torch.from_numpy(scipy.linalg.expm(-2 * (np.eye(15) - ring(15, 2))))
    losses = learn_modulation(
        learned, ring(15, 2), relative_frobenius(target), walks=4, steps=60, learning_rate=0.05
    )
    assert np.mean(losses[-10:]) < np.mean(losses[:10])
    other = ring(24, 3)
    loss = relative_frobenius(torch.from_numpy(scipy.linalg.expm(-2 * (np.eye(24) - other))))
    fixed, fitted = (
        np.mean(
            [
                loss(GraphRandomFeatures(other, f, walks=4, generator=seeded(k)).operator()).item()
                for k in range(20)
            ]
        )
        for f in (diffusion(4.0), learned)
    )
    assert fitted < fixed


def test_the_differential_equation_is_that_of_scipy() -> None:
    x0 = torch.tensor([1.0, 0.0, -1.0, 2.0, 0.5], dtype=F64)
    times = torch.tensor([0.0, 0.7, 2.0])
    direction = torch.tensor([0.0, 1.0, 0.0, 0.0, -1.0], dtype=F64)
    exact = scipy.integrate.solve_ivp(
        lambda t, x: -L @ x + np.cos(t) * direction.numpy(),
        (0.0, 2.0),
        x0.numpy(),
        t_eval=times.numpy(),
        rtol=1e-9,
        atol=1e-11,
    ).y.T

    count = 60
    found = solve_graph_ode(
        copies(W, count),
        x0.repeat(count),
        times,
        lambda t: math.cos(t) * direction.repeat(count),
        decay=1.0,
        walks=40,
        nodes=6,
    )
    torch.testing.assert_close(found[0], x0.repeat(count))
    assert_mean(found.reshape(3, count, 5).transpose(0, 1).numpy(), exact)


def test_clusters_are_the_components() -> None:
    blocks = scipy.linalg.block_diag(ring(12, 2), ring(9, 2), ring(10, 2))
    phi = GraphRandomFeatures(blocks, diffusion(8.0), walks=200, p_halt=0.3)
    labels = cluster_nodes(phi, 3)
    truth = np.repeat([0, 1, 2], [12, 9, 10])
    pairs = {(int(a), int(b)) for a, b in zip(labels, truth)}
    assert len(pairs) == 3


def test_a_mesh_has_its_sides_as_edges_and_its_normals() -> None:
    corners = torch.cat([torch.eye(3), -torch.eye(3)]).double()  # an octahedron
    faces = [
        (a, b, c) if (signs.count(1) % 2) == 0 else (a, c, b)
        for signs in itertools.product((0, 1), repeat=3)
        for a, b, c in [tuple(k + 3 * sign for k, sign in enumerate(signs))]
    ]
    graph = mesh_graph(torch.tensor(faces), 6)
    opposite = torch.eye(6).roll(3, 0).double()
    torch.testing.assert_close(
        graph.weights.dense(), torch.ones(6, 6).double() - torch.eye(6) - opposite
    )
    normals = vertex_normals(
        torch.tensor([1.0, 2.0, 3.0] * 6).double().reshape(6, 3) * corners, torch.tensor(faces)
    )
    torch.testing.assert_close(normals, corners)
    with pytest.raises(ValueError, match="faces must be int64 of shape"):
        mesh_graph(torch.zeros(2, 4).long(), 4)
    with pytest.raises(ValueError, match="vertices must have shape"):
        vertex_normals(torch.zeros(3, 2), torch.tensor([[0, 1, 2]]))


def test_regression_is_that_of_the_dense_matrix() -> None:
    from sklearn.kernel_ridge import KernelRidge

    K = GraphRandomFeatures(W, diffusion(2.0), walks=200).operator()
    D, observed = K.dense().numpy(), [4, 0, 2]
    values = np.array([[1.0, 2.0], [0.0, -1.0], [3.0, 0.5]])
    nodes, y = torch.tensor(observed), torch.from_numpy(values)
    smooth = D[:, observed] @ values / D[:, observed].sum(1, keepdims=True)
    np.testing.assert_allclose(regress_nodes(K, nodes, y), smooth)
    np.testing.assert_allclose(regress_nodes(K, nodes, y[:, 0]), smooth[:, 0])
    ridge = KernelRidge(alpha=0.1, kernel="precomputed").fit(D[np.ix_(observed, observed)], values)
    np.testing.assert_allclose(
        regress_nodes(K, nodes, y, regularisation=0.1), ridge.predict(D[:, observed]), atol=1e-8
    )
