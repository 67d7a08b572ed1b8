"""The optimal linear readout of features under squared error."""

from __future__ import annotations

from torch import Tensor

from mercer import checks
from mercer.linalg import solve
from mercer.operators import Dense, Identity, Operator


def ridge_readout(
    features: Tensor, targets: Tensor, *, ridge: float = 0.0, intercept: bool = True
) -> tuple[Tensor, Tensor]:
    r"""Minimise :math:`\frac1n \sum_i \|y_i - \Psi \phi_i - c\|^2 + \lambda \|\Psi\|^2`.

    The minimum solves :math:`(F^T F + n \lambda I) \Psi^T = F^T Y`, F and Y less their means; with
    fewer points than features, :math:`\Psi = A^T F` with :math:`(F F^T + n \lambda I) A = Y`.

    Parameters
    ----------
    features : Tensor, shape (n, D)
        ``F``; float32 or float64.
    targets : Tensor, shape (n, outputs)
        ``Y``, of the same dtype.
    ridge : float, at least 0
        :math:`\lambda`; above 0 where n is below D.
    intercept : bool
        Whether there is a constant ``c``, which is not penalised.

    Returns
    -------
    tuple of Tensor, shapes (outputs, D) and (outputs,)
        ``Psi`` and ``c``, solved in float64 and in the dtype of ``targets``.

    Raises
    ------
    ValueError
        If shapes do not fit, or ridge is zero with fewer points than features.
    torch.linalg.LinAlgError
        If ridge is zero and features are linearly dependent.

    Examples
    --------
    >>> import torch
    >>> x = torch.tensor([[0.0], [1.0], [2.0]])
    >>> ridge_readout(x, 3 * x + 1)
    (tensor([[3.]]), tensor([1.]))
    """
    if features.ndim != 2 or targets.ndim != 2 or len(features) != len(targets):
        raise ValueError(
            "features and targets must be matrices of as many rows, got "
            f"{tuple(features.shape)} and {tuple(targets.shape)}"
        )
    checks.finite("features", checks.floating("features", features))
    checks.finite("targets", checks.floating("targets", targets))
    n, D = features.shape
    checks.count("the number of points", n)
    ridge = checks.interval("ridge", ridge, 0.0, float("inf"))
    if ridge == 0 and n < D + intercept:
        raise ValueError(
            f"ridge must be positive where {n} points meet {D} features, got 0: "
            "the minimum is not unique"
        )
    F, Y = features.double(), targets.double()
    center = F.mean(0) if intercept else F.new_zeros(D)
    level = Y.mean(0) if intercept else Y.new_zeros(Y.shape[1])
    F = F - center
    dual = n < D
    gram: Operator = Dense(F @ F.mT if dual else F.mT @ F, tags={"symmetric", "psd"})
    if ridge > 0:
        gram = gram + n * ridge * Identity(gram.n, dtype=F.dtype, device=F.device)
    if dual:
        psi = solve(gram, Y - level).x.mT @ F  # [outputs, D]
    else:
        psi = solve(gram, F.mT @ (Y - level)).x.mT
    return psi.to(targets.dtype), (level - psi @ center).to(targets.dtype)
