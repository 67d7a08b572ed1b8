"""What every paper must fulfil."""

from __future__ import annotations

import importlib
import inspect

from mercer.papers.claim import Bounds, Claim
from mercer.papers.registry import find, registry
from mercer.papers.result import Result


def check(slug: str, result: Result | None = None) -> None:
    """Check a paper's card and file and, if one is given, the result of its run.

    Parameters
    ----------
    slug : str
        Which paper.
    result : Result, optional
        What :func:`mercer.papers.run` returned.

    Raises
    ------
    AssertionError
        In one sentence, what is missing.

    Examples
    --------
    >>> check("eigenpro3")
    """
    module = find(slug)
    card = registry()[slug]
    for part in card.parts:
        _require(_exists(part), f"{slug}: {part} in parts does not exist")
    run = getattr(module, "run", None)
    _require(callable(run), f"{slug}: the file must define run(scale, *, seed=0)")
    assert run is not None
    parameters = inspect.signature(run).parameters
    _require(
        list(parameters) == ["scale", "seed"] and parameters["seed"].default == 0,
        f"{slug}: run must be run(scale, *, seed=0), got run({', '.join(parameters)})",
    )
    if result is not None:
        _check_result(slug, card.claims, result)


def _check_result(slug: str, texts: tuple[str, ...], result: Result) -> None:
    _require(
        tuple(claim.text for claim in result.claims) == texts,
        f"{slug}: the claims measured must be those of the card, in its order",
    )
    for claim in result.claims:
        _require(
            type(claim) is Claim and type(claim.bounds) is Bounds,
            f"{slug}: whether {claim.text!r} holds must be computed by Claim",
        )
        _require(bool(claim.if_not), f"{slug}: {claim.text!r} must say why it would not hold")
    _require(bool(result.rows), f"{slug}: the result must have a table")
    _require(
        all(len(row) == len(result.columns) for row in result.rows),
        f"{slug}: every row of the table must have {len(result.columns)} cells",
    )
    _require(result.draw is not None, f"{slug}: the result must draw a picture")


def _exists(name: str) -> bool:
    """Whether a dotted name is that of an object in an importable module."""
    module, _, attribute = name.rpartition(".")
    return hasattr(importlib.import_module(module), attribute)


def _require(condition: bool, sentence: str) -> None:
    if not condition:
        raise AssertionError(sentence)
