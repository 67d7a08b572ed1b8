"""What a worker is confined to that no single attack shows: each of several walls by itself."""

import errno
import fcntl
import json
import os
import platform
import signal
import struct
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

import mercer
from mercer.lab.sandbox import Limits, WorkerLost, pool, processes, zygote
from mercer.lab.sandbox.channel import Channel
from mercer.lab.sandbox.region import Region
from mercer.lab.sandbox.seccomp import program
from mercer.lab.sandbox.view import View
from mercer.lab.sandbox.watch import Watch, Watched
from tests.lab.sandboxes import pool as probing
from tests.lab.sandboxes import value

LOOK = """
import json, os, resource, sys
import mercer
def flags(path):
    found = os.statvfs(path).f_flag
    return [bool(found & flag) for flag in (os.ST_RDONLY, os.ST_NOSUID, os.ST_NODEV)]
def status(name):
    lines = open("/proc/self/status").read().splitlines()
    return next(line.split(":")[1].split() for line in lines if line.startswith(name))
limits = {n: resource.getrlimit(getattr(resource, n)) for n in dir(resource) if n[:7] == "RLIMIT_"}
raise ValueError(json.dumps({
    "spaces": {n: os.readlink(f"/proc/self/ns/{n}") for n in ("net", "ipc", "uts", "pid", "mnt")},
    "capabilities": [status(f"Cap{kind}") for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")],
    "groups": status("Groups"),
    "users": [*os.getresuid(), *os.getresgid()],
    "session": os.getsid(0) == os.getpid(),
    "score": open("/proc/self/oom_score_adj").read().strip(),
    "mounts": [flags(p) for p in ("/", "/usr", sys.prefix, os.path.dirname(mercer.__file__))],
    "scratch": [flags("/tmp"), os.statvfs("/tmp").f_blocks * os.statvfs("/tmp").f_frsize],
    "files": os.statvfs("/tmp").f_files,
    "caches": {n: os.environ[n] for n in ("HOME", "TMPDIR", "TRITON_CACHE_DIR")},
    "limits": limits,
}))
"""


def seen(worker):
    """Return what a candidate's text finds out about where it is."""
    command = {
        "command": "load",
        "source": LOOK,
        "device": "cpu",
        "dtype": "float32",
        "seed": 0,
        "initial": [],
        "parameters": {},
    }
    reply = worker.request(command, timeout=30.0)
    return json.loads(reply["error"].removeprefix("ValueError: "))


@pytest.fixture(scope="module")
def two(pool):
    """What two workers that live at the same time see."""
    with pool.worker({"in": 64}) as one, pool.worker({"in": 64}) as other:
        return seen(one), seen(other)


def test_every_worker_has_name_spaces_of_its_own(pool, two):
    """Not the judge's, not those of another worker, and not those of the process it came from."""
    children = processes.children()
    source = children[pool._process.pid][0]
    for kind in two[0]["spaces"]:
        own = [found["spaces"][kind] for found in two]
        judges, sources = (os.readlink(f"/proc/{p}/ns/{kind}") for p in ("self", source))
        assert len({*own, judges, sources}) == 4, kind


def test_a_worker_has_no_rights_left(two):
    """No capability in any set, no group of the judge's, one user, a session of its own."""
    for found in two:
        assert found["capabilities"] == [["0" * 16]] * 5
        assert len(set(found["users"])) == 1 or os.geteuid() != 0
        assert found["session"]
        assert found["score"] == "1000"
    if os.geteuid() == 0:
        assert two[0]["groups"] == []
        assert 0 not in two[0]["users"]
        assert two[0]["users"] != two[1]["users"]  # limits of a user's processes are each one's


def test_what_a_worker_sees_is_read_only_and_lends_nobodys_rights(two):
    """Whoever the files belong to: read only, no set-user-id, no devices."""
    found = two[0]
    assert found["mounts"] == [[True, True, True]] * 4
    (readonly, *lent), size = found["scratch"]
    assert (readonly, lent) == (False, [True, True])
    assert size == Limits().scratch
    assert 0 < found["files"] <= 1 << 16
    assert found["caches"] == {"HOME": "/tmp", "TMPDIR": "/tmp", "TRITON_CACHE_DIR": "/tmp/triton"}


def test_the_kernel_holds_each_process_to_the_limits(two):
    """Each number is the one asked for."""
    limits, found = Limits(), two[0]["limits"]
    assert found["RLIMIT_CPU"] == [limits.cpu_seconds, limits.cpu_seconds + 1]
    assert found["RLIMIT_FSIZE"] == [limits.file_size] * 2
    assert found["RLIMIT_NOFILE"] == [1024, 1024]
    assert found["RLIMIT_CORE"] == [0, 0]
    if os.geteuid() == 0:
        assert found["RLIMIT_NPROC"] == [limits.processes + 1] * 2


