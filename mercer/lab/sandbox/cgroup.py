"""Control groups: the kernel's own ceiling on the memory and the processes of a worker."""

from __future__ import annotations

import errno
import os
import re
import time
from contextlib import suppress
from pathlib import Path

from mercer.lab.sandbox.limits import Limits

CONTROLLERS = ("memory", "pids", "cpu")
PREFIX = "mercer-"


class Places:
    """The folders of the control group file systems in which this process may make groups.

    Version 2 has one tree, version 1 one for each controller; either may be missing or closed to
    this user.

    Attributes
    ----------
    folders : dict of str to Path
        By controller: where a group with that controller can be made.
    """

    def __init__(self) -> None:
        self.folders: dict[str, Path] = {}
        mounts = _mounts()
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, kinds, path = line.split(":", 2)
            for controller in kinds.split(",") if kinds else CONTROLLERS:
                if controller not in CONTROLLERS or controller in self.folders:
                    continue
                mount = mounts.get(controller if kinds else "")
                if mount is not None:
                    self._consider(controller, mount / path.lstrip("/"), unified=not kinds)
        self._sweep()

    def _consider(self, controller: str, own: Path, *, unified: bool) -> None:
        for base in (own, own.parent) if unified else (own,):
            added = False
            try:
                added = unified and _enable(base, controller)
                probe = base / f"{PREFIX}{os.getpid()}-probe"
                probe.mkdir()
                usable = not unified or _takes_processes(probe)
                probe.rmdir()
            except OSError:
                usable = False
            if usable:
                self.folders[controller] = base
                return
            if added:
                _disable(base, controller)

    def _sweep(self) -> None:
        """Remove the empty groups of judges that were killed."""
        for base in set(self.folders.values()):
            for group in base.glob(f"{PREFIX}*-*"):
                if not Path("/proc", group.name.split("-")[1]).exists():
                    _remove(group, patience=0.0)


class Group:
    """One worker's control group.

    Parameters
    ----------
    places : Places
    number : int
        Of the worker.
    limits : Limits
    """

    def __init__(self, places: Places, number: int, limits: Limits) -> None:
        name = f"{PREFIX}{os.getpid()}-{number}"
        self._places = {kind: base / name for kind, base in places.folders.items()}
        self._folders = sorted(set(self._places.values()))
        for folder in self._folders:
            folder.mkdir()
        if "memory" in self._places:
            self._set("memory", ("memory.max", "memory.limit_in_bytes"), limits.memory)
            self._set("memory", ("memory.memsw.limit_in_bytes",), limits.memory)
            self._set("memory", ("memory.swap.max",), 0)
            self._set("memory", ("memory.oom.group",), 1)
        if "pids" in self._places:
            self._set("pids", ("pids.max",), limits.processes)

    def _set(self, kind: str, files: tuple[str, ...], value: int) -> None:
        """Write a value into the first of the files that this version has, if any."""
        for file in files:
            path = self._places[kind] / file
            if path.exists():
                path.write_text(str(value))
                return

    def admit(self, pid: int) -> None:
        """Put a process, and with it all that it will start, into the group."""
        for folder in self._folders:
            (folder / "cgroup.procs").write_text(str(pid))

    def exceeded(self) -> str | None:
        """Name the limit that the kernel held somebody to: "memory", "processes" or none."""
        if self._count("memory", ("memory.events", "memory.oom_control"), "oom_kill"):
            return "memory"
        return "processes" if self._count("pids", ("pids.events",), "max") else None

    def _count(self, kind: str, files: tuple[str, ...], event: str) -> int:
        for file in files if kind in self._places else ():
            path = self._places[kind] / file
            if path.exists():
                found = re.search(rf"^{event} (\d+)$", path.read_text(), re.MULTILINE)
                return int(found[1]) if found else 0
        return 0

    def close(self) -> None:
        """Remove the group, which has no process any more."""
        for folder in self._folders:
            _remove(folder, patience=5.0)


def _mounts() -> dict[str, Path]:
    """Return where each version 1 controller, and under "" version 2, is mounted."""
    found: dict[str, Path] = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        point = Path(before.split(" ")[4])
        if kind == "cgroup2":
            found.setdefault("", point)
        elif kind == "cgroup":
            for controller in set(options.split(",")) & set(CONTROLLERS):
                found.setdefault(controller, point)
    return found


def _enable(base: Path, controller: str) -> bool:
    """Let groups in `base` have a controller (version 2); return whether they had not."""
    file = base / "cgroup.subtree_control"
    if controller in file.read_text().split():
        return False
    file.write_text(f"+{controller}")
    return True


def _disable(base: Path, controller: str) -> None:
    with suppress(OSError):
        (base / "cgroup.subtree_control").write_text(f"-{controller}")


def _takes_processes(group: Path) -> bool:
    """Whether processes may enter a group (version 2): not beneath a group with its own."""
    return (group / "cgroup.type").read_text().strip() == "domain"


def _remove(folder: Path, *, patience: float) -> None:
    """Remove a group; the kernel may need a moment after its last process has ended."""
    deadline = time.monotonic() + patience
    while True:
        try:
            folder.rmdir()
            return
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno != errno.EBUSY or time.monotonic() > deadline:
                return
            time.sleep(1e-3)
