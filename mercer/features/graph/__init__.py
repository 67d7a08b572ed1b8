"""Random features of the nodes of a graph, from random walks."""

from mercer.features.graph.clustering import cluster_nodes
from mercer.features.graph.differential_equation import solve_graph_ode
from mercer.features.graph.graph import Graph
from mercer.features.graph.graph_random_features import GraphRandomFeatures
from mercer.features.graph.learning import learn_modulation, relative_frobenius
from mercer.features.graph.mesh import mesh_graph, vertex_normals
from mercer.features.graph.modulation import LearnedModulation, Modulation
from mercer.features.graph.named import (
    diffusion,
    exponential,
    inverse_cosine,
    matern,
    p_step_random_walk,
    regularised_laplacian,
)
from mercer.features.graph.regression import regress_nodes
from mercer.features.graph.walks import WalkEnsemble, random_walks, spawn

__all__ = [
    "Graph",
    "GraphRandomFeatures",
    "LearnedModulation",
    "Modulation",
    "WalkEnsemble",
    "cluster_nodes",
    "diffusion",
    "exponential",
    "inverse_cosine",
    "learn_modulation",
    "matern",
    "mesh_graph",
    "p_step_random_walk",
    "random_walks",
    "regress_nodes",
    "regularised_laplacian",
    "relative_frobenius",
    "solve_graph_ode",
    "spawn",
    "vertex_normals",
]