def test_secrets_are_hidden_whether_or_not_anything_imports_them():
    """The catalogue, the channels, the papers, the tests; and the list that is held against imports
    names the same.
    """
    package = Path(mercer.__file__).resolve().parent
    hidden = set(View.of([], cuda=False).hidden)
    for folder in (package / "lab" / "problems", package / "lab" / "channels", package / "papers"):
        assert str(folder) in hidden
        assert ".".join(folder.relative_to(package.parent).parts) in pool.SECRET
    tests = package.parent / "tests"
    assert str(tests) in hidden or not tests.exists()


def test_a_handler_may_not_bring_secrets_into_the_worker():
    """Files can be hidden; what was imported before would be in memory."""
    plan = {"triton": False, "handler": "json:loads", "secret": ["json"]}
    with pytest.raises(RuntimeError, match="importing json must not import json"):
        zygote.load(plan)
    assert zygote.load({**plan, "secret": ["no.such.module"]}) is json.loads


@pytest.mark.parametrize("readonly", [False, True])
def test_the_size_of_a_region_is_nobodys_to_change(readonly):
    """A judge that reads where the file has been cut off is ended by the kernel."""
    region = Region("out", 4096, readonly=readonly)
    for size in (0, 8192):
        with pytest.raises(PermissionError):
            os.ftruncate(region.descriptor, size)
    with pytest.raises(PermissionError):
        fcntl.fcntl(region.descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE)
    region.release()


@pytest.fixture
def wire():
    """The judge's end of a channel, and the descriptors of a worker: what it reads and writes."""
    (theirs, commands), (replies, back), (log, printed) = (os.pipe() for _ in range(3))
    status, ended = os.pipe()
    yield Channel(commands, replies, log, status, Limits(reply=1 << 12)), theirs, back
    for end in (theirs, commands, replies, back, log, printed, status, ended):
        os.close(end)


def answered(wire, answer):
    """Exchange one command with a worker whose reply is `answer` of the command's number."""
    channel, theirs, back = wire

    def worker():
        number = json.loads(os.read(theirs, 1 << 16))["id"]
        os.write(back, answer(number))

    thread = threading.Thread(target=worker)
    thread.start()
    try:
        return channel.exchange({"command": "say"}, time.monotonic() + 30)
    finally:
        thread.join()


def test_a_reply_is_one_object_with_the_number_of_the_command(wire):
    """And each rule holds where all others are kept."""
    assert answered(wire, lambda n: b'{"a": 1, "id": %d}\n' % n) == {"a": 1}
    broken = {
        "does not belong": lambda n: b'{"a": 1, "id": %d}\n' % (n + 1),
        "more than one line": lambda n: b'{"id": %d}\n{"id": %d}\n' % (n, n),
        "not a JSON number": lambda n: b'{"a": NaN, "id": %d}\n' % n,
        "exceeds 4096 bytes": lambda n: b'{"id": %d, "a": "' % n + b"x" * 5000,
    }
    for sentence, answer in broken.items():
        with pytest.raises(WorkerLost, match=sentence) as caught:
            answered(wire, answer)
        assert caught.value.reason == "protocol"


def verdict(code, number, *arguments, architecture=None):
    """Run a classic BPF program over a system call, as the kernel's documents describe it."""
    native = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}[platform.machine()]
    words = [*arguments, 0, 0, 0, 0, 0, 0][:6]
    data = struct.pack("<iIQ6Q", number, architecture or native, 0, *words)
    instructions = list(struct.iter_unpack("HBBI", code))
    place = held = 0
    while True:
        kind, if_true, if_false, k = instructions[place]
        place += 1
        if kind == 0x20:  # load a word
            (held,) = struct.unpack_from("<I", data, k)
        elif kind == 0x06:  # return
            return k
        else:
            test = {0x15: held == k, 0x35: held >= k, 0x45: held & k != 0}[kind]
            place += if_true if test else if_false


ALLOWED, KILLED = 0x7FFF0000, 0x80000000
REFUSED, UNKNOWN = 0x50000 | errno.EPERM, 0x50000 | errno.ENOSYS

# Of x86-64 and 64-bit Arm, from the kernel's tables.
CALLS = {
    "read": (0, 63),
    "clone": (56, 220),
    "clone3": (435, 435),
    "socket": (41, 198),
    "socketpair": (53, 199),
    "sendto": (44, 206),
    "kill": (62, 129),
    "tgkill": (234, 131),
    "tkill": (200, 130),
    "fcntl": (72, 25),
    "ioctl": (16, 29),
    "prlimit64": (302, 261),
    "ptrace": (101, 117),
    "mount": (165, 40),
    "unshare": (272, 97),
    "bpf": (321, 280),
    "io_uring_setup": (425, 425),
    "fchmodat": (268, 53),
}


