"""The kernel machine that a fit asks for."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import torch
from sklearn.base import clone

from mercer import distributed
from mercer.cli.bad_input import BadInput
from mercer.cli.target import Target
from mercer.cli.trend import TREND, WithTrend

METHODS = ("auto", "exact", "cg", "askotch", "nystrom", "eigenpro")
TRENDS = ("linear", "none")
DEVICES = ("cpu", "cuda")
KERNELS = ("rbf", "matern12", "matern32", "matern52", "laplace")


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
    trend : str
        ``linear`` fits a line first and the kernel machine to what it leaves, for regression;
        ``none`` does not.
    seed : int
        Of every random choice.
    device : str
        ``cpu`` or ``cuda``: where the estimator computes.
    """

    method: str = "auto"
    kernel: str | None = None
    centers: int | None = None
    lengthscale: float | None = None
    regularisation: float | None = None
    trend: str = "linear"
    seed: int = 0
    device: str = "cpu"

    def __post_init__(self) -> None:
        _one_of("--method", self.method, METHODS)
        _one_of("--trend", self.trend, TRENDS)
        _one_of("--device", self.device, DEVICES)
        if self.device == "cuda" and not torch.cuda.is_available():
            raise BadInput("--device cuda needs a GPU that torch can use; leave it out for the CPU")
        if self.kernel is not None:
            _one_of("--kernel", self.kernel, KERNELS)
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
    """An unfitted ``KernelRegressor``, with its trend if there is one, or ``KernelClassifier``.

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
    built = machine(
        options.kernel,
        method=options.method,
        lengthscale=options.lengthscale,
        regularisation=options.regularisation,
        centers=options.centers,
        random_state=options.seed,
        verbose=verbose,
        checkpoint=None if checkpoint is None else str(checkpoint),
        device=options.device,
        distributed=distributed.is_initialised(),
    )
    if target.is_classification or options.trend == "none":
        return built
    return WithTrend(built)


def again(estimator: Any, rows: int) -> Any:
    """An unfitted copy for a fit to fewer rows, with the kernel and regularisation that were found.

    Parameters
    ----------
    estimator : object
        Made by :func:`build` and fitted.
    rows : int
        There are no more centres than this.
    """
    if isinstance(estimator, WithTrend):
        return WithTrend(again(estimator.machine, rows))
    copy = clone(estimator)
    return copy.set_params(
        kernel=estimator.kernel_,
        lengthscale=None,
        regularisation=estimator.regularisation_,
        centers=None if estimator.centers is None else min(estimator.centers, rows),
        checkpoint=None,
        verbose=False,
        distributed=False,
    )


def load(directory: Path) -> Any:
    """Read an estimator that its ``save`` wrote, with its trend if there is one."""
    from mercer import load as load_machine

    if (directory / TREND).is_file():
        return WithTrend.load(directory, load_machine)
    return load_machine(directory)


def _one_of(option: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise BadInput(f"{option} must be one of {', '.join(choices)}, got {value!r}")
