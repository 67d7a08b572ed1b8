"""What candidates for a channel score, operator by operator and in all."""

from __future__ import annotations

import dataclasses
import statistics
from dataclasses import dataclass
from typing import Any

from mercer.lab.channels.row import OperatorRow


@dataclass(frozen=True)
class ChannelReport:
    """The rows of a channel and what they come to.

    Parameters
    ----------
    channel : str
    rows : tuple of OperatorRow
        One for each operator, those without a candidate too.
    baselines : tuple of str
    device : str
    """

    channel: str
    rows: tuple[OperatorRow, ...]
    baselines: tuple[str, ...]
    device: str

    @property
    def call_accuracy(self) -> float:
        """Share of the operators whose candidate runs in every call."""
        return statistics.fmean(row.called for row in self.rows)

    @property
    def execution_accuracy(self) -> float:
        """Share of the operators whose candidate is right in every call."""
        return statistics.fmean(row.right for row in self.rows)

    def speedup(self, baseline: str | None = None) -> float | None:
        """Return the geometric mean of the right candidates' speed-ups; None if none was timed.

        Parameters
        ----------
        baseline : str, optional
            Default: the first one.
        """
        name = baseline if baseline is not None else (*self.baselines, "")[0]
        speedups = [row.speedups[name] for row in self.rows if row.right and name in row.speedups]
        return statistics.geometric_mean(speedups) if speedups else None

    @property
    def efficiency(self) -> float | None:
        """Mean share of the roofline that right candidates reach; None if none was timed."""
        shares = [row.efficiency.roofline for row in self.rows if row.right and row.efficiency]
        return statistics.fmean(shares) if shares else None

    def json(self) -> dict[str, Any]:
        """Return numbers and strings alone."""
        rows = [
            {
                **dataclasses.asdict(row),
                "called": row.called,
                "right": row.right,
                "roofline": row.efficiency.roofline if row.efficiency else None,
            }
            for row in self.rows
        ]
        return {
            "channel": self.channel,
            "device": self.device,
            "call_accuracy": self.call_accuracy,
            "execution_accuracy": self.execution_accuracy,
            "speedup": {name: self.speedup(name) for name in self.baselines},
            "efficiency": self.efficiency,
            "rows": rows,
        }

    def __str__(self) -> str:
        lines = [f"channel {self.channel}, {len(self.rows)} operators on {self.device}"]
        lines += [f"  {row.operator:<32} {_outcome(row)}" for row in self.rows]
        lines.append(f"  call accuracy      {100 * self.call_accuracy:6.1f} %")
        lines.append(f"  execution accuracy {100 * self.execution_accuracy:6.1f} %")
        for name in self.baselines:
            speedup = self.speedup(name)
            if speedup is not None:
                lines.append(f"  speed-up           {speedup:6.2f} x {name}, geometric mean")
        if self.efficiency is not None:
            lines.append(
                f"  efficiency         {100 * self.efficiency:6.1f} % of the roofline, mean"
            )
        return "\n".join(lines)


def _outcome(row: OperatorRow) -> str:
    if not row.right:
        count = sum(call.right for call in row.calls)
        return f"{count} of {len(row.calls)} calls right; {row.failure}"
    parts = ["right"]
    if row.seconds is not None:
        parts.append(f"{1e6 * row.seconds:.1f} us")
    parts += [f"{s:.2f}x {name}" for name, s in row.speedups.items()]
    if row.efficiency is not None:
        parts.append(
            f"{100 * row.efficiency.bandwidth:.0f} % of the bandwidth, "
            f"{100 * row.efficiency.peak:.0f} % of the peak"
        )
    return ", ".join([*parts, row.note] if row.note else parts)
