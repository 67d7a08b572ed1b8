"""Fits that are killed, disks that are full, files that are not what they seem."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

import mercer
from mercer.learn import KernelClassifier, KernelRegressor
from mercer.learn.atomic import write_directory, write_file
from mercer.learn.checkpoint import Checkpoint

CHILD = """
import sys, time
import numpy as np, torch
torch.set_num_threads(1)
from mercer.learn import KernelRegressor
from mercer.learn.progress import Progress
Progress.__call__ = lambda self, record: time.sleep(0.05)
X = np.random.default_rng(0).standard_normal((300, 3))
KernelRegressor("matern12", **{arguments}).set_params(
    checkpoint=sys.argv[1], checkpoint_every=0.0).fit(X, np.sin(X[:, 0]) + X[:, 1] ** 2)
"""
HARD = dict(
    lengthscale=1.0, regularisation=1e-5, tolerance=1e-13, max_iterations=40, random_state=3
)


def table():
    X = np.random.default_rng(0).standard_normal((300, 3))
    return X, np.sin(X[:, 0]) + X[:, 1] ** 2


@pytest.mark.parametrize(
    "arguments",
    [
        dict(method="cg", **HARD),
        dict(method="nystrom", centers=30, **{**HARD, "random_state": None}),
    ],
)
@pytest.mark.filterwarnings("ignore::mercer.linalg.solution.ConvergenceWarning")
def test_killed_and_resumed(tmp_path, arguments):
    place = tmp_path / "fit"
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD.replace("{arguments}", repr(arguments)), str(place)]
    )
    deadline = time.monotonic() + 60
    steps = 0
    while steps < 3 and time.monotonic() < deadline and child.poll() is None:
        time.sleep(0.02)
        steps = _steps(place)
    assert child.poll() is None, "the fit ended before it could be killed"
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    steps, seed = _steps(place), _info(place)["seed"]
    assert steps >= 3
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        X, y = table()
        resumed = KernelRegressor("matern12", **arguments, checkpoint=place).fit(X, y)
        if arguments["random_state"] is None:
            # The seed was drawn by the killed process: the whole fit is given the same draws.
            fixed = _Fixed(seed)
            arguments = {**arguments, "random_state": fixed}
        whole = KernelRegressor("matern12", **arguments).fit(X, y)
    finally:
        torch.set_num_threads(threads)
    assert resumed.history_[steps - 1]["iteration"] == steps
    assert np.array_equal(resumed.predict(X), whole.predict(X))
    assert not place.exists()


class _Fixed(np.random.RandomState):
    def __init__(self, value):
        super().__init__(0)
        self.value = value

    def randint(self, *_args, **_named):
        return self.value


def _info(place: Path) -> dict:
    from safetensors import safe_open

    with safe_open(place, framework="pt") as file:
        return json.loads(file.metadata()["mercer"])


def _steps(place: Path) -> int:
    return len(_info(place)["history"]) if place.exists() else 0


def test_other_data_or_parameters_are_refused(tmp_path):
    X, y = table()
    place = tmp_path / "fit"
    Checkpoint(place, 0.0, "something else").write({}, {})
    model = KernelRegressor("rbf", method="cg", checkpoint=place, random_state=0)
    with pytest.raises(ValueError, match="other data or parameters"):
        model.fit(X, y)
    place.write_bytes(b"not a checkpoint at all, but long enough to be read as one")
    with pytest.raises(ValueError, match="is not a checkpoint"):
        model.fit(X, y)


def test_full_disk_leaves_what_was_there(tmp_path):
    place = tmp_path / "fit"
    kept = Checkpoint(place, 0.0, "a")
    kept.write({"w": torch.arange(3.0)}, {"seed": 1})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(OSError, match="could not write"):
            kept.write({"w": torch.zeros(10_000)}, {"seed": 2})
        with pytest.raises(OSError, match="could not write"):
            write_directory(tmp_path / "model", {"a": b"1", "b": b"2" * 10_000})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert torch.equal(kept.read().tensors["w"], torch.arange(3.0))
    assert [entry.name for entry in tmp_path.iterdir()] == ["fit"]


def test_writing_refuses_a_directory_of_something_else(tmp_path):
    (tmp_path / "thesis.txt").write_text("dear")
    with pytest.raises(FileExistsError, match="something other than a saved model"):
        write_directory(tmp_path, {"a": b""})
    assert (tmp_path / "thesis.txt").read_text() == "dear"
    write_file(tmp_path / "a" / "b", b"1")
    assert (tmp_path / "a" / "b").read_bytes() == b"1"


@pytest.mark.parametrize("machine", [KernelRegressor, KernelClassifier])
def test_saved_models_are_plain_files(tmp_path, machine):
    X, _ = table()
    y = np.where(X[:, 0] > 0, "yes", "no") if machine is KernelClassifier else X[:, :2] ** 2
    model = machine("matern52", centers=X[:40], method="nystrom", random_state=0).fit(X, y)
    model.save(tmp_path / "m")
    names = sorted(entry.name for entry in (tmp_path / "m").iterdir())
    assert names == ["estimator.json", "estimator.safetensors"]
    loaded = mercer.load(tmp_path / "m")
    assert np.array_equal(loaded.predict(X), model.predict(X))
    assert loaded.explain_ == model.explain_
    assert loaded.history_ == model.history_


def test_damaged_models_are_refused(tmp_path):
    X, y = table()
    place = tmp_path / "m"
    KernelRegressor("rbf", lengthscale=1.0, regularisation=1.0).fit(X, y).save(place)
    text = (place / "estimator.json").read_text()
    tensors = (place / "estimator.safetensors").read_bytes()
    description = json.loads(text)

    def refused(error, message, *, change=None, content=None):
        changed = text if change is None else json.dumps({**description, **change})
        (place / "estimator.json").write_text(changed)
        (place / "estimator.safetensors").write_bytes(tensors if content is None else content)
        with pytest.raises(error, match=message):
            mercer.load(place)

    refused(ValueError, "damaged or not the file", content=tensors[:-1] + b"x")
    refused(ValueError, "does not describe an estimator", change={"format": "other"})
    refused(ValueError, "unknown class 'subprocess.Popen'", change={"class": "subprocess.Popen"})
    fitted = description["fitted"]
    refused(ValueError, "'predict' is not an attr", change={"fitted": {"predict": {"plain": 1}}})
    refused(ValueError, "is damaged", change={"fitted": {**fitted, "kernel_": {"pickle": "x"}}})
    refused(ValueError, "is damaged", change={"parameters": {"nonsense": {"plain": 1}}})
    (place / "estimator.json").write_text("{")
    with pytest.raises(ValueError, match="is not JSON"):
        mercer.load(place)
    with pytest.raises(FileNotFoundError, match="holds no saved estimator"):
        mercer.load(tmp_path / "nowhere")


def test_interrupt_without_a_checkpoint_is_passed_on(monkeypatch):
    def stop(self, record):
        raise KeyboardInterrupt

    monkeypatch.setattr("mercer.learn.progress.Progress.__call__", stop)
    with pytest.raises(KeyboardInterrupt):
        KernelRegressor("rbf", method="cg", **HARD).fit(*table())


def test_progress_is_shown_on_stderr(capsys, monkeypatch):
    monkeypatch.setattr("mercer.learn.progress.QUIET", 0.0)
    monkeypatch.setattr("mercer.learn.progress.EVERY", 0.0)
    model = KernelRegressor("rbf", method="cg", **{**HARD, "regularisation": 1.0}, verbose=True)
    model.fit(*table())
    out, err = capsys.readouterr()
    assert not out
    assert "fit (cg): 1 of at most 40, residual" in err
