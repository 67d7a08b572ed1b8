"""Attacks on the sandbox: each must fail, and leave the judge and other workers as they were."""

import json
import os
import tempfile
import threading
import time
from pathlib import Path

import pytest
from sandboxes import TIGHT, others_reach_python, pool, run, value

import mercer
from mercer.lab.sandbox import WorkerLost

SIZES = {"in": 4096, "out": 4096}


@pytest.fixture(scope="module", params=["namespaces", "seccomp"])
def tight(request, tmp_path_factory):
    if request.param == "seccomp" and not others_reach_python():
        pytest.skip("other users cannot reach this interpreter")
    with pool(tmp_path_factory.mktemp("probe"), request.param) as made:
        yield made


@pytest.fixture
def worker(tight):
    with tight.worker(SIZES) as made:
        yield made


@pytest.fixture
def bystander(tight):
    """A worker that must be as it was after the attack."""
    with tight.worker(SIZES) as made:
        value(made, "kept = 1")
        yield made
        assert value(made, "value = 6 * 7") == 42


def outcome(worker, program, timeout=10.0):
    """Run a program; return its reply, or why the worker was lost."""
    try:
        return run(worker, program, timeout)
    except WorkerLost as error:
        return error.reason


def lost(worker, program, *reasons, timeout=10.0, **given):
    """Run a program that must lose the worker, for one of the reasons."""
    with pytest.raises(WorkerLost) as caught:
        run(worker, program, timeout, **given)
    assert caught.value.reason in reasons, str(caught.value)


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
    "program",
    [
        "kept = []\nwhile True: kept.append(b'x' * (1 << 24))",
        """
        import mmap, time
        kept = []
        for _ in range(200):
            kept.append(mmap.mmap(-1, 1 << 24))
            kept[-1].write(b'x' * (1 << 24))
        time.sleep(5)
        """,
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
        """
        import os, time
        for _ in range(12):
            if os.fork() == 0:
                kept = b'x' * (150 << 20)
                time.sleep(60)
        time.sleep(60)
        """,
    ],
    ids=["private", "shared", "shared with the dead", "in many processes"],
)
def test_memory_bombs(worker, bystander, program):
    reply = outcome(worker, program, 5.0)
    if reply != "memory":
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


def test_files_outside_can_be_neither_read_nor_changed(worker):
    with tempfile.TemporaryDirectory(prefix="private-") as folder:
        secret = Path(folder, "secret")
        secret.write_text("42")
        secret.chmod(0o666)
        Path(folder).chmod(0o777)
        before = secret.stat()
        program = """
        import os
        done = []
        def attempt(name, function, *arguments):
            try: function(*arguments)
            except OSError: return
            done.append(name)
        attempt("read", open, path)
        attempt("list", os.listdir, os.path.dirname(path))
        attempt("write", open, path, "a")
        attempt("create", open, path + "2", "w")
        attempt("truncate", os.truncate, path, 0)
        attempt("remove", os.unlink, path)
        attempt("rename", os.rename, path, path + "3")
        attempt("link", os.link, path, "mine")
        attempt("permit", os.chmod, path, 0)
        attempt("own", os.chown, path, os.getuid(), os.getgid())
        attempt("date", os.utime, path, (0, 0))
        os.symlink(path, "symbolic")
        attempt("read through a link", open, "symbolic")
        attempt("read from the root", open, "/proc/self/root" + path)
        attempt("read from the judge's root", open, f"/proc/{judge}/root" + path)
        value = done
        """
        assert value(worker, program, path=str(secret), judge=os.getpid()) == []
        after = secret.stat()
        assert secret.read_text() == "42"
        assert (before.st_mode, before.st_mtime, before.st_uid) == (
            after.st_mode,
            after.st_mtime,
            after.st_uid,
        )
        assert os.listdir(folder) == ["secret"]


def test_system_and_library_are_read_only(worker):
    program = """
    import os, sys, torch, mercer
    places = ["/", "/usr", "/etc", "/dev", "/root", "/home", "/proc", "/sys", sys.prefix]
    places += [sys.base_prefix, os.path.dirname(torch.__file__), os.path.dirname(mercer.__file__)]
    done = []
    for place in places:
        try: open(os.path.join(place, "planted"), "w")
        except OSError: continue
        done.append(place)
    for path in (torch.__file__, mercer.__file__, "/proc/sys/kernel/core_pattern", sys.executable):
        try: open(path, "r+b")
        except OSError: continue
        done.append(path)
    value = done
    """
    assert value(worker, program) == []


