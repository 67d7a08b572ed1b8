"""Products with Gaussian kernel matrices whose sum is linear in their size."""

from __future__ import annotations

import math
import time
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from mercer.features.sparse import SparseGaussian, head_and_tail
from mercer.kernels import RBF
from mercer.papers.card import Paper
from mercer.papers.claim import Claim
from mercer.papers.features import _text_attention
from mercer.papers.result import Result

ERROR = "For vectors of any signs the error is within epsilon |x| with the stated probability."
HEAVY = "With the stated probability every heavy entry is found."
POINTS = "Where the sum of the matrix is linear in n, the time grows less than quadratically."
DIMENSION = "The time is at most linear in the dimension."
SUM = "The sum of the matrix of real queries and keys grows linearly with n."

PAPER = Paper(
    slug="sparse-kernel-matvec",
    folder="features",
    title="Improved Algorithms for Kernel Matrix-Vector Multiplication Under Sparsity Assumptions",
    url="https://arxiv.org/abs/2507.23539",
    authors="Piotr Indyk, Michael Kapralov, Kshiteej Sheth, Tal Wagner",
    year=2025,
    summary=(
        "A product of an asymmetric Gaussian kernel matrix with any vector, to an error relative "
        "to the norm of the vector. Heavy entries are found by locality-sensitive hashing and "
        "summed as they are; of the rest, keys are sampled. Where the sum of all entries is "
        "linear in n, as in attention, both take less than quadratic work."
    ),
    parts=(
        "mercer.features.sparse.SparseGaussian",
        "mercer.features.sparse.gaussian_matvec",
        "mercer.features.sparse.BallCarving",
        "mercer.features.sparse.near_pairs",
        "mercer.features.sparse.head_and_tail",
    ),
    claims=(ERROR, HEAVY, POINTS, DIMENSION, SUM),
)

NOTE = (
    "The text of the paper was at hand in its abstract only: thresholds, sampling probabilities "
    "and the bound are derived in mercer.features.sparse.SparseGaussian, and where the paper's "
    "figure is not in the abstract the column says what the abstract claims. Clusters: four "
    "queries and four keys around each of n / 4 centres, 32 lengthscales apart, 32 dimensions, "
    "lengthscale 1, float32, epsilon 0.5, tau = n^(-1/2) / 2, processor time of hashing, sampling "
    "and one product. 'Exact' is RBF()(Q, K, precision='high') @ x on some of the rows, times "
    "n over their number. In the last cluster row the centres are so near that the mean of far "
    "entries is 1 / n: the sum is linear too, but heavy pairs are no longer much nearer than all "
    "others, and the plan is the exact product. Text: queries and keys of all-MiniLM-L6-v2 on "
    "docstrings of the standard library, 72 heads of 32 dimensions, sigma = 32^(1/4), with which "
    "exp(q.k / sqrt(32)) is the Gaussian kernel but for factors of rows and of columns; tail / "
    "head is the sum of all but the n largest entries over that of these."
)


class Line(NamedTuple):
    """One row of the table."""

    data: str
    n: int
    sum: float
    tail: float
    seconds: float
    exact: float
    error: float
    plan: str


