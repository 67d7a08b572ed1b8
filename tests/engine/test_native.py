"""Loops in C: what is named is used or refused, and addresses arrive in order."""

from __future__ import annotations

import pytest
import torch

from mercer.engine import native
from mercer.engine.compiler import compiler
from mercer.special import log_iv

needs_compiler = pytest.mark.skipif(compiler() is None, reason="there is no C compiler")

# sizes: n, k; in: x [n], y [n]; out: x + k y, and x - k y
SOURCE = """
#include <stdint.h>
void tile(const int64_t *n, void **in, void **out) {
  const double *x = in[0], *y = in[1];
  double *sum = out[0], *difference = out[1];
  for (int64_t i = 0; i < n[0]; i++) {
    sum[i] = x[i] + n[1] * y[i];
    difference[i] = x[i] - n[1] * y[i];
  }
}
"""


@pytest.mark.parametrize("name", ["compiled", "triton"])
def test_what_is_named_is_used_or_refused(name):
    for reason in (None, ""):
        assert native.used_or_refused(name, name, reason)
        assert native.used_or_refused("auto", name, reason)
        assert not native.used_or_refused("torch", name, reason)
    assert not native.used_or_refused("auto", name, "it rains")
    assert not native.used_or_refused("torch", name, "it rains")
    with pytest.raises(ValueError, match=f'^backend="{name}" cannot be used: it rains$'):
        native.used_or_refused(name, name, "it rains")


def test_obstacles(monkeypatch):
    monkeypatch.setattr(native, "compiler", lambda: "cc")
    assert native.obstacle(torch.device("cpu")) is None
    assert native.obstacle(torch.device("cuda", 1)) == "it runs on the CPU, got cuda:1"
    monkeypatch.setattr(native, "compiler", lambda: None)
    assert native.obstacle(torch.device("cpu")) == "no C compiler was found"


def test_every_user_of_loops_refuses_without_a_compiler(monkeypatch):
    from mercer.kernels import RBF
    from mercer.measure.thinning import halve
    from mercer.measure.tsne.native import resolve

    monkeypatch.setattr(native, "compiler", lambda: None)
    X = torch.randn(40, 2, generator=torch.Generator().manual_seed(0))
    calls = (
        lambda backend: log_iv(1.0, X[:, 0].abs(), backend=backend),
        lambda backend: halve(X, RBF(), backend=backend),
        lambda backend: resolve(backend, X.device),
    )
    for call in calls:
        with pytest.raises(
            ValueError, match=r'"compiled" cannot be used: no C compiler was found$'
        ):
            call("compiled")
        call("auto")


def test_unknown_names():
    assert native.check_backend("triton") == "triton"
    with pytest.raises(ValueError, match=r"must be one of auto, compiled, torch, got 'triton'$"):
        native.check_backend("triton", native.LOOPS)


@needs_compiler
def test_run_hands_over_sizes_and_addresses():
    x, y = torch.arange(5.0, dtype=torch.float64), torch.full((5,), 2.0, dtype=torch.float64)
    both = torch.empty(2, 5, dtype=torch.float64)
    native.run(SOURCE, (5, 3), (x, y), tuple(both))
    assert both.tolist() == [[6, 7, 8, 9, 10], [-6, -5, -4, -3, -2]]


@needs_compiler
def test_a_source_that_does_not_compile():
    with (
        pytest.warns(RuntimeWarning, match="could not compile"),
        pytest.raises(RuntimeError, match='refused a loop; use backend="torch"'),
    ):
        native.run("void tile( { this is no C either", (), (), ())
