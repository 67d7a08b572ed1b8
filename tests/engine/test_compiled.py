"""Compiled tiles against the definition in float64, and when there are none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mercer.engine import Mask, cache, compiled, make, native, planner, reduce
from mercer.engine.compiler import compiler
from mercer.engine.program import compile_program
from mercer.engine.reduction import explain
from tests.engine.cases import CASES
from tests.engine.oracle import compare, double, error, exact, problem, run

GAUSSIAN = "exp(-s0/2)"
DISTANCE = "squared_distance"
SCORED = [name for name in CASES if name != "constant"]

needs_compiler = pytest.mark.skipif(compiler() is None, reason="there is no C compiler")


@pytest.fixture(params=["one tile", "tiny tiles"])
def tiles(request, monkeypatch):
    """The matrix in one tile, and in tiles so small that edges abound."""
    if request.param == "tiny tiles":
        monkeypatch.setattr(
            "mercer.engine.tiles.plan_tiles",
            lambda B, n, m, *rest: planner.Plan(min(B, 2), min(n, 5), min(m, 7), "a test"),
        )


@needs_compiler
@pytest.mark.parametrize(
    ("name", "d", "batch", "c"),
    [
        *((name, 1, (), 1) for name in SCORED),
        *((name, 7, (3,), 5) for name in SCORED),
        *((name, 3, (2, 2), 20) for name in ("gaussian", "laplace", "polynomial")),
    ],
)
def test_equals_definition(name, d, batch, c, tiles):
    text, kinds, P = CASES[name]
    X, Y, p, V = problem(kinds, P, 37, 41, d, c, batch=batch)
    out = run(text, kinds, P, [*X, *Y, *p, V], backend="compiled")
    assert out.shape == (*batch, 37, c)
    assert error(out, exact(text, kinds, P, double(X, Y, p, [V]))) < 2e-6


@needs_compiler
@pytest.mark.parametrize(("name", "precision"), [("gaussian", "high"), ("matern32", "highest"),
                                                 ("mixed", "high")])  # fmt: skip
def test_many_coordinates(name, precision, tiles):
    text, kinds, P = CASES[name]
    X, Y, p, V = problem(kinds, P, 33, 35, 30, 3)
    out = run(text, kinds, P, [*X, *Y, *p, V], backend="compiled", precision=precision)
    assert error(out, exact(text, kinds, P, double(X, Y, p, [V]))) < 2e-6


WORDS = ["sin(3*s0)+cos(s0)", "log(1+s0**2)", "Abs(s0)**0.7", "Min(s0, s0**2, 1/4)",
         "Max(s0, -s0/2, 0.1)*sign(s0-1/3)", "1/(2+s0)**2", "1/sqrt(1+s0**2)", "exp(20*s0)",
         "exp(-exp(9*s0))"]  # fmt: skip


@needs_compiler
@pytest.mark.parametrize("text", WORDS)
def test_every_word(text):
    X, Y, _, V = problem(["dot"], 0, 37, 41, 3, 2)
    out = run(text, ["dot"], 0, [*X, *Y, V], backend="compiled")
    tolerance = 2e-5 if "20" in text else 2e-6  # a score of 80 in float32
    assert error(out, exact(text, ["dot"], 0, double(X, Y, [V]))) < tolerance


@needs_compiler
@pytest.mark.parametrize(("low", "high"), [(-20.0, 20.0), (-126.0, 127.49)])
def test_exponential_within_its_rounding(low, high):
    """Every row its own score, against the exponential in float64."""
    x = torch.linspace(low, high, 5001)[:, None] * 0.6931471805599453
    out = reduce("dot", "exp(s0)", x, torch.ones(1, 1), torch.ones(1, 1), backend="compiled")
    want = torch.exp(x.double())
    # exp(x) becomes 2^(x log2 e), whose argument is known to 2^-24 of itself
    allowed = 3e-7 + x.double().abs() * 2.0**-23
    assert ((out.double() / want - 1).abs() <= allowed).all()


@needs_compiler
def test_exponential_beyond_its_range():
    x = torch.tensor([[-1e30], [-200.0], [-104.0], [89.0], [200.0], [1e30]])
    out = reduce("dot", "exp(s0)", x, torch.ones(1, 1), torch.ones(1, 1), backend="compiled")
    assert (out[:3].abs() <= 1.2e-38).all()
    assert (out[3:] == torch.inf).all()


@needs_compiler
@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (0, 5), (5, 0)])
@pytest.mark.parametrize("c", [0, 2])
@pytest.mark.parametrize("d", [0, 3])
def test_awkward_sizes(shape, c, d):
    n, m = shape
    X, Y, V = torch.randn(n, d), torch.randn(m, d), torch.randn(m, c)
    tensors = [t.requires_grad_() for t in (X, Y, V)]
    out = run(GAUSSIAN, [DISTANCE], 0, tensors, backend="compiled")
    copies = double(tensors)
    want = exact(GAUSSIAN, [DISTANCE], 0, copies)
    torch.testing.assert_close(out.double(), want, rtol=1e-5, atol=1e-6)
    out.sum().backward()
    for t, g in zip(tensors, torch.autograd.grad(want.sum(), copies)):
        torch.testing.assert_close(t.grad.double(), g, rtol=1e-5, atol=1e-5)


@needs_compiler
def test_strides_and_batches_that_broadcast():
    X, Y, p, V = problem([DISTANCE], 1, 20, 30, 6, 4, batch=(2, 3))
    x, y, v = X[0][:, :1, :, ::2], Y[0][0, 0].T.contiguous().T[:, ::2], V[:1, ..., 1::2]
    out = run("exp(-p0*s0)", [DISTANCE], 1, [x, y, p[0][1], v], backend="compiled")
    whole = [x.expand(2, 3, 20, 3), y, p[0][1].expand(2, 3), v]
    assert error(out, exact("exp(-p0*s0)", [DISTANCE], 1, double(whole))) < 2e-6


MASKS = {
    "causal": Mask(upper=0),
    "band": Mask(-9, 4),
    "nothing": Mask(lower=60),
    "blocks": Mask(blocks=torch.arange(30).reshape(5, 6) % 3 == 0, size=9),
    "blocks in a band": Mask(-20, 15, torch.arange(30).reshape(5, 6) % 2 == 0, 9),
}


@needs_compiler
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("name", ["gaussian", "softmax"])
@pytest.mark.parametrize("normalise", [None, "rows"])
def test_masks(mask, name, normalise, tiles):
    text, kinds, P = CASES[name]
    X, Y, p, V = problem(kinds, P, 40, 50, 3, 2)
    out = run(text, kinds, P, [*X, *Y, *p, V], backend="compiled", mask=MASKS[mask],
              normalise=normalise)  # fmt: skip
    want = exact(text, kinds, P, double(X, Y, p, [V]), MASKS[mask], rows=bool(normalise))
    assert error(out, want) < 2e-6


@needs_compiler
@pytest.mark.parametrize(
    ("name", "d", "c", "batch"),
    [
        *((name, 2, 1, (2,)) for name in SCORED),
        *((name, 4, 3, ()) for name in ("matern12", "laplace", "rational quadratic")),
    ],
)
def test_gradients(name, d, c, batch, tiles):
    text, kinds, P = CASES[name]
    compare("compiled", text, kinds, P, problem(kinds, P, 23, 31, d, c, batch=batch), 5e-6)


@needs_compiler
@pytest.mark.parametrize(("name", "d", "c"), [("gaussian", 30, 3), ("polynomial", 3, 20)])
def test_gradients_of_many_coordinates_and_columns(name, d, c, tiles):
    text, kinds, P = CASES[name]
    compare("compiled", text, kinds, P, problem(kinds, P, 23, 31, d, c), 5e-6)


@needs_compiler
@pytest.mark.parametrize("mask", [None, "causal", "blocks in a band"])
@pytest.mark.parametrize(("order", "rows"), [(1, False), (1, True), (2, False), (2, True)])
def test_gradients_with_masks(mask, order, rows):
    given = problem(["dot"], 1, 40, 50, 3, 2)
    mask = MASKS[mask] if mask else None
    compare("compiled", "exp(p0*s0)", ["dot"], 1, given, 1e-5, order, rows, mask=mask)


@needs_compiler
@pytest.mark.parametrize("d", [2, 11])
def test_gradient_of_a_rough_kernel_is_zero_at_coincident_points(d):
    text, kinds, _ = CASES["matern12"]
    x = problem(kinds, 0, 25, 1, d, 1)[0][0].requires_grad_()
    reduce(kinds, text, x, x, torch.ones(25, 1), backend="compiled").sum().backward()
    (far,) = double([x])
    distance = (far[:, None] - far).square().sum(-1) + torch.eye(25)
    (torch.exp(-distance.sqrt()) * (1 - torch.eye(25))).sum().backward()
    assert error(x.grad, far.grad) < 2e-5


# -- who runs what -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "kind", "dtype", "message"),
    [
        (GAUSSIAN, DISTANCE, torch.float64, "it takes float32 on the CPU, got .*float64 on cpu"),
        ("tanh(s0)+erf(s0)", "dot", torch.float32, "it cannot evaluate erf, tanh"),
        ("p0", "dot", torch.float32, "the profile has no score"),
    ],
)
@pytest.mark.parametrize("normalise", [None, "rows"])
def test_what_it_cannot_do_is_refused(text, kind, dtype, message, normalise):
    x, v, p = torch.randn(5, 2, dtype=dtype), torch.randn(5, 1, dtype=dtype), torch.tensor(2.0)
    with pytest.raises(ValueError, match=rf'^backend="compiled" cannot be used: {message}$'):
        reduce(kind, text, x, x, v, parameters=[p], backend="compiled", normalise=normalise)


def test_without_a_compiler_torch_evaluates(monkeypatch):
    monkeypatch.setattr(native, "compiler", lambda: None)
    monkeypatch.setattr(compiled, "COMPILE", 0)
    monkeypatch.setattr(planner, "SMALL", 0)
    X, Y, _, V = problem([DISTANCE], 0, 30, 20, 3, 2)
    with pytest.raises(ValueError, match=r"cannot be used: no C compiler was found$"):
        run(GAUSSIAN, [DISTANCE], 0, [*X, *Y, V], backend="compiled")
    out = run(GAUSSIAN, [DISTANCE], 0, [*X, *Y, V])
    assert error(out, exact(GAUSSIAN, [DISTANCE], 0, double(X, Y, [V]))) < 2e-6


@needs_compiler
def test_a_source_that_does_not_compile(monkeypatch):
    monkeypatch.setattr(compiled, "COMPILE", 0)
    monkeypatch.setattr(planner, "SMALL", 0)
    X, Y, _, V = problem([DISTANCE], 0, 30, 20, 3, 2)
    monkeypatch.setattr(compiled, "source", lambda what: "void tile( { this is no C")
    with pytest.warns(RuntimeWarning, match="could not compile a tile, torch evaluates it instead"):
        out = run(GAUSSIAN, [DISTANCE], 0, [*X, *Y, V])
    assert error(out, exact(GAUSSIAN, [DISTANCE], 0, double(X, Y, [V]))) < 2e-6
    with pytest.raises(ValueError, match='backend="compiled" cannot be used: the compiler refused'):
        run(GAUSSIAN, [DISTANCE], 0, [*X, *Y, V], backend="compiled")


@needs_compiler
def test_auto_compiles_from_many_entries_on():
    formula = make("1/(1+s0)", [DISTANCE], 0)
    program = compile_program((formula.expression,), tuple(formula.symbols), ())
    like = torch.zeros(1)
    assert not compiled.use_compiled("auto", program, like, planner.COMPILE - 1)
    assert compiled.use_compiled("auto", program, like, planner.COMPILE)
    assert compiled.use_compiled("compiled", program, like, 1)
    assert not compiled.use_compiled("torch", program, like, planner.COMPILE)
    assert not compiled.use_compiled("auto", program, like.double(), planner.COMPILE)


@needs_compiler
def test_explanation():
    formula = make(GAUSSIAN, [DISTANCE], 0)
    x, y = torch.randn(300, 3), torch.randn(400, 3)
    assert "one compiled loop" in explain(formula, [x], [y], backend="compiled")
    for backend in ("auto", "torch"):
        said = explain(formula, [x], [y], backend=backend)
        assert "torch calls" in said
        assert "compiled" not in said


@needs_compiler
@pytest.mark.parametrize("backend", ["compiled", "triton"])
def test_explanation_of_a_named_backend_for_few_points(backend):
    """What is named is used for few points too."""
    if backend == "triton" and not planner.interpreted():
        pytest.skip("Triton's interpreter is switched off")
    x = torch.randn(30, 3)
    said = explain(make(GAUSSIAN, [DISTANCE], 0), [x], [x], backend=backend)
    assert "Formed whole" not in said
    assert ("one compiled loop" if backend == "compiled" else "Triton backend") in said


def test_cache_that_cannot_be_written(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    folder = cache.cache_folder.__wrapped__()
    assert tmp_path not in folder.parents
    assert folder.name.startswith("mercer-")
    (folder / "probe").write_text("")
    (folder / "probe").unlink()
    folder.rmdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.cache_folder.__wrapped__() == tmp_path / "mercer"


@needs_compiler
def test_two_processes_compile_at_once(tmp_path):
    program = (
        "import torch; from mercer.engine import reduce; x = torch.zeros(99, 3);"
        "v = x[:, :1] + 1;"
        "print(reduce('squared_distance', 'exp(-s0)', x, x, v, backend='compiled').sum())"
    )
    both = [
        subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True,
                         env=os.environ | {"XDG_CACHE_HOME": str(tmp_path)})
        for _ in range(2)
    ]  # fmt: skip
    said = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert said == ["tensor(9801.)\n"] * 2
    (library,) = Path(tmp_path, "mercer").iterdir()  # and nothing half made beside it
    assert library.suffix == ".so"
