"""Fits by two and three processes against the same fit by one."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pytest
import torch

from mercer import distributed
from mercer.distributed import LostRank, Ranks
from mercer.learn import KernelClassifier, KernelRegressor
from tests import distributed_worker as worker
from tests.ranks import TOLD, results, run_worker

# Conjugate gradients carry the rounding of each product on through every step after it.
ROUNDING = float(np.sqrt(np.finfo(np.float64).eps))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("ranks")
    run_worker(Path(worker.__file__), place)
    return place


@pytest.fixture(params=[2, 3])
def found(request, folder):
    """What each rank got."""
    return results(folder, request.param)


@functools.cache
def alone(name):
    return KernelRegressor(**worker.CASES[name]).fit(*worker.table())


@pytest.mark.parametrize("name", worker.CASES)
@pytest.mark.filterwarnings("ignore::mercer.linalg.solution.ConvergenceWarning")
def test_the_model_of_one_process(found, name):
    model = alone(name)
    expected = model.predict(worker.table()[0])
    for rank in found:
        error = np.abs(rank[f"{name}/predictions"] - expected).max()
        assert error <= ROUNDING * np.abs(expected).max()
        np.testing.assert_array_equal(
            rank[f"{name}/coefficients"], found[0][f"{name}/coefficients"]
        )
    said = str(found[0][f"{name}/explain"])
    assert said.partition("\n")[0] == model.explain_.partition("\n")[0]
    divided = "exact", "eigenpro", "askotch"
    how = "did the whole work" if name in divided else f"divided over {len(found)} processes"
    assert how in said


def test_the_classifier_of_one_process(found):
    X, *_ = worker.table()
    model = KernelClassifier(**worker.CASES["path"]).fit(X, worker.labels())
    for rank in found:
        error = np.abs(rank["classifier/predictions"] - model.predict_proba(X)).max()
        assert error <= ROUNDING


def test_one_seed_for_all(found):
    for rank in found[1:]:
        np.testing.assert_array_equal(rank["unseeded/centers"], found[0]["unseeded/centers"])


def test_rows_are_divided(found):
    size = len(found)
    for r, rank in enumerate(found):
        assert rank["shares/cg"] == 101 // size + (r < 101 % size)
        assert rank["shares/rows"] == 98 // size + (r < 98 % size)
        assert rank["shares/own"] == 7 // size + (r < 7 % size)
        assert rank["shares/total"] == [21]


def test_products_of_divided_rows(found):
    X, y, weights = worker.table()
    K = np.exp(-((X[:, None] - X[:6]) ** 2).sum(-1) / 2)
    V = np.arange(12.0).reshape(6, 2)
    expected = {
        "product": K @ V,
        "normal": K.T @ (weights[:, None] * (K @ V)),
        "targets": K.T @ (weights[:, None] * y),
    }
    for rank in found:
        for name, value in expected.items():
            np.testing.assert_allclose(rank[f"shares/{name}"], value, rtol=1e-12, atol=1e-12)


def test_a_stopped_fit_goes_on_to_the_same_bits(found):
    for r, rank in enumerate(found):
        assert "call fit again with checkpoint=" in str(rank["resumed/said"])
        # The selection and the interrupt are written, and a bar is shown, by the first rank alone.
        assert rank["resumed/first"].tolist() == ([2, True] if r == 0 else [0, False])
        steps = rank["resumed/iterations"]
        np.testing.assert_array_equal(steps, np.arange(1, len(steps) + 1))
        np.testing.assert_array_equal(rank["resumed/coefficients"], rank["whole/coefficients"])


def test_no_other_process(monkeypatch):
    for name in TOLD:
        monkeypatch.delenv(name, raising=False)
    assert not distributed.initialise()
    assert distributed.is_main()
    assert not distributed.is_initialised()
    distributed.barrier()
    distributed.finish()
    with pytest.raises(ValueError, match="timeout must be positive seconds, got -1"):
        distributed.initialise(-1.0)
    with pytest.raises(RuntimeError, match=r"call mercer\.distributed\.initialise\(\) first"):
        KernelRegressor(distributed=True).fit(*worker.table()[:2])


def test_torchrun_variables_and_a_rank_that_does_not_come(monkeypatch, tmp_path):
    told = {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1"}
    for name, value in {**told, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}.items():
        monkeypatch.setenv(name, value)
    assert distributed.initialise(20.0)
    try:
        assert distributed.initialise()
        assert Ranks().size == distributed.local_size() == 1
        assert torch.distributed.get_backend() == "gloo" or torch.cuda.is_available()
        assert Ranks().first_text("é, and nothing:") == "é, and nothing:"
        assert Ranks().first_text("") == ""
    finally:
        distributed.finish()
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(LostRank, match="rank 0 could not reach all 2 processes"):
        distributed.initialise(0.5)


def test_mesh_of_two_dimensions_is_refused(monkeypatch, tmp_path):
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path / 'store'}", rank=0, world_size=1
    )
    try:
        mesh = torch.distributed.init_device_mesh("cpu", (1, 1), mesh_dim_names=("a", "b"))
        assert Ranks(mesh["a"]).size == 1
        with pytest.raises(ValueError, match="mesh must have one dimension, got 2"):
            Ranks(mesh)
    finally:
        distributed.finish()
