"""Programs in C++, compiled and run, against the references in float64."""

import ctypes
from dataclasses import replace

import pytest
import torch

from mercer.lab.native import build
from mercer.lab.problems import catalogue, find
from mercer.lab.templates import Unsupported, emit, fused, naive
from tests.lab.traced import traced

FEW = ["softmax", "row_arg_maximum"]


def run(problem, candidate, dtype=torch.float32, size="odd"):
    module = {"__name__": "candidate"}
    exec(candidate.source, module)
    reference = problem.reference(size, seed=3).to(dtype)
    inputs = problem.draw(size, seed=4, dtype=dtype)
    model = module["ModelNew"](*problem.initial(*problem.size(size))).to(dtype)
    model.load_state_dict(reference.state_dict())
    with torch.no_grad():
        got = model(*(torch.stack([x, x], -1)[..., 0] for x in inputs))  # strided
        exact = reference.double()(*(x.double() if x.is_floating_point() else x for x in inputs))
    return got, exact


def close(got, exact, tolerance):
    got = got if isinstance(got, tuple) else (got,)
    exact = exact if isinstance(exact, tuple) else (exact,)
    for a, b in zip(got, exact, strict=True):
        assert a.shape == b.shape
        torch.testing.assert_close(a.double(), b.double(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", FEW)
def test_fused_programs_are_right(name):
    problem = find(name)
    graph = traced(problem)
    candidate = emit(graph, fused(graph, size="desk", language="cpp"), size="desk")
    assert candidate.language == "cpp"
    close(*run(problem, candidate), 2e-5)


def test_double_precision_is_kept():
    problem = find("softmax")
    graph = traced(problem)
    candidate = emit(graph, fused(graph, size="desk", language="cpp"), size="desk")
    got, exact = run(problem, candidate, torch.float64)
    assert got.dtype == torch.float64
    close(got, exact, 1e-12)


@pytest.mark.parametrize(("form", "times"), [("whole", 1), ("loop", 2)])
def test_exponentials_of_a_row_can_be_kept_for_the_next_pass(form, times):
    problem = find("softmax")
    graph = traced(problem)
    schedule = fused(graph, size="desk", language="cpp")
    (kernel,) = schedule.tilings
    candidate = emit(graph, schedule.tiled(kernel, form=form), size="desk")
    assert candidate.source.split('extern "C" void')[1].count("exponential(") == times
    close(*run(problem, candidate), 2e-6)


def test_exponentials_from_zero_to_infinity():
    graph = traced(find("softmax"))
    text = emit(graph, fused(graph, size="desk", language="cpp"), size="desk").source
    head = text[text.index("#include <algorithm>") : text.index('extern "C" void')]
    loop = (
        'extern "C" void all(const float* x, float* y, int64_t n) {\n'
        "    #pragma omp simd\n"
        "    for (int64_t i = 0; i < n; ++i) y[i] = exponential(x[i]);\n}\n"
    )
    library = build(head + loop, language="cpp", flags=("-DT=float", "-fopenmp", "-lm"))
    x = torch.cat([torch.linspace(-110, 95, 200_001), torch.tensor([0.0, -0.0, -3.4e38])])
    x = torch.cat([x, torch.tensor([torch.inf, -torch.inf, torch.nan])])
    y = torch.empty_like(x)
    library.all(*(ctypes.c_void_p(t.data_ptr()) for t in (x, y)), ctypes.c_int64(len(x)))
    exact = x.double().exp()
    torch.testing.assert_close(y, exact.float(), rtol=1.5e-7, atol=1.5e-45, equal_nan=True)


def test_masks_are_read_as_bytes():
    problem = find("masked_softmax")
    graph = traced(problem)
    candidate = emit(graph, fused(graph, size="desk", language="cpp"), size="desk")
    assert "const uint8_t* __restrict" in candidate.source
    assert "bool* __restrict" not in candidate.source
    close(*run(problem, candidate), 2e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(catalogue(tags=["memory-bound"])))
def test_all_memory_bound_problems_are_right(name):
    problem = find(name)
    try:
        graph = traced(problem)
        best = fused(graph, size="desk", language="cpp")
        loops = {name: replace(tiling, form="loop") for name, tiling in best.tilings.items()}
        schedules = [best, replace(best, tilings=loops), naive(graph, "cpp")]
        candidates = [emit(graph, s, size="desk") for s in schedules]
    except Unsupported as reason:
        pytest.skip(str(reason))
    for candidate in candidates:
        for size in ("odd", "small"):
            close(*run(problem, candidate, size=size), 1e-4)
