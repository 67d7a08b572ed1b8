"""Candidates for a channel: texts by the name of the operator, or a folder of files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mercer.lab.candidate import Candidate, language_of
from mercer.lab.channels.operator import Operator


def read_candidates(
    given: str | Path | Mapping[str, str | Candidate], operators: Mapping[str, Operator]
) -> dict[str, Candidate]:
    """Return the candidates by the name of their operator.

    Parameters
    ----------
    given : str, Path or mapping
        A folder with files ``<operator>.py``, or texts or candidates by the operator's name.
    operators : mapping of str to Operator

    Raises
    ------
    ValueError
        If there is no such folder, a name is of no operator, or a text is empty.

    Examples
    --------
    >>> from mercer.lab.channels import channel
    >>> read_candidates({"amax": "from torch import amax"}, channel("torch"))["amax"].language
    'torch'
    """
    if isinstance(given, Mapping):
        texts = dict(given)
    else:
        folder = Path(given)
        if not folder.is_dir():
            raise ValueError(f"candidates must be a mapping or a folder, got {str(given)!r}")
        texts = {path.stem: path.read_text() for path in sorted(folder.glob("*.py"))}
    unknown = sorted(set(texts) - set(operators))
    if unknown:
        raise ValueError(f"the channel has no operator {unknown[0]!r}")
    return {name: _candidate(name, text) for name, text in texts.items()}


def _candidate(name: str, text: str | Candidate) -> Candidate:
    return text if isinstance(text, Candidate) else Candidate(text, language_of(text), name)
