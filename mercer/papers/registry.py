"""Which papers there are: those whose file exists."""

from __future__ import annotations

import difflib
import functools
import importlib
import pkgutil
from types import ModuleType

from mercer.papers.card import Paper


def registry() -> dict[str, Paper]:
    """Every paper by its slug, in alphabetical order.

    The files ``mercer/papers/<folder>/<slug with underscores>.py`` are looked for when this is
    called; their cards are read, nothing is run.

    Returns
    -------
    dict of str to Paper

    Raises
    ------
    ValueError
        If a file has no card, or its card is of another place.

    Examples
    --------
    >>> registry()["eigenpro3"].title
    'Toward Large Kernel Models'
    """
    return {slug: _card(module) for slug, module in sorted(modules().items())}


def modules() -> dict[str, ModuleType]:
    """The module of every paper, by the slug that its file name says."""
    return {
        name.rpartition(".")[2].replace("_", "-"): importlib.import_module(name)
        for name in _names()
    }


def find(slug: str) -> ModuleType:
    """The module of the paper ``slug``.

    Raises
    ------
    ValueError
        If there is none; the nearest slugs are named.
    """
    names = {name.rpartition(".")[2].replace("_", "-"): name for name in _names()}
    if slug not in names:
        near = difflib.get_close_matches(slug, names, n=3, cutoff=0.4)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(names)}"
        raise ValueError(f"slug must be that of a paper, got {slug!r}; {hint}")
    return importlib.import_module(names[slug])


@functools.cache
def _names() -> tuple[str, ...]:
    import mercer.papers

    names = []
    for folder in pkgutil.iter_modules(mercer.papers.__path__, "mercer.papers."):
        if folder.ispkg:
            package = importlib.import_module(folder.name)
            found = pkgutil.iter_modules(package.__path__, folder.name + ".")
            names += [m.name for m in found if not m.name.rpartition(".")[2].startswith("_")]
    return tuple(sorted(names))


def _card(module: ModuleType) -> Paper:
    card = getattr(module, "PAPER", None)
    if not isinstance(card, Paper):
        raise ValueError(f"{module.__name__} must define PAPER, a mercer.papers.Paper")
    place = f"mercer.papers.{card.folder}.{card.slug.replace('-', '_')}"
    if place != module.__name__:
        raise ValueError(f"the card in {module.__name__} says that its place is {place}")
    return card