def run(scale: str, *, seed: int = 0) -> Result:
    """Measure the claims; see :func:`mercer.papers.run`.

    Parameters
    ----------
    scale : {"quick", "full"}
        ``full`` takes up to half a million points and more draws.
    seed : int
        Of points, vectors and draws.

    Returns
    -------
    Result
    """
    full = scale == "full"
    failures, largest, missed = _failures(1000 if full else 60, seed)
    sizes = tuple(2**k for k in ((13, 14, 15, 16, 17, 18, 19) if full else (13, 15, 17)))
    lines = [_clusters(n, seed) for n in sizes]
    near = _near_clusters(2**14 if full else 2**13, seed)
    slope = _dimension_slope((32, 64, 128, 256), seed)
    lengths = (32, 64, 128, 256)
    sums, tails = _text(lengths, 6 if full else 4)  # [lengths, texts, layers, heads]
    growth = 1 + np.polyfit(np.log(lengths), np.log(sums.flatten(1).numpy()), 1)[0]
    text = [
        Line("text", n, float(s.median()), float(t.median()), *[math.nan] * 3, "")
        for n, s, t in zip(lengths, sums, tails, strict=True)
    ]
    claims = (
        Claim.at_most(
            ERROR,
            paper="any constant",
            measured=failures,
            bound=0.1,
            unit=(
                "of products with an error above epsilon, failure probability 0.1; the largest "
                f"error is {largest:.2f} epsilon"
            ),
            if_not="The variance of the sampled columns is larger than their bound.",
        ),
        Claim.at_most(
            HEAVY,
            paper="1 / polynomial in n",
            measured=missed,
            bound=0.05,
            unit="of draws that miss any, failure probability 0.05",
            if_not="Pairs at the radius collide less often than the closed form says.",
        ),
        Claim.at_most(
            POINTS,
            paper="below 2",
            measured=_slope(sizes, [line.seconds for line in lines]),
            bound=1.9,
            unit=f"exponent from {sizes[0]} to {sizes[-1]} points",
            if_not="Too many far pairs share a bucket.",
        ),
        Claim.at_most(
            DIMENSION,
            paper=1.0,
            measured=slope,
            bound=1.1,
            unit="exponent from 32 to 256 dimensions, the same distances",
            if_not="Something other than products and distances grows with the dimension.",
        ),
        Claim.at_most(
            SUM,
            paper=1.0,
            measured=float(np.median(growth)),
            bound=1.1,
            unit=(
                f"exponent from {lengths[0]} to {lengths[-1]} tokens, median of all heads; "
                f"above 1.5 in {100 * np.mean(growth > 1.5):.0f} % of them"
            ),
            if_not="In this small model most heads look at many tokens.",
        ),
    )
    return Result(
        claims=claims,
        columns=("data", "n", "sum / n", "tail / head", "s", "exact s", "error / |x|", "plan"),
        rows=tuple(tuple(line) for line in (*lines, near, *text)),
        draw=lambda figure: _draw(figure, lines, lengths, sums),
        note=NOTE,
    )


def _failures(draws: int, seed: int) -> tuple[float, float, float]:
    """Of products, the share of too large errors and the largest; the share of incomplete draws.

    Three in five keys are sampled. The vectors are Gaussian, signs, and few large entries.
    """
    n, epsilon, tau = 200, 3.0, 0.2
    Q, K = (points.double() for points in _text_attention.clusters(n, 8, 4.0, seed))
    exact = (-(torch.cdist(Q, K) ** 2) / 2).exp()
    heavy = (exact >= tau).nonzero().T
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 3, dtype=torch.float64, generator=g)
    x[:, 1].sign_()
    x[:, 2].pow_(9)
    errors, incomplete = [], 0
    for _ in range(draws):
        A = SparseGaussian(Q, K, 1.0, error=epsilon, threshold=tau, generator=g)
        errors.append((A @ x - exact @ x).norm(dim=0) / x.norm(dim=0))
        incomplete += not torch.equal(A.pairs, heavy)
    relative = torch.stack(errors) / epsilon  # [draws, vectors]
    failed = (relative > 1).double().mean(0).max()
    return float(failed), float(relative.max()), incomplete / draws


def _clusters(n: int, seed: int) -> Line:
    Q, K = _text_attention.clusters(n, 32, 32.0, seed)
    return _line("clusters", Q, K, seed, 0.5 / math.sqrt(n))


def _near_clusters(n: int, seed: int) -> Line:
    """Far entries of mean ``1 / n``: it is ``(1 + 2 s^2)^(-d/2)`` for centres ``N(0, s^2 I)``."""
    d = 32
    Q, K = _text_attention.clusters(n, d, math.sqrt(d * (n ** (2 / d) - 1)), seed)
    return _line("clusters, near", Q, K, seed, None)


