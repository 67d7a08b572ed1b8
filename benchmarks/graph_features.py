"""Graph random features from a thousand to a million nodes, beside the exact diffusion kernel.

python benchmarks/graph_features.py [--out benchmarks/results] [--nodes 1000 10000 ...]
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import scipy.linalg
import torch
from _harness import Table, median_seconds

from mercer.features.graph import Graph, GraphRandomFeatures, diffusion
from mercer.operators import Sparse

EXACT = 2000  # nodes up to which the matrix exponential is formed


def random_graph(n: int) -> Graph:
    """Five random permutations of the nodes, there and back: about ten edges a node."""
    generator = torch.Generator().manual_seed(0)
    ends = torch.cat([torch.randperm(n, generator=generator) for _ in range(5)])
    edges = torch.stack([torch.arange(n).repeat(5), ends])
    indices = torch.cat([edges, edges.flip(0)], 1)
    return Graph(Sparse(indices, torch.full((10 * n,), 0.1), (n, n)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default=None)
    parser.add_argument("--nodes", type=int, nargs="+", default=[1000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--walks", type=int, default=4)
    args = parser.parse_args()
    table = Table("graph_features", args.out)
    products = []
    for n in args.nodes:
        start = time.perf_counter()
        graph = random_graph(n)
        built = time.perf_counter() - start
        v = torch.ones(n)

        def draw() -> GraphRandomFeatures:
            return GraphRandomFeatures(graph, diffusion(), walks=args.walks)

        phi = draw()
        row = {
            "nodes": n,
            "walks": args.walks,
            "graph_s": built,
            "walks_s": median_seconds(draw, 3),
            "features_s": median_seconds(phi.features, 3),
            "operator_and_product_s": median_seconds(lambda: phi.operator() @ v, 3),
            "nonzeros": phi.features().values.shape[0],
        }
        products.append(row["walks_s"] + row["operator_and_product_s"])
        if n <= EXACT:
            dense = graph.weights.dense().numpy() - np.eye(n)
            row["expm_s"] = median_seconds(lambda: scipy.linalg.expm(0.5 * dense), 1, warm=0)
        table.add(row)
    if len(products) > 1:
        exponent = np.polyfit(np.log(args.nodes), np.log(products), 1)[0]
        table.add({"exponent": float(exponent)})
    table.close()


if __name__ == "__main__":
    main()
