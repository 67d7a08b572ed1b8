"""What goes wrong, in one sentence."""

from __future__ import annotations

import os
import sys


def complain(sentence: str) -> None:
    """Print a sentence on stderr; of several processes that torchrun started, say which it is.

    Parameters
    ----------
    sentence : str
        Line breaks in it become spaces.

    Examples
    --------
    >>> import contextlib
    >>> with contextlib.redirect_stderr(sys.stdout):
    ...     complain("the file is empty")
    mercer: the file is empty
    """
    rank = int(os.environ.get("RANK", "0"))
    who = f"mercer (rank {rank})" if rank else "mercer"
    print(f"{who}: {' '.join(sentence.split())}", file=sys.stderr)
