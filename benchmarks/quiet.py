"""A clock for several searches on one machine: while one of them times, the others stand still."""

from __future__ import annotations

import contextlib
import fcntl
import pathlib
import signal
import time

import psutil

STILL = (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
PATIENCE = 60.0  # seconds for which one search may hold the clock
SETTLE = 0.05  # seconds in which a GPU finishes what stopped processes had asked for


class Clock:
    """Held by one search at a time; what else runs below the root is stopped meanwhile."""

    def __init__(self, path: pathlib.Path, root: int) -> None:
        self.file, self.root = path.open("a"), root
        self.stopped: list[psutil.Process] = []

    def __enter__(self) -> None:
        fcntl.flock(self.file, fcntl.LOCK_EX)
        self._note(str(time.time()))
        try:
            while fresh := self._stop():  # who was stopped may just have made another
                self.stopped += fresh
            time.sleep(SETTLE)
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *error: object) -> None:
        go_on(self.stopped)
        self.stopped = []
        self._note("")
        fcntl.flock(self.file, fcntl.LOCK_UN)

    def _note(self, text: str) -> None:
        self.file.seek(0)
        self.file.truncate()
        self.file.write(text)
        self.file.flush()

    def _stop(self) -> list[psutil.Process]:
        """Stop whoever runs but this process, what it started and who waits for it."""
        own = psutil.Process()
        mine = {own, *own.children(recursive=True), *own.parents()}
        fresh = []
        for process in psutil.Process(self.root).children(recursive=True):
            with contextlib.suppress(psutil.Error):  # it has just ended
                if process not in mine and process.status() not in STILL:
                    process.suspend()
                    fresh.append(process)
        return fresh


def go_on(processes: list[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.send_signal(signal.SIGCONT)


def watch(path: pathlib.Path, root: int) -> None:
    """Let all go on where one holds the clock for too long."""
    while True:
        time.sleep(5)
        held = path.read_text() if path.exists() else ""
        if held and time.time() - float(held) > PATIENCE:
            print(f"the clock is held for more than {PATIENCE:.0f} s: all go on", flush=True)
            go_on(psutil.Process(root).children(recursive=True))
