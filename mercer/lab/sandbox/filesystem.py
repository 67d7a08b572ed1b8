"""A root file system of a few read-only parts of the host's and one folder that is written to."""

from __future__ import annotations

import os
import struct

from mercer.lab.sandbox import kernel
from mercer.lab.sandbox.view import View

READ_ONLY, NO_SETUID, NO_DEVICES, NO_EXECUTION = 1, 2, 4, 8  # of mount(2) and mount_setattr(2)
REMOUNT, BIND, RECURSIVE, PRIVATE = 32, 4096, 16384, 1 << 18
DETACH = 2
AT_RECURSIVE = 0x8000

SCRATCH = "/tmp"
KEPT = "/.scratch"  # what the view has beneath the scratch folder waits here for each worker's own
INODES = 1 << 16
LINKS = {
    "/dev/fd": "/proc/self/fd",
    "/dev/stdin": "/proc/self/fd/0",
    "/dev/stdout": "/proc/self/fd/1",
    "/dev/stderr": "/proc/self/fd/2",
    "/dev/shm": SCRATCH,
    "/var/tmp": SCRATCH,
}


def build(view: View, folder: str) -> None:
    """Make the root file system at an empty folder and move into it; the old root is let go.

    The process has its own mount name space and the right to mount there.
    """
    for path in ("/", SCRATCH):
        if path in view.read:
            raise ValueError(f"readable must not have {path} whole, where a worker has its own")
    _mount("none", "/", "", RECURSIVE | PRIVATE)
    _mount("tmpfs", folder, "tmpfs", NO_SETUID | NO_DEVICES, "mode=755,size=4m")
    for path in view.read:
        _bind(path, folder + _place(path, view), READ_ONLY | NO_SETUID | NO_DEVICES)
    for path in view.devices:
        _bind(path, folder + path, NO_SETUID | NO_EXECUTION)
    for path in view.hidden:
        _hide(folder + _place(path, view))
    for path, target in LINKS.items():
        os.makedirs(os.path.dirname(folder + path), exist_ok=True)
        os.symlink(target, folder + path)
    os.mkdir(folder + SCRATCH)
    os.mkdir(folder + "/proc")
    _mount("/proc", folder + "/proc", "", BIND | RECURSIVE)
    os.makedirs(folder + "/etc", exist_ok=True)
    _mount("none", folder, "", REMOUNT | BIND | READ_ONLY | NO_SETUID | NO_DEVICES)
    os.chdir(folder)
    kernel.call("pivot_root", b".", b".")
    kernel.call("umount2", b".", DETACH)
    os.chdir("/")


def enter(view: View, scratch: int, uid: int, gid: int) -> None:
    """Give a worker, in its own mount and process name space, its /proc and its scratch folder."""
    _mount("proc", "/proc", "proc", NO_SETUID | NO_DEVICES | NO_EXECUTION)
    options = f"mode=700,size={scratch},nr_inodes={INODES},uid={uid},gid={gid}"
    _mount("tmpfs", SCRATCH, "tmpfs", NO_SETUID | NO_DEVICES, options)
    for number, path in enumerate(view.read):
        if _scratch(path):
            _bind(f"{KEPT}/{number}", path, READ_ONLY | NO_SETUID | NO_DEVICES)
    os.chdir(SCRATCH)


def _place(path: str, view: View) -> str:
    """Return where the new root has a path of the view until a worker enters it."""
    for number, outer in enumerate(view.read):
        if _scratch(outer) and (path + "/").startswith(outer + "/"):
            return f"{KEPT}/{number}{path.removeprefix(outer)}"
    return path


def _scratch(path: str) -> bool:
    return path.startswith(SCRATCH + "/")


def _mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    try:
        kernel.call(
            "mount", source.encode(), target.encode(), kind.encode(), flags, options.encode()
        )
    except OSError as error:
        raise OSError(error.errno, f"{error.strerror} ({source} on {target})") from None


def _bind(source: str, target: str, attributes: int) -> None:
    """Show a file or folder at another place, and all mounted beneath it, with restrictions."""
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o644))
    _mount(source, target, "", BIND | RECURSIVE)
    restrict = struct.pack("QQQQ", attributes, 0, 0, 0)
    at = -100  # AT_FDCWD
    kernel.call("mount_setattr", at, target.encode(), AT_RECURSIVE, restrict, len(restrict))


def _hide(target: str) -> None:
    """Put something empty over a path, if the new root has it."""
    if os.path.isdir(target):
        flags = READ_ONLY | NO_SETUID | NO_DEVICES | NO_EXECUTION
        _mount("tmpfs", target, "tmpfs", flags, "mode=555,size=4k")
    elif os.path.exists(target):
        _bind(os.devnull, target, READ_ONLY)
