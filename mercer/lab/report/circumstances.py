"""What a run's times were measured on: kept in the database, for the roofline."""

from __future__ import annotations

from dataclasses import astuple, dataclass

from mercer.lab.search.database import Database
from mercer.lab.timing.machine import Machine

TABLE = """
CREATE TABLE IF NOT EXISTS circumstances (
    run INTEGER PRIMARY KEY, device TEXT NOT NULL, bandwidth REAL NOT NULL, peak REAL NOT NULL,
    size TEXT NOT NULL, bytes REAL NOT NULL, flops REAL NOT NULL, baseline TEXT NOT NULL)
"""


@dataclass(frozen=True)
class Circumstances:
    """A device and the work of one call.

    Parameters
    ----------
    device : str
    bandwidth, peak : float
        Bytes and floating-point operations a second, measured.
    size : str
        Of the problem, by name.
    bytes, flops : float
        That any program must move and, as the reference does it, compute in a call.
    baseline : str
        What speed-ups are over.
    """

    device: str
    bandwidth: float
    peak: float
    size: str
    bytes: float
    flops: float
    baseline: str

    @property
    def floor(self) -> float:
        """Seconds below which the device's roofline allows no call."""
        return Machine(self.device, self.bandwidth, self.peak).floor(
            bytes=self.bytes, operations=self.flops
        )


def remember(database: Database, run: int, circumstances: Circumstances) -> None:
    """Note what a run is measured on, in place of what was noted before."""
    with database.transaction() as write:
        write.execute(TABLE)
        row = (run, *astuple(circumstances))
        write.execute("INSERT OR REPLACE INTO circumstances VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)


def recall(database: Database, run: int) -> Circumstances | None:
    """Return what a run was measured on, if that was noted."""
    known = database.connection.execute(
        "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'circumstances'"
    ).fetchone()
    if known is None:
        return None
    row = database.connection.execute(
        "SELECT * FROM circumstances WHERE run = ?", (run,)
    ).fetchone()
    return None if row is None else Circumstances(*row[1:])
