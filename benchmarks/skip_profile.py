"""Record traces of three networks over batch sizes, and measure what fusion gains.

python benchmarks/skip_profile.py [--out benchmarks/results] [--models encoder decoder resnet]

On a GPU. Writes traces/MODEL-BATCH.json.gz and skip_profile.json, from which
`mercer papers run skip-profiler` computes its figures on any machine. Rows of other models that are
in skip_profile.json stay.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from _harness import machine

from mercer.lab.profile import Boundedness, Trace, chains, chains_text
from mercer.papers.lab._skip_profiler_models import BATCHES, MODELS, gains, record

LIMIT = 300_000  # bytes of a trace


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default=str(Path(__file__).parent / "results"))
    parser.add_argument("--models", nargs="+", choices=list(MODELS), default=list(MODELS))
    parser.add_argument("--batches", type=int, nargs="+", default=list(BATCHES))
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--small", action="store_true", help="tiny networks, no fusion")
    args = parser.parse_args()
    device = torch.device(args.device)
    torch.manual_seed(0)
    out = Path(args.out)
    (out / "traces").mkdir(parents=True, exist_ok=True)
    for model in args.models:
        traces = record(device, args.batches, names=[model], steps=args.steps, small=args.small)
        keep(traces[model], model, out / "traces")
        if not args.small:
            measure(model, device, out / "skip_profile.json")


def keep(traces: dict[int, Trace], model: str, folder: Path) -> None:
    for batch, trace in traces.items():
        path = folder / f"{model}-{batch}.json.gz"
        trace.write(path)
        size = path.stat().st_size
        print(f"{path.name}: {size / 1000:.0f} KB" + " TOO LARGE" * (size > LIMIT), flush=True)
    print(model, Boundedness.of(traces).text(rich=False), "", sep="\n")
    print(chains_text(chains(traces[min(traces)]), rich=False), flush=True)


def measure(model: str, device: torch.device, path: Path) -> None:
    rows = gains(device, names=[model])
    for row in rows:
        print(json.dumps(row), flush=True)
    kept = json.loads(path.read_text())["gains"] if path.exists() else []
    rows = [row for row in kept if row["model"] != model] + rows
    path.write_text(json.dumps({"machine": machine(device), "gains": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