def test_problems_tests_and_home_are_not_there(worker):
    package = Path(mercer.__file__).parent
    program = """
    import os
    found = []
    for place in places:
        for where, folders, files in os.walk(place):
            for file in files:
                try: open(os.path.join(where, file)).close()
                except OSError: continue
                found.append(os.path.join(where, file))
    value = found
    """
    places = [package / "lab" / "problems", package.parent / "tests", Path(__file__).parent]
    places += [package.parent / "docs", package.parent / ".git", Path.home() / ".ssh"]
    assert value(worker, program, places=[str(p) for p in places]) == []
    value(worker, "import mercer.lab.problem")
    assert not run(worker, "import mercer.lab.problems.softmax")["ok"]


def test_environment_of_the_judge_is_not_there(worker):
    os.environ["SECRET_KEY"] = "xyzzy"
    try:
        program = """
        import glob, os
        found = [name for name in os.environ if "SECRET" in name]
        for path in glob.glob("/proc/[0-9]*/environ") + [f"/proc/{judge}/environ"]:
            try:
                if b"SECRET" in open(path, "rb").read(): found.append(path)
            except OSError: pass
        value = found
        """
        assert value(worker, program, judge=os.getpid()) == []
    finally:
        del os.environ["SECRET_KEY"]


def test_other_processes_cannot_be_read_traced_or_ended(tight, worker, bystander):
    program = """
    import ctypes, os, resource, signal
    libc = ctypes.CDLL(None, use_errno=True)
    done = []
    buffer = ctypes.create_string_buffer(64)
    class Piece(ctypes.Structure):
        _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]
    piece = Piece(ctypes.addressof(buffer), 64)
    for pid in pids:
        for file in ("mem", "environ", "maps", "fd", "cwd/x", "root/etc/passwd", "task"):
            path = f"/proc/{pid}/{file}"
            try: os.listdir(path) if file in ("fd", "task") else open(path, "rb").read(1)
            except OSError: continue
            done.append(path)
        for request in (16, 0x4206):  # PTRACE_ATTACH, PTRACE_SEIZE
            if libc.ptrace(request, pid, None, None) == 0: done.append("ptrace")
        remote = Piece(address, 64)
        if libc.process_vm_readv(pid, ctypes.byref(piece), 1, ctypes.byref(remote), 1, 0) >= 0:
            done.append("process_vm_readv")
        for act in (
            lambda: os.kill(pid, signal.SIGKILL),
            lambda: os.kill(pid, 0),
            lambda: os.killpg(pid, signal.SIGKILL),
            lambda: signal.pidfd_send_signal(os.pidfd_open(pid), signal.SIGKILL),
            lambda: resource.prlimit(pid, resource.RLIMIT_CPU, (1, 1)),
            lambda: os.sched_setaffinity(pid, {0}),
            lambda: os.setpriority(os.PRIO_PROCESS, pid, 19),
        ):
            try: act()
            except OSError: continue
            done.append(str(pid))
    value = done
    """
    marker = b"the judge's memory"
    pids = [os.getpid(), os.getppid(), tight._process.pid]
    assert value(worker, program, pids=pids, address=id(marker)) == []
    assert tight._process.poll() is None


@pytest.mark.parametrize(
    "shot",
    [
        "os.kill(os.getppid(), 9)",
        "os.kill(0, 15)",
        "os.kill(-1, 9)",
        "os.killpg(os.getpgid(0), 15)",
        "os.killpg(0, 9)",
        "[os.kill(p, 9) for p in range(2, 5000) if p != os.getpid()]",
    ],
)
def test_signals_reach_nobody_else(tight, bystander, shot):
    program = f"""
    import os, signal
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try: {shot}
    except OSError: pass
    """
    with tight.worker(SIZES) as worker:
        reply = outcome(worker, program, 5.0)
        assert reply == "crashed" or reply["ok"]  # it may have shot itself
    assert tight._process.poll() is None


