"""Notes on chips and traps, found by the words of a question."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

COMMON = """an and are as at be by each every for from has in into is it its not of on one or than
that the then they to which with"""
SATURATION, LENGTH = 1.5, 0.75  # the usual k1 and b
HEADING = 3  # times that a word of the heading counts


@dataclass(frozen=True)
class Note:
    """A short text about one thing.

    Parameters
    ----------
    name, text : str
    """

    name: str
    text: str


def words(text: str) -> list[str]:
    """Return the words of a text that say something, in lower case, `snake_case` taken apart.

    Examples
    --------
    >>> words("The sum of every row in blocks")
    ['sum', 'row', 'blocks']
    """
    found = re.findall(r"[a-z][a-z]+|[a-z]*\d+[a-z]*", text.lower().replace("_", " "))
    return [word for word in found if word not in COMMON.split()]


class Retrieval:
    """Ranks notes by BM25, a heading in the first line counting threefold.

    Parameters
    ----------
    notes : sequence of Note

    Examples
    --------
    >>> found = Retrieval([Note("a", "warps hide latency"), Note("b", "cache lines")])
    >>> [note.name for note in found("the cache")]
    ['b']

    References
    ----------
    Robertson and Zaragoza: The Probabilistic Relevance Framework: BM25 and Beyond.
    https://doi.org/10.1561/1500000019
    """

    def __init__(self, notes: Sequence[Note]) -> None:
        self.notes = list(notes)
        self.counts = [Counter(words(_emphasised(note.text))) for note in self.notes]
        self.lengths = [sum(c.values()) for c in self.counts]
        self.mean = sum(self.lengths) / max(len(self.notes), 1)
        holding = Counter(word for count in self.counts for word in count)
        n = len(self.notes)
        self.weights = {w: math.log(1 + (n - k + 0.5) / (k + 0.5)) for w, k in holding.items()}

    def score(self, question: str, k: int) -> float:
        """Return how well note ``k`` answers a question."""
        total = 0.0
        for word in set(words(question)):
            f = self.counts[k][word]
            norm = f + SATURATION * (1 - LENGTH + LENGTH * self.lengths[k] / self.mean)
            total += self.weights.get(word, 0.0) * f * (SATURATION + 1) / norm if f else 0.0
        return total

    def __call__(self, question: str, most: int = 3) -> list[Note]:
        """Return the notes that share words with a question, the best first."""
        scores = [self.score(question, k) for k in range(len(self.notes))]
        order = sorted(range(len(scores)), key=lambda k: (-scores[k], k))
        return [self.notes[k] for k in order[:most] if scores[k] > 0]


def _emphasised(text: str) -> str:
    """The text with its first line, if that is a heading, as often as its words count."""
    heading, _, body = text.partition("\n")
    return "\n".join([heading] * HEADING + [body]) if heading.startswith("#") else text


def own_notes() -> list[Note]:
    """Return the notes that come with the library."""
    folder = files("mercer.lab.search") / "notes"
    found = [f for f in folder.iterdir() if f.name.endswith(".md")]
    return [Note(f.name[:-3], f.read_text()) for f in sorted(found, key=lambda f: f.name)]
