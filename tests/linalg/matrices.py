"""Matrices with known spectra, made without the library."""

import torch

F64 = torch.float64


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def randn(*shape, seed=0, dtype=F64):
    return torch.randn(*shape, generator=generator(seed), dtype=dtype)


def spd(n, *batch, seed=0, dtype=F64, condition=100.0):
    """Symmetric with eigenvalues log-spaced from 1 to ``condition``."""
    Q = torch.linalg.qr(randn(*batch, n, n, seed=seed)).Q
    values = torch.logspace(0, torch.log10(torch.tensor(condition)).item(), n, dtype=F64)
    A = (Q * values) @ Q.mT
    return (0.5 * (A + A.mT)).to(dtype)


def gaussian_gram(n, d=2, lengthscale=0.5, seed=0, dtype=F64):
    """The Gram matrix of a Gaussian kernel on random points: positive, with fast decay."""
    X = torch.rand(n, d, generator=generator(seed), dtype=F64)
    return torch.exp(-torch.cdist(X, X).square() / (2 * lengthscale**2)).to(dtype)
