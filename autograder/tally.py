"""What a whole class's records say: scores, rows by pass rate, and the mistakes that are made most."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autograder.results import CONSEQUENCE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from autograder.results import Results, Row

__all__ = [
    "Change",
    "Mistake",
    "PassRate",
    "changes",
    "copies",
    "ending",
    "histogram",
    "mistakes",
    "pass_rates",
]

# What a grading measures or draws at random; not the digits in names such as T4 or fc1.
NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e[+-]?\d+)?(?!\w)|\b(?:more|fewer)(?= than )")
NOT_GRADED = "Not graded: "
MAX_WORDS = 300  # characters of a line: an exception's message is the student's own
VARIED = "…"  # stands for a number that is not the same in all the outputs put together
EITHER = "more or fewer"  # stands for that of both


@dataclass(frozen=True)
class PassRate:
    """A row of the rubric and how many of the submissions have passed it."""

    number: str
    name: str
    passed: int
    total: int

    @property
    def percent(self) -> int:
        """The share that has passed, rounded; 0 is nobody and 100 is everybody."""
        return self.passed and max(
            1, min(99 + self.passed // self.total, round(100 * self.passed / self.total))
        )


@dataclass(frozen=True)
class Mistake:
    """A mistake: its words, the rows it was found in, and which submissions made it, by their positions."""

    words: str
    rows: tuple[str, ...]
    made_by: tuple[int, ...]


@dataclass(frozen=True)
class Change:
    """What a submission has other than in an earlier grading: its score, the rows lost and won since, its files."""

    name: str
    scores: tuple[float, float]  # then and now
    lost: tuple[str, ...]
    won: tuple[str, ...]
    has_new_files: bool


def ending(row: Row) -> str:
    """Return how a row ended: passed, failed, not run, or grader fault."""
    if row.fault:
        return "grader fault"
    said = row.extra_data.get("ending")
    unrun = said in ("not run", "training fault") or (said == "unreadable" and row.max_score is None)
    return "not run" if unrun else row.status


def changes(then: Mapping[str, Results], now: Mapping[str, Results]) -> list[Change]:
    """Return whose rows went otherwise in an earlier grading; where the grader failed, nothing went at all."""
    found = []
    for name, new in sorted(now.items()):
        old = then.get(name)
        if old is None or old.fault or new.fault:
            continue
        before, after = ({row.number for row in record.tests if row.score} for record in (old, new))
        if before != after:
            files = {record.extra_data.get("submission") for record in (old, new)}
            rows = tuple(sorted(before - after)), tuple(sorted(after - before))
            found.append(Change(name, (old.score, new.score), *rows, has_new_files=len(files) > 1))
    return found


def copies(records: Mapping[str, Results]) -> list[list[str]]:
    """Return the names of submissions that have the same vae.py, byte for byte; without points it is the template."""
    same: dict[str, list[str]] = {}
    for name, record in sorted(records.items()):
        if record.score and record.fingerprint:
            same.setdefault(record.fingerprint, []).append(name)
    return [names for names in same.values() if len(names) > 1]


def histogram(records: Sequence[Results]) -> list[tuple[int, int]]:
    """Return each score, from 0 to the most there is, with how many have it; parts of points are dropped."""
    counted = Counter(int(record.score) for record in records)
    highest = max((int(record.max_score) for record in records), default=0)
    return [(score, counted[score]) for score in range(max([highest, *counted]) + 1)]


def pass_rates(records: Sequence[Results]) -> list[PassRate]:
    """Return the rows that carry points, those that fewest have passed first."""
    rows: dict[str, list[Row]] = {}
    for record in records:
        if "unreadable" in record.extra_data:  # that says nothing of the row
            continue
        for row in record.tests:
            if row.max_score:
                rows.setdefault(row.number, []).append(row)
    rates = [
        PassRate(number, same[0].name, sum(row.status == "passed" for row in same), len(same))
        for number, same in rows.items()
    ]
    return sorted(rates, key=lambda rate: (rate.passed / rate.total, rate.number))


def mistakes(records: Sequence[Results]) -> list[Mistake]:
    """Return what the outputs of rows say that cost points, the commonest first, each counted once for a submission.

    Outputs that differ in their numbers only are one mistake, and so are those with one diagnosis, whatever it shows
    by. A file that cannot be loaded loses all rows by the same words, and is one mistake too.
    """
    found: dict[tuple[str, ...], list[tuple[int, str, list[str]]]] = {}
    for position, record in enumerate(records):
        for row in record.tests:
            if row.max_score and ending(row) == "failed":
                for words in _words(row):
                    case = (position, row.number, NUMBER.findall(words))
                    found.setdefault(tuple(NUMBER.split(words)), []).append(case)
    made = []
    for pieces, cases in found.items():
        same = [set(numbers) for numbers in zip(*(numbers for _, _, numbers in cases), strict=True)]
        shown = [*map(_one_of, same), ""]
        words = "".join(piece + number for piece, number in zip(pieces, shown, strict=True))
        rows = tuple(sorted({number for _, number, _ in cases}))
        made.append(Mistake(words, rows, tuple(sorted({position for position, _, _ in cases}))))
    return sorted(made, key=lambda mistake: (-len(mistake.made_by), mistake.rows, mistake.words))


def _one_of(numbers: set[str]) -> str:
    """Write a number, or what else is counted as one, where outputs put together have these."""
    return next(iter(numbers)) if len(numbers) == 1 else EITHER if numbers == {"more", "fewer"} else VARIED


def _words(row: Row) -> list[str]:
    """Return what a row's mistakes are, or where that is not known, what its output says first."""
    first = row.output.partition("\n")[0][:MAX_WORDS]
    if first.startswith(NOT_GRADED):  # what was found there is each one's own
        return [NOT_GRADED + re.split("[;,:]", first.removeprefix(NOT_GRADED))[0]]
    return row.causes or ([] if CONSEQUENCE in first else [first])
