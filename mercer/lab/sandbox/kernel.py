"""System calls that Python has no name for."""

from __future__ import annotations

import ctypes
import errno
import os
import platform

MACHINES = {"x86_64": 0, "aarch64": 1}

# By name: the number on x86-64 and on 64-bit Arm.
NUMBERS = {
    "pivot_root": (155, 41),
    "capset": (126, 91),
    "open_tree": (428, 428),
    "mount_setattr": (442, 442),
    "landlock_create_ruleset": (444, 444),
    "landlock_add_rule": (445, 445),
    "landlock_restrict_self": (446, 446),
}

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_SECCOMP = 22
PR_CAPBSET_DROP = 24
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38

_libc = ctypes.CDLL(None, use_errno=True)


def machine() -> int:
    """Return the column of this machine in tables of system call numbers."""
    name = platform.machine()
    if name not in MACHINES:
        raise RuntimeError(f"workers are isolated on {' and '.join(MACHINES)} only, this is {name}")
    return MACHINES[name]


def call(name: str, *arguments: int | bytes | ctypes._SimpleCData | ctypes.Array | None) -> int:
    """Call a function of the C library, or the system call of that name if it has none.

    Raises
    ------
    OSError
        The call failed; its text names the call.
    """
    if name in NUMBERS:
        number = NUMBERS[name][machine()]
        result = _libc.syscall(ctypes.c_long(number), *map(_word, arguments))
    else:
        result = getattr(_libc, name)(*map(_word, arguments))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")
    return result


def prctl(option: int, *arguments: int) -> int:
    """Set a property of this process."""
    words = (*arguments, 0, 0, 0, 0)[:4]
    return call("prctl", option, *words)


def drop_bounding_set() -> None:
    """Give up every capability that a later program could be granted."""
    for capability in range(64):
        try:
            prctl(PR_CAPBSET_DROP, capability)
        except OSError as error:
            if error.errno == errno.EINVAL:  # the kernel knows no more of them
                return
            raise


def drop_capabilities() -> None:
    """Give up every capability that this process has."""
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # version 3, this process
    call("capset", header, (ctypes.c_uint32 * 6)())


def capable(capability: int) -> bool:
    """Whether this process has a capability of the system's own user name space."""
    with open("/proc/self/status") as status:
        effective = next(line.split()[1] for line in status if line.startswith("CapEff"))
    return bool(int(effective, 16) >> capability & 1)


def _word(value: object) -> object:
    return ctypes.c_ulong(value) if isinstance(value, int) else value
