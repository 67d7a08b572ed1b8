"""Files that may be replaced by others, and what may not."""

from __future__ import annotations

import errno
from pathlib import Path


def refuse_special(destination: Path) -> None:
    """Refuse to replace a device, a pipe or a socket, to which writing is something else.

    Raises
    ------
    FileExistsError
        If there is something at ``destination``, and it is neither a file nor a directory.
    """
    if destination.exists() and not destination.is_file() and not destination.is_dir():
        raise FileExistsError(errno.EEXIST, "is no regular file; name another", str(destination))
