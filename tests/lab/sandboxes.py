"""Pools whose workers run any program that a test hands them."""

from __future__ import annotations

import atexit
import functools
import os
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from mercer.lab.sandbox import Limits, Pool, WorkerLost, kernel, namespaces, processes

MIB = 1 << 20
TIGHT = Limits(memory=400 * MIB, cpu_seconds=2, processes=24, scratch=48 * MIB, file_size=32 * MIB)
SIZES = {"in": 4096, "out": 4096}  # bytes of the regions

# What a worker needs besides the system: Python, its packages and mercer.
NEEDED = [Path(p).resolve() for p in (sys.base_prefix, sys.prefix, Path(__file__).parents[2])]
BIND, RECURSIVE, PRIVATE = 0x1000, 0x4000, 0x40000  # of mount(2)

PROBE = '''
class Probe:
    """Runs the program in a command, and returns what it calls `value`."""

    def __init__(self, regions):
        self.regions = regions

    def __call__(self, command):
        scope = {"regions": self.regions, **command.get("given", {})}
        exec(command["program"], scope)
        return {"value": scope.get("value")}
'''


def pool(folder: Path, isolation: str = "namespaces", limits: Limits = TIGHT, **options) -> Pool:
    """Return a pool with the probe as its handler.

    The probe is imported from `folder`, but where workers could be users who cannot reach it: then
    from one that everybody can, which is gone again once the probe has been imported.
    """
    make = functools.partial(Pool, limits=limits, handler="sandbox_probe:Probe", **options)
    with ExitStack() as undo:
        if isolation == "seccomp":
            if not others_reach_python():
                pytest.skip("other users cannot reach this interpreter")
            folder = Path(undo.enter_context(tempfile.TemporaryDirectory(prefix="probe-")))
        folder.chmod(0o755)
        (folder / "sandbox_probe.py").write_text(PROBE)
        patch = undo.enter_context(pytest.MonkeyPatch.context())
        patch.setenv("PYTHONPATH", str(folder))
        patch.setenv("SECRET_KEY", "xyzzy")
        try:
            if isolation == "seccomp":
                return within_reach(functools.partial(make, isolation=isolation))
            return make(isolation=isolation)
        except (RuntimeError, PermissionError) as error:
            pytest.skip(str(error))


@functools.cache
def tight_pool(isolation: str) -> Pool:
    """Return the pool of narrow limits that all modules of tests attack."""
    folder = tempfile.TemporaryDirectory(prefix="probe-")
    atexit.register(folder.cleanup)
    made = pool(Path(folder.name), isolation)
    atexit.register(made.close)
    return made


def run(worker, program: str, timeout: float = 10.0, **given):
    """Run a program in a worker and return its reply."""
    command = {"program": textwrap.dedent(program), "given": given}
    return worker.request(command, timeout=timeout)


def value(worker, program: str, timeout: float = 10.0, **given):
    """Run a program that must not raise and return its `value`."""
    reply = run(worker, program, timeout, **given)
    assert reply["ok"], reply["trace"]
    return reply["value"]


def outcome(worker, program: str, timeout: float = 10.0):
    """Run a program; return its reply, or why the worker was lost."""
    try:
        return run(worker, program, timeout)
    except WorkerLost as error:
        return error.reason


def lost(worker, program: str, *reasons: str, timeout: float = 10.0, **given) -> None:
    """Run a program that must lose the worker, for one of the reasons."""
    with pytest.raises(WorkerLost) as caught:
        run(worker, program, timeout, **given)
    assert caught.value.reason in reasons, str(caught.value)


def beneath(pool: Pool) -> list[int]:
    """Return the living processes that the pool's workers have left."""
    tree = processes.children()
    zygote = {"namespaces": lambda p: tree[p][0], "seccomp": lambda p: p}[pool.isolation]
    deadline = time.monotonic() + 5
    while (left := tree.get(zygote(pool._process.pid), [])) and time.monotonic() < deadline:
        time.sleep(0.02)  # ended, until the zygote has taken note of it
        tree = processes.children()
    return left


def others_reach_python() -> bool:
    """Whether workers that run as another user, or as this one, can be given this interpreter."""
    return os.geteuid() != 0 or namespaces.privileged() or not closed()


def closed() -> set[Path]:
    """Return the outermost folders that keep other users from Python, its packages and mercer."""
    chains = ([*path.parents[::-1], path] for path in NEEDED)
    barred = ([p for p in chain if not p.stat().st_mode & 1] for chain in chains)
    return {chain[0] for chain in barred if chain}


def let_in() -> None:
    """Let every user reach Python and mercer, in mounts that only the calling thread sees.

    In a closed folder's place comes an open one, which has nothing but what is needed.
    """
    kernel.call("unshare", namespaces.MOUNTS)
    os.umask(0o022)
    mount("none", "/", "", PRIVATE | RECURSIVE)
    needed = {path: os.open(path, os.O_PATH) for path in NEEDED}
    for barrier in closed():
        mount("tmpfs", str(barrier), "tmpfs", 0, "mode=755")
        for path, descriptor in needed.items():
            if barrier in path.parents:
                path.mkdir(parents=True, exist_ok=True)
                mount(f"/proc/self/fd/{descriptor}", str(path), "", BIND | RECURSIVE)
    for descriptor in needed.values():
        os.close(descriptor)


def within_reach(make: Callable[[], Pool]) -> Pool:
    """Make a pool whose workers can reach Python, whoever they are."""
    if os.geteuid() != 0 or not closed():
        return make()

    def let_in_and_make():
        let_in()
        return make()  # the pool's process gets the mounts of the thread that starts it

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(let_in_and_make).result()


def as_nobody(*arguments: str) -> None:
    """Become user 65534, who can reach this interpreter wherever it is, and run Python."""
    let_in()
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
    os.execv(sys.executable, [sys.executable, *arguments])


def mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    kernel.call("mount", *map(str.encode, (source, target, kind)), flags, options.encode())


if __name__ == "__main__":
    as_nobody(*sys.argv[1:])