@pytest.mark.parametrize("beside", [False, True])
@pytest.mark.parametrize("unix", [False, True])
def test_the_filter_says_what_it_should_to_every_call(unix, beside):
    """Its byte code, run here: also what only a hostile program would ask the kernel for."""
    code = program(unix_sockets=unix, beside_others=beside)
    column = {"x86_64": 0, "aarch64": 1}[platform.machine()]

    def said(name, *arguments, **options):
        return verdict(code, CALLS[name][column], *arguments, **options)

    assert said("read", 3) == ALLOWED
    assert said("read", 3, architecture=0x40000003) == KILLED  # 32-bit x86
    for number in (470, 600, 0x40000000, 0x40000000 | CALLS["read"][column]):  # x32's too
        assert verdict(code, number) == UNKNOWN
    for name in ("ptrace", "mount", "unshare", "bpf", "io_uring_setup"):
        assert said(name) == REFUSED
    thread, process = 0x3D0F00, 17
    assert said("clone3") == UNKNOWN
    assert (said("clone", thread), said("clone", process)) == (ALLOWED, ALLOWED)
    for space in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
        assert said("clone", process | space) == REFUSED
    assert said("socket", 1) == (ALLOWED if unix else REFUSED)
    for family in (2, 10, 16, 17, 38, 40):
        assert said("socket", family) == said("socketpair", family) == REFUSED
    assert said("socketpair", 1) == ALLOWED
    assert said("ioctl", 0, 0x5401) == ALLOWED
    assert said("ioctl", 0, 0x5412) == said("ioctl", 0, 0x541C) == REFUSED
    outside = REFUSED if beside else ALLOWED  # where others can be named
    assert said("tkill", 1) == said("fchmodat") == outside
    assert said("kill", os.getpid(), 9) == said("tgkill", os.getpid(), 1, 9) == ALLOWED
    for number in (1, 0, 0xFFFFFFFF):
        assert said("kill", number, 9) == said("tgkill", number, 1, 9) == outside
        assert said("prlimit64", number, 0) == (outside if number else ALLOWED)
    assert said("sendto", 3, 0, 5, 0, 0) == ALLOWED
    assert said("sendto", 3, 0, 5, 0, 1 << 12) == said("sendto", 3, 0, 5, 0, 1 << 40) == outside
    assert said("fcntl", 3, 3) == ALLOWED
    assert said("fcntl", 3, 8) == said("fcntl", 3, 10) == said("fcntl", 3, 15) == outside
    assert said("ioctl", 0, 0x8901) == said("ioctl", 0, 0x8902) == outside


@pytest.fixture
def sleepers():
    """A process of some MiB with a child, neither of which does anything."""
    text = "import os, time\nkept = bytearray(os.urandom(1 << 24))\nos.fork()\ntime.sleep(60)"
    process = subprocess.Popen([sys.executable, "-S", "-c", text], start_new_session=True)
    deadline = time.monotonic() + 30
    while len(tree(process.pid)) < 2 and time.monotonic() < deadline:
        time.sleep(0.005)
    yield process
    os.killpg(process.pid, signal.SIGKILL)  # the child is left in any case
    process.wait()


def tree(pid):
    return list(processes.descendants(pid, processes.children()))


@pytest.mark.parametrize(
    ("limits", "exceeded"),
    [
        ({"memory": 8 << 20}, "memory"),
        ({"processes": 2}, "processes"),
        ({"memory": 1 << 30, "processes": 3}, None),
    ],
)
def test_where_the_kernel_does_not_count_a_watch_does(sleepers, limits, exceeded):
    """All processes together; above its memory a worker is ended, at its processes it is noted."""
    watched = Watched(sleepers.pid)
    watch = Watch(Limits(**limits), memory=True, gpu=False)
    try:
        watch.add(watched)
        deadline = time.monotonic() + (0.3 if exceeded is None else 30)
        while watched.exceeded is None and time.monotonic() < deadline:
            time.sleep(0.01)
        assert watched.exceeded == exceeded
        if exceeded == "memory":
            assert sleepers.wait(timeout=30) == -9
        else:
            assert sleepers.poll() is None
    finally:
        watch.remove(watched)
        watch.close()


def test_what_is_hidden_is_hidden_beneath_the_scratch_folder_too(tmp_path, monkeypatch):
    """Where a worker has a folder of its own, into which what it may read is put later."""
    probe, secret = tmp_path / "probe", tmp_path / "probe" / "secret"
    secret.mkdir(parents=True)
    (secret / "answer").write_text("42")
    (probe / "open").write_text("41")
    of = View.of

    def hiding(readable, *, cuda):
        view = of(readable, cuda=cuda)
        return replace(view, hidden=[*view.hidden, str(secret)])

    monkeypatch.setattr(View, "of", hiding)
    program = """
        def read(path):
            try:
                return open(path).read()
            except OSError as error:
                return type(error).__name__
        value = [read(path) for path in paths]
    """
    with probing(probe) as made, made.worker({"in": 64}) as worker:
        paths = [str(probe / "open"), str(secret / "answer")]
        assert value(worker, program, paths=paths) == ["41", "FileNotFoundError"]


def test_a_start_that_is_interrupted_ends_at_once(monkeypatch):
    """And does not wait for imports that nobody needs any more."""
    started = []

    class Noted(subprocess.Popen):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            started.append(self)

    def interrupted(connection, seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr(pool.subprocess, "Popen", Noted)
    monkeypatch.setattr(pool, "_expect", interrupted)
    with pytest.raises(KeyboardInterrupt):
        pool.Pool()
    assert [process.returncode for process in started] == [-signal.SIGKILL]
