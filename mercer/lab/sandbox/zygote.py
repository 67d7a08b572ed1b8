"""The process that has imported torch once and forks every worker."""

from __future__ import annotations

import gc
import importlib
import os
import select
import signal
import socket
import sys
from contextlib import suppress
from typing import Any

from mercer.lab.sandbox import (
    confinement,
    filesystem,
    inmate,
    keeper,
    kernel,
    landlock,
    message,
    namespaces,
)
from mercer.lab.sandbox.view import View


def main(descriptor: int) -> None:
    """Read the plan from the judge, prepare, and fork workers until the judge is gone."""
    judge = os.pidfd_open(os.getppid())
    control = socket.socket(fileno=descriptor)
    plan, _ = message.receive(control)
    if plan is None:
        return
    try:
        handler = load(plan)
        gc.collect()
        gc.freeze()
        alone()
        enclose(plan)
    except Exception as error:
        message.send(control, inmate.sentence(error))
        return
    message.send(control, {"ok": True})
    Zygote(plan, handler, control, judge).run()


def load(plan: dict[str, Any]) -> Any:
    """Import torch and the handler; nothing of CUDA may be initialised before the fork."""
    import torch

    if plan["triton"]:
        importlib.import_module("triton")
    module, _, name = plan["handler"].partition(":")
    handler = getattr(importlib.import_module(module), name)
    if torch.cuda.is_initialized():
        raise RuntimeError(f"importing {module} must not initialise CUDA")
    for secret in plan["secret"]:
        if secret in sys.modules:
            raise RuntimeError(f"importing {module} must not import {secret}")
    return handler


def alone() -> None:
    """Go on in a process of one thread: name spaces are closed to others."""
    if len(os.listdir("/proc/self/task")) > 1:
        _continue_in_child()


def enclose(plan: dict[str, Any]) -> None:
    """Go on in the pool's isolation: as the first process of its own name spaces, in the workers'
    file system; or where Landlock will do, as the one that orphans come to.
    """
    if plan["isolation"] == "seccomp":
        landlock.version()
        keeper.adopt()
        return
    namespaces.leave_host()
    _continue_in_child()
    filesystem.build(View.restore(plan["view"]), plan["folder"])


def _continue_in_child() -> None:
    """Return in a child that ends with this process, which waits for it."""
    parent = os.pidfd_open(os.getpid())
    pid = os.fork()
    if pid:
        confinement.close_all_but(())
        os.waitpid(pid, 0)
        os._exit(0)
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    if select.select([parent], [], [], 0)[0]:
        os._exit(0)
    os.close(parent)


class Zygote:
    """The loop: a message is a worker to fork, a readable pidfd one that has ended."""

    def __init__(
        self, plan: dict[str, Any], handler: Any, control: socket.socket, judge: int
    ) -> None:
        self._plan, self._handler, self._control, self._judge = plan, handler, control, judge
        self._processes = os.open("/proc/self/ns/pid", os.O_RDONLY)
        self._statuses: dict[int, socket.socket] = {}  # by pidfd
        self._children: dict[int, int] = {}  # likewise
        self._namespaces = plan["isolation"] == "namespaces"

    def run(self) -> None:
        """Serve until the judge closes the control socket or ends."""
        while True:
            poll = select.poll()
            for descriptor in (self._judge, self._control.fileno(), *self._statuses):
                poll.register(descriptor, select.POLLIN)
            ready = {descriptor for descriptor, _ in poll.poll()}
            for pidfd in ready & self._statuses.keys():
                self._bury(pidfd)
            if self._judge in ready:
                return
            if self._control.fileno() in ready:
                order, descriptors = message.receive(self._control)
                if order is None:
                    return
                self._fork(order, descriptors)

    def _bury(self, pidfd: int) -> None:
        """Take note of a worker's end, after which nothing of its name space is left."""
        pid = self._children.pop(pidfd)
        _, wait, used = os.wait4(pid, 0)
        status = self._statuses.pop(pidfd)
        if not self._namespaces:
            keeper.clear(besides=self._children.values())  # in case that a keeper was killed
        with suppress(OSError):  # the judge has closed this worker
            message.send(status, inmate.end(wait, used))
        status.close()
        os.close(pidfd)

    def _fork(self, order: dict[str, Any], descriptors: list[int]) -> None:
        status = socket.socket(fileno=descriptors[0])
        try:
            pid = namespaces.fork_first(self._processes) if self._namespaces else os.fork()
        except OSError as error:
            message.send(status, inmate.sentence(error))
            status.close()
            pid = -1
        if pid == 0:
            try:
                self._live(order, status, descriptors[1:])
            finally:
                os._exit(70)
        for descriptor in descriptors[1:]:
            os.close(descriptor)
        if pid > 0:
            pidfd = os.pidfd_open(pid)
            self._statuses[pidfd] = status
            self._children[pidfd] = pid
            message.send(status, {"ok": True}, [pidfd])

    def _live(self, order: dict[str, Any], status: socket.socket, descriptors: list[int]) -> None:
        """Be a worker, and exit."""
        commands, replies, log, *shared = descriptors
        try:
            message.receive(status)  # the judge has put this process into its control group
            if not self._namespaces:
                self._keep(order, status)
            confinement.confine(self._plan, order, [*descriptors, status.fileno()])
            confinement.standard_streams(log)
            if self._plan["limits"]["gpu_memory"] is not None:
                confinement.share_gpu(self._plan["limits"]["gpu_memory"])
            regions = {
                name: (descriptor, size, readonly)
                for descriptor, (name, size, readonly) in zip(shared, order["regions"])
            }
            handler = self._handler(inmate.attach(regions))
        except BaseException as error:
            message.send(status, inmate.sentence(error))
            os._exit(71)
        message.send(status, {"ok": True})
        status.close()
        inmate.serve(handler, os.fdopen(commands, "rb"), replies)
        os._exit(0)

    def _keep(self, order: dict[str, Any], status: socket.socket) -> None:
        """Become the keeper, which exits here, of a child, in which this returns."""
        zygote = os.pidfd_open(os.getppid())
        keeper.adopt()
        pid = os.fork()
        if pid == 0:
            return
        confinement.close_all_but([status.fileno(), zygote])
        keeper.keep(pid, status, zygote, order["scratch"], self._plan["limits"])
        os._exit(0)
