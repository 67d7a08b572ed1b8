"""Runs candidates under Triton's interpreter; started by `test_templates_triton` as a process."""

import json
import os
import sys

if __name__ == "__main__":  # Triton reads this when it is imported
    os.environ["TRITON_INTERPRET"] = "1"

import torch

from mercer.lab.problems import find
from mercer.lab.templates import Schedule, Tiling, emit, fused, mutate, naive, trace
from mercer.lab.templates.tables import tables


def load(source, path):
    with open(path, "w") as file:  # Triton reads the text of its kernels from a file
        file.write(source)
    module = {"__name__": "candidate", "__file__": path}
    exec(compile(source, path, "exec"), module)
    return module["ModelNew"]


def error(problem, candidate, path, layout):
    """Largest error over the reference's entries, in units of their size."""
    reference = problem.reference("odd", seed=3)
    inputs = problem.draw("odd", seed=4)
    model = load(candidate.source, path)(*problem.initial(*problem.size("odd")))
    model.load_state_dict(reference.state_dict())
    given = [layout(x) for x in inputs]
    with torch.no_grad():
        twice = [model(*given) for _ in range(2)]  # the second call takes the short way
        exact = reference.double()(*(x.double() if x.is_floating_point() else x for x in inputs))
    exact = exact if isinstance(exact, tuple) else (exact,)
    worst = 0.0
    for result in twice:
        result = result if isinstance(result, tuple) else (result,)
        for got, want in zip(result, exact, strict=True):
            assert got.shape == want.shape, (got.shape, want.shape)
            integer = not want.dtype.is_floating_point
            assert got.dtype == (want.dtype if integer else torch.float32)
            gap = (got.double() - want.double()).abs() / (1 + want.double().abs())
            worst = max(worst, float(gap.nan_to_num(nan=1e9).max()))
    return worst


def strided(x):
    """The same values in another layout."""
    wide = torch.stack([x, x], -1)
    return wide[..., 0]


def tabulated(graph):
    stored = tables(graph, size="race")
    return fused(graph, size="race", stored=stored) if stored else None


SCHEDULES = {
    "naive": lambda graph: naive(graph),
    "fused": lambda graph: fused(graph, size="race"),
    "loop": lambda graph: Schedule(
        joined=True,
        default=Tiling(
            "loop", rows=4, block=16, online=True, programs=1, keep="last", vectors=False
        ),
    ),
    "tabulated": tabulated,
    "mutant": lambda graph: mutate(graph, fused(graph, size="race"), size="race", seed=5),
}


def errors(folder, names):
    """Errors by problem and form of schedule; what raises has its sentence instead."""
    found = {}
    for name in names:
        problem = find(name)
        graph = trace(problem)
        for kind, make in SCHEDULES.items():
            schedule = make(graph)
            if schedule is None:
                continue
            try:
                candidate = emit(graph, schedule, size="race")
                path = os.path.join(folder, f"{name}_{kind}.py")
                layout = strided if kind == "loop" else (lambda x: x)
                found[f"{name} {kind}"] = error(problem, candidate, path, layout)
            except Exception as failure:
                found[f"{name} {kind}"] = f"{type(failure).__name__}: {failure}"
    return found


if __name__ == "__main__":
    print(json.dumps(errors(sys.argv[1], sys.argv[2:])))
