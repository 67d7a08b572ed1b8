"""Weights of treated outcomes that make them a sample of the counterfactual law."""

from __future__ import annotations

from typing import Any

import torch
from sklearn.base import clone
from torch import Tensor

from mercer import checks
from mercer.kernels import Kernel
from mercer.linalg import solve
from mercer.operators import Identity

METHODS = ("doubly robust", "inverse propensity", "plug-in")


@torch.no_grad()
def counterfactual_weights(
    X: Tensor,
    treated: Tensor,
    *,
    propensity: Any,
    kernel: Kernel,
    regularisation: float,
    method: str = "doubly robust",
    folds: int = 2,
    clip: float = 0.01,
    generator: torch.Generator | None = None,
) -> Tensor:
    r"""Return weights :math:`w` with :math:`\sum_i w_i g(Y_i) \approx E\, g(Y^1)` for functions g.

    :math:`Y^1` is the outcome under treatment, seen where :math:`A_i = 1`. With the propensity
    :math:`\pi(x) = P(A = 1 | x)` and kernel ridge regression of ``g`` on the treated, which is
    :math:`\sum_i \beta_i(x) g(Y_i)` with the same :math:`\beta` for every ``g``,

    .. math:: w_i = \frac1n \Big( \frac{A_i}{\pi(X_i)}
       + \sum_j \Big(1 - \frac{A_j}{\pi(X_j)}\Big) \beta_i(X_j) \Big)

    The error is of the order of the product of those of :math:`\pi` and of the regression: either
    may be wrong.

    Parameters
    ----------
    X : Tensor, shape (n, d)
        Covariates.
    treated : Tensor of bool, shape (n,)
        ``A``.
    propensity : classifier or Tensor, shape (n,)
        A scikit-learn classifier with ``predict_proba``, fitted to the other folds; or known
        probabilities, above 0 and at most 1.
    kernel : Kernel
        Of the regression, in the units of ``X``.
    regularisation : float, positive
        Of the regression, added to the diagonal of the kernel's matrix.
    method : {"doubly robust", "inverse propensity", "plug-in"}
        Both terms, the first alone, or the regression alone.
    folds : int
        Each row's propensity and regression come from the other folds; 1 for all rows at once.
    clip : float
        Smallest estimated propensity.
    generator : torch.Generator, optional
        Of the folds, on the CPU.

    Returns
    -------
    Tensor, shape (n,)
        Zero where untreated; negative ones occur.

    Raises
    ------
    ValueError
        If a fold has too few of either kind, or an argument is not as said.

    Examples
    --------
    >>> from mercer.kernels import RBF
    >>> X = torch.tensor([[0.0], [0.0], [1.0], [1.0]])
    >>> treated = torch.tensor([True, False, True, True])
    >>> probability = torch.tensor([0.5, 0.5, 1.0, 1.0])
    >>> how = {"kernel": RBF(), "regularisation": 1.0, "method": "inverse propensity"}
    >>> counterfactual_weights(X, treated, propensity=probability, folds=1, **how)
    tensor([0.5000, 0.0000, 0.2500, 0.2500])

    References
    ----------
    D. Martinez-Taboada, E. Kennedy, "Counterfactual Density Estimation using Kernel Stein
    Discrepancies", ICLR 2024. https://arxiv.org/abs/2309.16129
    """
    _check(X, treated, method, clip)
    checks.instance("kernel", kernel, Kernel, "RBF()")
    checks.positive("regularisation", regularisation)
    n, A = len(X), treated.to(X)
    weights = X.new_zeros(n)
    for fold in _folds(n, checks.count("folds", folds), generator):
        others = torch.ones(n, dtype=torch.bool, device=X.device)
        if folds > 1:
            others[fold] = False
        donors = (others & treated).nonzero()[:, 0]  # whose outcomes the regression is made of
        if len(donors) < 2 or int((others & ~treated).sum()) == 0:
            raise ValueError(
                "every fold must leave at least two treated rows and an untreated one to learn "
                f"from; got {int(treated.sum())} treated rows of {n} and {folds} folds"
            )
        ratio = A[fold] / _propensity(propensity, X, treated, others, fold, clip)  # A / pi
        if method != "plug-in":
            weights[fold] += ratio / n
        if method != "inverse propensity":
            left = torch.ones_like(ratio) if method == "plug-in" else 1 - ratio
            K = kernel(X[donors]) + regularisation * Identity(len(donors), X.dtype, X.device)
            pulled = kernel(X[donors], X[fold]) @ left  # sum_j left_j k(., X_j)
            weights[donors] += solve(K, pulled).x / n
    return weights


def _propensity(
    propensity: Any, X: Tensor, treated: Tensor, others: Tensor, fold: Tensor, clip: float
) -> Tensor:
    if isinstance(propensity, Tensor):
        if propensity.shape != treated.shape:
            raise ValueError(
                f"propensity must have shape {tuple(treated.shape)}, got {tuple(propensity.shape)}"
            )
        p = checks.positive("propensity", propensity[fold])
        if bool((p > 1).any()):
            raise ValueError(f"propensity must be at most 1, got {float(p.max()):g}")
        return p.to(X)
    if not hasattr(propensity, "predict_proba"):
        raise TypeError(
            "propensity must be probabilities or a classifier with predict_proba, got "
            f"{type(propensity).__name__}"
        )
    model = clone(propensity).fit(X[others].cpu().numpy(), treated[others].cpu().numpy())
    p = torch.from_numpy(model.predict_proba(X[fold].cpu().numpy())[:, 1])
    return p.to(X).clamp_min(clip)


def _folds(n: int, folds: int, generator: torch.Generator | None) -> list[Tensor]:
    order = torch.randperm(n, generator=generator)
    return list(order.tensor_split(folds))


def _check(X: Tensor, treated: Tensor, method: str, clip: float) -> None:
    checks.finite("X", checks.floating("X", X))
    if X.ndim != 2:
        raise ValueError(f"X must have shape (n, d), got {tuple(X.shape)}")
    if treated.dtype != torch.bool or treated.shape != (len(X),):
        raise ValueError(
            f"treated must hold {len(X)} booleans, got {treated.dtype} of shape "
            f"{tuple(treated.shape)}"
        )
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    if not 0 < clip < 1:
        raise ValueError(f"clip must be between 0 and 1, got {clip:g}")
