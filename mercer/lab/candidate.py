"""A program that somebody, or something, wrote for a problem: text, and never trusted."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

LANGUAGES = ("torch", "triton", "cuda", "cpp")


@dataclass(frozen=True)
class Candidate:
    """Python text that defines `ModelNew`, and the language its work is written in.

    Parameters
    ----------
    source : str
        A Python module. Triton kernels stand in it; CUDA C++ and C++ stand in it as strings that it
        compiles (`mercer.lab.native.build`, or `torch.utils.cpp_extension.load_inline`).
    language : {"torch", "triton", "cuda", "cpp"}
    name : str, optional

    Examples
    --------
    >>> Candidate("class ModelNew: ...", "torch").digest[:8]
    'db204196'
    """

    source: str
    language: str
    name: str = ""

    def __post_init__(self) -> None:
        if self.language not in LANGUAGES:
            known = ", ".join(LANGUAGES)
            raise ValueError(f"language must be one of {known}, got {self.language!r}")
        if not self.source.strip():
            raise ValueError("source must not be empty")

    @property
    def digest(self) -> str:
        """SHA-256 of language and text: what the database knows the candidate by."""
        return hashlib.sha256(f"{self.language}\n{self.source}".encode()).hexdigest()

    @classmethod
    def read(cls, path: str | Path) -> Candidate:
        """Read a candidate from a Python file, its language guessed from what it uses."""
        path = Path(path)
        source = path.read_text()
        return cls(source, language_of(source), path.stem)


def language_of(source: str) -> str:
    """Guess the language of a text: what it compiles decides, else PyTorch."""
    if "triton.jit" in source:
        return "triton"
    if "__global__" in source:
        return "cuda"
    if 'extern "C"' in source or "cpp_sources" in source:
        return "cpp"
    return "torch"