def _line(data: str, Q: Tensor, K: Tensor, seed: int, tau: float | None) -> Line:
    """Time, error and sum of the matrix; exact products are of 512 rows."""
    n, some = len(Q), slice(0, len(Q), len(Q) // 512)
    g = torch.Generator().manual_seed(seed)
    x = torch.stack((torch.randn(n, generator=g), torch.ones(n)), dim=1)
    start = time.process_time()
    A = SparseGaussian(Q, K, 1.0, error=0.5, threshold=tau, precision="high", generator=g)
    y = A @ x[:, 0]
    seconds = time.process_time() - start
    rows = RBF()(Q[some].contiguous(), K, precision="high")
    wanted = rows @ x  # [512, 2], and what is compiled is compiled
    start = time.process_time()
    rows @ x[:, 0]
    exact = (time.process_time() - start) * n / 512
    error = (y[some] - wanted[:, 0]).norm() * math.sqrt(n / 512) / x[:, 0].norm()
    plan = "exact" if A.plan.exact else f"{A.pairs.shape[1]} entries, {A.sampled.numel()} keys"
    mean = float(wanted[:, 1].mean())
    return Line(data, n, mean, math.nan, seconds, exact, float(error), plan)


def _dimension_slope(dimensions: tuple[int, ...], seed: int) -> float:
    """Exponent of the time in ``d``, points of 32 dimensions turned into more."""
    n, seconds = 2**12, []
    Q, K = _text_attention.clusters(n, 32, 32.0, seed)
    for d in dimensions:
        g = torch.Generator().manual_seed(seed)
        turn = torch.linalg.qr(torch.randn(d, d, generator=g)).Q[:32]  # [32, d], orthonormal rows
        taken = []
        for _ in range(2):
            start = time.process_time()
            SparseGaussian(
                Q @ turn, K @ turn, 1.0, error=0.5, threshold=0.01, precision="high", generator=g
            ) @ torch.ones(n)
            taken.append(time.process_time() - start)
        seconds.append(min(taken))
    return _slope(dimensions, seconds)


def _text(lengths: tuple[int, ...], texts: int) -> tuple[Tensor, Tensor]:
    """``1^T K 1 / n`` and tail over head, ``[lengths, texts, layers, heads]`` each."""
    sums, tails = [], []
    for n, (q, k) in _text_attention.queries_and_keys(lengths, texts).items():
        head, tail = head_and_tail(q, k, q.shape[-1] ** 0.25)
        sums.append((head + tail) / n)
        tails.append(tail / head)
    return torch.stack(sums), torch.stack(tails)


def _slope(x: Any, y: Any) -> float:
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def _draw(figure: Any, lines: list[Line], lengths: tuple[int, ...], sums: Tensor) -> None:
    """Times against points, and sums of real matrices against tokens."""
    left, right = figure.subplots(1, 2)
    n = [line.n for line in lines]
    left.plot(n, [line.seconds for line in lines], "o-", label="hashed and sampled")
    left.plot(n, [line.exact for line in lines], "s--", color="grey", label="exact product")
    left.set(xscale="log", yscale="log", xlabel="n", ylabel="seconds of one core")
    left.set_xticks(n, [f"$2^{{{round(math.log2(size))}}}$" for size in n])
    left.set_title("clusters")
    right.set(xscale="log", yscale="log", xlabel="tokens n", ylabel="sum of entries / n")
    of_layers = sums.movedim(2, 0).flatten(2)  # [layers, lengths, texts * heads]
    for layer, of_layer in enumerate(of_layers):
        right.plot(lengths, of_layer.median(1).values, "o-", label=f"layer {layer + 1}")
    right.plot(lengths, np.array(lengths) / lengths[0] * 0.02, ":", color="grey", label="like n")
    right.set_xticks(lengths, [str(length) for length in lengths])
    right.set_title("text model, median of heads")
    right.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    left.legend(fontsize=8)
    for axes in (left, right):
        axes.minorticks_off()
        axes.grid(True, alpha=0.3)
