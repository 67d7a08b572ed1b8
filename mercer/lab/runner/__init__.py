"""What runs in a worker beside the candidate, and the judge's end of it."""

from mercer.lab.runner.differentiate import flatten, forward, gradients
from mercer.lab.runner.layouts import LAYOUTS
from mercer.lab.runner.meta import Meta, arrange, pack
from mercer.lab.runner.outputs import Outputs
from mercer.lab.runner.session import Refused, Session, room
from mercer.lab.runner.state import State, initial_state

__all__ = [
    "LAYOUTS",
    "Meta",
    "Outputs",
    "Refused",
    "Session",
    "State",
    "arrange",
    "flatten",
    "forward",
    "gradients",
    "initial_state",
    "pack",
    "room",
]
