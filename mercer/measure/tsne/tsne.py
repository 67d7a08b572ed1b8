"""t-SNE in O(n) time a step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from mercer import checks
from mercer.learn import containers
from mercer.learn.estimator import Estimator
from mercer.learn.progress import Progress
from mercer.measure.tsne.embedding import Embedding
from mercer.measure.tsne.exact import ExactSums
from mercer.measure.tsne.initial import initial
from mercer.measure.tsne.interpolation import Interpolation
from mercer.measure.tsne.minimise import Report, minimise
from mercer.measure.tsne.native import resolve
from mercer.measure.tsne.neighbours import unit
from mercer.measure.tsne.objective import Objective
from mercer.measure.tsne.picture import Picture
from mercer.measure.tsne.repulsion import check_repulsion, choose_gradient, repulsive_sums
from mercer.measure.tsne.schedule import Schedule
from mercer.measure.tsne.similarities import check_perplexity, similarities
from mercer.measure.tsne.student import Student


class TSNE(ClassNamePrefixFeaturesOutMixin, TransformerMixin, Estimator):
    r"""t-distributed stochastic neighbour embedding, in one or two dimensions.

    Similarities :math:`p_{ij}` of the points are sparse, of near neighbours; those in the embedding
    are :math:`q_{ij} \propto (1 + |y_i - y_j|^2 / \alpha)^{-\alpha}`; gradient descent lowers
    :math:`KL(P \| Q)`. Repulsion among all pairs is summed on a grid by FFT, so a step costs O(n).

    Parameters
    ----------
    n_components : {1, 2}
        Dimension of the embedding.
    perplexity : float
        How many neighbours count, softly; above 1 and below the number of rows.
    early_exaggeration, late_exaggeration : float
        What attraction is multiplied by in the first and last iterations. Late exaggeration, of 4
        say, draws clusters apart for the eye.
    max_iter, early_iter, late_iter : int
        Iterations in all, and the first and last of them that are exaggerated.
    learning_rate : float or "auto"
        Of the gradient; "auto" is the number of rows over the exaggeration of the iteration.
    momentum : float
        In [0, 1).
    dof : float
        The degrees of freedom :math:`\alpha`, positive: below 1 clusters are finer.
    init : {"pca", "random"} or array, shape (n, n_components)
        Where points start; the first two with a standard deviation of 1e-4.
    neighbours : {"auto", "exact", "approximate"}
        All distances, or pynndescent's search; "auto" is exact up to a size where that is faster.
    gradient : {"auto", "interpolation", "exact"}
        How repulsion is summed: on a grid, or over all pairs; "auto" is exact up to 256 rows.
    spacing : float
        Of the grid, at most, in units of the embedding; positive.
    nodes : {2, 4, 6}
        Of the interpolating polynomials along each axis.
    transform_iter : int
        Iterations with which new points find their places.
    live : str, Path or None
        A PNG file, in a folder that exists, drawn anew at each report, coloured by ``y`` if
        :meth:`fit` is given one; it needs matplotlib.
    verbose : bool
        Whether to show progress.
    backend : {"auto", "compiled", "torch"}
        Loops in C on the CPU, or torch alone; "auto" takes C where there is a compiler.
    device : device, optional
        Where to compute; by default where ``X`` is.
    random_state : int, RandomState or None
        Of noise in the start and of the approximate neighbours.

    Attributes
    ----------
    embedding_ : array, shape (n, n_components)
        The places of the rows.
    kl_divergence_ : float
        Of the embedding, without exaggeration.
    history_ : list of dict
        The reports: iteration, exaggeration and divergence.
    neighbours_, gradient_, backend_ : str
        What was chosen.
    n_iter_ : int
        Iterations done.
    n_features_in_, feature_names_in_
        As in scikit-learn.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = np.concatenate([rng.standard_normal((50, 5)), 9 + rng.standard_normal((50, 5))])
    >>> tsne = TSNE(perplexity=10, random_state=0)
    >>> Y = tsne.fit_transform(X)
    >>> bool(np.sign(Y[:50, 0]).sum() * np.sign(Y[50:, 0]).sum() == -2500), tsne.gradient_
    (True, 'exact')
    >>> bool(np.abs(tsne.transform(X[:1] + 0.01) - Y[:1]).max() < 1)
    True

    References
    ----------
    G. Linderman and others, "Efficient Algorithms for t-distributed Stochastic Neighborhood
    Embedding". https://arxiv.org/abs/1712.09005
    A. Belkina and others, "Automated optimized parameters for T-distributed stochastic neighbor
    embedding". https://doi.org/10.1038/s41467-019-13055-y
    """

    def __init__(
        self,
        n_components: int = 2,
        *,
        perplexity: float = 30.0,
        early_exaggeration: float = 12.0,
        late_exaggeration: float = 1.0,
        max_iter: int = 750,
        early_iter: int = 250,
        late_iter: int = 250,
        learning_rate: float | str = "auto",
        momentum: float = 0.8,
        dof: float = 1.0,
        init: Any = "pca",
        neighbours: str = "auto",
        gradient: str = "auto",
        spacing: float = 0.3,
        nodes: int = 4,
        transform_iter: int = 250,
        live: str | Path | None = None,
        verbose: bool = False,
        backend: str = "auto",
        device: Any = None,
        random_state: Any = None,
    ) -> None:
        self.n_components = n_components
        self.perplexity = perplexity
        self.early_exaggeration = early_exaggeration
        self.late_exaggeration = late_exaggeration
        self.max_iter = max_iter
        self.early_iter = early_iter
        self.late_iter = late_iter
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.dof = dof
        self.init = init
        self.neighbours = neighbours
        self.gradient = gradient
        self.spacing = spacing
        self.nodes = nodes
        self.transform_iter = transform_iter
        self.live = live
        self.verbose = verbose
        self.backend = backend
        self.device = device
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None, *, on_step: Report | None = None) -> TSNE:
        """Embed the rows of ``X``.

        Parameters
        ----------
        X : array, DataFrame or Tensor, shape (n, d)
            Finite.
        y : array, shape (n,), optional
            Colours of the live picture; nothing else.
        on_step : callable, optional
            Given at each report, every 50 iterations and at the end, a dictionary of iteration,
            exaggeration and divergence and the embedding ``[n, n_components]``; when it returns
            ``False``, the fit ends there.

        Returns
        -------
        TSNE
            The estimator itself.

        Raises
        ------
        TypeError, ValueError
            If ``X`` or a parameter is not as said.
        ImportError
            If approximate neighbours are wanted and pynndescent is not installed.
        """
        points = containers.points(self, X, reset=True, device=self.device)
        schedule = self._check(len(points))
        reports = [on_step] if on_step is not None else []
        reports += [Picture(self.live, y)] if self.live is not None else []
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        self.backend_ = resolve(self.backend, points.device)
        self.gradient_ = choose_gradient(self.gradient, len(points))
        student, sums = self._sums(self.backend_)
        scaled = points / unit(points)  # [n, d]
        Y = initial(scaled, self.init, self.n_components, seed)
        P, self.neighbours_ = similarities(
            scaled,
            self.perplexity,
            neighbours=self.neighbours,
            backend=self.backend_,
            seed=seed,
            verbose=bool(self.verbose),
        )
        with Progress(bool(self.verbose), "t-SNE") as progress:
            Y, self.history_ = minimise(
                Objective(P, student, sums, backend=self.backend_),
                Y,
                schedule,
                learning_rate=self.learning_rate,
                momentum=self.momentum,
                reports=reports,
                progress=progress,
            )
        self.kl_divergence_ = self.history_[-1]["kl_divergence"]
        self.n_iter_ = self.history_[-1]["iteration"]
        self.embedding_ = Y.cpu().numpy()
        self.fitted_points_ = points.cpu()
        self._n_features_out = self.n_components
        return self

    def fit_transform(self, X: Any, y: Any = None, *, on_step: Report | None = None) -> Any:
        """Embed the rows of ``X``; see :meth:`fit`.

        Returns
        -------
        array, DataFrame or Tensor, shape (n, n_components)
            Of the kind of ``X``.
        """
        self.fit(X, y, on_step=on_step)
        Y = torch.from_numpy(self.embedding_)
        return containers.give_back(Y, containers.container_of(X), self._names())

    def transform(self, X: Any) -> Any:
        """Put new rows into the embedding, each by itself; what is embedded stays where it is.

        A row that was fitted gets the place that it has.

        Parameters
        ----------
        X : array, DataFrame or Tensor, shape (m, d)
            Finite.

        Returns
        -------
        array, DataFrame or Tensor, shape (m, n_components)
            Of the kind of ``X``.
        """
        check_is_fitted(self)
        points = containers.points(self, X, reset=False, device=self.device)
        backend = resolve(self.backend, points.device)
        embedding = Embedding(
            self.fitted_points_.to(points.device),
            torch.from_numpy(self.embedding_).to(points.device),
            *self._sums(backend),
        )
        placed = embedding.place(
            points,
            perplexity=self.perplexity,
            iterations=checks.count("transform_iter", self.transform_iter, least=0),
            backend=backend,
            verbose=bool(self.verbose),
        )
        return containers.give_back(placed, containers.container_of(X), self._names())

    def _names(self) -> list[str]:
        return [str(name) for name in self.get_feature_names_out()]

    def _check(self, n: int) -> Schedule:
        """The schedule, if all parameters are in their ranges."""
        checks.count("n_components", self.n_components)
        if self.n_components > 2:
            raise ValueError(f"n_components must be 1 or 2, got {self.n_components}")
        if n < 2:
            raise ValueError(f"X has 1 sample (n_samples={n}), TSNE needs at least 2")
        check_perplexity(self.perplexity, n)
        if self.learning_rate != "auto":
            checks.positive("learning_rate", float(self.learning_rate))
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum must be in [0, 1), got {self.momentum:g}")
        check_repulsion(self.gradient, spacing=self.spacing, nodes=self.nodes)
        return Schedule(
            self.max_iter,
            self.early_iter,
            self.late_iter if self.late_exaggeration != 1 else 0,
            self.early_exaggeration,
            self.late_exaggeration,
        ).check()

    def _sums(self, backend: str) -> tuple[Student, Interpolation | ExactSums]:
        student = Student(self.dof)
        return student, repulsive_sums(
            self.gradient_, student, spacing=self.spacing, nodes=self.nodes, backend=backend
        )
