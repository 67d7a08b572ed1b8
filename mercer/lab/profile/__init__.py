"""Operator-to-kernel traces: launch and queueing time, boundedness, fusion."""

from mercer.lab.profile.boundedness import Boundedness, boundedness, transition_if
from mercer.lab.profile.dispatch import Dispatch
from mercer.lab.profile.event import Event
from mercer.lab.profile.fusion import Chain, chains, chains_text, fuse_all
from mercer.lab.profile.record import profile
from mercer.lab.profile.replay import Fused, Replay, replay
from mercer.lab.profile.step import Step
from mercer.lab.profile.trace import Trace
from mercer.lab.profile.verify import Verification, verify_fusion

__all__ = [
    "Boundedness",
    "Chain",
    "Dispatch",
    "Event",
    "Fused",
    "Replay",
    "Step",
    "Trace",
    "Verification",
    "boundedness",
    "chains",
    "chains_text",
    "fuse_all",
    "profile",
    "replay",
    "transition_if",
    "verify_fusion",
]
