"""What a forked process does to itself before it runs anything that is not trusted."""

from __future__ import annotations

import os
import resource
import tempfile
from collections.abc import Iterable
from typing import Any

from mercer.lab.sandbox import filesystem, kernel, landlock, namespaces, processes, seccomp
from mercer.lab.sandbox.view import View

OPEN_FILES = 1024
SPARE = 16
CACHES = {
    "HOME": "",
    "TMPDIR": "",
    "XDG_CACHE_HOME": "/cache",
    "TORCHINDUCTOR_CACHE_DIR": "/inductor",
    "TORCH_EXTENSIONS_DIR": "/extensions",
    "TRITON_CACHE_DIR": "/triton",
    "CUDA_CACHE_PATH": "/cuda",
}


def confine(plan: dict[str, Any], order: dict[str, Any], keep: Iterable[int]) -> None:
    """Leave everything that a worker must not have.

    Parameters
    ----------
    plan, order : dict
        What the judge said of the pool and of this worker.
    keep : iterable of int
        Descriptors that stay open.
    """
    os.setsid()
    close_all_but(keep)
    with open("/proc/self/oom_score_adj", "w") as score:  # before anybody else's process
        score.write("1000")
    limits, uid = plan["limits"], order["uid"]
    view = View.restore(plan["view"])
    alone = plan["isolation"] == "namespaces"
    processes_allowed = limits["processes"] + 1  # a control group comes first, and takes note
    if alone:
        namespaces.leave_pool()
        filesystem.enter(view, limits["scratch"], uid, uid)
    elif not namespaces.changes_user():
        # The keeper counts: the kernel's limit is of all that the user has.
        processes_allowed = processes.of_user(uid) + SPARE * limits["processes"]
    become(uid, own_users=alone)
    scratch(order["scratch"])
    if not alone:
        landlock.restrict(view, order["scratch"])
    ceilings(limits, processes_allowed, data=order["data"])
    seccomp.install(unix_sockets=plan["cuda"], beside_others=not alone)


def become(uid: int, *, own_users: bool) -> None:
    """Become a user without any capability; another one if this process may.

    Parameters
    ----------
    uid : int
    own_users : bool
        Whether an ordinary user's process enters a user name space, in which the kernel counts
        its processes apart from the user's others.
    """
    if namespaces.changes_user():
        kernel.drop_bounding_set()
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    elif own_users:
        namespaces.own_users()
        kernel.drop_bounding_set()
    kernel.drop_capabilities()
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    kernel.prctl(kernel.PR_SET_DUMPABLE, 1)  # else /proc/self belongs to root


def ceilings(limits: dict[str, Any], processes_allowed: int, *, data: bool) -> None:
    """Set the limits that the kernel holds a single process or a user to."""
    seconds = limits["cpu_seconds"]
    bounds = {
        resource.RLIMIT_CPU: (seconds, seconds + 1),
        resource.RLIMIT_NPROC: processes_allowed,
        resource.RLIMIT_FSIZE: limits["file_size"],
        resource.RLIMIT_NOFILE: OPEN_FILES,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MSGQUEUE: 0,
    }
    if data:
        bounds[resource.RLIMIT_DATA] = limits["memory"]
    for kind, bound in bounds.items():
        pair = bound if isinstance(bound, tuple) else (bound, bound)
        hard = resource.getrlimit(kind)[1]
        if hard != resource.RLIM_INFINITY:
            pair = (min(pair[0], hard), min(pair[1], hard))
        resource.setrlimit(kind, pair)


def scratch(folder: str) -> None:
    """Work in the scratch folder, with every cache in it."""
    os.chdir(folder)
    os.umask(0o077)
    for name, place in CACHES.items():
        os.environ[name] = folder + place
    tempfile.tempdir = None


def close_all_but(keep: Iterable[int]) -> None:
    """Close every descriptor but the standard ones and those named."""
    last = 2
    for descriptor in sorted(set(keep) - {0, 1, 2}):
        os.closerange(last + 1, descriptor)
        last = descriptor
    os.closerange(last + 1, os.sysconf("SC_OPEN_MAX"))


def standard_streams(log: int) -> None:
    """Read nothing, and print into the log."""
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(null)
    os.close(log)


def share_gpu(memory: int) -> None:
    """Let PyTorch take at most so many bytes of each GPU; CUDA stays as it is until it is used."""
    import torch

    def limit() -> None:
        for index in range(torch.cuda.device_count()):
            total = torch.cuda.get_device_properties(index).total_memory
            torch.cuda.set_per_process_memory_fraction(min(1.0, memory / total), index)

    torch.cuda._lazy_call(limit)
