"""Generalised sliced inverse regression as a scikit-learn transformer."""

from __future__ import annotations

from typing import Any

import torch
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from mercer import checks
from mercer.kernels import Kernel
from mercer.learn import containers
from mercer.learn.estimator import Estimator
from mercer.learn.progress import Progress
from mercer.learn.reduction.bandwidth import kernel_of
from mercer.learn.reduction.bic_order import bic_order
from mercer.learn.reduction.centred_gram import CentredGram, centred_gram, nystrom_gram
from mercer.learn.reduction.cross_validation import CANDIDATES, generalised_cross_validation
from mercer.learn.reduction.inverse_regression import inverse_regression
from mercer.learn.reduction.ladle_order import ladle_order
from mercer.learn.reduction.quantile_embedding import quantile_embedding
from mercer.learn.reduction.samples import Samples, read_samples, size
from mercer.learn.reduction.sliced_embedding import sliced_directions, sliced_embedding

KINDS = ("vector", "distribution")
WEIGHTS = {"identity": 2.0, "inverse": 4.0}  # and the penalties of their orders
ROWS = 3  # with fewer there is nothing to be left out


class GeneralisedSlicedInverseRegression(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, Estimator
):
    r"""Functions of ``X`` that keep all that it says of ``Y``, for vectors and distributions.

    Sufficient predictors ``f(X)`` make ``Y`` independent of ``X`` given ``f(X)``. They are the
    leading eigenfunctions of
    :math:`\Sigma_{XX}^{-1} \Sigma_{XY} A \Sigma_{YX} \Sigma_{XX}^{-1}`, of the covariance operators
    of universal kernels, with Tikhonov's regularisation. Distributions come as samples and are
    compared by the Wasserstein distance, of several dimensions by the sliced one. Computed in
    float64.

    Parameters
    ----------
    kernel_x, kernel_y : {"gaussian", "laplacian"} or Kernel
        Of the distance; the lengthscale of a named one is the root mean squared distance between
        rows. A kernel is used as it is, on vectors or embedded distributions.
    components : {"bic", "ladle"} or int
        Number of predictors: by :func:`bic_order`, as in the publication, by :func:`ladle_order`,
        or given. At least one is kept.
    weight : {"identity", "inverse"}
        ``A``: the identity or :math:`\Sigma_{YY}^{-1}`.
    regularisation_x, regularisation_y : float, above 0, optional
        Relative to the largest eigenvalue of the centred Gram matrix; by default chosen from 1e-6,
        ..., 1 by generalised cross-validation.
    predictor, response : {"vector", "distribution"}
        What a row of ``X`` and ``Y`` is.
    levels : int, optional
        Quantiles of a distribution; by default the size of the largest sample.
    directions : int
        Projections of a multivariate distribution.
    landmarks : int, optional
        Columns of a low-rank approximation of both Gram matrices; by default all, which takes
        ``n^2`` numbers, for up to a few thousand rows.
    random_state : int, RandomState or None
        Of directions, landmarks and the ladle.
    verbose : bool
        Whether to show the ladle's progress on stderr.

    Attributes
    ----------
    points_, coefficients_, offset_ : Tensor, shapes (p, q), (p, c), (c,)
        ``f(x) = k(x, points) @ coefficients - offset``, on embedded points.
    eigenvalues_ : Tensor, shape (r,)
        Of the candidate matrix, descending.
    order_ : int
        What ``components`` asked for, or the criterion found.
    kernel_x_, kernel_y_, regularisation_x_, regularisation_y_
        What was used.
    levels_, directions_
        Of the embedding of ``X``; None where it has none.
    n_features_in_, feature_names_in_
        As in scikit-learn; of distributions, their dimension.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(-1, 1, (150, 3))
    >>> y = np.sin(2 * X[:, 0]) + X[:, 1] ** 2
    >>> Z = GeneralisedSlicedInverseRegression(components=1).fit_transform(X, y)
    >>> bool(abs(np.corrcoef(Z[:, 0], y)[0, 1]) > 0.9)
    True

    References
    ----------
    Q. Zhang, B. Li, L. Xue, "Nonlinear Sufficient Dimension Reduction for
    Distribution-on-Distribution Regression". https://arxiv.org/abs/2207.04613
    """

    def __init__(
        self,
        kernel_x: str | Kernel = "gaussian",
        kernel_y: str | Kernel = "gaussian",
        components: str | int = "bic",
        *,
        weight: str = "identity",
        regularisation_x: float | None = None,
        regularisation_y: float | None = None,
        predictor: str = "vector",
        response: str = "vector",
        levels: int | None = None,
        directions: int = 50,
        landmarks: int | None = None,
        random_state: Any = None,
        verbose: bool = False,
    ) -> None:
        self.kernel_x = kernel_x
        self.kernel_y = kernel_y
        self.components = components
        self.weight = weight
        self.regularisation_x = regularisation_x
        self.regularisation_y = regularisation_y
        self.predictor = predictor
        self.response = response
        self.levels = levels
        self.directions = directions
        self.landmarks = landmarks
        self.random_state = random_state
        self.verbose = verbose

    @torch.no_grad()
    def fit(self, X: Any, y: Any) -> GeneralisedSlicedInverseRegression:
        """Find the sufficient predictors.

        Parameters
        ----------
        X : table, shape (n, d); or samples of n distributions
            Vectors: array, DataFrame or Tensor. Distributions: shape (n, m) or (n, m, d), or a list
            of samples of shape (m_i,) or (m_i, d).
        y : likewise; vectors also of shape (n,)
            The response.

        Returns
        -------
        GeneralisedSlicedInverseRegression
            The estimator itself.
        """
        self._check_arguments()
        if y is None:
            raise ValueError("requires y to be passed, but the target y is None")
        seed = int(check_random_state(self.random_state).randint(2**31 - 2))
        generator = torch.Generator().manual_seed(seed)
        x_points = self._read_predictor(X, generator)
        y_points = self._read_response(y, x_points, generator)
        if len(x_points) < ROWS:
            raise ValueError(f"X must have at least {ROWS} rows, got n_samples={len(x_points)}")
        self.kernel_x_ = kernel_of("kernel_x", self.kernel_x, x_points)
        self.kernel_y_ = kernel_of("kernel_y", self.kernel_y, y_points)
        x = self._gram(self.kernel_x_, x_points, generator)
        y_gram = self._gram(self.kernel_y_, y_points, generator)
        self._choose_regularisation(x, y_gram)
        found = inverse_regression(x, y_gram, self.regularisation_x_, self.regularisation_y_)
        self.eigenvalues_ = found.values
        self.order_ = self._order(x, y_gram, found.values, generator)
        count = max(self.order_, 1)
        self.points_ = x.points
        self.coefficients_ = found.coefficients[:, :count].contiguous()
        # What centring took off the functions, so that they have mean zero on the sample.
        self.offset_ = (self.kernel_x_(x_points, x.points) @ self.coefficients_).mean(dim=0)
        self._n_features_out = count
        return self

    @torch.no_grad()
    def transform(self, X: Any) -> Any:
        """Evaluate the sufficient predictors.

        Parameters
        ----------
        X : as in ``fit``
            New rows.

        Returns
        -------
        array, DataFrame or Tensor, shape (n, components)
            In the library that ``X`` came in.
        """
        check_is_fitted(self)
        points = self._embed_predictor(X).to(self.points_)
        predictors = self.kernel_x_(points, self.points_) @ self.coefficients_ - self.offset_
        names = list(self.get_feature_names_out())
        one = isinstance(X, (list, tuple)) and len(X) and isinstance(X[0], Tensor)
        return containers.give_back(predictors, containers.container_of(X[0] if one else X), names)

    # -- reading -------------------------------------------------------------------------------

    def _check_arguments(self) -> None:
        for name in ("predictor", "response"):
            if getattr(self, name) not in KINDS:
                raise ValueError(
                    f"{name} must be one of {', '.join(KINDS)}, got {getattr(self, name)!r}"
                )
        if self.weight not in WEIGHTS:
            raise ValueError(f"weight must be one of {', '.join(WEIGHTS)}, got {self.weight!r}")
        if isinstance(self.components, str):
            if self.components not in ("bic", "ladle"):
                raise ValueError(f"components must be bic, ladle or int, got {self.components!r}")
        else:
            checks.count("components", self.components)

    def _read_predictor(self, X: Any, generator: torch.Generator) -> Tensor:
        self.levels_, self.directions_ = None, None
        if self.predictor == "vector":
            return containers.points(self, X, reset=True).double()
        samples = read_samples("X", X)
        self.n_features_in_ = samples[0].shape[-1]
        self.levels_ = size(samples) if self.levels is None else self.levels
        if self.n_features_in_ > 1:
            self.directions_ = sliced_directions(self.directions, self.n_features_in_, generator)
        return _embedded(samples, self.levels_, self.directions_)

    def _embed_predictor(self, X: Any) -> Tensor:
        if self.predictor == "vector":
            return containers.points(self, X, reset=False)
        samples = read_samples("X", X)
        if samples[0].shape[-1] != self.n_features_in_:
            raise ValueError(
                f"X must be of distributions in {self.n_features_in_} dimensions, "
                f"got {samples[0].shape[-1]}"
            )
        return _embedded(samples, self.levels_, self.directions_)

    def _read_response(self, y: Any, like: Tensor, generator: torch.Generator) -> Tensor:
        if self.response == "vector":
            read = containers.targets(y, like)
            return read[:, None] if read.ndim == 1 else read
        samples = read_samples("y", y)
        if len(samples) != len(like):
            raise ValueError(f"X has {len(like)} rows but y has {len(samples)}")
        d = samples[0].shape[-1]
        drawn = sliced_directions(self.directions, d, generator) if d > 1 else None
        levels = size(samples) if self.levels is None else self.levels
        return _embedded(samples, levels, drawn).to(like)

    # -- choosing ------------------------------------------------------------------------------

    def _gram(self, kernel: Kernel, points: Tensor, generator: torch.Generator) -> CentredGram:
        if self.landmarks is None:
            return centred_gram(kernel, points)
        return nystrom_gram(kernel, points, self.landmarks, generator)

    def _choose_regularisation(self, x: CentredGram, y: CentredGram) -> None:
        self.regularisation_x_ = _regularisation("regularisation_x", self.regularisation_x, x, y)
        self.regularisation_y_ = None
        if self.weight == "inverse":
            given = self.regularisation_y
            self.regularisation_y_ = _regularisation("regularisation_y", given, y, x)

    def _order(
        self, x: CentredGram, y: CentredGram, values: Tensor, generator: torch.Generator
    ) -> int:
        if self.components == "bic":
            return bic_order(values, len(x.vectors), WEIGHTS[self.weight])
        regularisation = self.regularisation_x_, self.regularisation_y_
        if self.components == "ladle":
            with Progress(self.verbose, "ladle") as progress:
                return ladle_order(x, y, *regularisation, generator=generator, on_step=progress)
        if self.components > len(values):
            raise ValueError(
                f"components must be at most {len(values)}, the rank of the problem, "
                f"got {self.components}"
            )
        return self.components

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.target_tags.multi_output = True
        return tags


def _embedded(samples: Samples, levels: int, directions: Tensor | None) -> Tensor:
    if directions is None:
        return quantile_embedding(samples, levels).double()
    return sliced_embedding(samples, directions, levels).double()


def _regularisation(
    name: str, given: float | None, predictor: CentredGram, target: CentredGram
) -> float:
    if given is not None:
        return float(checks.positive(name, given))
    return CANDIDATES[int(generalised_cross_validation(predictor, target).argmin())]
