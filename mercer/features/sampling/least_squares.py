"""Weighted least squares in a finite-dimensional space."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from mercer import checks
from mercer.features.sampling.design import Design, deviation, weighted_features
from mercer.features.sampling.space import Projection, Space
from mercer.kernels.base import Kernel


class WeightedLeastSquares:
    r"""The function of a space that is nearest to values at the points of a design.

    .. math::

        \hat f = \arg\min_{v \in V} \frac1n \sum_{i=1}^n w(x_i) (f(x_i) - v(x_i))^2, \qquad
        G = \frac1n \sum_{i=1}^n w(x_i)\, \phi(x_i) \phi(x_i)^T.

    Parameters
    ----------
    space : Space
        ``V``, of dimension ``m``.
    design : Design
        At least ``m`` points; a batch of designs is a batch of estimates.

    Attributes
    ----------
    coefficients_ : Tensor, shape (*batch, m) or (*batch, m, outputs)
        Of the estimate, set by :meth:`fit`.

    References
    ----------
    A. Nouy, B. Michel, Weighted least-squares approximation with determinantal point processes and
    generalized volume sampling. https://arxiv.org/abs/2312.14057

    Examples
    --------
    >>> from mercer.features.sampling import PolynomialSpace, repeated_dpp
    >>> space = PolynomialSpace(3)
    >>> design = repeated_dpp(space, 2, torch.Generator().manual_seed(0))
    >>> model = WeightedLeastSquares(space, design).fit(lambda x: x[..., 0] ** 3)
    >>> round(float(model.predict(torch.tensor([[0.5]], dtype=torch.float64))), 6)
    0.125
    """

    coefficients_: Tensor

    def __init__(self, space: Space, design: Design) -> None:
        if design.n < space.dimension:
            raise ValueError(
                f"design must have at least {space.dimension} points, as many as the space has "
                f"dimensions, got {design.n}"
            )
        self.space, self.design = space, design
        self._rows = weighted_features(space, design.points, design.weights)  # [*batch, n, m]

    # -- the design ----------------------------------------------------------------------------

    @property
    def gram(self) -> Tensor:
        """``G``, whose mean is the identity for most designs: ``[*batch, m, m]``."""
        return self._rows.mT @ self._rows

    @property
    def deviation(self) -> Tensor:
        r"""The spectral norm :math:`\|G - I\|`: ``[*batch]``."""
        return deviation(self.gram)

    @property
    def stability(self) -> Tensor:
        r"""The least eigenvalue of ``G``; one over it is :math:`\|G^{-1}\|`: ``[*batch]``."""
        return torch.linalg.svdvals(self._rows)[..., -1].square()

    @property
    def condition_number(self) -> Tensor:
        """Of ``G``: ``[*batch]``."""
        values = torch.linalg.svdvals(self._rows)
        return (values[..., 0] / values[..., -1]).square()

    def bound(self, kernel: Kernel | None = None) -> Tensor:
        r"""The factor ``C`` with :math:`\|v - \hat f\|_{L^2} \le C\, \|f - v\|_H` for all v in V.

        With ``H`` the kernel's Hilbert space,

        .. math:: C^2 = \|G^{-1}\| \; \lambda_{\max}\Big(
            \Big[\tfrac1n \sqrt{w(x_i) w(x_j)}\, k(x_i, x_j)\Big]_{ij}\Big);

        without a kernel ``H`` is the space of bounded functions and
        :math:`C^2 = \|G^{-1}\| \frac1n \sum_i w(x_i)`.

        Parameters
        ----------
        kernel : Kernel, optional
            Of points as the design has.

        Returns
        -------
        Tensor, shape (*batch)
        """
        X, w = self.design.points, self.design.weights
        if kernel is None:
            return (w.mean(-1) / self.stability).sqrt()
        root = (w / self.design.n).sqrt()
        K = kernel(X, X).dense().detach()  # [*batch, n, n]
        largest = torch.linalg.eigvalsh(root[..., :, None] * K * root[..., None, :])[..., -1]
        return (largest / self.stability).sqrt()

    # -- the estimate --------------------------------------------------------------------------

    def fit(self, f: Callable[[Tensor], Tensor] | Tensor) -> WeightedLeastSquares:
        """Find the coefficients.

        Parameters
        ----------
        f : callable or Tensor, shape (*batch, n) or (*batch, n, outputs)
            The function, or its values at the points of the design.

        Returns
        -------
        WeightedLeastSquares
            Itself.

        Raises
        ------
        ValueError
            If values have another shape, or the points do not determine the function.
        """
        X = self.design.points
        values = checks.finite("f", checks.floating("f", f(X) if callable(f) else f))
        single = values.shape == X.shape[:-1]
        if not single and (values.ndim != X.ndim or values.shape[:-1] != X.shape[:-1]):
            raise ValueError(
                f"f must have values of shape {tuple(X.shape[:-1])} or (..., outputs), "
                f"got {tuple(values.shape)}"
            )
        root = (self.design.weights / self.design.n).sqrt()[..., None]
        Q, R = torch.linalg.qr(self._rows)
        pivots = R.diagonal(dim1=-2, dim2=-1).abs()
        if bool((pivots.amin(-1) <= torch.finfo(R.dtype).eps * pivots.amax(-1)).any()):
            raise ValueError(
                "design has points that do not determine a function of the space; "
                "take more of them or condition the design"
            )
        y = Q.mT @ (root * (values[..., None] if single else values))
        c = torch.linalg.solve_triangular(R, y, upper=True)  # [*batch, m, outputs]
        self.coefficients_ = c.squeeze(-1) if single else c
        return self

    def predict(self, X: Tensor) -> Tensor:
        """The estimate at points: ``[*batch, q, d] -> [*batch, q]`` or ``[*batch, q, outputs]``."""
        c = self.coefficients_
        if c.ndim == self.design.points.ndim:
            return self.space(X) @ c
        return (self.space(X) @ c[..., None]).squeeze(-1)

    def squared_error(self, projection: Projection) -> Tensor:
        r"""The error :math:`\|f - \hat f\|^2` in L^2 of estimates with one output: ``[*batch]``.

        Parameters
        ----------
        projection : Projection
            Of the same function, from :meth:`Space.project`.
        """
        difference = self.coefficients_ - projection.coefficients
        return projection.squared_error + difference.square().sum(-1)

    def quasi_optimality(self, projection: Projection) -> Tensor:
        r"""The error over the least one, :math:`\|f - \hat f\|^2 / \min_{v \in V} \|f - v\|^2`."""
        return self.squared_error(projection) / projection.squared_error
