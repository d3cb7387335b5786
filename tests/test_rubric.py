"""The rubric against the corpus: each mistake costs its rows, in words that name it; right work earns everything."""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, cast

import pytest
from apart import lost
from corpus import ROWS, Entry, entries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from autograder.results import Results

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


def marked(entry: Entry) -> object:
    """Mark an entry that the short run leaves out: right and unfinished work as slow, other mistakes as the audit's."""
    marks = []
    if entry.name not in SHORT:
        marks = (
            [pytest.mark.slow]
            if entry.family in ("variant", "unfinished")
            else [pytest.mark.slow, pytest.mark.audit]
        )
    return pytest.param(entry, id=entry.name, marks=marks)


@pytest.fixture(scope="module")
def verdicts(
    request: pytest.FixtureRequest, grade: Callable[..., Results]
) -> Iterator[dict[str, Future[Results]]]:
    """The verdicts on all entries that were asked for, as many at a time as there are processors."""
    asked: list[Entry] = [
        cast("Entry", item.callspec.params["entry"])
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.path == request.path and "entry" in item.fixturenames
    ]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield {entry.name: pool.submit(grade, entry.source, seconds=250) for entry in asked}
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("entry", [marked(entry) for entry in CORPUS])
def test_verdict(entry: Entry, verdicts: dict[str, Future[Results]]) -> None:
    """An entry loses its rows and no others, and what the student reads there names the mistake."""
    results = verdicts[entry.name].result()
    said = "\n".join(f"{row.number}: {row.output}" for row in results.tests if row.number in lost(results))
    assert set(lost(results)) == entry.lost, f"seed {results.extra_data['seed']}\n{said}"
    for word in entry.words:
        assert word in said.lower()


def test_short_run() -> None:
    """The short run has several mistakes for each row, and right submissions."""
    chosen = [entry for entry in CORPUS if entry.name in SHORT]
    assert len(chosen) <= 3 * len(ROWS) + 3
    for row in ROWS:
        assert sum(row in entry.lost for entry in chosen) >= EACH
    assert sum(not entry.lost for entry in chosen) >= EACH
