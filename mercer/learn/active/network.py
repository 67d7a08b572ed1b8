"""A fully connected network for tables, as a scikit-learn estimator."""

from __future__ import annotations

from typing import Any

import torch
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from mercer import checks
from mercer.learn import containers
from mercer.learn.active.ensemble import SETTINGS, Ensemble
from mercer.learn.active.standardise import Standardise, moments
from mercer.learn.progress import Progress
from mercer.learn.regression import RegressionEstimator


class NetworkRegressor(RegressionEstimator):
    r"""A fully connected network in tangent parametrisation, trained by Adam on squared errors.

    The learning rate falls linearly to zero over all epochs; the weights kept are those of the
    epoch with the least error on validation rows.

    Parameters
    ----------
    hidden : tuple of int
        Widths of the hidden layers.
    activation : {"relu", "silu"}
        Goes with gains of weights and biases and a learning rate: 0.2, 0.2 and 0.375, or 0.5, 1 and
        0.15.
    epochs : int
        Passes over the training rows.
    batch_size : int
        Rows in a step.
    learning_rate : float, optional
        Of the first step, positive; by default that of the activation.
    validation_fraction : float, in [0, 1)
        Share of the rows held back where ``fit`` is given no others; 0 for none.
    standardise : bool
        Whether columns are shifted and scaled to mean 0 and deviation 1 first. Targets always are.
    random_state : int, RandomState or None
        Of the weights, the rows held back and the order.
    verbose : bool
        Whether to show progress on stderr.

    Attributes
    ----------
    weights_, biases_ : list of Tensor
        Of the layers, in tangent parametrisation.
    centre_, scale_, target_centre_, target_scale_ : Tensor
        What columns and targets are standardised by.
    history_ : list of dict
        One record an epoch: ``iteration``, ``of``, ``validation_error`` in standardised units.

    References
    ----------
    D. Holzmüller et al., "A Framework and Benchmark for Deep Batch Active Learning for
    Regression", appendix E. https://arxiv.org/abs/2203.09410

    Examples
    --------
    >>> import numpy as np
    >>> X = np.linspace(-1, 1, 200)[:, None]
    >>> model = NetworkRegressor((32, 32), batch_size=32, epochs=50, random_state=0)
    >>> bool(abs(model.fit(X, X[:, 0] ** 2).predict([[0.5]])[0] - 0.25) < 0.05)
    True
    """

    def __init__(
        self,
        hidden: tuple[int, ...] = (512, 512),
        *,
        activation: str = "relu",
        epochs: int = 256,
        batch_size: int = 256,
        learning_rate: float | None = None,
        validation_fraction: float = 0.1,
        standardise: bool = True,
        random_state: Any = None,
        verbose: bool = False,
    ) -> None:
        self.hidden = hidden
        self.activation = activation
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.validation_fraction = validation_fraction
        self.standardise = standardise
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any, validation: tuple[Any, Any] | None = None) -> NetworkRegressor:
        """Train on a table.

        Parameters
        ----------
        X : array, DataFrame or Tensor, shape (n, d)
            Features; float32 stays float32, all other types become float64.
        y : array, Series, DataFrame or Tensor, shape (n,) or (n, c)
            Targets.
        validation : pair of such tables, optional
            Rows that choose the epoch; by default a share of the rows.

        Returns
        -------
        NetworkRegressor
            The estimator itself.
        """
        self._check()
        points, Y = self._read(X, y)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        generator = torch.Generator().manual_seed(seed)
        points, Y, V, W = self._parted(points, Y, validation, generator)
        self.centre_, self.scale_ = moments(points)
        if not self.standardise:
            self.centre_, self.scale_ = torch.zeros_like(self.centre_), torch.ones_like(self.scale_)
        self.target_centre_, self.target_scale_ = moments(Y)
        shift = Standardise(self.centre_, self.scale_)
        target = Standardise(self.target_centre_, self.target_scale_)
        widths = (points.shape[1], *self.hidden, Y.shape[1])
        networks = Ensemble(1, widths, self.activation, generator=generator).to(points)
        self.history_: list[dict[str, Any]] = []
        with Progress(self.verbose, "fit") as progress:

            def record(epoch: int, errors: Tensor) -> None:
                error = {"validation_error": float(errors)}
                self.history_.append({"iteration": epoch + 1, "of": self.epochs, **error})
                progress(self.history_[-1])

            networks.fit(
                *(t[None] for t in (shift(points), target(Y), shift(V), target(W))),
                epochs=self.epochs,
                batch_size=self.batch_size,
                learning_rate=self.learning_rate,
                generator=generator,
                after_epoch=record,
            )
        self.weights_ = [weight.detach()[0] for weight in networks.weights]
        self.biases_ = [bias.detach()[0] for bias in networks.biases]
        return self

    def _evaluate(self, points: Tensor) -> Tensor:
        network = self.network()
        F = torch.cat([network(rows) for rows in points.to(self.centre_).split(8192)])
        return F * self.target_scale_ + self.target_centre_

    def network(self) -> nn.Sequential:
        """The trained network, of rows as :meth:`predict` takes them to standardised targets."""
        check_is_fitted(self)
        widths = (self.weights_[0].shape[1], *(w.shape[0] for w in self.weights_))
        networks = Ensemble(1, widths, self.activation).to(self.centre_)
        with torch.no_grad():
            for parameter, value in zip(networks.parameters(), [*self.weights_, *self.biases_]):
                parameter.copy_(value[None])
        return nn.Sequential(Standardise(self.centre_, self.scale_), *networks.member(0)).eval()

    def _check(self) -> None:
        if self.activation not in SETTINGS:
            raise ValueError(
                f"activation must be one of {', '.join(SETTINGS)}, got {self.activation!r}"
            )
        checks.count("epochs", self.epochs)
        checks.count("batch_size", self.batch_size)
        checks.interval("validation_fraction", self.validation_fraction, 0.0, 0.99)
        if self.learning_rate is not None:
            checks.positive("learning_rate", self.learning_rate)

    def _parted(
        self, X: Tensor, Y: Tensor, validation: tuple[Any, Any] | None, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Rows to train on and rows that choose the epoch."""
        if validation is not None:
            V = containers.points(self, validation[0], reset=False).to(X)
            return X, Y, V, _column(containers.targets(validation[1], V))
        order = torch.randperm(len(X), generator=generator).to(X.device)
        held, rest = order.tensor_split([int(self.validation_fraction * len(X))])
        return X[rest], Y[rest], X[held], Y[held]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.non_deterministic = self.random_state is None
        return tags


def _column(Y: Tensor) -> Tensor:
    return Y[:, None] if Y.ndim == 1 else Y
