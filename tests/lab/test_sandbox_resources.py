"""Attacks on the machine: no program takes more than its worker's share."""

import time

import pytest

from tests.lab.sandboxes import TIGHT, lost, outcome, value


@pytest.mark.parametrize(
    "program",
    [
        "while True: pass",
        "import time\nwhile True: time.sleep(1)",
        """
        import signal, time
        for s in range(1, 65):
            try: signal.signal(s, signal.SIG_IGN)
            except (OSError, ValueError): pass
        while True: time.sleep(1)
        """,
        """
        import os, signal, time
        os.kill(os.getpid(), signal.SIGSTOP)
        while True: time.sleep(1)
        """,
        "import threading\nthreading.Event().wait()",
    ],
    ids=["busy", "asleep", "deaf", "stopped", "waiting"],
)
def test_endless_programs_time_out(worker, bystander, program):
    started = time.monotonic()
    lost(worker, program, "timed out", timeout=0.4)
    assert time.monotonic() - started < 30


def test_cpu_time_is_limited_whatever_the_timeout(worker):
    lost(worker, "while True: pass", "timed out", timeout=100.0)


def test_fork_bomb(worker, bystander):
    program = """
    import os
    while True:
        try: os.fork()
        except OSError: pass
    """
    lost(worker, program, "processes", timeout=3.0)


def test_thread_bomb(worker, bystander):
    program = """
    import threading
    count = 0
    try:
        while count < 10_000:
            threading.Thread(target=threading.Event().wait, daemon=True).start()
            count += 1
    except RuntimeError:
        pass
    import time
    time.sleep(0.5)
    value = count
    """
    reply = outcome(worker, program)
    assert reply in ("processes", "memory") or reply["value"] <= TIGHT.processes


@pytest.mark.parametrize(
    ("program", "timeout"),
    [
        ("kept = []\nwhile True: kept.append(b'x' * (1 << 24))", 30.0),
        (
            """
            import mmap, time
            kept, filling = [], b'x' * (1 << 24)
            for _ in range(200):
                kept.append(mmap.mmap(-1, 1 << 24))
                kept[-1].write(filling)
            time.sleep(5)
            """,
            30.0,
        ),
        (
            """
            import mmap, os, time
            kept = []
            for _ in range(20):
                kept.append(mmap.mmap(-1, 1 << 27))
                if os.fork() == 0:
                    for _ in range(128): kept[-1].write(b'x' * (1 << 20))
                    os._exit(0)
                os.wait()
            time.sleep(5)
            """,
            30.0,
        ),
        (
            """
            import os, time
            for _ in range(12):
                if os.fork() == 0:
                    kept = b'x' * (150 << 20)
                    time.sleep(60)
            time.sleep(60)
            """,
            5.0,  # the parent sleeps on, as only children are ended
        ),
    ],
    ids=["private", "shared", "shared with the dead", "in many processes"],
)
def test_memory_bombs(worker, bystander, program, timeout):
    reply = outcome(worker, program, timeout)
    if reply != "memory":
        assert isinstance(reply, dict), reply
        assert not reply["ok"]
        assert "MemoryError" in reply["error"] or "Cannot allocate" in reply["error"]


@pytest.mark.parametrize("call", ["memfd_create", "shmget"])
def test_memory_that_no_process_maps_is_refused(worker, call):
    program = """
    import ctypes, errno
    libc = ctypes.CDLL(None, use_errno=True)
    arguments = {"memfd_create": (b"x", 0), "shmget": (0, 1 << 20, 0o1600)}[call]
    value = getattr(libc, call)(*arguments), ctypes.get_errno() == errno.EPERM
    """
    assert value(worker, program, call=call) == [-1, True]


def test_scratch_is_bounded(worker, bystander):
    program = """
    import os
    total, number = 0, 0
    try:
        while total < 1 << 28:
            with open(f"file{number}", "wb", buffering=0) as file:
                for _ in range(16):
                    total += file.write(b"x" * (1 << 20))
            number += 1
    except OSError:
        pass
    import time
    time.sleep(0.5)
    value = total
    """
    reply = outcome(worker, program)
    assert reply == "memory" or reply["value"] <= TIGHT.scratch


def test_one_file_is_bounded(worker):
    program = """
    import signal
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    total = 0
    try:
        with open("file", "wb", buffering=0) as file:
            while total < 1 << 28: total += file.write(b"x" * (1 << 20))
    except OSError:
        pass
    value = total
    """
    assert value(worker, program) <= TIGHT.file_size


def test_descriptors_run_out_for_the_worker_alone(worker, bystander):
    program = """
    import os
    kept = []
    try:
        while len(kept) < 1 << 17: kept.append(os.open("/dev/null", os.O_RDONLY))
    except OSError: pass
    value = len(kept)
    for d in kept: os.close(d)
    """
    assert value(worker, program) <= 1024


def test_limits_cannot_be_raised(worker):
    program = """
    import resource
    done = []
    for name in ("CPU", "NPROC", "FSIZE", "NOFILE", "CORE"):
        kind = getattr(resource, "RLIMIT_" + name)
        hard = resource.getrlimit(kind)[1]
        try: resource.setrlimit(kind, (hard + 1, hard + 1))
        except (OSError, ValueError): continue
        done.append(name)
    value = done
    """
    assert value(worker, program) == []
