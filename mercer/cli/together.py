"""The command in several processes that torchrun started."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mercer import distributed
from mercer.distributed import LostRank, Ranks


@contextmanager
def together(timeout: float) -> Iterator[None]:
    """Join the other processes of the run, if there are any, for as long as the block lasts.

    torchrun ends all processes by SIGTERM when one is lost: that becomes :class:`LostRank`, so that
    the first can write its checkpoint and each can say why it ends.

    Parameters
    ----------
    timeout : float
        Seconds after which a process that does not answer counts as lost.
    """
    if not distributed.initialise(timeout):
        yield
        return
    ranks = Ranks()

    def ended(*_: Any) -> None:
        # Told twice of one loss: what is being done about it must not be broken off.
        if not isinstance(sys.exception(), LostRank):
            raise LostRank(
                f"rank {ranks.rank} was told to end, as all {ranks.size} processes of a run are "
                "when one is lost"
            )

    before = signal.signal(signal.SIGTERM, ended)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
    # Not on the way of an error: a group that has lost a rank may never answer again.
    distributed.finish()
