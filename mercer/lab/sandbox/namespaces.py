"""Name spaces: a pool's own view of the system, and in it every worker's own."""

from __future__ import annotations

import os

from mercer.lab.sandbox import kernel

MOUNTS, HOST, IPC, USERS, PROCESSES, NETWORK = (
    0x00020000,
    0x04000000,
    0x08000000,
    0x10000000,
    0x20000000,
    0x40000000,
)
SETGID, SETUID, SYS_ADMIN = 6, 7, 21  # capabilities
HOSTNAME = b"worker"


def privileged() -> bool:
    """Whether this process can make name spaces and become another user by itself."""
    return changes_user() and kernel.capable(SYS_ADMIN)


def changes_user() -> bool:
    """Whether this process can become another user; root of a container often can no more."""
    return os.geteuid() == 0 and all(map(kernel.capable, (SETGID, SETUID)))


def leave_host() -> None:
    """Give the calling process its own name spaces; its next child is the first process there.

    Without privileges a user name space comes first, in which the process has them.

    Raises
    ------
    RuntimeError
        The system does not let it.
    """
    kinds = MOUNTS | HOST | IPC | NETWORK | PROCESSES
    if os.geteuid() == 0 and not privileged():
        raise RuntimeError(
            "name spaces need CAP_SYS_ADMIN, CAP_SETUID and CAP_SETGID of root; run as an ordinary "
            "user instead"
        )
    try:
        if privileged():
            kernel.call("unshare", kinds)
        else:
            own_users(kinds)
        kernel.call("sethostname", HOSTNAME, len(HOSTNAME))
    except OSError as error:
        raise RuntimeError(
            f"the system refuses name spaces to this user ({error.strerror}); "
            "isolation='seccomp' does without them"
        ) from None


def own_users(more: int = 0) -> None:
    """Enter a new user name space, where user and group keep their numbers."""
    uid, gid = os.geteuid(), os.getegid()
    kernel.call("unshare", USERS | more)
    for file, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{uid} {uid} 1"),
        ("gid_map", f"{gid} {gid} 1"),
    ):
        with open(f"/proc/self/{file}", "w") as handle:
            handle.write(text)


def fork_first(own: int) -> int:
    """Fork a child that is the first process of a new process name space.

    Parameters
    ----------
    own : int
        Descriptor of the process name space that this process is in.
    """
    kernel.call("unshare", PROCESSES)
    pid = os.fork()
    if pid:
        kernel.call("setns", own, PROCESSES)
    return pid


def leave_pool() -> None:
    """Give a worker its own mounts, network, IPC and host name."""
    kernel.call("unshare", MOUNTS | HOST | IPC | NETWORK)
