"""Graph random features: any power series of a weighted adjacency matrix from random walks."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from mercer.features.graph import (
    Graph,
    GraphRandomFeatures,
    LearnedModulation,
    cluster_nodes,
    diffusion,
    learn_modulation,
    mesh_graph,
    regress_nodes,
    relative_frobenius,
    solve_graph_ode,
    vertex_normals,
)
from mercer.papers.card import Paper
from mercer.papers.claim import Claim
from mercer.papers.features import _graph_data
from mercer.papers.result import Result

UNBIASED = "Estimates are unbiased for diffusion, regularised Laplacian, p-step and inverse cosine."
RATE = "The error falls as the square root of the number of walks."
TIME = "The time grows less than quadratically with the number of nodes."
LEARNED = "A modulation learned on one small graph lowers the error on other graphs."
EQUATION = "The error of a solved graph differential equation falls with the number of walks."
CLUSTERS = "Clusters of nodes agree with those of the exact kernel."
MESH = "Normals predicted on meshes are as near the truth as with the exact kernel."

PAPER = Paper(
    slug="universal-graph-random-features",
    folder="features",
    title="General Graph Random Features",
    url="https://arxiv.org/abs/2310.04859",
    authors="Isaac Reid, Krzysztof Choromanski, Eli Berger, Adrian Weller",
    year=2024,
    summary=(
        "Walks that end at random leave at each node they pass a load, weighted by a function of "
        "the length walked. The loads are sparse features of the node that they started from; the "
        "function, fixed by a convolution or learned, decides of which power series of the "
        "adjacency matrix their inner products are unbiased estimates."
    ),
    parts=(
        "mercer.features.graph.GraphRandomFeatures",
        "mercer.features.graph.Modulation",
        "mercer.features.graph.learn_modulation",
        "mercer.features.graph.solve_graph_ode",
        "mercer.features.graph.cluster_nodes",
        "mercer.features.graph.regress_nodes",
        "mercer.features.graph.mesh_graph",
    ),
    claims=(UNBIASED, RATE, TIME, LEARNED, EQUATION, CLUSTERS, MESH),
)

NOTE = (
    "First published as Universal Graph Random Features. Its tables were not at hand: where its "
    "abstract gives no figure, the column says what it claims. Real graphs: the karate club and "
    "Les Misérables (as in networkx), neighbours among the digits of scikit-learn, the terrain of "
    "Maunga Whau (volcano, R datasets). All kernels are of the normalised Laplacian L; 2-step is "
    "(2 I - L)^2; the inverse cosine is factored into two entire functions, see "
    "mercer.features.graph.inverse_cosine. The table has mean relative Frobenius errors."
)

WALKS = (4, 16, 64, 256, 1024)


class Line(NamedTuple):
    """Errors of one kernel on one graph, for each number of walks."""

    graph: str
    kernel: str
    errors: list[float]


class Mesh(NamedTuple):
    """Cosine similarities of predicted and true normals of a mesh, and the normals."""

    name: str
    estimated: float
    exact: float
    truth: Tensor  # [vertices, 3]
    found: Tensor


def run(scale: str, *, seed: int = 0) -> Result:
    """Measure the claims; see :func:`mercer.papers.run`.

    Parameters
    ----------
    scale : {"quick", "full"}
        ``full`` takes graphs of up to a million nodes.
    seed : int
        Of graphs, walks and masks.

    Returns
    -------
    Result
    """
    full = scale == "full"
    graphs = _graph_data.small_graphs(seed)
    z = _largest_z(graphs["karate club"], 1000 if full else 200, seed)
    lines = _lines(graphs, 20 if full else 3, seed)
    sizes = (10_000, 100_000, 1_000_000) if full else (10_000, 30_000, 100_000)
    seconds = [_seconds(n, seed) for n in sizes]
    learned = _learned(graphs, 400 if full else 100, seed)
    equation = _equation(graphs, 40 if full else 8, seed)
    agreement = _agreement(graphs, None if full else 500, seed)
    worst = min(agreement, key=lambda name: agreement[name][0])
    meshes = _meshes(seed)
    claims = (
        Claim.at_most(
            UNBIASED,
            paper="unbiased",
            measured=z,
            bound=5.0,
            unit="standard errors, the largest of 1156 sums of entries for each kernel",
            if_not="The estimates have a bias, or too few draws are averaged for a normal law.",
        ),
        Claim.between(
            RATE,
            paper=-0.5,
            measured=max(_slopes(lines), key=lambda slope: abs(slope + 0.5)),
            low=-0.6,
            high=-0.4,
            unit="slope in logarithms, that furthest from -1/2 of all graphs and kernels",
            if_not="At few walks the product of both errors and the diagonal's bias still count.",
        ),
        Claim.at_most(
            TIME,
            paper="below 2",
            measured=_slope(sizes, seconds),
            bound=1.9,
            unit=f"exponent from {sizes[0]} to {sizes[-1]} nodes",
            if_not="Something is done for every pair of nodes.",
        ),
        Claim.at_most(
            LEARNED,
            paper="below 1",
            measured=max(learned.values()),
            bound=0.99,
            unit="of the error of the unbiased modulation, the worst of the other graphs, 8 walks",
            if_not="What pays on the small graph does not pay on this one.",
        ),
        Claim.at_most(
            EQUATION,
            paper="falls",
            measured=max(line[-1] / line[0] for line in equation.values()),
            bound=0.5,
            unit="of the error with 4 walks, with 64 walks, on the worse graph",
            if_not="The error of the time integral is larger.",
        ),
        Claim.at_least(
            CLUSTERS,
            paper="agree",
            measured=agreement[worst][0],
            bound=0.5,
            unit="adjusted Rand index (0 by chance, 1 if equal), on the worst graph",
            if_not=(
                f"That is {worst}, where the exact kernel's own clusters, from other first "
                f"centres, have an index of {agreement[worst][1]:.2f}."
            ),
        ),
        Claim.at_least(
            MESH,
            paper="near 1",
            measured=min(mesh.estimated / mesh.exact for mesh in meshes),
            bound=0.95,
            unit="of the exact kernel's cosine similarity, on the worst mesh",
            if_not="Too few walks meet.",
        ),
    )
    return Result(
        claims=claims,
        columns=("graph", "kernel", *(f"{walks} walks" for walks in WALKS)),
        rows=tuple((line.graph, line.kernel, *line.errors) for line in lines),
        draw=lambda figure: _draw(figure, lines, learned, meshes),
        note=NOTE,
    )


def _largest_z(graph: Graph, draws: int, seed: int) -> float:
    """The largest error of a mean over draws, in standard errors.

    Single entries between far nodes are zero but for rare walks, and their means far from normal.
    Their sums with random signs, ``S K S'``, are nearly normal and as many as the entries.
    """
    generator, largest = torch.Generator().manual_seed(seed), 0.0
    signs = torch.randint(0, 2, (2, graph.n, graph.n), generator=generator).double() * 2 - 1
    for modulation, exact in _graph_data.kernels(graph).values():
        sums = torch.stack(
            [
                signs[0]
                @ (
                    GraphRandomFeatures(
                        graph, modulation, walks=64, ensembles=2, generator=generator
                    ).operator()
                    @ signs[1]
                )
                for _ in range(draws)
            ]
        )
        error = (sums.mean(0) - signs[0] @ exact @ signs[1]).abs()
        largest = max(largest, float((error / sums.std(0)).max()) * draws**0.5)
    return largest


def _lines(graphs: dict[str, Graph], draws: int, seed: int) -> list[Line]:
    """Mean relative Frobenius errors."""
    generator, lines = torch.Generator().manual_seed(seed), []
    for name, graph in graphs.items():
        for kernel, (modulation, exact) in _graph_data.kernels(graph).items():
            errors = [
                _mean_error(graph, modulation, exact, walks, draws, generator) for walks in WALKS
            ]
            lines.append(Line(name, kernel, errors))
    return lines


def _mean_error(
    graph: Graph, f: Any, exact: Tensor, walks: int, draws: int, generator: torch.Generator
) -> float:
    loss = relative_frobenius(exact)
    phis = (GraphRandomFeatures(graph, f, walks=walks, generator=generator) for _ in range(draws))
    return sum(loss(phi.operator()).item() for phi in phis) / draws


def _slopes(lines: list[Line]) -> list[float]:
    """For each graph and kernel, from 64 walks on."""
    return [_slope(WALKS[2:], line.errors[2:]) for line in lines]


def _slope(x: Any, y: Any) -> float:
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def _seconds(n: int, seed: int) -> float:
    """Processor time of walks, features and one product."""
    graph, v, times = _graph_data.large_graph(n, seed), torch.ones(n), []
    for _ in range(3):
        start = time.process_time()
        GraphRandomFeatures(graph, diffusion(), walks=4).operator() @ v
        times.append(time.process_time() - start)
    return min(times)


def _learned(graphs: dict[str, Graph], steps: int, seed: int) -> dict[str, float]:
    """Error with the learned modulation over that with the unbiased one, on each graph."""
    small, *others = graphs
    generator, ratios = torch.Generator().manual_seed(seed), {}
    unbiased, exact = _graph_data.kernels(graphs[small])["regularised Laplacian"]
    learned = LearnedModulation(unbiased)
    loss = relative_frobenius(exact)
    learn_modulation(learned, graphs[small], loss, walks=8, steps=steps, generator=generator)
    for name in others:
        exact = _graph_data.kernels(graphs[name])["regularised Laplacian"][1]
        with torch.no_grad():
            errors = [
                _mean_error(graphs[name], f, exact, 8, 20, generator) for f in (learned, unbiased)
            ]
        ratios[name] = errors[0] / errors[1]
    return ratios


def _equation(graphs: dict[str, Graph], draws: int, seed: int) -> dict[str, list[float]]:
    """Relative errors of diffusion from a pulsed node at time 1, with 4, 16 and 64 walks."""
    from scipy.integrate import solve_ivp

    lines = {}
    for name in ("karate club", "Les Misérables"):
        graph = graphs[name]
        W, pulse = graph.weights.dense().numpy(), np.eye(graph.n)[0]
        x0, source = torch.zeros(graph.n).double(), torch.from_numpy(pulse)
        exact = solve_ivp(
            lambda t, x, W=W, u=pulse: W @ x - x + np.cos(t) * u,
            (0.0, 1.0),
            x0.numpy(),
            rtol=1e-8,
            atol=1e-10,
        ).y[:, -1]
        generator, lines[name] = torch.Generator().manual_seed(seed), []
        for walks in (4, 16, 64):
            found = [
                solve_graph_ode(
                    graph,
                    x0,
                    torch.ones(1),
                    lambda t, u=source: np.cos(t) * u,
                    decay=1.0,
                    walks=walks,
                    nodes=5,
                    generator=generator,
                )[0].numpy()
                for _ in range(draws)
            ]
            error = np.mean([np.linalg.norm(x - exact) for x in found])
            lines[name].append(float(error / np.linalg.norm(exact)))
    return lines


def _agreement(
    graphs: dict[str, Graph], digits: int | None, seed: int
) -> dict[str, tuple[float, float]]:
    """Adjusted Rand index with the exact kernel's clusters.

    Of the clusters from the features, and of the exact kernel's own from other first centres.
    """
    from scipy import linalg
    from sklearn.cluster import KMeans
    from sklearn.metrics import adjusted_rand_score

    tasks = {
        "karate club": (graphs["karate club"], 2),
        "Les Misérables": (graphs["Les Misérables"], 6),
        "digits": (_graph_data.digits(digits), 10),
    }
    agreement, generator = {}, torch.Generator().manual_seed(seed)
    for name, (graph, clusters) in tasks.items():
        # The square root of the kernel has the exact features as its rows.
        root = linalg.expm(2.0 * (graph.weights.dense().numpy() - np.eye(graph.n)))
        exact, other = (
            KMeans(clusters, n_init=10, random_state=state).fit(root).labels_
            for state in (seed, seed + 1)
        )
        found = [
            cluster_nodes(
                GraphRandomFeatures(
                    graph, diffusion(8.0), walks=1024, p_halt=0.2, generator=generator
                ),
                clusters,
                random_state=seed,
            )
            for _ in range(3)
        ]
        mean = np.mean([adjusted_rand_score(exact, x.numpy()) for x in found])
        agreement[name] = float(mean), float(adjusted_rand_score(exact, other))
    return agreement


def _meshes(seed: int) -> list[Mesh]:
    """Normals at half of the vertices, masked and predicted from the others."""
    from scipy.sparse import csr_matrix
    from scipy.sparse.linalg import expm_multiply

    generator, results, variance = torch.Generator().manual_seed(seed), [], 4.0
    surfaces = {"torus": _graph_data.torus(), "Maunga Whau": _graph_data.terrain()[:2]}
    for name, (vertices, faces) in surfaces.items():
        n = len(vertices)
        normals, graph = vertex_normals(vertices, faces), mesh_graph(faces, n).normalised()
        masked, observed = torch.randperm(n, generator=generator).split((n + 1) // 2)
        phi = GraphRandomFeatures(graph, diffusion(variance), walks=32, generator=generator)
        found = regress_nodes(phi.operator(), observed, normals[observed])
        known = normals.clone()
        known[masked] = 0.0
        places = graph.weights.sparsity
        W = csr_matrix((graph.weights.values, (places.rows, places.cols)), (n, n))
        smooth = expm_multiply(0.5 * variance * W, known.numpy())  # up to a factor
        pair = [
            torch.cosine_similarity(torch.as_tensor(x)[masked], normals[masked]).mean().item()
            for x in (found, smooth)
        ]
        results.append(Mesh(name, *pair, normals, found))
    return results


def _draw(figure: Any, lines: list[Line], learned: dict[str, float], meshes: list[Mesh]) -> None:
    """Errors, what learning saves, and a terrain lit by true and by predicted normals."""
    error, bars, true, predicted = figure.subplots(
        1, 4, width_ratios=(1.5, 1.1, 1.0, 1.0), gridspec_kw={"wspace": 0.08}
    )
    for line in lines:
        if line.graph == "Les Misérables":
            error.plot(WALKS, line.errors, "o-", label=line.kernel)
    error.plot(WALKS, [0.3 / walks**0.5 for walks in WALKS], "k:", label="walks$^{-1/2}$")
    error.set(xscale="log", yscale="log", xlabel="walks from a node", ylabel="relative error")
    error.set_title("Les Misérables", fontsize=10)
    error.legend(fontsize=7)
    bars.barh(list(learned), list(learned.values()), color="C4")
    bars.axvline(1.0, color="k", linestyle=":")
    bars.set(xlabel="error, of the unbiased one's")
    bars.set_title("learned modulation", fontsize=10)
    bars.tick_params(axis="y", labelsize=8)
    terrain, size = meshes[-1], _graph_data.terrain()[2]
    light = torch.tensor([-0.6, -0.5, 0.62], dtype=torch.float64)
    for axes, normals, title in (
        (true, terrain.truth, "Maunga Whau"),
        (predicted, terrain.found, "half predicted"),
    ):
        shade = torch.nn.functional.normalize(normals, dim=1) @ light
        axes.imshow(shade.reshape(size), cmap="gray")
        axes.set_title(title, fontsize=9)
        axes.axis("off")
