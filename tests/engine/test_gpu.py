"""The Triton backend against the definition in float64: in its interpreter, and on a GPU."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import defaultdict

import pytest
import torch

from mercer.engine import Mask, backend, make, planner, reduce
from tests.engine.cases import CASES, inputs
from tests.engine.oracle import compare, double, error, exact, first, problem, run

ERROR = {"highest": 2e-6, "high": 2e-6, "medium": 2e-3}
GAUSSIAN = "exp(-s0/2)"
DISTANCE = "squared_distance"


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request):
    if request.param == "cpu" and not planner.interpreted():
        pytest.skip("Triton's interpreter is switched off")
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("there is no CUDA device")
    return request.param


@pytest.fixture(params=["split", "whole"])
def columns(request, monkeypatch):
    """Columns shared out to several programs, and all of them run through by one."""
    if request.param == "whole":
        monkeypatch.setattr("mercer.engine.gpu.launch.ENOUGH", 0)


def triton(text, kinds, P, tensors, **how):
    return run(text, kinds, P, tensors, backend="triton", **how)


# -- values --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(("d", "batch", "c"), [(1, (), 1), (3, (3,), 5), (19, (2, 2), 20)])
@pytest.mark.parametrize("precision", ERROR)
def test_equals_definition(name, d, batch, c, precision, device):
    text, kinds, P = CASES[name]
    X, Y, p, V = problem(kinds, P, 37, 41, d, c, device, batch)
    out = triton(text, kinds, P, [*X, *Y, *p, V], precision=precision)
    assert out.shape == (*batch, 37, c)
    assert error(out, exact(text, kinds, P, double(X, Y, p, [V]))) < ERROR[precision]


@pytest.mark.parametrize(("name", "c"), [("gaussian", 130), ("matern32", 3), ("polynomial", 130),
                                         ("mixed", 6)])  # fmt: skip
@pytest.mark.parametrize("precision", ERROR)
def test_many_coordinates_and_columns(name, c, precision, device):
    text, kinds, P = CASES[name]
    X, Y, p, V = problem(kinds, P, 33, 35, 150, c, device)
    out = triton(text, kinds, P, [*X, *Y, *p, V], precision=precision)
    assert error(out, exact(text, kinds, P, double(X, Y, p, [V]))) < ERROR[precision]


WORDS = {
    "sin(3*s0)+cos(s0)": 3,
    "log(1+s0**2)": 3,
    "acos(s0/2)": 3,  # beyond one in places, where it counts as one
    "asin(tanh(s0))": 3,
    "tanh(s0/50)+Abs(s0)**0.7": 3,
    "Min(s0, s0**2, 1/4)": 3,
    "Max(s0, -s0/2, 0.1)*sign(s0-1/3)": 3,
    "1/(2+s0)**2": 3,
}


@pytest.mark.parametrize("text", WORDS)
def test_every_word(text, device):
    X, Y, _, V = problem(["dot"], 0, 37, 41, 3, 2, device)
    x, y, v = double(X, Y, [V])
    if text.startswith("acos"):
        K = torch.acos((x @ y.mT / 2).clamp(-1, 1))
        assert ((x @ y.mT).abs() > 2).any()
        assert error(triton(text, ["dot"], 0, [*X, *Y, V]), K @ v) < 2e-6
    else:
        want = exact(text, ["dot"], 0, [x, y, v])
        assert error(triton(text, ["dot"], 0, [*X, *Y, V]), want) < 2e-6


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (0, 5), (5, 0)])
@pytest.mark.parametrize("c", [0, 2, 6])
@pytest.mark.parametrize("normalise", [None, "rows"])
def test_awkward_sizes(shape, c, normalise, device):
    X, Y, _, V = problem([DISTANCE], 0, *shape, 4, c, device)
    tensors = [t.requires_grad_() for t in (*X, *Y, V)]
    out = triton(GAUSSIAN, [DISTANCE], 0, tensors, normalise=normalise)
    copies = double(tensors)
    want = exact(GAUSSIAN, [DISTANCE], 0, copies, rows=normalise == "rows")
    torch.testing.assert_close(out.cpu().double(), want, rtol=1e-5, atol=1e-6)
    out.sum().backward()
    grads = torch.autograd.grad(want.sum(), copies)
    for t, g in zip(tensors, grads):
        torch.testing.assert_close(t.grad.cpu().double(), g, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", ["dot", DISTANCE, "l1_distance"])
def test_no_coordinates(kind, device):
    """Every score is zero."""
    X, Y, V = torch.zeros(7, 0), torch.zeros(5, 0), torch.randn(5, 2)
    out = triton("exp(-s0)+1", [kind], 0, [X.to(device), Y.to(device), V.to(device)])
    torch.testing.assert_close(out.cpu(), 2 * V.sum(0).expand(7, 2))


def test_no_batch_at_all(device):
    X, Y, _, V = problem([DISTANCE], 0, 7, 5, 4, 2, device, (0,))
    assert triton(GAUSSIAN, [DISTANCE], 0, [*X, *Y, V]).shape == (0, 7, 2)


@pytest.mark.parametrize(("d", "c"), [(4, 3), (9, 6)])
def test_strides_do_not_matter(d, c, device):
    X, Y, _, V = problem([DISTANCE], 0, 60, 2 * d, 50, 2 * c, device)
    x, y, v = X[0][::2, : 2 * d : 2], Y[0].T[:, ::2], V[:1, 1::2].expand(50, c)
    out = triton(GAUSSIAN, [DISTANCE], 0, [x, y, v], precision="high")
    assert error(out, exact(GAUSSIAN, [DISTANCE], 0, double([x, y, v]))) < 2e-6


def test_batches_broadcast(device):
    X, Y, p, V = problem([DISTANCE], 1, 20, 30, 3, 2, device, (2, 3))
    x, y, v = X[0][:, :1], Y[0][0, 0], V[:1]  # [2, 1, 20, 3], [30, 3], [1, 3, 30, 2]
    out = triton("exp(-p0*s0)", [DISTANCE], 1, [x, y, p[0][1], v])
    whole = [x.expand(2, 3, 20, 3), y, p[0][1].expand(2, 3), v]
    want = exact("exp(-p0*s0)", [DISTANCE], 1, double(whole))
    assert out.shape == (2, 3, 20, 2)
    assert error(out, want) < 2e-6


@pytest.mark.parametrize(("name", "precision"), [("gaussian", "high"), ("gaussian", "highest"),
                                                 ("matern12", "highest")])  # fmt: skip
@pytest.mark.parametrize("d", [3, 19])
def test_points_against_themselves(name, precision, d, device):
    text, kinds, _ = CASES[name]
    X, _, _, V = problem(kinds, 0, 45, 45, d, 3, device)
    out = triton(text, kinds, 0, [*X, *X, V], precision=precision)
    assert error(out, exact(text, kinds, 0, double(X, X, [V]))) < 2e-6


@pytest.mark.parametrize("name", ["gaussian", "matern12", "laplace"])
@pytest.mark.parametrize("d", [3, 19])
def test_far_from_the_origin(name, d, device):
    text, kinds, _ = CASES[name]
    X, Y, _, V = problem(kinds, 0, 45, 50, d, 3, device)
    X, Y = [X[0] + 1000.0], [torch.cat([X[0][:20] + 1000.0, Y[0][20:] + 1000.0])]
    out = triton(text, kinds, 0, [*X, *Y, V], precision="highest")
    assert error(out, exact(text, kinds, 0, double(X, Y, [V]))) < 2e-6


@pytest.mark.parametrize(
    ("name", "d", "c"),
    [("gaussian", 3, 1), ("gaussian", 19, 20), ("polynomial", 150, 3), ("mixed", 19, 6)],
)
@pytest.mark.parametrize("precision", ERROR)
def test_few_rows_and_many_columns(name, d, c, precision, columns, device):
    text, kinds, P = CASES[name]
    X, Y, p, V = problem(kinds, P, 3, 300, d, c, device)
    out = triton(text, kinds, P, [*X, *Y, *p, V], precision=precision)
    assert error(out, exact(text, kinds, P, double(X, Y, p, [V]))) < ERROR[precision]


# -- masks and normalised rows -------------------------------------------------------------------


def masks(n, m, size=16):
    blocks = torch.rand(-(-n // size), -(-m // size)) < 0.5
    blocks[0] = False  # rows without any pair
    return {
        "causal": Mask(upper=0),
        "lower": Mask(lower=-9),
        "band": Mask(-30, 4),
        "narrow": Mask(60, 63),
        "nothing": Mask(lower=m),
        "blocks": Mask(blocks=blocks, size=size),
        "ragged": Mask(blocks=torch.rand(-(-n // 7), -(-m // 7)) < 0.3, size=7),
        "blocks in a band": Mask(-40, 20, blocks, size),
    }


@pytest.mark.parametrize("mask", masks(1, 1))
@pytest.mark.parametrize(
    ("name", "n", "m", "d", "c", "precision"),
    [("gaussian", 70, 133, 3, 2, "highest"), ("softmax", 130, 67, 19, 6, "high")],
)
def test_masks(mask, name, n, m, d, c, precision, columns, device):
    text, kinds, P = CASES[name]
    mask = masks(n, m)[mask]
    X, Y, p, V = problem(kinds, P, n, m, d, c, device)
    out = triton(text, kinds, P, [*X, *Y, *p, V], precision=precision, mask=mask)
    assert error(out, exact(text, kinds, P, double(X, Y, p, [V]), mask)) < 2e-6


@pytest.mark.parametrize("mask", [None, *masks(1, 1)])
@pytest.mark.parametrize(("c", "precision"), [(2, "highest"), (18, "high"), (5, "medium")])
def test_normalised_rows(mask, c, precision, device):
    mask = None if mask is None else masks(70, 133)[mask]
    X, Y, _, V = problem(["dot"], 0, 70, 133, 5, c, device)
    out = triton("exp(s0)", ["dot"], 0, [*X, *Y, V], precision=precision, mask=mask,
                 normalise="rows")  # fmt: skip
    want = exact("exp(s0)", ["dot"], 0, double(X, Y, [V]), mask, rows=True)
    assert error(out, want) < ERROR[precision]


@pytest.mark.parametrize(("text", "kind", "P"), [("(1+sqrt(s0))*exp(-sqrt(s0))", DISTANCE, 0),
                                                 ("2*exp(-p0*s0)", DISTANCE, 1),
                                                 ("exp(-s0)", "l1_distance", 0)])  # fmt: skip
@pytest.mark.parametrize("mask", [None, "blocks in a band"])
def test_other_profiles_normalised(text, kind, P, mask, device):
    mask = None if mask is None else masks(40, 47)[mask]
    X, Y, p, V = problem([kind], P, 40, 47, 3, 2, device, (2,))
    out = triton(text, [kind], P, [*X, *Y, *p, V], mask=mask, normalise="rows")
    want = exact(text, [kind], P, double(X, Y, p, [V]), mask, rows=True)
    assert error(out, want) < 2e-6


@pytest.mark.parametrize("causal", [False, True])
def test_attention(causal, device):
    """Scores in the hundreds, whose exponentials overflow float32."""
    X, Y, _, V = problem(["dot"], 0, 70, 70, 8, 9, device, (2,))
    X = [200 * x for x in X]
    out = triton("exp(s0)", ["dot"], 0, [*X, *Y, V], normalise="rows",
                 mask=Mask(upper=0) if causal else None)  # fmt: skip
    x, y, v = double(X, Y, [V])
    want = torch.nn.functional.scaled_dot_product_attention(x, y, v, is_causal=causal, scale=1.0)
    assert error(out, want.detach()) < 2e-5  # a score of 400 in float32 is known to 2e-5


def test_row_maximum_of_a_row_that_is_far_below_zero(device):
    """Its entries underflow unless taken relative to the largest one that takes part."""
    X, Y, _, V = problem(["dot"], 0, 20, 20, 4, 2, device)
    x = [torch.cat([X[0], torch.full_like(X[0][:, :1], -300.0)], -1)]
    y = [torch.cat([Y[0], torch.ones_like(Y[0][:, :1])], -1)]
    how = {"normalise": "rows", "mask": Mask(upper=0)}
    out = triton("exp(s0)", ["dot"], 0, [*x, *y, V], **how)
    want = exact("exp(s0)", ["dot"], 0, double(X, Y, [V]), Mask(upper=0), rows=True)
    assert error(out, want) < 1e-4  # scores of 300 in float32


# -- derivatives ---------------------------------------------------------------------------------

GRADIENT_ERROR = {"highest": 5e-6, "high": 5e-6, "medium": 5e-3}


@pytest.mark.parametrize(
    ("name", "precision", "d", "c", "batch"),
    [
        *((name, "highest", 2, 3, ()) for name in CASES),
        *((name, "highest", 5, 1, (2,)) for name in ("matern32", "laplace", "mixed")),
        *((name, "high", 11, 6, (2,)) for name in CASES if name != "mixed"),
        *((name, "medium", 9, 5, ()) for name in ("gaussian", "softmax", "rational quadratic")),
    ],
)
def test_gradients(name, precision, d, c, batch, device):
    text, kinds, P = CASES[name]
    given = problem(kinds, P, 23, 31, d, c, device, batch)
    compare("triton", text, kinds, P, given, GRADIENT_ERROR[precision], precision=precision)


@pytest.mark.parametrize(
    ("name", "precision", "d", "c", "batch"),
    [
        *((name, "highest", 2, 3, ()) for name in CASES),
        *((name, "high", 11, 6, (2,)) for name in ("matern32", "polynomial")),
    ],
)
def test_second_gradients(name, precision, d, c, batch, device):
    text, kinds, P = CASES[name]
    given = problem(kinds, P, 17, 19, d, c, device, batch)
    compare("triton", text, kinds, P, given, GRADIENT_ERROR[precision], 2, precision=precision)


@pytest.mark.parametrize(
    ("d", "c", "precision"),
    [(150, 3, "high"), (4, 130, "highest"), (130, 6, "highest"), (150, 130, "high")],
)
def test_gradients_of_many_coordinates_and_columns(d, c, precision, columns, device):
    text, kinds, P = CASES["two lengthscales"]
    given = problem(kinds, P, 20, 150, d, c, device)
    compare("triton", text, kinds, P, given, GRADIENT_ERROR[precision], precision=precision)


@pytest.mark.parametrize("mask", masks(1, 1))
def test_gradients_with_masks(mask, device):
    given = problem(["dot", DISTANCE], 1, 40, 75, 3, 5, device)
    mask = masks(40, 75)[mask]
    compare("triton", "exp(p0*s0-s1)", ["dot", DISTANCE], 1, given, 5e-6, mask=mask)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize(
    ("text", "kind", "P", "mask"),
    [
        ("exp(p0*s0)", "dot", 1, None),
        ("exp(p0*s0)", "dot", 1, "ragged"),
        ("exp(-s0/2)", DISTANCE, 0, "causal"),
        ("exp(-s0/2)", DISTANCE, 0, "blocks in a band"),
    ],
)
def test_gradients_of_normalised_rows(order, mask, text, kind, P, device):
    mask = None if mask is None else masks(30, 41)[mask]
    given = problem([kind], P, 30, 41, 3, 5, device, (2,) if order == 1 else ())
    compare("triton", text, [kind], P, given, 1e-5, order, rows=True, mask=mask)


def test_finite_differences(device):
    """Along one direction, the differences taken of the float32 reduction itself."""
    text, kinds, P = CASES["two lengthscales"]
    X, Y, p, V = problem(kinds, P, 20, 25, 3, 2, device)
    tensors = [t.requires_grad_() for t in (*X, *Y, *p, V)]
    U = torch.randn(20, 2, device=device)
    grads = first(lambda t: triton(text, kinds, P, t), tensors, U)
    h, R = 1e-2, [torch.randn_like(t) for t in tensors]

    def at(step):
        moved = [t.detach() + step * r for t, r in zip(tensors, R)]
        return (triton(text, kinds, P, moved).double() * U).sum()

    slope = (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h)
    along = sum((g.double() * r).sum() for g, r in zip(grads, R))
    torch.testing.assert_close(slope, along, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("d", [2, 11])
def test_gradient_of_a_rough_kernel_is_zero_at_coincident_points(d, device):
    text, kinds, _ = CASES["matern12"]
    x = problem(kinds, 0, 25, 1, d, 1, device)[0][0].requires_grad_()
    reduce(kinds, text, x, x, torch.ones(25, 1, device=device), backend="triton").sum().backward()
    (far,) = double([x])
    distance = (far[:, None] - far).square().sum(-1) + torch.eye(25)
    (torch.exp(-distance.sqrt()) * (1 - torch.eye(25))).sum().backward()
    assert error(x.grad, far.grad) < 2e-5
    alone = x.detach()[:1].clone().requires_grad_()
    reduce(kinds, text, alone, alone, alone.new_ones(1, 1), backend="triton").sum().backward()
    assert (alone.grad == 0).all()


def test_vmap(device):
    X, Y, _, V = problem([DISTANCE], 0, 20, 25, 3, 4, device, (3,))
    x, y, v = X[0], Y[0][0], V[0]

    def product(x, v):
        return reduce(DISTANCE, GAUSSIAN, x, y, v, backend="triton")

    over_v = torch.func.vmap(lambda column: product(x[0], column[:, None])[:, 0], 1, 1)(v)
    torch.testing.assert_close(over_v, product(x[0], v))
    one_by_one = torch.stack([product(each, v) for each in x])
    torch.testing.assert_close(torch.func.vmap(product, (0, None))(x, v), one_by_one)

    def slope(x):
        return torch.func.grad(lambda x: product(x, v).square().sum())(x)

    slopes = torch.stack([slope(each) for each in x])
    torch.testing.assert_close(torch.func.vmap(slope)(x), slopes, rtol=1e-4, atol=1e-5)

    def attention(x):
        return reduce("dot", "exp(s0)", x, y, v, normalise="rows", backend="triton")

    one_by_one = torch.stack([attention(each) for each in x])
    torch.testing.assert_close(torch.func.vmap(attention)(x), one_by_one)


@pytest.mark.parametrize("normalise", [None, "rows"])
def test_compiles_to_one_graph(normalise, device):
    X, Y, _, V = problem([DISTANCE], 0, 30, 20, 5, 2, device)
    V.requires_grad_()
    formula = make(GAUSSIAN, (DISTANCE,), 0)

    def product(v):
        return reduce((DISTANCE,), formula, X, Y, v, backend="triton", normalise=normalise)

    compiled = torch.compile(product, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(V), product(V))
    (got,) = torch.autograd.grad(compiled(V).square().sum(), V)
    (want,) = torch.autograd.grad(product(V).square().sum(), V)
    torch.testing.assert_close(got, want)


# -- who runs what -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "text", "message"),
    [
        ({"backend": "triton"}, "exp(-erf(s0))", "it cannot evaluate erf"),
        ({"backend": "triton"}, "atan(s0)+sinh(s0)", "it cannot evaluate atan, sinh"),
        ({"backend": "cuda"}, GAUSSIAN, "backend must be one of auto, torch, compiled, triton, "),
    ],
)
@pytest.mark.parametrize("normalise", [None, "rows"])
def test_what_it_cannot_do_is_refused(change, text, message, normalise, device):
    X, Y, _, V = problem([DISTANCE], 0, 7, 5, 3, 2, device)
    with pytest.raises(ValueError, match=message):
        reduce(DISTANCE, text, X, Y, V, normalise=normalise, **change)


@pytest.mark.parametrize("normalise", [None, "rows"])
def test_float64_is_refused(normalise, device):
    X, Y, _, V = problem([DISTANCE], 0, 7, 5, 3, 2, device)
    X, Y, V = [X[0].double()], [Y[0].double()], V.double()
    with pytest.raises(ValueError, match=r"cannot be used: it takes float32, got float64$"):
        triton(GAUSSIAN, [DISTANCE], 0, [*X, *Y, V], normalise=normalise)


def test_without_an_interpreter_the_cpu_is_refused(monkeypatch):
    monkeypatch.setattr(planner, "interpreted", lambda: False)
    X, Y, _, V = problem([DISTANCE], 0, 7, 5, 3, 2, "cpu")
    with pytest.raises(ValueError, match="it needs a GPU or TRITON_INTERPRET=1, the points are on"):
        triton(GAUSSIAN, [DISTANCE], 0, [*X, *Y, V])


def test_without_triton_it_is_refused(monkeypatch):
    monkeypatch.setattr(planner, "_has_triton", lambda: False)
    X, Y, _, V = problem([DISTANCE], 0, 7, 5, 3, 2, "cpu")
    with pytest.raises(ValueError, match="triton is not installed"):
        triton(GAUSSIAN, [DISTANCE], 0, [*X, *Y, V])


@pytest.mark.parametrize("normalise", [None, "rows"])
def test_auto_never_takes_the_interpreter(normalise, monkeypatch):
    def forbidden():
        raise AssertionError("the Triton backend was asked for")

    monkeypatch.setattr(backend, "_gpu", forbidden)
    monkeypatch.setattr(planner, "SMALL", 0)
    X, Y, _, V = problem([DISTANCE], 0, 30, 20, 3, 2, "cpu")
    X[0].requires_grad_()
    out = reduce(DISTANCE, GAUSSIAN, X, Y, V, normalise=normalise)
    want = exact(GAUSSIAN, [DISTANCE], 0, double(X, Y, [V]), rows=normalise == "rows")
    assert error(out, want) < 2e-6
    out.sum().backward()


def test_half_precision_is_computed_in_float32(device):
    X, Y, _, V = problem([DISTANCE], 0, 40, 50, 4, 2, device)
    X, Y, V = [X[0].bfloat16()], [Y[0].bfloat16()], V.bfloat16()
    out = triton(GAUSSIAN, [DISTANCE], 0, [*X, *Y, V])
    want = exact(GAUSSIAN, [DISTANCE], 0, double(X, Y, [V]))
    torch.testing.assert_close(out.cpu(), want.to(torch.bfloat16))


def test_what_a_kernel_does_not_write_is_nan(monkeypatch, device):
    """Results lie in memory that the tests have poisoned."""
    idle = defaultdict(lambda: lambda *arguments, **sizes: None)
    monkeypatch.setattr("mercer.engine.gpu.launch.build", lambda spec: idle)
    X, Y, _, V = problem(["dot"], 0, 30, 20, 3, 2, device)
    assert triton(GAUSSIAN, ["dot"], 0, [*X, *Y, V]).isnan().all()
    assert triton("exp(s0)", ["dot"], 0, [*X, *Y, V], normalise="rows").isnan().all()


# -- on a device alone ---------------------------------------------------------------------------


@pytest.mark.gpu
def test_offsets_of_64_bits():
    """More than 2^31 numbers in V, a few rows of points."""
    if not torch.cuda.is_available() or torch.cuda.mem_get_info()[0] < 45 * 2**30:
        pytest.skip("it takes 45 GB of a CUDA device")
    n, m, c = 4, 2**24 + 2**17, 128
    x, y = torch.randn(n, 1, device="cuda"), torch.randn(m, 1, device="cuda")
    V = torch.randn(m, c, device="cuda")
    assert V.numel() > 2**31
    out = reduce(DISTANCE, GAUSSIAN, x, y, V, backend="triton")
    want = torch.zeros(n, c, dtype=torch.float64, device="cuda")
    for y_part, V_part in zip(y.split(2**19), V.split(2**19)):
        want += torch.exp(-torch.cdist(x.double(), y_part.double()).square() / 2) @ V_part.double()
    assert error(out, want.cpu()) < 2e-5  # seventeen million signs cancel


@pytest.mark.gpu
def test_first_call_ends(tmp_path):
    """With nothing compiled before, in a process of its own."""
    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA device")
    folders = {"TRITON_CACHE_DIR": str(tmp_path / "triton"), "XDG_CACHE_HOME": str(tmp_path)}
    program = (
        "import torch; from mercer.engine import reduce; x = torch.zeros(99, 3, device='cuda');"
        "print(reduce('squared_distance', 'exp(-s0)', x, x, x[:, :1] + 1, backend='triton').sum())"
    )
    done = subprocess.run([sys.executable, "-c", program], env=os.environ | folders, timeout=300,
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "9801." in done.stdout


@pytest.mark.parametrize("c", [4, 5, 20])
def test_small_entries_keep_their_digits(c, device):
    """Entries near 1e-16 beside none that are larger: halves must not lose them."""
    text, kinds = "exp(-s0/2)*exp(-s1)", [DISTANCE, DISTANCE]
    X, Y, _, V = inputs(kinds, 0, 40, 33, 19, c, dtype=torch.float32)
    tensors = [t.to(device) for t in (*X, *Y, V)]
    want = exact(text, kinds, 0, double(tensors))
    for precision, allowed in (("high", 2e-5), ("medium", 2e-2)):
        assert error(triton(text, kinds, 0, tensors, precision=precision), want) < allowed
