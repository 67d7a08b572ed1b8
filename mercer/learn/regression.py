"""What every regression estimator does with the tables that it is given."""

from __future__ import annotations

from typing import Any

import torch
from sklearn.base import RegressorMixin
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from mercer.learn import containers
from mercer.learn.estimator import Estimator


class RegressionEstimator(RegressorMixin, Estimator):
    """A regression of one output or several; a subclass writes ``fit`` and ``_evaluate``.

    ``fit`` takes its tables from :meth:`_read`; ``_evaluate(points)`` gives ``[n, c]``.
    """

    def _read(self, X: Any, y: Any) -> tuple[Tensor, Tensor]:
        """Points ``[n, d]`` and targets ``[n, c]``; remembers what predictions must look like."""
        if y is None:
            raise ValueError("requires y to be passed, but the target y is None")
        points = containers.points(self, X, reset=True)
        Y = containers.targets(y, points)
        self._single = Y.ndim == 1
        self._target_names = containers.target_names(y)
        return points, Y[:, None] if self._single else Y

    @torch.no_grad()
    def predict(self, X: Any) -> Any:
        """Predict.

        Parameters
        ----------
        X : array, DataFrame or Tensor, shape (n, d)
            Features.

        Returns
        -------
        array, Series, DataFrame or Tensor, shape (n,) or (n, c)
            In the library that ``X`` came in.
        """
        check_is_fitted(self)
        F = self._evaluate(containers.points(self, X, reset=False))
        out = F[:, 0] if self._single else F
        return containers.give_back(out, containers.container_of(X), self._target_names)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.target_tags.required = True
        return tags
