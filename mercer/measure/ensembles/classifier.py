"""Ensembles of networks that are trained one after the other, each away from those before."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from mercer import checks
from mercer.kernels import RBF, Kernel
from mercer.learn import containers
from mercer.learn.classification import ClassificationEstimator
from mercer.learn.progress import Progress
from mercer.measure.ensembles.comparison_inputs import comparison_inputs
from mercer.measure.ensembles.greedy import train_greedily
from mercer.measure.ensembles.members import Architecture, State, check_network
from mercer.measure.ensembles.train import Descent, FunctionSpace
from mercer.measure.ensembles.uncertainty import mutual_information, predictive_entropy

SCORES = {"entropy": predictive_entropy, "mutual-information": mutual_information}


class GreedyEnsembleClassifier(ClassificationEstimator):
    r"""Networks that fit the data and differ elsewhere; their mean probability is the prediction.

    Each member minimises its cross-entropy less :math:`\lambda` times its distance from the
    members before it, :math:`-\log \frac{1}{|S|} \sum_s k(f, f_s)`: the greedy step of bringing a
    kernel density estimate in function space near the posterior. Functions are compared at inputs
    away from the data, so that members that agree where there are data disagree where there are
    none. With ``diversity=0`` this is an ordinary deep ensemble.

    Parameters
    ----------
    members : int
        How many networks.
    network : {"mlp", "cnn"} or callable
        ``cnn`` takes rows as square grey images. A callable makes the network, with weights from
        torch's random stream, of the numbers of columns and classes.
    hidden : sequence of int
        Widths of the layers of ``mlp``, channels of ``cnn``.
    diversity : float
        :math:`\lambda`, at least 0.
    kernel : Kernel, optional
        Of functions, whose squared distance is the mean over inputs of
        :math:`\|p(x) - p'(x)\|^2 \in [0, 2]`; ``RBF(0.5)`` by default.
    spread : float
        Where ``fit`` is given no inputs they are drawn from a normal law about the mean of the
        columns, with this many of their standard deviations; positive.
    epochs, batch_size : int
        Passes over the rows, and rows in a step.
    function_batch_size : int
        Inputs in a step at which functions are compared.
    learning_rate : float
        Of Adam's first step, positive; it falls linearly to zero.
    weight_decay : float
        At least 0.
    random_state : int, RandomState or None
        Of weights, batches and inputs.
    device : device, optional
        Where to compute; by default where the table is.
    verbose : bool
        Whether to show progress on stderr.

    Attributes
    ----------
    classes_ : array, shape (C,)
        The labels, sorted.
    states_ : list of dict of Tensor
        Parameters and buffers of each network.
    history_ : list of dict
        One record an epoch: ``iteration``, ``of``, ``member``, ``loss``, ``diversity``.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal([[-1.0], [1.0]], 0.3, (2, 100)).reshape(-1, 1)
    >>> y = np.repeat(["left", "right"], 100)
    >>> model = GreedyEnsembleClassifier(3, hidden=(16,), epochs=20, random_state=0).fit(X, y)
    >>> model.predict([[-1.1], [0.9]]).tolist()
    ['left', 'right']
    >>> near, far = model.uncertainty([[1.0], [30.0]])
    >>> bool(near < far)
    True

    References
    ----------
    A. Tiulpin, M. B. Blaschko, "Greedy Bayesian Posterior Approximation with Deep Ensembles",
    TMLR 2022. https://arxiv.org/abs/2105.14275
    """

    def __init__(
        self,
        members: int = 5,
        *,
        network: Any = "mlp",
        hidden: Sequence[int] = (128, 128),
        diversity: float = 0.1,
        kernel: Kernel | None = None,
        spread: float = 5.0,
        epochs: int = 50,
        batch_size: int = 64,
        function_batch_size: int = 64,
        learning_rate: float = 3e-3,
        weight_decay: float = 0.0,
        random_state: Any = None,
        device: Any = None,
        verbose: bool = False,
    ) -> None:
        self.members = members
        self.network = network
        self.hidden = hidden
        self.diversity = diversity
        self.kernel = kernel
        self.spread = spread
        self.epochs = epochs
        self.batch_size = batch_size
        self.function_batch_size = function_batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.random_state = random_state
        self.device = device
        self.verbose = verbose

    def fit(
        self, X: Any, y: Any, inputs: Any = None, input_weight: Any = None
    ) -> GreedyEnsembleClassifier:
        """Train the members, one after the other.

        Parameters
        ----------
        X : array, DataFrame or Tensor, shape (n, d)
            Features; float32 stays float32, all other types become float64.
        y : array, Series or Tensor, shape (n,)
            Labels, at least two different ones.
        inputs : array, DataFrame or Tensor, shape (N, d), optional
            Where functions are compared, without labels; by default noise about the data.
        input_weight : array or Tensor, shape (N,), optional
            Weights of the inputs in the norm of functions, positive.

        Returns
        -------
        GreedyEnsembleClassifier
            The estimator itself.

        Raises
        ------
        TypeError, ValueError
            If an argument is not as said.
        FloatingPointError
            If training diverges.
        """
        descent = self._descent()
        points, codes, _ = self._read(X, y, None)
        points, codes = points.to(self.device), codes.to(self.device)
        seeds = check_random_state(self.random_state).randint(2**31 - 1, size=self.members + 1)
        generator = torch.Generator().manual_seed(int(seeds[-1]))
        space = self._space(points, inputs, input_weight, generator)
        self.states_: list[State] = []
        self.history_: list[dict[str, Any]] = []
        with Progress(self.verbose, "ensemble") as progress:

            def report(record: dict[str, Any]) -> None:
                self.history_.append(record)
                progress(record)

            build = self._architecture().build
            for state in train_greedily(
                (build(int(seed)).to(points) for seed in seeds[:-1]), points, codes, space, descent,
                epochs=self.members * self.epochs, generator=generator, report=report,
            ):  # fmt: skip
                self.states_.append(state)
        return self

    def predict_proba(self, X: Any) -> Any:
        """The mean of the members' probabilities.

        Returns
        -------
        array, DataFrame or Tensor, shape (n, C)
            Of the kind of ``X``.
        """
        return self._give_probabilities(self._scores_of(X), X)

    def member_probabilities(self, X: Any) -> Tensor:
        """The probabilities of every member.

        Parameters
        ----------
        X : array, DataFrame or Tensor, shape (n, d)
            Features.

        Returns
        -------
        Tensor, shape (M, n, C)
        """
        check_is_fitted(self)
        return self._all_probabilities(containers.points(self, X, reset=False))

    def uncertainty(self, X: Any, score: str = "entropy") -> Any:
        """How unsure the ensemble is of each row, in nats; large away from the data.

        Parameters
        ----------
        X : array, DataFrame or Tensor, shape (n, d)
            Features.
        score : {"entropy", "mutual-information"}
            Of the mean prediction, or that part of it which is disagreement of the members.

        Returns
        -------
        array, Series or Tensor, shape (n,)
            Of the kind of ``X``.
        """
        if score not in SCORES:
            raise ValueError(f"score must be one of {', '.join(SCORES)}, got {score!r}")
        unsure = SCORES[score](self.member_probabilities(X))
        return containers.give_back(unsure, containers.container_of(X), [score])

    def networks(self) -> list[nn.Module]:
        """The trained members, in evaluation mode."""
        check_is_fitted(self)
        return [self._architecture().restored(state) for state in self.states_]

    def save(self, directory: str | Path) -> None:
        """Write the fitted estimator as safetensors and JSON; :func:`mercer.load` reads it.

        Raises
        ------
        TypeError
            If ``network`` is a callable, which a file cannot hold: keep ``states_`` instead.
        """
        if callable(self.network):
            raise TypeError(
                "network is a callable, which cannot be saved; save the tensors of states_, or "
                "take network='mlp' or 'cnn'"
            )
        super().save(directory)

    def _descent(self) -> Descent:
        """The settings of training, once all arguments are found to be as said."""
        for name in ("members", "epochs", "batch_size", "function_batch_size"):
            checks.count(name, getattr(self, name))
        for name in ("learning_rate", "spread"):
            checks.positive(name, getattr(self, name))
        for name in ("diversity", "weight_decay"):
            checks.interval(name, getattr(self, name), 0.0, 1e6)
        check_network(self.network)
        return Descent(self.epochs, self.batch_size, self.learning_rate, self.weight_decay)

    def _space(
        self, points: Tensor, inputs: Any, weights: Any, generator: torch.Generator
    ) -> FunctionSpace:
        given = None if inputs is None else containers.points(self, inputs, reset=False)
        where, w = comparison_inputs(
            points, given, weights, spread=self.spread, generator=generator
        )
        kernel = RBF(0.5) if self.kernel is None else self.kernel
        return FunctionSpace(where, w, kernel, self.diversity, self.function_batch_size)

    def _architecture(self) -> Architecture:
        return Architecture(self.network, self.hidden, self.n_features_in_, len(self.classes_))

    def _all_probabilities(self, points: Tensor) -> Tensor:
        return self._architecture().probabilities(self.states_, points)

    def _scores(self, points: Tensor) -> Tensor:
        return self._all_probabilities(points).mean(dim=0)
