"""Landlock: rules by which a process gives up files that its user could open."""

from __future__ import annotations

import os
import struct

from mercer.lab.sandbox import kernel
from mercer.lab.sandbox.view import View

OLDEST = 3  # version 3 covers truncating files
EXECUTE, WRITE, READ, LIST = 1, 2, 4, 8
TRUNCATE, DEVICE_CONTROL = 1 << 14, 1 << 15
LOOK = EXECUTE | READ | LIST
NETWORK = 3  # binding and connecting TCP sockets: version 4
SCOPED = 3  # abstract UNIX sockets and signals: version 6
PROC = (
    "/proc/self",
    "/proc/cpuinfo",
    "/proc/devices",
    "/proc/driver",
    "/proc/filesystems",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/sys/vm",
    "/proc/uptime",
    "/proc/version",
)


def version() -> int:
    """Return the version of Landlock that the kernel has.

    Raises
    ------
    RuntimeError
        It has none, or one that does not cover all ways to change a file.
    """
    try:
        found = kernel.call("landlock_create_ruleset", None, 0, 1)
    except OSError:
        found = 0
    if found < OLDEST:
        raise RuntimeError(
            f"isolation 'seccomp' needs Landlock version {OLDEST} (Linux 6.2), "
            f"this system has {found or 'none'}"
        )
    return found


def restrict(view: View, scratch: str) -> None:
    """Leave this process, and all that it will start, the view and one folder to write to."""
    found = version()
    everything = (1 << (16 if found >= 5 else 15)) - 1
    attributes = struct.pack(
        "QQQ", everything, NETWORK if found >= 4 else 0, SCOPED if found >= 6 else 0
    )
    size = 24 if found >= 6 else 16 if found >= 4 else 8
    ruleset = kernel.call("landlock_create_ruleset", attributes, size, 0)
    for path in [*PROC, *(p for outer in view.read for p in _visible(outer, view))]:
        _allow(ruleset, path, LOOK)
    for path in view.devices:
        _allow(ruleset, path, (READ | WRITE | TRUNCATE | DEVICE_CONTROL) & everything)
    _allow(ruleset, scratch, everything)
    for folder in {os.path.dirname(p) for p in view.hidden}:
        _allow(ruleset, folder, LIST)  # for the import system: names, not contents
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    kernel.call("landlock_restrict_self", ruleset, 0)
    os.close(ruleset)


def _visible(path: str, view: View) -> list[str]:
    """Return `path`, or what is in it if something in it is hidden."""
    if path in view.hidden:
        return []
    if not any(hidden.startswith(path.rstrip("/") + "/") for hidden in view.hidden):
        return [path]
    return [p for entry in os.scandir(path) for p in _visible(entry.path, view)]


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    except PermissionError:
        raise RuntimeError(
            f"workers run as user {os.getuid()}, who cannot reach {path}; "
            "let others read it, or use isolation='namespaces'"
        ) from None
    try:
        if not os.path.isdir(path):
            rights &= EXECUTE | WRITE | READ | TRUNCATE | DEVICE_CONTROL
        rule = struct.pack("=Qi", rights, descriptor)
        kernel.call("landlock_add_rule", ruleset, 1, rule, 0)
    finally:
        os.close(descriptor)
