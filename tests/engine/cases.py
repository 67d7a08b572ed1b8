"""Profiles that between them use every part of the engine."""

from __future__ import annotations

import torch

CASES = {
    "gaussian": ("exp(-s0/2)", ["squared_distance"], 0),
    "matern32": ("(1+sqrt(3)*sqrt(s0))*exp(-sqrt(3)*sqrt(s0))", ["squared_distance"], 0),
    "matern12": ("exp(-sqrt(s0))", ["squared_distance"], 0),
    "laplace": ("exp(-s0)", ["l1_distance"], 0),
    "polynomial": ("(s0+p0)**3", ["dot"], 1),
    "rational quadratic": ("(1+s0/(2*p0))**(-p0)", ["squared_distance"], 1),
    "wendland": ("Max(0, 1-sqrt(s0)/4)**4*(sqrt(s0)+1)", ["squared_distance"], 0),
    "inverse multiquadric": ("(1+s0)**(-3/2)", ["squared_distance"], 0),
    "constant": ("p0", ["dot"], 1),
    "softmax": ("exp(s0)", ["dot"], 0),
    "two lengthscales": ("exp(-s0/2)+p0*exp(-s0)", ["squared_distance"], 1),
    "product of gaussians": ("exp(-s0/2)*exp(-s1)", ["squared_distance"] * 2, 0),
    "mixed": (
        "exp(-s0/2)*p0 + s1*exp(-s2/2) + exp(-s3)",
        ["squared_distance", "dot", "squared_distance", "l1_distance"],
        1,
    ),
}


def inputs(kinds, parameters, n, m, d, c, *, batch=(), dtype=torch.float64, scale=1.0):
    """Random points for each score, parameters and values."""
    X = [scale * torch.randn(*batch, n, d, dtype=dtype) for _ in kinds]
    Y = [scale * torch.randn(*batch, m, d, dtype=dtype) for _ in kinds]
    p = [torch.rand(batch, dtype=dtype) + 1 for _ in range(parameters)]
    V = torch.randn(*batch, m, c, dtype=dtype)
    return X, Y, p, V
