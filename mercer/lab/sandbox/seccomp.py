"""The system calls that a worker may not make, as a filter in the kernel."""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
from collections.abc import Iterable

from mercer.lab.sandbox import kernel

# Refused outright. By name: the number on x86-64 and on 64-bit Arm (None: it has no such call).
REFUSED: dict[str, tuple[int, int | None]] = {
    # other processes' memory and descriptors
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "process_mrelease": (448, 448),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    # the file system's shape
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "mount_setattr": (442, 442),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "move_mount": (429, 429),
    "open_tree": (428, 428),
    "open_tree_attr": (467, 467),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "fanotify_init": (300, 262),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    # name spaces
    "unshare": (272, 97),
    "setns": (308, 268),
    # the network
    "connect": (42, 203),
    "sendmmsg": (307, 269),
    # memory that is no mapping of a process
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "shmat": (30, 196),
    "shmctl": (31, 195),
    "msgget": (68, 186),
    "semget": (64, 190),
    "mq_open": (240, 180),
    # large parts of the kernel that no kernel on a device needs
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "personality": (135, 92),
    "lookup_dcookie": (212, 18),
    # the machine
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "syslog": (103, 116),
    "acct": (163, 89),
    "vhangup": (153, 58),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    "iopl": (172, None),
    "ioperm": (173, None),
    "modify_ldt": (154, None),
    "uselib": (134, None),
}

# Refused where other processes and the files of the same user can be named: Landlock does not cover
# signals before version 6, nor who owns a file and who may read it.
REFUSED_BESIDE_OTHERS: dict[str, tuple[int, int | None]] = {
    "tkill": (200, 130),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "pidfd_send_signal": (424, 424),
    "setpriority": (141, 140),
    "ioprio_set": (251, 30),
    "sendmsg": (46, 211),
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, None),
    "fchown": (93, 55),
    "lchown": (94, None),
    "fchownat": (260, 54),
    "utime": (132, None),
    "utimes": (235, None),
    "futimesat": (261, None),
    "utimensat": (280, 88),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "setxattrat": (463, 463),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "removexattrat": (466, 466),
    "file_setattr": (469, 469),
}

# Looked at by their arguments.
CLONE, CLONE3 = (56, 220), (435, 435)
SOCKET, SOCKETPAIR = (41, 198), (53, 199)
IOCTL, FCNTL, SENDTO = (16, 29), (72, 25), (44, 206)
KILL, TGKILL = (62, 129), (234, 131)
OF_A_PROCESS = ((302, 261), (203, 122), (144, 119), (314, 274), (142, 118))  # prlimit64, sched_set*

LAST = 469  # file_setattr: the last call that was there when the table was written
AUDIT_ARCH = (0xC000003E, 0xC00000B7)
NEW_NAMESPACES = 0x7E020000  # CLONE_NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWUSER | NEWPID | NEWNET
TERMINAL = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX: typing into somebody's terminal
OWNERS_IOCTL = (0x8901, 0x8902)  # FIOSETOWN, SIOCSPGRP: whom the kernel sends SIGIO to
OWNERS_FCNTL = (8, 10, 15)  # F_SETOWN, F_SETSIG, F_SETOWN_EX

LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
ALLOW, REFUSE, KILL_PROCESS = 0x7FFF0000, 0x00050000, 0x80000000
NUMBER, ARCHITECTURE, ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data; arguments 8 bytes each


def install(*, unix_sockets: bool, beside_others: bool) -> None:
    """Put the filter on this process and all that it will start, for good.

    Parameters
    ----------
    unix_sockets : bool
        Whether AF_UNIX sockets can be made (CUDA's driver makes one); they connect to nothing.
    beside_others : bool
        Whether processes outside are in the same process name space: then signals go to this
        process alone, and settings to nobody else.
    """
    code = program(unix_sockets=unix_sockets, beside_others=beside_others)
    filters = ctypes.create_string_buffer(code)
    fprog = struct.pack("HxxxxxxQ", len(code) // 8, ctypes.addressof(filters))
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    kernel.call("prctl", kernel.PR_SET_SECCOMP, 2, ctypes.create_string_buffer(fprog), 0, 0)


def program(*, unix_sockets: bool, beside_others: bool) -> bytes:
    """Return the filter in the kernel's byte code; arguments as in `install`."""
    column = kernel.machine()
    code = [_load(ARCHITECTURE), *_unless(AUDIT_ARCH[column], KILL_PROCESS)]
    code += [_load(NUMBER), _jump(AT_LEAST, LAST + 1, 0, 1), _return(REFUSE | errno.ENOSYS)]
    # clone3 takes its flags in memory, which a filter cannot read; the C library then uses clone.
    code += _refuse(CLONE3[column], errno.ENOSYS)
    refused = REFUSED | (REFUSED_BESIDE_OTHERS if beside_others else {})
    for numbers in refused.values():
        if numbers[column] is not None:
            code += _refuse(numbers[column])
    code += _refuse_if(CLONE[column], 0, ANY_BIT, [NEW_NAMESPACES])
    code += _allow_only(SOCKETPAIR[column], 0, [int(socket.AF_UNIX)])
    code += _allow_only(SOCKET[column], 0, [int(socket.AF_UNIX)] if unix_sockets else [])
    owners = OWNERS_IOCTL if beside_others else ()
    code += _refuse_if(IOCTL[column], 1, EQUAL, [*TERMINAL, *owners])
    if beside_others:
        code += _refuse_if(FCNTL[column], 1, EQUAL, OWNERS_FCNTL)
        code += _refuse_if(SENDTO[column], 4, ANY_BIT, [0xFFFFFFFF])  # an address
        for call in (KILL, TGKILL):
            code += _allow_only(call[column], 0, [os.getpid()])
        for call in OF_A_PROCESS:
            code += _allow_only(call[column], 0, [0])
    return b"".join([*code, _return(ALLOW)])


def _jump(test: int, value: int, if_true: int, if_false: int) -> bytes:
    return struct.pack("HBBI", test, if_true, if_false, value)


def _load(offset: int) -> bytes:
    return _jump(LOAD, offset, 0, 0)


def _return(verdict: int) -> bytes:
    return _jump(RETURN, verdict, 0, 0)


def _unless(value: int, verdict: int) -> list[bytes]:
    return [_jump(EQUAL, value, 1, 0), _return(verdict)]


def _refuse(number: int | None, code: int = errno.EPERM) -> list[bytes]:
    return [_jump(EQUAL, number or 0, 0, 1), _return(REFUSE | code)]


def _refuse_if(number: int, argument: int, test: int, values: Iterable[int]) -> list[bytes]:
    """Refuse the call if a word of its argument passes the test with any of the values."""
    body = []
    for word in (0, 4) if test == ANY_BIT else (0,):
        body += [_load(ARGUMENT + 8 * argument + word)]
        for value in values:
            body += [_jump(test, value, 0, 1), _return(REFUSE | errno.EPERM)]
    body += [_return(ALLOW)]
    return [_jump(EQUAL, number, 0, len(body)), *body]


def _allow_only(number: int, argument: int, values: list[int]) -> list[bytes]:
    """Refuse the call unless its argument's low word is one of the values."""
    body = [_load(ARGUMENT + 8 * argument)]
    for value in values:
        body += [_jump(EQUAL, value, 0, 1), _return(ALLOW)]
    body += [_return(REFUSE | errno.EPERM)]
    return [_jump(EQUAL, number, 0, len(body)), *body]
