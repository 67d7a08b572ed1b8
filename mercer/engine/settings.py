"""What a reduction needs besides tensors, as one string that operators can carry."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from torch import Tensor

from mercer.engine.formula import Formula, parse
from mercer.engine.mask import Mask


@dataclass(frozen=True)
class Settings:
    """Formula, mask without its blocks, precision and backend."""

    formula: Formula
    lower: int | None = None
    upper: int | None = None
    size: int = 1
    precision: str = "highest"
    backend: str = "auto"

    @property
    def text(self) -> str:
        """A string from which :func:`settings_of` makes these settings again."""
        return _text(self)

    def mask(self, blocks: Tensor | None) -> Mask:
        """The mask."""
        return Mask(self.lower, self.upper, blocks, self.size)


@functools.lru_cache(maxsize=4096)
def _text(s: Settings) -> str:
    parts = (s.precision, s.backend, s.lower, s.upper, s.size, s.formula.text)
    return ";".join(map(str, parts))


@functools.lru_cache(maxsize=4096)
def settings_of(text: str) -> Settings:
    """The settings whose :attr:`Settings.text` is ``text``."""
    precision, backend, lower, upper, size, formula = text.split(";", 5)
    below, above = (None if bound == "None" else int(bound) for bound in (lower, upper))
    return Settings(parse(formula), below, above, int(size), precision, backend)


def settings(formula: Formula, mask: Mask, precision: str, backend: str) -> Settings:
    """The settings of a reduction."""
    return Settings(formula, mask.lower, mask.upper, mask.size, precision, backend)
