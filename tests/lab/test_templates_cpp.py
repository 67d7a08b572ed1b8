"""Programs in C++, compiled and run, against the references in float64."""

import pytest
import torch

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


@pytest.mark.slow
@pytest.mark.parametrize("name", list(catalogue(tags=["memory-bound"])))
def test_all_memory_bound_problems_are_right(name):
    problem = find(name)
    try:
        graph = traced(problem)
        schedules = [fused(graph, size="desk", language="cpp"), naive(graph, "cpp")]
        candidates = [emit(graph, s, size="desk") for s in schedules]
    except Unsupported as reason:
        pytest.skip(str(reason))
    for candidate in candidates:
        for size in ("odd", "small"):
            close(*run(problem, candidate, size=size), 1e-4)
