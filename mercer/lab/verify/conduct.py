"""Whether what came back has the right form and was come by honestly, before any number is read."""

from __future__ import annotations

from mercer.lab.runner.outputs import Outputs
from mercer.lab.verify.truth import Truth


def wrong_interface(outputs: Outputs, truth: Truth, device: str) -> str:
    """Return what is wrong with number, type, shape, dtype or device of the outputs, or ""."""
    expected = truth.expected[: len(truth.cotangents)]
    if len(outputs.described) != len(expected):
        return f"forward must return {_tensors(len(expected))}, got {len(outputs.described)}"
    for said, e in zip(outputs.described, expected):
        shape, dtype = list(e.working.shape), str(e.working.dtype).removeprefix("torch.")
        if said.get("type") != "Tensor":
            return f"{e.name} must be a plain torch.Tensor, got {said.get('type')}"
        if said.get("shape") != shape:
            return f"{e.name} must have the shape {tuple(shape)}, got {_tuple(said.get('shape'))}"
        if said.get("dtype") != dtype:
            return f"{e.name} must be {dtype}, got {said.get('dtype')}"
        if said.get("device") != device.split(":")[0]:
            return f"{e.name} must be on {device}, got {said.get('device')}"
    return ""


def wrong_conduct(outputs: Outputs, truth: Truth, *, first: bool) -> str:
    """Return how the call broke a rule that every operator keeps, or "".

    The `first` call after loading may start threads that stay: compilers keep a pool of them.
    """
    if not outputs.untouched:
        return "the inputs were changed in place"
    for k, (said, allowed) in enumerate(zip(outputs.described, truth.aliases)):
        shared = said.get("aliases")
        for i in shared if isinstance(shared, list) else []:
            if i not in allowed:
                return f"output {k} shares the memory of input {i}; return new memory"
    if not outputs.kept:
        return "the outputs of the call before were overwritten; return new memory in each call"
    if not outputs.settled:
        return "the outputs still changed after the call had returned: work was left running"
    if outputs.threads > 0 and not first:
        return f"the call left {outputs.threads} threads running"
    return ""


def _tensors(count: int) -> str:
    return "one tensor" if count == 1 else f"{count} tensors"


def _tuple(shape: object) -> object:
    return tuple(shape) if isinstance(shape, list) else shape
