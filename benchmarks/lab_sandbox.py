"""A thousand candidates, a tenth of them hostile: results lost, processes left, memory, cost."""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch

from mercer.lab.sandbox import Limits, Pool, WorkerLost, processes
from mercer.learn.progress import Progress

MIB = 1 << 20
HANDLER = """
import torch

class Candidate:
    def __init__(self, regions):
        self.regions = regions

    def __call__(self, command):
        scope = {"regions": self.regions, "torch": torch}
        exec(command["program"], scope)
        return {}
"""
HONEST = """
x = torch.frombuffer(bytearray(regions["in"]), dtype=torch.float32)
y = torch.frombuffer(regions["out"], dtype=torch.float32)
y.copy_(torch.softmax(x.view(32, 32), -1).flatten())
"""
SHOUT = """
import os
for d in range(3, 16):
    try: os.write(d, {text})
    except OSError: pass
"""
DAEMON = """
import os, time
for _ in range(3):
    if os.fork() == 0:
        os.setsid()
        if os.fork():
            os._exit(0)
        while True: time.sleep(1)
"""
HOSTILE = {
    "fork bomb": "import os\nwhile True:\n try: os.fork()\n except OSError: pass",
    "busy loop": "while True: pass",
    "sleep": "import time\nwhile True: time.sleep(9)",
    "memory": "k = []\nwhile True: k.append(b'x' * (1 << 24))",
    "exit": "import os\nos._exit(0)",
    "crash": "import ctypes\nctypes.string_at(0)",
    "fake": SHOUT.format(text=r"""b'{"ok": true}\n'"""),
    "flood": SHOUT.format(text="b'x' * (1 << 26)"),
    "daemon": DAEMON,
    "shooting": "import os\nos.kill(-1, 9)\nos.kill(0, 9)\nos.kill(os.getppid(), 9)",
}


def resident(pid: int) -> float:
    """Return a process's own memory in MiB."""
    fields = Path(f"/proc/{pid}/status").read_text()
    return sum(int(x.split()[1]) for x in fields.splitlines() if x.startswith("RssAnon")) / 1024


def check(pool: Pool, program: str, seed: int, timeout: float) -> str:
    """Return "right", "wrong" or why the worker was lost."""
    x = torch.randn(32, 32, generator=torch.Generator().manual_seed(seed))
    try:
        with pool.worker({"in": 4096, "out": 4096}) as worker:
            worker.region("in").view(torch.float32).copy_(x.flatten())
            reply = worker.request({"program": program}, timeout=timeout)
            y = worker.region("out").view(torch.float32).view(32, 32).clone()
    except WorkerLost as lost:
        return lost.reason
    right = reply["ok"] and torch.allclose(y, torch.softmax(x, -1))
    return "right" if right else "wrong"


def lost(counts: Counter[tuple[str, str]]) -> int:
    """Return how many honest candidates were not found right."""
    return sum(
        n for (name, outcome), n in counts.items() if name == "honest" and outcome != "right"
    )


def main() -> None:
    """Run the candidates and print what came of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--candidates", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--timeout", type=float, default=5.0, help="seconds a candidate has")
    parser.add_argument("--isolation", default="namespaces")
    options = parser.parse_args()

    generator = random.Random(0)
    hostile = sorted(generator.sample(range(options.candidates), options.candidates // 10))
    names = dict(zip(hostile, (list(HOSTILE) * options.candidates)))
    folder = tempfile.mkdtemp(prefix="candidates-")
    os.chmod(folder, 0o755)
    Path(folder, "sandbox_candidate.py").write_text(HANDLER)
    os.environ["PYTHONPATH"] = folder
    limits = Limits(memory=700 * MIB, processes=32, cpu_seconds=4, scratch=64 * MIB)

    counts: Counter[tuple[str, str]] = Counter()
    memory: list[tuple[float, float]] = []
    spent = Counter()
    lock = threading.Lock()
    started = time.perf_counter()
    with (
        Pool(
            isolation=options.isolation, limits=limits, handler="sandbox_candidate:Candidate"
        ) as pool,
        Progress(True, "candidates") as progress,
    ):
        tree = processes.children()
        zygote = pool._process.pid
        if options.isolation == "namespaces":
            zygote = tree[zygote][0]
        print(f"pool ready after {time.perf_counter() - started:.1f} s", file=sys.stderr)
        started = time.perf_counter()

        def one(k: int) -> None:
            name = names.get(k, "honest")
            begun = time.perf_counter()
            outcome = check(pool, HOSTILE.get(name, HONEST), k, options.timeout)
            with lock:
                counts[name, outcome] += 1
                spent[name] += time.perf_counter() - begun
                done = sum(counts.values())
                if done % (options.candidates // 10) == 0:
                    memory.append((resident(os.getpid()), resident(zygote)))
                progress({"iteration": done, "of": options.candidates, "lost": lost(counts)})

        with ThreadPoolExecutor(options.workers) as executor:
            list(executor.map(one, range(options.candidates)))
        seconds = time.perf_counter() - started
        time.sleep(0.5)
        left = processes.children().get(zygote, [])
    honest_total = options.candidates - len(hostile)
    print(f"honest candidates right: {counts['honest', 'right']} of {honest_total}")
    for (name, outcome), number in sorted(counts.items()):
        mean = spent[name] / sum(n for (m, _), n in counts.items() if m == name)
        print(f"  {name:10} {outcome:10} {number:5}   {mean:.3f} s each")
    print(f"processes left: {len(left)}")
    print("own memory over time, MiB (judge, zygote):")
    print("  " + "  ".join(f"{a:.0f}, {b:.0f}" for a, b in memory))
    print(f"{seconds / options.candidates:.3f} s per candidate")
    os.remove(Path(folder, "sandbox_candidate.py"))
    os.rmdir(folder)
    if counts["honest", "right"] != honest_total or left:
        sys.exit(1)


if __name__ == "__main__":
    main()
