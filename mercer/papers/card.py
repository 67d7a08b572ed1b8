"""The card of a published system."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Paper:
    """What a system is, where it was published and which parts of mercer it is made of.

    The file ``mercer/papers/<folder>/<slug with underscores>.py`` that defines one as ``PAPER``,
    and beside it ``run(scale, *, seed=0) -> Result``, is the registration.

    Parameters
    ----------
    slug : str
        The system's name: lower-case letters, digits and hyphens.
    folder : str
        The folder of ``mercer/papers`` that it is in.
    title : str
        Of the publication.
    url : str
        Where the publication is, ``https://...``.
    authors : str
        Of the publication.
    year : int
        Of the publication.
    summary : str
        What the system does, in a few sentences.
    parts : tuple of str
        Dotted names of what ``run`` uses: ``mercer.linalg.eigenpro.EigenPro``.
    claims : tuple of str
        What the publication says, in short; ``run`` measures each.

    Raises
    ------
    ValueError
        If a field is empty or malformed.

    Examples
    --------
    >>> Paper("a-b", "learn", "A", "http:a", "X", 2023, "Does.", ("mercer.load",), ("Fast.",))
    Traceback (most recent call last):
    ...
    ValueError: url of the paper 'a-b' must begin with https://, got 'http:a'
    """

    slug: str
    folder: str
    title: str
    url: str
    authors: str
    year: int
    summary: str
    parts: tuple[str, ...]
    claims: tuple[str, ...]

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", self.slug):
            raise ValueError(
                f"slug must be of lower-case letters, digits and hyphens, got {self.slug!r}"
            )
        for name in ("folder", "title", "authors", "summary", "parts", "claims"):
            if not getattr(self, name):
                raise ValueError(f"{name} of the paper {self.slug!r} must not be empty")
        if not self.url.startswith("https://"):
            raise ValueError(
                f"url of the paper {self.slug!r} must begin with https://, got {self.url!r}"
            )
