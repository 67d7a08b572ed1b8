"""The reference itself as a contender: as it stands, or through `torch.compile`."""

from __future__ import annotations

from mercer.lab.candidate import Candidate

MODES = {
    "eager": None,
    "compiled": "default",
    "max-autotune": "max-autotune-no-cudagraphs",
    "cuda-graphs": "reduce-overhead",
}


def baseline(text: str, mode: str) -> Candidate:
    """Return the candidate that runs a problem's own text.

    Parameters
    ----------
    text : str
        A module that defines `Model`.
    mode : {"eager", "compiled", "max-autotune", "cuda-graphs"}
        The last three are modes of `torch.compile`.
    """
    if mode not in MODES:
        raise ValueError(f"baseline must be one of {', '.join(MODES)}, got {mode!r}")
    if mode == "eager":
        return Candidate(f"{text}\n\nModelNew = Model\n", "torch", mode)
    wrapped = f"""{text}

class ModelNew(Model):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.compile(mode={MODES[mode]!r})
"""
    return Candidate(wrapped, "torch", mode)
