"""The rubric against the corpus: each mistake costs its rows, in words that name it; right work earns everything."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, cast

import pytest
from corpus import ROWS, Entry, entries
from graded import record

from autograder import audit

if TYPE_CHECKING:
    from collections.abc import Sequence

EACH = 3  # mistakes for each row, and as many right submissions in all, that the short run takes

CORPUS = entries()


def spread(among: Sequence[Entry], number: int) -> list[Entry]:
    """Choose so many, evenly spread."""
    return [among[i * len(among) // number] for i in range(min(number, len(among)))]


def representative() -> set[str]:
    """Choose the short run: for each row mistakes that cost it alone, where there are any, and right ones."""
    chosen = spread([entry for entry in CORPUS if not entry.lost], EACH)
    for row in ROWS:
        alone = [entry for entry in CORPUS if entry.lost == {row}]
        chosen += spread(alone or [entry for entry in CORPUS if row in entry.lost], EACH)
    return {entry.name for entry in chosen}


SHORT = representative()


@pytest.fixture(scope="module")
def findings(request: pytest.FixtureRequest) -> dict[str, audit.Finding]:
    """What came of all entries that were asked for, graded as a class is."""
    asked: list[Entry] = [
        cast("Entry", item.callspec.params["entry"])
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.path == request.path and "entry" in item.fixturenames
    ]
    # Where another file's tests run beside these, one processor is theirs.
    jobs = 1 if "PYTEST_XDIST_WORKER" in os.environ else 0
    return {finding.name: finding for finding in audit.run(asked, jobs, quiet=True)}


@pytest.mark.timeout(3000)  # of all of them: the first waits for the others
@pytest.mark.parametrize(
    "entry",
    [
        pytest.param(entry, id=entry.name, marks=[] if entry.name in SHORT else [pytest.mark.slow])
        for entry in CORPUS
    ],
)
def test_verdict(entry: Entry, findings: dict[str, audit.Finding]) -> None:
    """An entry loses its rows and no others, and what the student reads there names the mistake."""
    finding = findings[entry.name]
    assert not finding.fault
    assert finding.lost == finding.due, finding.said
    assert finding.unsaid == (), finding.said


def test_short_run() -> None:
    """The short run has several mistakes for each row, and right submissions."""
    chosen = [entry for entry in CORPUS if entry.name in SHORT]
    assert len(chosen) <= 3 * len(ROWS) + 3
    for row in ROWS:
        assert sum(row in entry.lost for entry in chosen) >= EACH
    assert sum(not entry.lost for entry in chosen) >= EACH


def test_fault_is_said() -> None:
    """Where the grader itself failed, the audit says at what."""
    finding = audit.compare(CORPUS[0], record(grader_fault="RuntimeError: the rubric is refused"))
    assert not finding.right
    assert "the rubric is refused" in finding.said
