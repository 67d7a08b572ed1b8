"""Starting the processes of a run, for tests."""

from __future__ import annotations

import datetime
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist

ROOT = Path(__file__).parent.parent
TOLD = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
Arrays = dict[str, np.ndarray]


def environment(**more: str) -> dict[str, str]:
    """The variables of this process, one thread, and no run of torchrun that it may be part of."""
    kept = {name: value for name, value in os.environ.items() if name not in TOLD}
    path = os.pathsep.join([str(ROOT), *filter(None, [kept.get("PYTHONPATH")])])
    return {**kept, "OMP_NUM_THREADS": "1", "PYTHONPATH": path, **more}


def start(command: list[str], **more: str) -> subprocess.Popen:
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment(**more),
    )


def run_worker(worker: Path, folder: Path) -> None:
    """Run a script that calls :func:`fork_ranks`."""
    done = subprocess.run(
        [sys.executable, str(worker), str(folder)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment(),
        timeout=100,
    )
    assert done.returncode == 0, done.stderr


def results(folder: Path, size: int) -> list[Arrays]:
    """What each rank of a run of ``size`` returned."""
    return [dict(np.load(folder / f"{rank}-of-{size}.npz")) for rank in range(size)]


def fork_ranks(work: Callable[[int, int], Arrays], sizes: tuple[int, ...]) -> None:
    """Run ``work(rank, size)`` in forks of this process, which has imported all they need.

    Such a process starts no threads of its own before it forks: those would be lost.
    """
    folder = Path(sys.argv[1])
    torch.set_num_threads(1)
    context = multiprocessing.get_context("fork")
    for size in sizes:
        ranks = [context.Process(target=_rank, args=(work, r, size, folder)) for r in range(size)]
        for process in ranks:
            process.start()
        for process in ranks:
            process.join()
        if any(process.exitcode for process in ranks):
            sys.exit(1)


def _rank(work: Callable[[int, int], Arrays], rank: int, size: int, folder: Path) -> None:
    dist.init_process_group(
        "gloo",
        init_method=f"file://{folder}/store-{size}",
        rank=rank,
        world_size=size,
        timeout=datetime.timedelta(seconds=40),
    )
    np.savez(folder / f"{rank}-of-{size}.npz", **work(rank, size))
    dist.destroy_process_group()
