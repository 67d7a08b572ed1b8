"""The kernel machine that a fit asks for."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from mercer.cli.bad_input import BadInput
from mercer.cli.target import Target

METHODS = ("auto", "exact", "cg", "askotch", "nystrom", "eigenpro")
KERNELS = {
    "rbf": ("RBF", {}),
    "matern12": ("Matern", {"nu": 0.5}),
    "matern32": ("Matern", {"nu": 1.5}),
    "matern52": ("Matern", {"nu": 2.5}),
    "laplace": ("Laplace", {}),
}


@dataclasses.dataclass(frozen=True)
class Options:
    """What the caller says about the estimator.

    Parameters
    ----------
    method : str
        One of ``METHODS``.
    kernel : str or None
        One of ``KERNELS``; None leaves it to the estimator.
    centers : int or None
        How many centres, for the methods that have them.
    lengthscale, regularisation : float or None
        Positive; None leaves them to the estimator.
    seed : int
        Of every random choice.
    """

    method: str = "auto"
    kernel: str | None = None
    centers: int | None = None
    lengthscale: float | None = None
    regularisation: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        _one_of("--method", self.method, METHODS)
        if self.kernel is not None:
            _one_of("--kernel", self.kernel, tuple(KERNELS))
        if self.centers is not None and self.centers < 1:
            raise BadInput(f"--centers must be at least 1, got {self.centers}")
        for name in ("lengthscale", "regularisation"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise BadInput(f"--{name} must be positive, got {value:g}")
        if self.seed < 0:
            raise BadInput(f"--seed must be at least 0, got {self.seed}")


def build(
    target: Target, options: Options, *, checkpoint: Path | None = None, verbose: bool = False
) -> Any:
    """An unfitted ``KernelRegressor`` or ``KernelClassifier``.

    Parameters
    ----------
    target : Target
        Decides which of the two.
    options : Options
        Passed on as they are.
    checkpoint : Path or None
        Where a long fit leaves what it has, and goes on from if it is there.
    verbose : bool
        Whether a long fit shows its progress.

    Returns
    -------
    estimator
        With the interface of scikit-learn.
    """
    from mercer.learn import KernelClassifier, KernelRegressor

    machine = KernelClassifier if target.is_classification else KernelRegressor
    return machine(
        _kernel(options.kernel),
        method=options.method,
        lengthscale=options.lengthscale,
        regularisation=options.regularisation,
        centers=options.centers,
        random_state=options.seed,
        verbose=verbose,
        checkpoint=None if checkpoint is None else str(checkpoint),
    )


def _kernel(name: str | None) -> Any:
    if name is None:
        return None
    import mercer.kernels

    cls, parameters = KERNELS[name]
    return getattr(mercer.kernels, cls)(**parameters)


def _one_of(option: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise BadInput(f"{option} must be one of {', '.join(choices)}, got {value!r}")
