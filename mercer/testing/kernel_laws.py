"""The laws of kernels: symmetry, positive definiteness, scaling, shifts, the spectral law."""

from __future__ import annotations

import torch
from torch import Tensor

from mercer.kernels import RBF, Kernel
from mercer.testing.kernel_comparison import agree, attempt, broken, points

# Standard errors allowed to a Monte Carlo mean: a correct law fails once in 10^8 comparisons.
SIGMAS = 6.0


def check_laws(kernel: Kernel, d: int, generator: torch.Generator) -> None:
    """Demand what makes a function of two points a kernel.

    Parameters
    ----------
    kernel : Kernel
        The kernel to judge.
    d : int
        Coordinates of a point.
    generator : torch.Generator
        Where points come from.
    """
    X, Y = points(9, d, generator), points(6, d, generator)
    X[3] = X[5]  # a point that occurs twice
    K = attempt("evaluation", kernel, lambda: kernel(X))
    D = attempt("evaluation", kernel, K.dense)
    if not bool(torch.isfinite(D).all()):
        raise broken("finite", kernel, "an entry is NaN or infinite")
    if not {"symmetric", "psd"} <= K.tags:
        raise broken("tags", kernel, f"k(X) must be tagged psd, got {sorted(K.tags)}")
    agree("symmetry", kernel, lambda: D.mT, D)
    exchanged = kernel(Y, X).dense().mT
    agree("symmetry k(x, y) = k(y, x)", kernel, lambda: kernel(X, Y).dense(), exchanged)
    agree("diagonal", kernel, lambda: kernel(X).diagonal(), D.diagonal())
    if not kernel.by_index:
        agree("k(X, X) = k(X)", kernel, lambda: kernel(X, X.clone()).dense(), D)
    _check_positive_definite(kernel, D)
    _check_algebra(kernel, X, D)
    if kernel.stationary:
        shift = 3 * points(1, d, generator)
        agree("shift", kernel, lambda: kernel(X + shift).dense(), D, 1e-10)
        agree("shift", kernel, lambda: kernel(X + shift, Y + shift).dense(), kernel(X, Y).dense(),
              1e-10, D)  # fmt: skip
        agree("constant diagonal", kernel, D.diagonal, D.diagonal()[:1].expand(len(X)))


def check_spectral_law(kernel: Kernel, d: int, draws: int, generator: torch.Generator) -> None:
    """Demand that ``k(x, y) / k(x, x)`` is the mean of ``cos(omega . (x - y))``.

    Parameters
    ----------
    kernel : Kernel
        The kernel to judge; one without frequencies passes.
    d : int
        Coordinates of a point.
    draws : int
        How many frequencies.
    generator : torch.Generator
        Where points and frequencies come from.
    """
    try:
        omega = kernel.frequencies(draws, d, generator)  # [draws, d]
    except NotImplementedError:
        return
    if omega.shape != (draws, d):
        raise broken("spectral law", kernel, f"frequencies have shape {tuple(omega.shape)}")
    X = points(8, d, generator)
    D = kernel(X).dense() / kernel(X).diagonal()[:1, None]
    difference = (X[:, None] - X).flatten(0, 1)  # [64, d]
    waves = (difference @ omega.mT).cos()  # [64, draws]
    mean, deviation = waves.mean(-1), waves.std(-1)
    allowed = SIGMAS * deviation / draws**0.5 + 1e-9
    error = (mean - D.flatten()).abs()
    if not bool((error <= allowed).all()):
        at = int((error / allowed).argmax())
        raise broken(
            "spectral law",
            kernel,
            f"the mean of {draws} cosines is {mean[at]:.4f} +- {allowed[at] / SIGMAS:.1g} where "
            f"the kernel is {D.flatten()[at]:.4f}",
        )


def _check_positive_definite(kernel: Kernel, D: Tensor) -> None:
    values = torch.linalg.eigvalsh(D)
    slack = 1e-13 * len(D) * float(D.abs().max())
    if float(values[0]) < -slack:
        raise broken(
            "positive definite", kernel, f"its matrix has the eigenvalue {float(values[0]):.3g}"
        )


def _check_algebra(kernel: Kernel, X: Tensor, D: Tensor) -> None:
    agree("scaling", kernel, lambda: (2.5 * kernel)(X).dense(), 2.5 * D)
    E = RBF()(X).dense()
    agree("sum", kernel, lambda: (kernel + RBF())(X).dense(), D + E, scale=D.abs() + E)
    agree("product", kernel, lambda: (RBF() * kernel)(X).dense(), D * E)
    agree("power", kernel, lambda: (kernel**2)(X).dense(), D.square())
