"""A kernel matrix that is a sum of entrywise products of two low-rank ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce

import torch
from torch import Tensor

from mercer import checks
from mercer.operators import LowRank, Operator
from mercer.operators.batch import Keys, broadcast_shapes, take_batch
from mercer.operators.selection import same, selected_tags, transposed_tags

Factors = Sequence[tuple[Tensor, Tensor]]


class KhatriRao(Operator):
    r""":math:`K = \sum_l (A_l C_l^T) \circ (B_l D_l^T)`, that is :math:`\Phi \Psi^T` for features
    that are Kronecker products row by row, :math:`\phi(x) = \oplus_l a_l(x) \otimes b_l(x)`.

    The gradient of a network in the weights of a linear layer is such a product, of the layer's
    input and the gradient in its output. Features of :math:`\sum_l p_l q_l` entries are never
    formed: a column of K costs :math:`O(n \sum_l (p_l + q_l))`, a product with a vector
    :math:`O(n \sum_l p_l q_l)`.

    Parameters
    ----------
    left : sequence of pairs of Tensor, shapes (*batch, n, p) and (*batch, n, q)
        The factors ``(A_l, B_l)`` of the rows, at least one pair.
    right : sequence of pairs of Tensor, shapes (*batch, m, p) and (*batch, m, q), optional
        The factors ``(C_l, D_l)`` of the columns; ``left`` by default, and then the matrix is
        tagged ``psd``.
    tags : iterable of str
        What is known besides, see :class:`mercer.operators.Operator`.

    Raises
    ------
    ValueError
        If there is no pair or shapes do not agree.

    References
    ----------
    D. Holzmüller et al., "A Framework and Benchmark for Deep Batch Active Learning for
    Regression", section 4.2. https://arxiv.org/abs/2203.09410

    Examples
    --------
    >>> A, B = torch.tensor([[1.0], [2.0]]), torch.eye(2)
    >>> KhatriRao([(A, B)]).dense()
    tensor([[1., 0.],
            [0., 4.]])
    """

    def __init__(
        self, left: Factors, right: Factors | None = None, tags: Sequence[str] | frozenset[str] = ()
    ) -> None:
        known = frozenset(tags)
        if right is None or right is left:
            right, known = left, known | {"psd"}
        if not left or len(left) != len(right):
            raise ValueError(
                f"left and right need as many pairs, at least one, got {len(left)}, {len(right)}"
            )
        for (A, B), (C, D) in zip(left, right):
            shapes = [tuple(t.shape) for t in (A, B, C, D)]
            if A.shape[-1] != C.shape[-1] or B.shape[-1] != D.shape[-1]:
                raise ValueError(f"factors of rows and columns must agree in width, got {shapes}")
            if A.shape[-2] != B.shape[-2] or C.shape[-2] != D.shape[-2]:
                raise ValueError(f"the factors of a pair must have the same rows, got {shapes}")
        first = left[0][0]
        for factor in (t for pair in (*left, *right) for t in pair):
            checks.alike("a factor", factor, "the first", first)
        batch = broadcast_shapes(*(t.shape[:-2] for pair in (*left, *right) for t in pair))
        n, m = first.shape[-2], right[0][0].shape[-2]
        super().__init__((*batch, n, m), first.dtype, first.device, known)
        self.left, self.right = left, right

    def _matmul(self, V: Tensor) -> Tensor:
        if V.shape[-1] == 0:
            batch = broadcast_shapes(self.batch, V.shape[:-2])
            return V.new_zeros(*batch, self.n, 0)
        return torch.stack([self._times(V[..., k, None]) for k in range(V.shape[-1])], dim=-1)

    def _times(self, v: Tensor) -> Tensor:
        """``K v`` for one column ``[*batch, m, 1]``."""
        terms = []
        for (A, B), (C, D) in zip(self.left, self.right):
            M = (v * C).mT @ D  # [*batch, p, q]
            terms.append(((A @ M) * B).sum(-1))
        return reduce(torch.add, terms)

    def _adjoint(self) -> KhatriRao:
        return KhatriRao(self.right, self.left, tuple(transposed_tags(self.tags)))

    def _entries(self, i: Tensor, j: Tensor) -> Tensor:
        terms = [
            (A[..., i, :] * C[..., j, :]).sum(-1) * (B[..., i, :] * D[..., j, :]).sum(-1)
            for (A, B), (C, D) in zip(self.left, self.right)
        ]
        return reduce(torch.add, terms)

    def _take(self, rows: Tensor | slice, cols: Tensor | slice) -> KhatriRao:
        left = [(A[..., rows, :], B[..., rows, :]) for A, B in self.left]
        if self.left is self.right and same(rows, cols):
            return KhatriRao(left)
        right = [(C[..., cols, :], D[..., cols, :]) for C, D in self.right]
        return KhatriRao(left, right, tuple(selected_tags(self.tags, rows, cols)))

    def _take_batch(self, keys: Keys) -> KhatriRao:
        def take(factors: Factors) -> Factors:
            return [
                (take_batch(A, 2, self.batch, keys), take_batch(B, 2, self.batch, keys))
                for A, B in factors
            ]

        left = take(self.left)
        if self.left is self.right:
            return KhatriRao(left, tags=tuple(self.tags))
        return KhatriRao(left, take(self.right), tuple(self.tags))

    def dense(self) -> Tensor:
        """The sum of the entrywise products."""
        pairs = zip(self.left, self.right)
        return reduce(torch.add, [(A @ C.mT) * (B @ D.mT) for (A, B), (C, D) in pairs])

    def sketch(self, dimension: int, generator: torch.Generator | None = None) -> LowRank:
        """An unbiased approximation of a symmetric ``K`` by features of a given dimension.

        Parameters
        ----------
        dimension : int
            ``D``, the number of features.
        generator : torch.Generator, optional
            Where the projections come from.

        Returns
        -------
        LowRank, shape (*batch, n, n)
        """
        if self.left is not self.right:
            raise ValueError("only a symmetric matrix can be sketched, rows and columns differ")
        widths = [(A.shape[-1], B.shape[-1]) for A, B in self.left]
        return LowRank(project(self.left, projections(widths, dimension, generator)))


def projections(
    widths: Sequence[tuple[int, int]], dimension: int, generator: torch.Generator | None
) -> list[tuple[Tensor, Tensor]]:
    """Projections ``[p, D]`` and ``[q, D]`` for each pair, in float64.

    Standard normal, but a factor of one column is a number for each row: it gets random signs,
    which average out against other pairs and add no variance of their own.
    """
    checks.count("dimension", dimension)
    device = torch.device("cpu") if generator is None else generator.device

    def draw(width: int) -> Tensor:
        size = (width, dimension)
        normal = torch.randn(size, generator=generator, dtype=torch.float64, device=device)
        return normal.sign() if width == 1 else normal

    return [(draw(p), draw(q)) for p, q in widths]


def project(factors: Factors, drawn: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """Features ``sum_l (A_l G_l) * (B_l H_l) / sqrt(D)``, shape ``(*batch, n, D)``."""
    terms = [(A @ G.to(A)) * (B @ H.to(B)) for (A, B), (G, H) in zip(factors, drawn)]
    return reduce(torch.add, terms) / math.sqrt(drawn[0][0].shape[-1])
