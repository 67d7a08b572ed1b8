"""Attacks on what lies outside of a worker: it can neither be seen nor changed nor signalled."""

import os
import socket
import tempfile
from pathlib import Path

import pytest

import mercer
from tests.lab.sandboxes import SIZES, outcome, run, value


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

    name = f"\0judge-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as judge:
        judge.bind(name)
        assert value(worker, program, judge=name) == [[], "pairs work"]


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
