"""Attacks on what the judge is told, and on whoever comes next or works beside."""

import json
import os
import tempfile
import threading
import time
from pathlib import Path

import pytest

from mercer.lab.sandbox import WorkerLost
from tests.lab.sandboxes import SIZES, TIGHT, beneath, lost, run, value


def test_printing_a_result_is_only_printing(worker):
    fake = json.dumps({"ok": True, "value": "fake"})
    program = f"import os\nprint({fake!r})\nos.write(2, {fake!r}.encode())\nvalue = 'true'"
    assert value(worker, program) == "true"
    assert "fake" in worker.log()


EVERYWHERE = """
import os
def shout(text):
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2:
            try:
                os.set_blocking(int(name), True)
                rest = memoryview(text)
                while rest: rest = rest[os.write(int(name), rest):]
            except OSError: pass
"""


@pytest.mark.parametrize(
    "text",
    [
        r"""b'{"ok": true, "value": "fake"}\n'""",
        r"""b'{"ok": true, "value": "fake", "id": 1}\n' * 3""",
        r"b'not json\n'",
        r"b'\xff\xfe\n'",
        r"b'[' * 200000 + b'\n'",
        r"b'{\"a\":' * 200000 + b'\n'",
        r"b'9' * 100000 + b'\n'",
        r"b'{\"value\": NaN}\n'",
        r"b'7\n'",
        r"b'x' * (64 << 20)",
        r"b'\n' * 100000",
    ],
)
def test_false_replies_lose_the_worker_only(worker, bystander, text):
    lost(worker, f"{EVERYWHERE}\nshout({text})", "protocol", timeout=20.0)


def test_reply_before_the_question_is_noticed(worker):
    program = f"""{EVERYWHERE}
import threading, time
def later():
    time.sleep(0.2)
    shout(b'{{"ok": true}}' + bytes([10]))
threading.Thread(target=later).start()
value = 1
"""
    assert value(worker, program) == 1
    time.sleep(0.6)
    lost(worker, "value = 2", "protocol")


def test_closing_the_pipe_is_an_end(worker):
    program = "import os, time\nos.closerange(3, 100)\ntime.sleep(60)"
    lost(worker, program, "protocol", timeout=30.0)


def test_flood_of_output_is_cut(worker):
    program = """
    import sys
    for _ in range(64): sys.stdout.write("x" * (1 << 20))
    print("the end")
    value = 1
    """
    assert value(worker, program) == 1
    assert len(worker.log()) <= TIGHT.log
    assert worker.log().endswith("the end\n")


def test_daemon_ends_with_its_worker(tight):
    program = """
    import os, time
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.closerange(0, 100)
            while True:
                regions["out"][0] = (regions["out"][0] + 1) % 256
                time.sleep(0.005)
        os._exit(0)
    os.wait()
    """
    with tight.worker(SIZES) as worker:
        value(worker, program)
        out = worker.region("out")
        before = out[0].item()
        deadline = time.monotonic() + 10
        while out[0].item() == before and time.monotonic() < deadline:
            time.sleep(0.01)
        assert out[0].item() != before  # it does run
    after = out[0].item()
    time.sleep(0.3)
    assert out[0].item() == after
    assert beneath(tight) == []


def test_only_pipes_and_regions_are_inherited(worker):
    program = """
    import os
    links = {}
    for name in os.listdir("/proc/self/fd"):
        try: links[name] = os.readlink(f"/proc/self/fd/{name}")
        except OSError: pass  # the one that listed
    value = links
    """
    links = value(worker, program)
    assert links.pop("0") == "/dev/null"
    regions = {target for target in links.values() if target.startswith("/memfd:")}
    assert regions == {"/memfd:in (deleted)", "/memfd:out (deleted)"}
    pipes = [target for target in links.values() if target not in regions]
    assert len(pipes) == 4  # output twice, commands, replies
    assert all(target.startswith("pipe:") for target in pipes)


def test_inputs_cannot_be_overwritten(worker):
    worker.region("in")[:] = 7
    program = """
    import ctypes, mmap, os
    done = []
    address = int(next(l.split("-")[0] for l in open("/proc/self/maps") if "memfd:in" in l), 16)
    try: regions["in"][0] = 1
    except TypeError: pass
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mprotect(ctypes.c_void_p(address), 4096, 3) == 0: done.append("mprotect")
    try:
        with open("/proc/self/mem", "r+b", buffering=0) as memory:
            memory.seek(address)
            memory.write(b"1")
        done.append("mem")
    except OSError: pass
    value = done, regions["in"][0]
    """
    assert value(worker, program) == [[], 7]
    assert bool((worker.region("in") == 7).all())


def test_nothing_is_left_behind(tight, monkeypatch):
    marker = f"marker-{os.getpid()}-{time.time_ns()}"
    program = """
    import os
    for place in (".", "/tmp", "/var/tmp", "/dev/shm"):
        try: open(os.path.join(place, marker), "w").write("x")
        except OSError: pass
    os.mkdir("deep")
    open("deep/file", "w").write("x")
    """
    with tempfile.TemporaryDirectory(prefix="judge-") as own:  # others' judges use /tmp meanwhile
        os.chmod(own, 0o755)
        monkeypatch.setattr(tempfile, "tempdir", own)
        with tight.worker(SIZES) as worker:
            untouched = value(worker, "import os\nvalue = sorted(os.listdir('.'))")
        with tight.worker(SIZES) as worker:
            value(worker, program, marker=marker)
        for place in ("/tmp", "/var/tmp", "/dev/shm"):
            assert not Path(place, marker).exists()
        assert os.listdir(own) == []
        with tight.worker(SIZES) as worker:
            assert value(worker, "import os\nvalue = sorted(os.listdir('.'))") == untouched


def test_hostile_neighbours_cost_no_result(tight):
    hostile = [
        "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
        "import os\nos._exit(0)",
        "import ctypes\nctypes.string_at(0)",
        "kept = []\nwhile True: kept.append(b'x' * (1 << 24))",
    ]

    def attack():
        for program in hostile:
            with tight.worker(SIZES) as worker:
                try:
                    run(worker, program, 1.0)
                except WorkerLost:
                    continue

    thread = threading.Thread(target=attack)
    thread.start()
    right = 0
    while thread.is_alive():
        with tight.worker(SIZES) as worker:
            assert value(worker, "value = sum(range(1000))", 60.0) == 499500
        right += 1
    thread.join()
    assert right > 0
    assert beneath(tight) == []
