"""What would run, and why."""

from __future__ import annotations

from typing import Any

from mercer.operators import Operator


def explain(thing: Any) -> str:
    """Say how an operator is applied, how a system was solved or how a model was fitted.

    Parameters
    ----------
    thing : Operator, Solution or fitted estimator
        What to explain.

    Returns
    -------
    str

    Raises
    ------
    TypeError
        If there is nothing to explain.

    Examples
    --------
    >>> import torch
    >>> from mercer.kernels import RBF
    >>> explain(RBF()(torch.zeros(3, 1)))
    '3 x 3 entries of exp(-s0/2) over squared_distance. Formed whole: at most 65536 entries.'
    """
    if isinstance(thing, Operator):
        said = getattr(thing, "explain", None)
        parts = getattr(thing, "operators", None) or getattr(thing, "parts", None)
        if said is not None:
            return said()
        if parts is not None:
            return f"{thing!r} of:\n" + "\n".join(f"- {explain(part)}" for part in parts)
        return f"{thing!r}: applied by its own structure"
    for name in ("explain_", "explain"):
        said = getattr(thing, name, None)
        if isinstance(said, str):
            return said
    raise TypeError(f"explain takes an operator, a solution or a fitted model, got {thing!r}")
