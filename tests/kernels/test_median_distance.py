"""Median distances against NumPy and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist, pdist

from mercer.kernels import median_distance

METRIC = {1.0: "cityblock", 2.0: "euclidean"}


def lower_median(distances):
    return np.percentile(distances[distances > 0], 50, method="inverted_cdf")


@pytest.mark.parametrize("p", METRIC)
@pytest.mark.parametrize("n", [2, 7, 8])
def test_it_is_the_lower_median_over_pairs_that_differ(p, n):
    rng = np.random.default_rng(n)
    X, Y = rng.standard_normal((n, 3)), rng.standard_normal((5, 3))
    X, Y = np.concatenate([X, X[:2]]), np.concatenate([Y, X[:1]])
    x, y = torch.from_numpy(X), torch.from_numpy(Y)
    own, across = pdist(X, METRIC[p]), cdist(X, Y, METRIC[p]).ravel()
    assert (own == 0).any()
    assert (across == 0).any()
    assert float(median_distance(x, p=p)) == pytest.approx(lower_median(own), rel=1e-12)
    assert float(median_distance(x, y, p=p)) == pytest.approx(lower_median(across), rel=1e-12)
    single = median_distance(x.float(), p=p)
    assert single.dtype == torch.float32
    assert float(single) == pytest.approx(lower_median(own), rel=1e-5)


def test_equal_points_far_from_the_origin_do_not_count():
    # As many as a matrix product would be taken for.
    X = 1000 + torch.arange(60.0)[:, None] % 2 * torch.ones(60, 3)
    assert float(median_distance(X, X)) == pytest.approx(3**0.5, rel=1e-6)


def test_no_more_than_the_maximum_are_taken():
    x = torch.arange(10.0, dtype=torch.float64)[:, None] ** 2
    spread = x[::4].numpy()  # 10 rows in steps of ceil(10 / 3)
    assert float(median_distance(x, maximum=3)) == lower_median(pdist(spread))
    assert float(median_distance(x, x[:7], maximum=3)) == lower_median(
        cdist(spread, x[:7:3].numpy())
    )
    assert float(median_distance(x, maximum=None)) == lower_median(pdist(x.numpy()))
    drawn = x[torch.randperm(10, generator=torch.Generator().manual_seed(5))[:3]].numpy()
    found = median_distance(x, maximum=3, generator=torch.Generator().manual_seed(5))
    assert float(found) == lower_median(pdist(drawn))


@pytest.mark.parametrize("n", [0, 1, 4])
def test_where_no_points_differ_it_is_one(n):
    assert float(median_distance(torch.zeros(n, 2))) == 1
    assert float(median_distance(torch.zeros(n, 2), torch.zeros(3, 2))) == 1


@pytest.mark.parametrize(
    ("error", "match", "call"),
    [
        (ValueError, "X has NaN", lambda x: median_distance(x * torch.nan)),
        (ValueError, "Y has infinity", lambda x: median_distance(x, x + torch.inf)),
        (TypeError, "X must hold floating-point numbers", lambda x: median_distance(x.long())),
        (TypeError, "Y is torch.float64 but X is", lambda x: median_distance(x, x.double())),
        (ValueError, r"X must have shape \(n, d\)", lambda x: median_distance(x[0])),
        (ValueError, "X has 2 coordinates but Y", lambda x: median_distance(x, x[:, :1])),
        (ValueError, "maximum must be", lambda x: median_distance(x, maximum=0)),
        (ValueError, "p must be positive, got 0", lambda x: median_distance(x, p=0.0)),
    ],
)
def test_bad_input_is_one_sentence(error, match, call):
    with pytest.raises(error, match=match):
        call(torch.ones(4, 2))
