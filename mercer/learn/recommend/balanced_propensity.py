"""Propensities that balance functions of a reproducing kernel Hilbert space."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.base import ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from mercer import checks
from mercer.kernels import RBF, Kernel
from mercer.learn import containers
from mercer.learn.estimator import Estimator
from mercer.learn.logistic.width import distance_percentile
from mercer.learn.recommend.balance import balance
from mercer.learn.regressor import KernelRegressor

FUNCTIONS = ("random", "worst-case", "adaptive")
POOL = 10  # kernel functions among which adaptive ones are chosen, for each of them
KEPT = 1e-10  # eigenvalues of the centres' Gram matrix, relative to the largest


class BalancedPropensity(ClassifierMixin, Estimator):
    r"""The chance that a row is observed, such that its inverse balances functions ``h``:

    .. math:: \frac1N \sum_i \frac{o_i}{p_i} h(x_i) \approx \frac1N \sum_i h(x_i).

    An inverse-propensity estimate of a mean is unbiased as far as its integrand is balanced. Among
    the weights :math:`w = 1/p` that balance, those of greatest entropy are taken; then
    :math:`w(x) = a + b e^{f(x)}` with ``f`` in the span of the balanced functions.

    Parameters
    ----------
    kernel : Kernel, optional
        Default: Gaussian, its lengthscale the median distance of rows.
    functions : {"random", "worst-case", "adaptive"}
        What is balanced. ``random``: kernel functions :math:`k(\cdot, z_j)` at random rows.
        ``worst-case``: the function that is worst in the unit ball of the span of such functions,
        whichever it is. ``adaptive``: a kernel ridge regression of the current prediction error,
        and the kernel functions that weigh most in it, out of ten times as many.
    count : int
        How many kernel functions.
    tolerance : float, at least 0
        The imbalance that is allowed for each function (``worst-case``: of unit norm).
    penalty : float, positive
        Price of imbalance beyond that, and the largest coefficient (norm, for ``worst-case``) of
        ``f``; infinite for none, where rows that no weights can balance do not converge.
    least_weight : {1, 0}
        :math:`a`. With 1 all propensities are below one, and ``f`` is minus their logit; with 0 the
        entropy is that of the weights, and propensities may exceed one.
    regularisation : float, positive
        Of the ridge regression of the error, per row.
    random_state : int, RandomState or None
        Of the choice of rows.

    Attributes
    ----------
    weights_ : Tensor, shape (n,)
        :math:`w` of the rows given to ``fit``, zero where not observed.
    centers_, coefficients_, intercept_ : Tensor, shapes (m, d), (m,), ()
        :math:`f(x) = \text{intercept} + \sum_j k(x, z_j) \text{coefficient}_j`.
    imbalance_ : float
        The largest imbalance that is left (``worst-case``: the norm).
    classes_ : array, shape (2,)
        The second means observed.
    kernel_, n_iter_, n_features_in_, feature_names_in_
        As elsewhere.

    Notes
    -----
    The programme is solved in float64. The matrix of the observed rows and the functions is formed;
    that of all rows is not.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(-2, 2, (4000, 1))
    >>> observed = rng.uniform(size=4000) < 1 / (1 + np.exp(1 - X[:, 0] ** 2))
    >>> w = BalancedPropensity(random_state=0).fit(X, observed).weights_
    >>> f = torch.from_numpy(np.cos(X[:, 0]))
    >>> bool(abs((w * f).mean() - f.mean()) < 0.002 < abs(f[w > 0].mean() - f.mean()))
    True

    References
    ----------
    H. Li et al., "Debiased Collaborative Filtering with Kernel-Based Causal Balancing".
    https://arxiv.org/abs/2404.19596
    R. K. W. Wong, K. C. G. Chan, "Kernel-based covariate functional balancing for observational
    studies". https://doi.org/10.1093/biomet/asx069
    """

    def __init__(
        self,
        kernel: Kernel | None = None,
        functions: str = "random",
        count: int = 50,
        *,
        tolerance: float = 1e-4,
        penalty: float = 100.0,
        least_weight: int = 1,
        regularisation: float = 1e-4,
        random_state: Any = None,
    ) -> None:
        self.kernel = kernel
        self.functions = functions
        self.count = count
        self.tolerance = tolerance
        self.penalty = penalty
        self.least_weight = least_weight
        self.regularisation = regularisation
        self.random_state = random_state

    @torch.no_grad()
    def fit(self, X: Any, y: Any, *, prior: Any = None, error: Any = None) -> BalancedPropensity:
        """Find the weights.

        Parameters
        ----------
        X : array, DataFrame or Tensor, shape (n, d)
            Features of all rows (pairs of a user and an item), observed or not.
        y : array, Series or Tensor, shape (n,)
            Two labels; the second, as sorted, means that the row is observed.
        prior : array, shape (n,), optional
            Odds against being observed (for ``least_weight=0`` inverse propensities) that are
            wanted as far as balance allows; default: the same for all rows.
        error : array, shape (n,), optional
            The prediction's error, for ``functions="adaptive"``; read at observed rows only.

        Returns
        -------
        BalancedPropensity
            The estimator itself.
        """
        points = containers.points(self, X, reset=True)
        seen = self._seen(y, points)
        self._target_names = containers.target_names(y)
        self.kernel_ = self.kernel or RBF(distance_percentile(points, 50.0))
        b = torch.ones(len(points)) if prior is None else containers.targets(prior, points)
        b = checks.positive("prior", b.double()[seen])
        self._has_prior = prior is not None
        Z = self._centers(points)
        # The functions that are balanced: the columns of K(., Z) @ M.
        M = self._functions(points, seen, Z, b, error)  # [m, J]
        H = self.kernel_(points[seen], Z) @ M.to(points)  # [observed, J]
        mean = (self.kernel_(Z, points) @ points.new_ones(len(points))).double() @ M / len(points)
        worst = self.functions == "worst-case"
        found = balance(
            H.double(),
            mean,
            len(points),
            prior=b,
            least_weight=self.least_weight,
            tolerance=self.tolerance,
            penalty=self.penalty,
            norm="euclidean" if worst else "largest",
        )
        self.centers_ = Z
        self.coefficients_ = M @ found.coefficients
        self.intercept_ = torch.tensor(found.intercept, dtype=torch.float64, device=Z.device)
        left = found.imbalance
        self.imbalance_ = float(left.norm() if worst else left.abs().max())
        self.n_iter_ = found.steps
        self.weights_ = torch.zeros(len(points), dtype=torch.float64, device=Z.device)
        self.weights_[seen] = found.weights
        return self

    @torch.no_grad()
    def predict_proba(self, X: Any, prior: Any = None) -> Any:
        """Chances of being missing and of being observed, ``[n, 2]``; those above one become one.

        ``prior`` is needed where ``fit`` had one.
        """
        check_is_fitted(self)
        points = containers.points(self, X, reset=False).to(self.centers_)
        if (prior is not None) != self._has_prior:
            raise ValueError("prior must be given to predict_proba exactly where fit had one")
        f = (self.kernel_(points, self.centers_) @ self.coefficients_.to(points)).double()
        b = 1.0 if prior is None else containers.targets(prior, points).double()
        w = self.least_weight + b * (f + self.intercept_).exp()
        p = (1 / w).clamp(max=1.0)
        names = [str(label) for label in self.classes_]
        out = torch.stack([1 - p, p], dim=1)
        return containers.give_back(out, containers.container_of(X), names)

    def predict(self, X: Any, prior: Any = None) -> Any:
        """The likelier label, ``[n]``."""
        likely = np.asarray(self.predict_proba(X, prior))[:, 1] > 0.5
        label = self.classes_[likely.astype(int)]
        return containers.give_back(label, containers.container_of(X), self._target_names)

    def _seen(self, observed: Any, points: Tensor) -> Tensor:
        if observed is None:
            raise ValueError("requires y to be passed, but the target y is None")
        if self.functions not in FUNCTIONS:
            raise ValueError(
                f"functions must be one of {', '.join(FUNCTIONS)}, got {self.functions!r}"
            )
        checks.count("count", self.count)
        checks.positive("regularisation", self.regularisation)
        labels = containers.labels(observed)
        if len(labels) != len(points):
            raise ValueError(f"X has {len(points)} rows but y has {len(labels)}")
        self.classes_ = np.unique(labels)
        if len(self.classes_) != 2:
            raise ValueError(
                "Only binary classification is supported: observed must have two labels, "
                f"got {len(self.classes_)} class(es)"
            )
        return torch.from_numpy(labels == self.classes_[1]).to(points.device)

    def _centers(self, points: Tensor) -> Tensor:
        """Distinct rows ``z_j``, ``[m, d]``."""
        # Sorted, so that the draw does not depend on the order of rows.
        distinct = torch.unique(points, dim=0)
        count = self.count * (POOL if self.functions == "adaptive" else 1)
        draw = check_random_state(self.random_state).permutation(len(distinct))[:count]
        return distinct[torch.from_numpy(draw).to(points.device)].contiguous()

    def _functions(self, points: Tensor, seen: Tensor, Z: Tensor, b: Tensor, error: Any) -> Tensor:
        """What is balanced, in terms of the kernel functions at the centres: ``[m, J]``."""
        eye = torch.eye(len(Z), dtype=torch.float64, device=Z.device)
        if self.functions == "random":
            return eye
        if self.functions == "worst-case":
            return _orthonormal(self.kernel_(Z).dense().double())
        if error is None:
            raise ValueError('error must be given to fit where functions is "adaptive", got None')
        e = containers.targets(error, points)[seen]
        w = b + self.least_weight
        ridge = KernelRegressor(
            self.kernel_,
            method="nystrom",
            centers=Z.cpu().numpy(),
            regularisation=self.regularisation * float(w.sum()),
            random_state=0,
        ).fit(points[seen], e, sample_weight=w)
        epsilon = ridge.coefficients_.double()  # [m, 1]
        fitted = (self.kernel_(Z) @ epsilon.to(Z)).abs().max().double()
        most = epsilon[:, 0].abs().topk(min(self.count, len(Z))).indices
        whole = epsilon / fitted if float(fitted) > 0 else epsilon
        return torch.cat([eye[:, most], whole], dim=1)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags


def _orthonormal(G: Tensor) -> Tensor:
    """``M`` with ``M^T G M = I``, on the eigenvalues that are not rounding."""
    values, vectors = torch.linalg.eigh(G)
    kept = values > KEPT * values[-1]
    return vectors[:, kept] / values[kept].sqrt()
