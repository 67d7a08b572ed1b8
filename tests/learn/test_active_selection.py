"""Selections against brute force and the authors' package."""

import contextlib
import io

import numpy as np
import pytest
import torch

from mercer.kernels import RBF, Matern
from mercer.learn.active import Selection, select
from mercer.learn.active.select import METHODS
from mercer.operators import LowRank

NOISE = 0.3


def points(n, d=4, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture
def theirs(monkeypatch):
    """Runs a selection class of the authors' package, with features of pool and training rows."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)  # some of the package's state has the default type
    if not hasattr(np, "Inf"):  # the package is of the time of NumPy 1
        monkeypatch.setattr(np, "Inf", np.inf, raising=False)
    selection = pytest.importorskip("bmdal_reg.bmdal.selection")
    from bmdal_reg.bmdal.feature_data import TensorFeatureData
    from bmdal_reg.bmdal.feature_maps import IdentityFeatureMap
    from bmdal_reg.bmdal.features import Features

    def run(name, pool, train, count, with_train, **options):
        phi = IdentityFeatureMap(pool.shape[1])
        made = [Features(phi, TensorFeatureData(F)).precompute() for F in (pool, train)]
        cls = getattr(selection, f"{name}SelectionMethod")
        if name != "MaxDiag":
            made = [*made, with_train]
            options["verbosity"] = 0
        else:
            made = made[:1]
        with contextlib.redirect_stdout(io.StringIO()):
            method = cls(*made, **options)
            found = method.select(count)
        assert method.get_status() is None
        return found.tolist()

    yield run
    torch.set_default_dtype(before)


CASES = {
    "maxdet": ("MaxDet", {"noise_variance": NOISE}, {"noise_sigma": NOISE**0.5}),
    "bait": ("BaitFeatureSpace", {"noise_variance": NOISE}, {"noise_sigma": NOISE**0.5}),
    "frankwolfe": ("FrankWolfe", {}, {}),
    "maxdist": ("MaxDist", {}, {}),
    "lcmd": ("LargestClusterMaxDist", {}, {}),
}


@pytest.mark.parametrize("with_train", [False, True])
@pytest.mark.parametrize("method", CASES)
def test_the_same_rows_in_the_same_order_as_the_authors_package(method, with_train, theirs):
    name, ours, options = CASES[method]
    pool, train = points(300, 12), points(40, 12, seed=1)
    rows = torch.arange(340)
    found = select(
        torch.cat([pool, train]),
        25,
        method=method,
        candidates=rows[:300],
        chosen=rows[300:] if with_train else (),
        **ours,
    )
    assert found.tolist() == theirs(name, pool, train, 25, with_train, **options)


def test_bait_removes_what_the_authors_package_removes(theirs):
    pool, train = points(200, 10), points(30, 10, seed=1)
    options = {"noise_sigma": NOISE**0.5, "overselection_factor": 2.0}
    expected = theirs("BaitFeatureSpace", pool, train, 12, False, **options)
    found = select(
        torch.cat([pool, train]),
        12,
        method="bait",
        candidates=range(200),
        noise_variance=NOISE,
        excess=12,
    )
    assert found.tolist() == expected
    forward = select(
        torch.cat([pool, train]), 12, method="bait", candidates=range(200), noise_variance=NOISE
    )
    assert found.tolist() != forward.tolist()


def test_maxdiag_takes_the_longest_features(theirs):
    pool = points(50)
    found = select(pool, 5, method="maxdiag").tolist()
    assert found == theirs("MaxDiag", pool, pool, 5, False)[::-1]


def brute_maxdet(K, chosen, free):
    with_noise = K + NOISE * torch.eye(len(K), dtype=K.dtype)
    return [torch.linalg.slogdet(with_noise[[*chosen, i]][:, [*chosen, i]])[1] for i in free]


def brute_bait(K, chosen, free):
    """Minus the sum of posterior variances of all points."""
    sums = []
    for i in free:
        s = [*chosen, i]
        own = K[s][:, s] + NOISE * torch.eye(len(s), dtype=K.dtype)
        sums.append(-(K.diagonal().sum() - (K[s] * torch.linalg.solve(own, K[s])).sum()))
    return sums


def brute_maxdist(K, chosen, free):
    if not chosen:
        return [K[i, i] for i in free]
    return [min(K[i, i] + K[j, j] - 2 * K[i, j] for j in chosen) for i in free]


def brute_lcmd(K, chosen, free):
    if not chosen:
        return [K[i, i] for i in free]
    centre, distance, size = {}, {}, dict.fromkeys(chosen, 0.0)
    for i in free:
        to = {j: float(K[i, i] + K[j, j] - 2 * K[i, j]) for j in chosen}
        centre[i] = min(to, key=to.get)
        distance[i] = to[centre[i]]
        size[centre[i]] += distance[i]
    largest = max(size, key=size.get)
    return [distance[i] if centre[i] == largest else -1.0 for i in free]


BRUTE = {
    "maxdet": brute_maxdet,
    "bait": brute_bait,
    "maxdist": brute_maxdist,
    "lcmd": brute_lcmd,
}


@pytest.mark.parametrize("before", [[], [3, 11, 7]])
@pytest.mark.parametrize("method", BRUTE)
def test_each_step_is_the_best_by_brute_force(method, before):
    F = points(18, 5)
    K = F @ F.mT
    options = {"noise_variance": NOISE} if method in ("maxdet", "bait") else {}
    found = select(F, 5, method=method, chosen=before, **options).tolist()
    chosen = list(before)
    for i in found:
        free = [j for j in range(18) if j not in chosen]
        values = torch.tensor([float(v) for v in BRUTE[method](K, chosen, free)])
        assert i == free[int(values.argmax())]
        chosen.append(i)


def test_frank_wolfe_steps_are_exact_line_searches():
    """Against steps taken with the vectors themselves."""
    F = points(30, 6)
    length = F.norm(dim=1)
    target, current = F.sum(0), torch.zeros(6, dtype=F.dtype)
    expected = []
    for _ in range(8):
        scores = F @ (target - current) / length
        scores[expected] = -torch.inf
        i = int(scores.argmax())
        vertex = length.sum() * F[i] / length[i]
        steps = torch.linspace(-1, 1, 20001, dtype=F.dtype)[:, None]
        tried = (target - (1 - steps) * current - steps * vertex).norm(dim=1)
        step = steps[int(tried.argmin())]
        current = (1 - step) * current + step * vertex
        expected.append(i)
    assert select(F, 8, method="frankwolfe").tolist() == expected


def test_a_kernel_selects_as_its_features_do():
    X = points(60, 3)
    K = RBF(0.7)(X)
    root = torch.linalg.cholesky(K.dense() + 1e-12 * torch.eye(60, dtype=X.dtype))
    for method in ("maxdist", "lcmd", "maxdet", "frankwolfe"):
        options = {"noise_variance": NOISE} if method == "maxdet" else {}
        found = select(K, 8, method=method, chosen=[4, 9], **options)
        assert torch.equal(found, select(root, 8, method=method, chosen=[4, 9], **options))


def test_many_points_chosen_before_come_in_blocks(monkeypatch):
    F = points(70, 5)
    chosen = list(range(40, 70))
    whole = select(F, 10, chosen=chosen)
    monkeypatch.setattr("mercer.learn.active.nearest.ENTRIES", 3 * 40)
    assert torch.equal(select(F, 10, chosen=chosen), whole)


def test_candidates_in_any_order_are_the_rows_of_the_caller():
    F = points(20)
    order = torch.randperm(20, generator=torch.Generator().manual_seed(0))
    candidates, chosen = order[:12], order[12:15]
    found = select(F, 4, method="maxdist", candidates=candidates, chosen=chosen)
    permuted = select(F[order], 4, method="maxdist", candidates=range(12), chosen=range(12, 15))
    assert torch.equal(found, order[permuted])
    assert set(found.tolist()) <= set(candidates.tolist())


def test_kmeanspp_draws_by_squared_distance():
    """The second of two draws, against its law; the first is uniform."""
    F = torch.tensor([[0.0], [1.0], [3.0]], dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    counts = torch.zeros(3, 3)
    for _ in range(500):
        i, j = select(F, 2, method="kmeanspp", generator=generator).tolist()
        counts[i, j] += 1
    squared = (F - F.mT).square()
    law = squared / squared.sum(1, keepdim=True) / 3
    error = (counts / 500 - law).abs()
    assert bool((error <= 5 * (law * (1 - law) / 500).sqrt()).all())


def test_random_selects_every_row_as_often():
    generator = torch.Generator().manual_seed(0)
    counts = torch.zeros(6)
    for _ in range(600):
        found = select(torch.ones(6, 1), 2, method="random", generator=generator)
        assert len(set(found.tolist())) == 2
        counts[found] += 1
    assert bool(((counts / 600 - 1 / 3).abs() < 5 * (2 / 9 / 600) ** 0.5).all())


@pytest.mark.parametrize("method", METHODS)
def test_the_whole_pool_can_be_selected_and_one_seed_gives_one_answer(method):
    F = points(12, 15)

    def run():
        generator = torch.Generator().manual_seed(5)
        return select(F.float(), 12, method=method, generator=generator)

    assert sorted(run().tolist()) == list(range(12))
    assert torch.equal(run(), run())


def test_copies_are_drawn_at_random_with_a_warning():
    F = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 2.0], [1.0, 0.0]])
    for method in ("maxdist", "lcmd", "maxdet", "kmeanspp"):
        with pytest.warns(UserWarning, match="no candidate adds anything after 2; 1 are drawn"):
            found = select(F, 3, method=method, generator=torch.Generator().manual_seed(0))
        assert len(set(found.tolist())) == 3
        assert 2 in found.tolist()[:2]


def test_a_method_of_ones_own():
    class Last(Selection):
        positive = False

        def scores(self):
            return torch.arange(self.n, dtype=torch.float64)

        def add(self, i):
            pass

    assert select(points(5), 2, method=Last).tolist() == [4, 3]


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((points(4), 5), {}, r"count is 5 \+ 0, but there are 4 candidates"),
        ((points(4), 1), {"method": "best"}, "method must be one of random, maxdiag, .*'best'"),
        ((points(4), 1), {"chosen": [4]}, "chosen must be rows from 0 to 3, got 4 to 4"),
        ((points(4), 1), {"chosen": [1, 1]}, "some row is given twice"),
        ((points(4), 1), {"candidates": [0], "chosen": [0]}, "some row is given twice"),
        ((points(4) * torch.nan, 1), {}, "K has NaN at row 0, column 0"),
        ((LowRank(points(4) / 0), 1), {}, "the diagonal of K has infinity at index 0"),
        ((points(4), 1), {"method": "maxdet", "noise_variance": -1.0}, "at least 0, got -1"),
        ((points(4), 1), {"method": "lcmd", "excess": 2}, "methods that remove points"),
        ((LowRank(points(3), points(4)), 1), {}, "K must be a square operator"),
        ((points(6, 2), 1), {"method": "maxdet", "chosen": [0, 1, 2]}, "singular; a noise_varian"),
    ],
)
def test_bad_arguments_get_one_sentence(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        select(*arguments, **options)


def test_bait_asks_for_features():
    with pytest.raises(TypeError, match="bait needs features, a LowRank operator"):
        select(Matern()(points(4)), 1, method="bait")
