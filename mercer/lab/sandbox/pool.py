"""Makes isolated workers."""

from __future__ import annotations

import importlib.util
import itertools
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

from mercer.lab.sandbox import environment, message
from mercer.lab.sandbox.account import Accounts
from mercer.lab.sandbox.channel import Channel
from mercer.lab.sandbox.filesystem import SCRATCH
from mercer.lab.sandbox.limits import Limits
from mercer.lab.sandbox.region import Region
from mercer.lab.sandbox.users import Users
from mercer.lab.sandbox.view import PACKAGE, View
from mercer.lab.sandbox.worker import Worker, end, number

ISOLATIONS = ("namespaces", "seccomp")
HARNESS = "mercer.lab.runner.harness:Harness"
SECRET = ("mercer.lab.problems", "mercer.lab.channels", "mercer.papers")
START = 120.0  # seconds until torch must have been imported
BIRTH = 30.0  # seconds until a worker must be ready


class Pool:
    """A process that has imported torch and forks workers from itself.

    The pool and its workers end with the judge, however it ends.

    Parameters
    ----------
    device : {"cpu", "cuda"}, optional
        What workers can open. CUDA is initialised in each worker, if at all.
    limits : Limits, optional
        Of each worker.
    isolation : {"namespaces", "seccomp"}, optional
        "namespaces": own mounts, processes, network, IPC and host name, no capabilities, a root
        file system of read-only parts of the host's, and a filter of system calls. "seccomp": where
        the system refuses name spaces; Landlock instead of the file system and a stricter filter.
    handler : str, optional
        "module:Class" that answers commands in the worker: called once with the regions
        (memoryviews by name), then with each command.
    readable : sequence of Path, optional
        Further files and folders that workers may read; where the judge is root, workers are other
        users, so that their own permissions must let others read.

    Raises
    ------
    RuntimeError
        The system refuses the isolation asked for, or the handler cannot be imported.
    """

    _numbers = itertools.count()  # of the workers of all pools, as their groups share a folder

    def __init__(
        self,
        *,
        device: str = "cpu",
        limits: Limits | None = None,
        isolation: str = "namespaces",
        handler: str = HARNESS,
        readable: Sequence[Path] = (),
    ) -> None:
        if device not in ("cpu", "cuda"):
            raise ValueError(f"device must be 'cpu' or 'cuda', got {device!r}")
        if isolation not in ISOLATIONS:
            raise ValueError(f"isolation must be one of {', '.join(ISOLATIONS)}, got {isolation!r}")
        self.device, self.isolation = device, isolation
        self.limits = limits or Limits()
        cuda = device == "cuda"
        interpreted = os.environ.get("TRITON_INTERPRET") == "1"
        self._plan: dict[str, Any] = {
            "handler": handler,
            "isolation": isolation,
            "cuda": cuda,
            "triton": (cuda or interpreted) and importlib.util.find_spec("triton") is not None,
            "secret": SECRET,
            "limits": asdict(self.limits),
            "view": View.of(readable, cuda=cuda).plain(),
        }
        self._users = Users()
        # The keeper of a worker without name spaces must live until it has ended all others.
        self._ending = signal.SIGKILL if isolation == "namespaces" else signal.SIGTERM
        self._workers: set[Worker] = set()
        with ExitStack() as undo:
            self._accounts = Accounts(self.limits, cuda=cuda)
            undo.callback(self._accounts.close)
            self._control = self._start()
            undo.callback(self._process.wait)
            undo.callback(self._control.close)
            with tempfile.TemporaryDirectory(prefix="mercer-") as folder:
                try:
                    message.send(self._control, {**self._plan, "folder": folder})
                    _expect(self._control, START)
                except BaseException:
                    self._process.kill()  # it would go on to import torch, for nobody
                    raise
            self._belongings = undo.pop_all()

    def _start(self) -> socket.socket:
        """Start the zygote in a session of its own and return the socket to it."""
        control, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        root = str(PACKAGE.parent)
        program = (
            f"import sys; sys.path.append({root!r}); "
            f"from mercer.lab.sandbox.zygote import main; main({other.fileno()})"
        )
        with other:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", program],
                pass_fds=[other.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                env=environment.clean(os.environ, self.device),
            )
        return control

    def worker(self, regions: Mapping[str, int]) -> Worker:
        """Make an isolated process.

        Parameters
        ----------
        regions : mapping of str to int
            Bytes of the memory shared with it, by name; it can only read the one named "in".

        Returns
        -------
        Worker
            Use it in a `with` block. Several threads may make workers of one pool.
        """
        with ExitStack() as undo, ExitStack() as given:
            shared = {}
            for name, size in regions.items():
                shared[name] = Region(name, size, readonly=name == "in")
                undo.callback(shared[name].release)
            uid = undo.enter_context(self._users.another())
            account = self._accounts.open(next(self._numbers))
            undo.callback(account.close)
            status, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            undo.callback(status.close)
            given.callback(other.close)
            ends = []
            for read in (True, False, False):  # of commands, replies and the log
                pipe = os.pipe()
                ends.append(pipe if read else pipe[::-1])
                given.callback(os.close, ends[-1][0])
                undo.callback(os.close, ends[-1][1])
            (_, to), (_, back), (_, log) = ends
            channel = Channel(to, back, log, status.fileno(), self.limits)
            undo.callback(channel.drain)
            order = {
                "regions": [(r.name, r.size, r.readonly) for r in shared.values()],
                "uid": uid,
                "data": not self._accounts.kernel,
                "scratch": self._scratch(uid, undo),
            }
            descriptors = [other.fileno(), *(theirs for theirs, _ in ends)]
            descriptors += [r.descriptor for r in shared.values()]
            message.send(self._control, order, descriptors)
            given.close()
            _, (pidfd,) = _expect(status, BIRTH)
            undo.callback(os.close, pidfd)
            undo.callback(end, pidfd, self._ending)
            account.admit(number(pidfd))
            message.send(status, {"ok": True})
            _expect(status, BIRTH)
            belongings = undo.pop_all()
        seconds = self.limits.cpu_seconds
        worker = Worker(channel, shared, status, pidfd, account, belongings, seconds)
        self._workers.add(worker)
        belongings.callback(self._workers.discard, worker)
        return worker

    def _scratch(self, uid: int, undo: ExitStack) -> str:
        """Return the folder that a worker can write to; the one in its own file system is there."""
        if self.isolation == "namespaces":
            return SCRATCH
        folder = tempfile.mkdtemp(prefix="mercer-")
        undo.callback(shutil.rmtree, folder, ignore_errors=True)
        os.chown(folder, uid, uid if os.geteuid() == 0 else -1)
        return folder

    def close(self) -> None:
        """End the workers that are left, and the pool; return when nothing of it is left."""
        for worker in list(self._workers):
            worker.close()
        self._belongings.close()

    def __enter__(self) -> Pool:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _expect(connection: socket.socket, seconds: float) -> tuple[dict[str, Any], list[int]]:
    """Wait for good news of the zygote, or of a worker that is being made."""
    if not select.select([connection], [], [], seconds)[0]:
        raise RuntimeError(f"the sandbox did not start within {seconds:g} s")
    notice, descriptors = message.receive(connection)
    if notice is None:
        raise RuntimeError("the sandbox ended while it was started")
    if not notice["ok"]:
        raise RuntimeError(notice["error"].removeprefix("RuntimeError: "))
    return notice, descriptors
