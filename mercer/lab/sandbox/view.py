"""Which files of the system a worker can see."""

from __future__ import annotations

import glob
import os
import shutil
import site
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

SYSTEM = (
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/nix/store",
    "/etc/alternatives",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
)
TOPOLOGY = ("/sys/devices/system/cpu", "/sys/devices/system/node")
CUDA = ("/sys/devices", "/sys/bus", "/sys/class", "/sys/module", "/sys/dev")
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
CUDA_DEVICES = ("/dev/nvidia*", "/dev/nvidia-caps/*")
CUDA_FOLDERS = ("CUDA_HOME", "CUDA_PATH", "LD_LIBRARY_PATH")  # variables that name folders


PACKAGE = Path(__file__).resolve().parents[2]  # mercer


@dataclass(frozen=True)
class View:
    """Paths of the host that exist in a worker, at the same place and read-only.

    Parameters
    ----------
    read : sequence of str
        Files and folders.
    devices : sequence of str
        Devices that can be opened, for writing too.
    hidden : sequence of str
        Files and folders beneath `read` that cannot be.
    """

    read: Sequence[str]
    devices: Sequence[str]
    hidden: Sequence[str]

    @classmethod
    def of(cls, readable: Sequence[Path], *, cuda: bool) -> View:
        """Return what a worker of this interpreter needs, and `readable`."""
        package = PACKAGE
        for path in readable:
            if not Path(path).exists():
                raise FileNotFoundError(f"readable names {path}, which does not exist")
        wanted = [*SYSTEM, *_python(package), *_compilers(), str(package), *map(str, readable)]
        wanted += CUDA if cuda else TOPOLOGY
        if cuda:
            wanted += [f for name in CUDA_FOLDERS for f in os.environ.get(name, "").split(":")]
        devices = [p for p in DEVICES if os.path.exists(p)]
        if cuda:
            devices += sorted(p for g in CUDA_DEVICES for p in glob.glob(g) if not os.path.isdir(p))
        hidden = [package / "lab" / "problems", package / "lab" / "channels", package / "papers"]
        if (package.parent / "pyproject.toml").exists():
            hidden.append(package.parent / "tests")
        secrets = [name for path in hidden for name in (str(path), os.path.realpath(path))]
        return cls(_outermost(wanted), devices, sorted({p for p in secrets if os.path.exists(p)}))

    def plain(self) -> dict[str, Any]:
        """Return the view as JSON can say it."""
        return asdict(self)

    @classmethod
    def restore(cls, plain: Mapping[str, Any]) -> View:
        """Return the view that `plain` came from."""
        return cls(**plain)


def _python(package: Path) -> list[str]:
    """Folders that the interpreter imports from, but for one that holds mercer's source tree."""
    prefixes = [sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix]
    extra = [*os.environ.get("PYTHONPATH", "").split(":"), site.getusersitepackages()]
    return prefixes + [p for p in extra if p and Path(p).resolve() != package.resolve().parent]


def _compilers() -> list[str]:
    """Folders of compilers that are not among the system's: the one above their `bin`."""
    named = [os.environ.get("CC", ""), os.environ.get("CXX", ""), "gcc", "g++", "nvcc", "ninja"]
    found = [os.path.realpath(path) for path in map(shutil.which, filter(None, named)) if path]
    home = os.path.realpath(os.path.expanduser("~"))
    folders = []
    for path in found:
        folder = os.path.dirname(path)
        above = os.path.dirname(folder)
        private = above == "/" or home == above or home.startswith(above + "/")
        folders.append(folder if private else above)
    return folders


def _outermost(paths: Sequence[str]) -> list[str]:
    """Return the existing paths and what they resolve to, without those inside another."""
    absolute = {os.path.abspath(p) for p in paths if p and os.path.exists(p)}
    absolute |= {os.path.realpath(p) for p in absolute}
    kept: list[str] = []
    for path in sorted(absolute, key=lambda p: p.count("/")):
        if not any(path.startswith(outer.rstrip("/") + "/") for outer in kept):
            kept.append(path)
    return sorted(kept)
