"""The templates' opening schedules beside eager PyTorch and torch.compile, on a GPU.

    python benchmarks/lab_templates.py [--problems a,b] [--out FILE] [--jobs 12]

Every memory-bound problem at its race size: each opening schedule is compiled, compared with the
reference at float32 tolerance, and timed by the clock over blocks of calls whose inputs are those
of three sets in turn. Programs are compiled in parallel processes, of which one at a time has the
GPU for timing.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import time
import traceback
from typing import Any


def work(job: tuple[str, Any]) -> dict[str, Any]:
    name, lock = job
    row: dict[str, Any] = {"problem": name}
    begin = time.time()
    try:
        row |= _measure(name, lock)
    except Exception as error:
        row["failed"] = f"{type(error).__name__}: {str(error)[:300]}"
        row["trace"] = traceback.format_exc()[-1500:]
    row["took"] = time.time() - begin
    return row


def _measure(name: str, lock: Any) -> dict[str, Any]:
    import torch

    from mercer.lab.problems import find
    from mercer.lab.problems import work as count
    from mercer.lab.runner.state import initial_state
    from mercer.lab.templates import emit, openings, trace

    problem, size = find(name), "race"
    state = initial_state(problem, size, dtype=torch.float32, seed=0).tensors
    reference = problem.reference(size).cuda()
    reference.load_state_dict(state)
    sets = [[x.cuda() for x in problem.draw(size, seed=s)] for s in range(3)]
    row: dict[str, Any] = {"bytes": count(problem, size).bytes, "seconds": {}}
    with torch.no_grad():
        expected = [y.clone() for y in _tuple(reference(*sets[0]))]
        compiled = torch.compile(problem.reference(size).cuda())
        compiled.load_state_dict(reference.state_dict(), strict=False)
        compiled._orig_mod.load_state_dict(state)
        contenders = {"eager": reference, "compiled": compiled}
        compiled(*sets[0])
        graph = trace(problem)
        tried: set[str] = set()
        row["wrong"], row["broken"], row["schedules"] = {}, {}, {}
        for k, schedule in enumerate(openings(graph, size=size)):
            text = emit(graph, schedule, size=size).source
            label = "naive" if k == 0 else f"opening {k}"
            if text in tried:
                continue
            tried.add(text)
            row["schedules"][label] = schedule.json()
            try:
                model = _load(text, label)(*problem.initial(*problem.size(size))).cuda()
                model.load_state_dict(state)
                found = _tuple(model(*sets[0]))
            except Exception as error:
                row["broken"][label] = f"{type(error).__name__}: {str(error)[:200]}"
                continue
            off = max(_off(y, z) for y, z in zip(found, expected, strict=True))
            if not off < 2e-3:
                row["wrong"][label] = off
                continue
            contenders[label] = model
        del expected
        with lock:
            for _ in range(2):
                for label, model in contenders.items():
                    row["seconds"].setdefault(label, []).append(_seconds(model, sets))
    row["seconds"] = {k: min(v) for k, v in row["seconds"].items()}
    ours = {k: v for k, v in row["seconds"].items() if k not in ("eager", "compiled")}
    best = min(ours, key=ours.__getitem__) if ours else ""
    row["best"] = best
    row["speedup"] = row["seconds"]["compiled"] / ours[best] if ours else 0.0
    return row


def _load(text: str, label: str) -> Any:
    import importlib.util
    import pathlib
    import tempfile

    path = pathlib.Path(tempfile.mkdtemp()) / "candidate.py"
    path.write_text(text)
    spec = importlib.util.spec_from_file_location("candidate", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.ModelNew


def _tuple(y: Any) -> tuple[Any, ...]:
    return tuple(y) if isinstance(y, (tuple, list)) else (y,)


def _off(y: Any, z: Any) -> float:
    if y.shape != z.shape or y.dtype != z.dtype:
        return float("inf")
    y, z = y.double(), z.double()
    return float((y - z).abs().max() / z.abs().max().clamp(min=1e-30)) if y.numel() else 0.0


def _seconds(model: Any, sets: list[Any]) -> float:
    import torch

    for inputs in sets:
        model(*inputs)
    torch.cuda.synchronize()
    begin = time.perf_counter()
    model(*sets[0])
    torch.cuda.synchronize()
    calls = max(3, min(300, int(0.03 / (time.perf_counter() - begin))))
    found = []
    for _ in range(3):
        torch.cuda.synchronize()
        begin = time.perf_counter()
        for i in range(calls):
            model(*sets[i % len(sets)])
        torch.cuda.synchronize()
        found.append((time.perf_counter() - begin) / calls)
    return statistics.median(found)


def main() -> None:
    from mercer.lab.problems import catalogue

    parser = argparse.ArgumentParser()
    parser.add_argument("--problems", default="")
    parser.add_argument("--out", default="lab_templates.json")
    parser.add_argument("--jobs", type=int, default=12)
    options = parser.parse_args()
    names = options.problems.split(",") if options.problems else []
    names = names or sorted(catalogue(tags=["memory-bound"]))
    context = multiprocessing.get_context("spawn")
    rows = []
    with context.Manager() as manager, context.Pool(options.jobs, maxtasksperchild=1) as pool:
        lock = manager.Lock()
        for row in pool.imap_unordered(work, [(name, lock) for name in names], chunksize=1):
            rows.append(row)
            with open(options.out, "w") as file:
                json.dump(rows, file, indent=1)
            if "failed" in row:
                print(f"{row['problem']:32} {row['failed'][:110]}", flush=True)
                continue
            s = row["seconds"]
            print(
                f"{row['problem']:32} {row['speedup']:.2f}x {row['best']:10} eager "
                f"{1e6 * s['eager']:.0f} compiled {1e6 * s['compiled']:.0f} naive "
                f"{1e6 * s.get('naive', float('nan')):.0f} wrong {len(row['wrong'])} broken "
                f"{len(row['broken'])} bytes {row['bytes']} {row['took']:.0f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
