"""Pools whose workers run any program that a test hands them."""

from __future__ import annotations

import ctypes
import os
import sys
import textwrap
from pathlib import Path

import pytest

from mercer.lab.sandbox import Limits, Pool

MIB = 1 << 20
TIGHT = Limits(memory=700 * MIB, cpu_seconds=2, processes=24, scratch=48 * MIB, file_size=32 * MIB)

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
    """Return a pool with the probe as its handler; `folder` is where the probe is imported from."""
    folder.chmod(0o755)
    (folder / "sandbox_probe.py").write_text(PROBE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(folder))
        patch.setenv("SECRET_KEY", "xyzzy")
        try:
            return Pool(
                isolation=isolation, limits=limits, handler="sandbox_probe:Probe", **options
            )
        except RuntimeError as error:
            pytest.skip(str(error))


def run(worker, program: str, timeout: float = 10.0, **given):
    """Run a program in a worker and return its reply."""
    command = {"program": textwrap.dedent(program), "given": given}
    return worker.request(command, timeout=timeout)


def value(worker, program: str, timeout: float = 10.0, **given):
    """Run a program that must not raise and return its `value`."""
    reply = run(worker, program, timeout, **given)
    assert reply["ok"], reply["trace"]
    return reply["value"]


def others_reach_python() -> bool:
    """Whether workers that run as another user, or as this one, can open this interpreter."""
    prefix = Path(os.path.realpath(sys.base_prefix))
    return os.geteuid() != 0 or all(p.stat().st_mode & 1 for p in (prefix, *prefix.parents))


def as_nobody(*arguments: str) -> None:
    """Become user 65534, who can reach this interpreter wherever it is, and run Python."""
    libc = ctypes.CDLL(None, use_errno=True)

    def mount(source, target, kind, flags, options=None):
        if libc.mount(source, target, kind, flags, options):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    prefix = os.path.realpath(sys.base_prefix)
    top = "/" + prefix.split("/")[1]
    if libc.unshare(0x20000):
        raise OSError(ctypes.get_errno(), "unshare")
    mount(b"none", b"/", None, 0x44000)
    if top != "/usr":
        mount(prefix.encode(), b"/mnt", None, 0x5000)
        mount(b"tmpfs", top.encode(), b"tmpfs", 0, b"mode=755")
        os.makedirs(prefix)
        mount(b"/mnt", prefix.encode(), None, 0x5000)
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
    os.execv(sys.executable, [sys.executable, *arguments])


if __name__ == "__main__":
    as_nobody(*sys.argv[1:])
