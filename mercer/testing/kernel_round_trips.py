"""Kernels that are copied, saved and restored."""

from __future__ import annotations

import copy
import json

import torch

from mercer.kernels import Kernel, from_config
from mercer.testing.kernel_comparison import agree, attempt, broken, points


def check_round_trips(kernel: Kernel, d: int, generator: torch.Generator) -> None:
    """Demand that copies, ``state_dict`` and config give the same kernel bit by bit.

    Parameters
    ----------
    kernel : Kernel
        The kernel to judge.
    d : int
        Coordinates of a point.
    generator : torch.Generator
        Where points come from.
    """
    X = points(5, d, generator)
    D = kernel(X).dense()
    clone = attempt("deepcopy", kernel, lambda: copy.deepcopy(kernel))
    with torch.no_grad():
        for parameter in clone.parameters():
            parameter.add_(0.3)
    agree("deepcopy shares nothing", kernel, lambda: kernel(X).dense(), D, 0.0)
    state = kernel.state_dict()
    attempt("state_dict", kernel, lambda: clone.load_state_dict(state))
    _check_same("state_dict", kernel, clone)
    agree("state_dict", kernel, lambda: clone(X).dense(), D, 0.0)

    classes = {type(k).__name__: type(k) for k in kernel.modules() if isinstance(k, Kernel)}
    text = attempt("config", kernel, lambda: json.dumps(kernel.to_config()))
    again = attempt("config", kernel, lambda: from_config(json.loads(text), classes))
    _check_same("config", kernel, again)
    agree("config", kernel, lambda: again(X).dense(), D, 0.0)
    if json.dumps(again.to_config()) != text or repr(again) != repr(kernel):
        raise broken("config", kernel, f"it came back as {again!r}")

    narrow = copy.deepcopy(kernel).float()
    restored = from_config(json.loads(json.dumps(narrow.to_config())), classes)
    _check_same("config in float32", narrow, restored)
    agree("parameters in float32", kernel, lambda: narrow(X).dense(), D, 1e-5)


def _check_same(law: str, kernel: Kernel, other: Kernel) -> None:
    mine, theirs = kernel.state_dict(), other.state_dict()
    same = mine.keys() == theirs.keys() and all(
        torch.equal(mine[k], theirs[k]) and mine[k].dtype == theirs[k].dtype for k in mine
    )
    if not same:
        raise broken(law, kernel, "a parameter did not come back bit by bit")
