"""A piece of memory that the judge and one worker share."""

from __future__ import annotations

import fcntl
import mmap
import os

import torch
from torch import Tensor

SEAL_FUTURE_WRITE = 0x10  # F_SEAL_FUTURE_WRITE: mappings that exist stay writable, no new one is


class Region:
    """A memory file, mapped by the judge, of a size that nobody can change.

    Parameters
    ----------
    name : str
    size : int
        Bytes.
    readonly : bool
        Whether whoever gets the descriptor can only read. The kernel holds to it: the file is
        sealed, so that neither a new mapping, `mprotect` nor opening it again makes it writable.

    Examples
    --------
    >>> region = Region("in", 4096, readonly=True)
    >>> region.tensor[:3] = torch.tensor([1, 2, 3], dtype=torch.uint8)
    >>> os.pread(region.descriptor, 3, 0)
    b'\\x01\\x02\\x03'
    >>> os.pwrite(region.descriptor, b"9", 0)
    Traceback (most recent call last):
    PermissionError: [Errno 1] Operation not permitted
    >>> region.release()
    """

    def __init__(self, name: str, size: int, *, readonly: bool) -> None:
        if size < 1:
            raise ValueError(f"region {name!r} must have at least 1 byte, got {size}")
        self.name, self.size, self.readonly = name, size, readonly
        self.descriptor = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            os.ftruncate(self.descriptor, size)
            self.tensor: Tensor = torch.frombuffer(
                mmap.mmap(self.descriptor, size), dtype=torch.uint8
            )
            seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
            seals |= SEAL_FUTURE_WRITE if readonly else 0
            fcntl.fcntl(self.descriptor, fcntl.F_ADD_SEALS, seals)
        except BaseException:
            os.close(self.descriptor)
            raise

    def release(self) -> None:
        """Close the descriptor; the mapping lives as long as the tensor."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1
