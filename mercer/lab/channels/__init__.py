"""Functions to write kernels for, in two channels, and what candidates for them score."""

from mercer.lab.channels.adapter import adapt
from mercer.lab.channels.call import Call
from mercer.lab.channels.candidates import read_candidates
from mercer.lab.channels.catalogue import CHANNELS, channel
from mercer.lab.channels.operator import Operator
from mercer.lab.channels.report import ChannelReport
from mercer.lab.channels.row import CallResult, Efficiency, OperatorRow
from mercer.lab.channels.score import score

__all__ = [
    "CHANNELS",
    "Call",
    "CallResult",
    "ChannelReport",
    "Efficiency",
    "Operator",
    "OperatorRow",
    "adapt",
    "channel",
    "read_candidates",
    "score",
]
