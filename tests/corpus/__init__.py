"""Whole submissions with their expected verdicts: what the rubric is measured against."""

from collections.abc import Collection
from dataclasses import dataclass

from corpus.combinations import COMBINATIONS
from corpus.edits import Edit, apply, finished, reference
from corpus.mistakes import MISTAKES
from corpus.unfinished import TEMPLATES
from corpus.variants import VARIANTS

__all__ = ["ROWS", "Entry", "entries", "named"]

ROWS = ("1.1", "1.2", "1.3", "1.4", "2.1", "3.1", "3.2", "4.1", "5.1", "6.1", "6.2", "6.3")


@dataclass(frozen=True)
class Entry:
    """A vae.py as bytes, the rows it must lose, and words (lower case) that these rows' outputs must contain.

    family: "mistake", "variant", "combination" or "unfinished"
    """

    name: str
    source: bytes
    lost: frozenset[str]
    words: tuple[str, ...]
    family: str


def entries() -> list[Entry]:
    """Make the whole corpus from the reference solution."""
    original = reference()

    def edited(edits: tuple[Edit, ...]) -> bytes:
        return finished(apply(original, edits)).encode()

    none: frozenset[str] = frozenset()
    return [
        *(Entry(m.name, edited(m.edits), frozenset(m.lost), m.words, "mistake") for m in MISTAKES),
        *(Entry(f"right-{v.name}", v.source or edited(v.edits), none, (), "variant") for v in VARIANTS),
        *(Entry(m.name, edited(m.edits), frozenset(m.lost), m.words, "combination") for m in COMBINATIONS),
        *(Entry(t.name, t.source.encode(), t.lost, t.words, "unfinished") for t in TEMPLATES),
    ]


def named(words: Collection[str]) -> list[Entry]:
    """Choose the right variants whose names hold one of the words."""
    return [
        entry
        for entry in entries()
        if entry.family == "variant" and any(word in entry.name for word in words)
    ]
