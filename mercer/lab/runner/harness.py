"""What runs beside the candidate in a worker: it loads, calls, times and delivers.

Nothing of what it replies decides whether a candidate is right; the tensors that it writes do.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import torch
import torch.fx.experimental.symbolic_shapes  # autograd imports it late
from torch import Tensor, nn

from mercer.lab.runner.differentiate import forward, gradients, variables
from mercer.lab.runner.digest import digests
from mercer.lab.runner.laps import Laps
from mercer.lab.runner.layouts import empty
from mercer.lab.runner.meta import Meta, dtype_name
from mercer.lab.runner.program import build_model


class Harness:
    """Carry out the commands `load`, `call`, `prepare`, `time` and `deliver`.

    Parameters
    ----------
    regions : mapping of str to buffer
        ``"in"``, read only, and ``"out"``.
    """

    def __init__(self, regions: Mapping[str, Any]) -> None:
        self.regions = regions
        self.device = "cpu"
        self.model: nn.Module = nn.Identity()
        self._state: dict[str, Tensor] = {}
        self._slots: dict[tuple[Any, ...], Tensor] = {}
        self._last: list[Tensor] = []
        self._laps: Laps | None = None

    def __call__(self, command: dict[str, Any]) -> dict[str, Any]:
        """Carry out one command and return what JSON carries."""
        actions = {
            "load": self.load,
            "call": self.call,
            "prepare": self.prepare,
            "time": self.time,
            "deliver": self.deliver,
        }
        name = command.get("command")
        if name not in actions:
            raise ValueError(f"command must be one of {', '.join(actions)}, got {name!r}")
        return actions[name](command)

    def load(self, command: dict[str, Any]) -> dict[str, Any]:
        """Build the candidate's module with the state that the judge sent."""
        self.device = command["device"]
        state = {k: self._received(m) for k, m in command["parameters"].items()}
        self._slots.clear()
        self._last, self._laps = [], None
        self.model = build_model(
            command["source"],
            command["initial"],
            state,
            dtype=getattr(torch, command["dtype"]),
            device=self.device,
            seed=command["seed"],
        )
        buffers = self.model.named_buffers()
        self._state = {k: b.clone() for k, b in buffers if k in state}  # others are its own
        return {}

    def call(self, command: dict[str, Any]) -> dict[str, Any]:
        """Run forward and, if asked, backward on one set of inputs, and deliver everything.

        Inputs of a shape and layout always lie in the same tensors, so that a result remembered by
        address or identity is a wrong one.
        """
        self._restore()
        inputs = [
            self._slot(k, Meta.read(m), command["layout"], wanted)
            for k, (m, wanted) in enumerate(
                zip(command["inputs"], command["gradient"], strict=True)
            )
        ]
        cotangents = [self._received(m) if m else None for m in command["cotangents"]]
        expected = [Meta.read(m) for m in command["outputs"]]
        poison(expected, self.device)
        threads = own_threads()
        returned = forward(self.model, inputs, backward=command["backward"])
        reply: dict[str, Any] = {
            "outputs": [describe(y, inputs) for y in returned],
            "threads": own_threads() - threads,
        }
        tensors = [y for y in returned if isinstance(y, Tensor)]
        if len(tensors) != len(returned) or len(returned) != len(cotangents):
            return reply
        if not all(_fits(y, meta) for y, meta in zip(tensors, expected)):
            return reply
        found = [y.detach() for y in tensors]
        if command["backward"]:
            wanted = variables(self.model, inputs, command["names"])
            found += gradients(tensors, cotangents, wanted)
        buffers = dict(self.model.named_buffers())
        everything = [*found, *(buffers[name] for name in command["state"])]
        reply["digests"] = digests(everything)  # before anything waits for streams or threads
        self._wait()
        self._send(expected, everything)
        reply["inputs"] = digests(inputs)
        reply["last"] = digests(self._last)
        self._last = found
        return reply

    def prepare(self, command: dict[str, Any]) -> dict[str, Any]:
        """Take in one of the sets of inputs that `time` goes over; the first one begins anew."""
        if self._laps is None or command["set"] == 0:
            self._restore()
            self._slots.clear()
            self._laps = Laps(self.model, command["names"], backward=command["backward"])
        inputs = [self._received(m) for m in command["inputs"]]
        cotangents = [self._received(m) if m else None for m in command["cotangents"]]
        self._laps.add(
            inputs,
            cotangents,
            gradient=command["gradient"],
            shifts=command["shifts"],
            rounds=command["rounds"],
        )
        self._wait()
        return {}

    def time(self, command: dict[str, Any]) -> dict[str, Any]:
        """Call the module so often, wait for all of its work, and reply what came out, in digests.

        The digests need every number of the last outputs, so work that is put off to a stream, to a
        thread or to a lazy tensor is done, or missing, before the judge's clock stops.
        """
        if self._laps is None:
            raise ValueError("prepare must come before time")
        self._laps.aim(command["starts"], command["calls"])
        self._laps.run(command["calls"])
        kept = self._laps.kept
        seen = iter(digests([y for found in kept for y in found]))
        self._wait()
        return {"digests": [[next(seen) for _ in found] for found in kept]}

    def deliver(self, command: dict[str, Any]) -> dict[str, Any]:
        """Write what the last timed call on a set of inputs returned."""
        if self._laps is None or command["set"] >= len(self._laps.kept):
            raise ValueError("time must come before deliver")
        found = self._laps.kept[command["set"]]
        if all(isinstance(y, Tensor) for y in found):
            self._send([Meta.read(m) for m in command["outputs"]], found)
        return {"outputs": [describe(y, ()) for y in found]}

    def _received(self, record: dict[str, Any]) -> Tensor:
        """Return a copy, on the device, of a tensor in region "in"."""
        return Meta.read(record).view(self.regions["in"]).to(self.device, copy=True)

    def _slot(self, index: int, meta: Meta, layout: str, gradient: bool) -> Tensor:
        key = (index, meta.shape, meta.dtype, layout)
        if key not in self._slots:
            self._slots[key] = empty(meta.shape, meta.torch_dtype, self.device, layout)
        slot = self._slots[key].requires_grad_(False)
        slot.copy_(meta.view(self.regions["in"]))
        return slot.requires_grad_(gradient)

    def _send(self, expected: list[Meta], found: list[Tensor]) -> None:
        """Copy what has the expected shape and dtype; the judge sees poison for the rest."""
        for meta, tensor in zip(expected, found):
            if _fits(tensor, meta):
                meta.view(self.regions["out"]).copy_(tensor.detach())

    def _restore(self) -> None:
        """Undo what earlier calls did to the module's buffers."""
        with torch.no_grad():
            for name, buffer in self.model.named_buffers():
                if name in self._state:
                    buffer.copy_(self._state[name])

    def _wait(self) -> None:
        if self.device != "cpu":
            torch.cuda.synchronize()