def test_no_socket_opens(worker):
    program = """
    import socket
    kinds = {
        "tcp": (socket.AF_INET, socket.SOCK_STREAM, 0),
        "tcp6": (socket.AF_INET6, socket.SOCK_STREAM, 0),
        "udp": (socket.AF_INET, socket.SOCK_DGRAM, 0),
        "unix": (socket.AF_UNIX, socket.SOCK_STREAM, 0),
        "unix datagrams": (socket.AF_UNIX, socket.SOCK_DGRAM, 0),
        "netlink": (socket.AF_NETLINK, socket.SOCK_RAW, 0),
        "raw": (socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP),
        "packet": (socket.AF_PACKET, socket.SOCK_RAW, 0),
        "vsock": (socket.AF_VSOCK, socket.SOCK_STREAM, 0),
        "algorithms": (socket.AF_ALG, socket.SOCK_SEQPACKET, 0),
    }
    done = []
    for name, arguments in kinds.items():
        try: socket.socket(*arguments)
        except OSError: continue
        done.append(name)
    one, two = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    for address in (judge, "/run/systemd/journal/dev-log", "/dev/log"):
        try: one.sendto(b"hello", address)
        except OSError: continue
        done.append(address)
    one.send(b"pairs work")
    value = done, two.recv(99).decode()
    """
    import socket

    name = f"\0judge-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as judge:
        judge.bind(name)
        assert value(worker, program, judge=name) == [[], "pairs work"]


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
        time.sleep(0.3)
        assert out[0].item() != before  # it does run
    after = out[0].item()
    time.sleep(0.3)
    assert out[0].item() == after
    assert beneath(tight) == []


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


def test_name_spaces_and_mounts_are_refused(worker):
    program = """
    import ctypes, os, platform
    libc = ctypes.CDLL(None, use_errno=True)
    done = []
    for flag in (0x10000000, 0x20000, 0x40000000, 0x20000000, 0x8000000, 0x4000000, 0x2000000):
        if libc.unshare(flag) == 0: done.append(f"unshare {flag:x}")
    number = {"x86_64": 56, "aarch64": 220}[platform.machine()]
    pid = libc.syscall(number, 0x10000000 | 17, 0, 0, 0, 0)
    if pid == 0: os._exit(0)
    if pid > 0: done.append("clone")
    arguments = (ctypes.c_uint64 * 8)(0x10000000, 0, 0, 0, 17)
    pid = libc.syscall(435, arguments, 64)
    if pid == 0: os._exit(0)
    if pid > 0: done.append("clone3")
    if libc.mount(b"none", b"/", None, 32 | 4096, None) == 0: done.append("remount")
    if libc.mount(b"tmpfs", b"/tmp", b"tmpfs", 0, None) == 0: done.append("mount")
    if libc.umount2(b"/proc", 2) == 0: done.append("umount")
    if libc.chroot(b"/tmp") == 0: done.append("chroot")
    for number in (428, 430, 433, 442, 155, 304, 425, 321, 298, 323, 101, 467):
        if platform.machine() == "x86_64" and libc.syscall(number, 0, 0, 0, 0, 0) != -1:
            done.append(number)
    status = open("/proc/self/status").read()
    value = done, [l for l in status.splitlines() if l.startswith(("CapEff", "CapPrm", "NoNew"))]
    """
    done, status = value(worker, program)
    assert done == []
    assert [line.split()[1] for line in status] == ["0" * 16, "0" * 16, "1"]


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


def test_nothing_is_left_behind(tight):
    marker = f"marker-{os.getpid()}-{time.time_ns()}"
    program = """
    import os
    for place in (".", "/tmp", "/var/tmp", "/dev/shm"):
        try: open(os.path.join(place, marker), "w").write("x")
        except OSError: pass
    os.mkdir("deep")
    open("deep/file", "w").write("x")
    """
    before = set(os.listdir(tempfile.gettempdir()))
    with tight.worker(SIZES) as worker:
        untouched = value(worker, "import os\nvalue = sorted(os.listdir('.'))")
    with tight.worker(SIZES) as worker:
        value(worker, program, marker=marker)
    for place in ("/tmp", "/var/tmp", "/dev/shm"):
        assert not Path(place, marker).exists()
    fresh = set(os.listdir(tempfile.gettempdir())) - before
    assert [name for name in fresh if name.startswith("mercer-")] == []
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


def beneath(tight):
    """Return the living processes that the pool's workers have left."""
    from mercer.lab.sandbox import processes

    tree = processes.children()
    zygote = {"namespaces": lambda p: tree[p][0], "seccomp": lambda p: p}[tight.isolation]
    deadline = time.monotonic() + 5
    while (left := tree.get(zygote(tight._process.pid), [])) and time.monotonic() < deadline:
        time.sleep(0.02)  # ended, until the zygote has taken note of it
        tree = processes.children()
    return left