def _fits(tensor: Tensor, meta: Meta) -> bool:
    return tuple(tensor.shape) == meta.shape and dtype_name(tensor.dtype) == meta.dtype


def poison(metas: list[Meta], device: str) -> None:
    """Fill memory with NaN and free it, in the sizes that the candidate is about to ask for."""
    blocks = [
        torch.full((meta.bytes,), 255, dtype=torch.uint8, device=device)
        for meta in metas
        for _ in range(2)
    ]
    del blocks


def own_threads() -> int:
    """Count the Python threads, but for those of pools, which wait there for further work."""
    targets = [getattr(thread, "_target", None) for thread in threading.enumerate()]
    return sum(getattr(t, "__module__", "") != "concurrent.futures.thread" for t in targets)


def describe(value: Any, inputs: Any) -> dict[str, Any]:
    """Say what was returned: type, shape, dtype, device, and the inputs whose memory it shares."""
    if not isinstance(value, Tensor):
        return {"type": type(value).__name__}
    memory = _address(value)
    return {
        "type": "Tensor" if type(value) is Tensor else type(value).__name__,
        "shape": list(value.shape),
        "dtype": dtype_name(value.dtype),
        "device": value.device.type,
        "aliases": [k for k, x in enumerate(inputs) if memory and _address(x) == memory],
    }


def _address(tensor: Tensor) -> int:
    """Where the tensor's memory begins; 0 for a tensor that has none."""
    try:
        return tensor.untyped_storage().data_ptr()
    except (NotImplementedError, RuntimeError):
        return 0
