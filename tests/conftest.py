"""What several of the tests need."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from apart import ROWS, Apart, faults, grade_source
from valid import problems

if TYPE_CHECKING:
    from collections.abc import Callable

    from autograder.results import Results


@pytest.fixture(scope="session")
def apart() -> Apart:
    """Runs a function in a process of its own, in which torch is imported already."""
    return Apart()


@pytest.fixture(scope="session")
def grade(apart: Apart) -> Callable[..., Results]:
    """Grades the text of a vae.py.

    The record must be complete, valid and, unless the test says otherwise, free of faults of the grader's.
    """

    def graded(
        source: str | bytes | None, *, faulty: bool = False, seconds: float = 120, **more: Any
    ) -> Results:
        results: Results = apart(partial(grade_source, source, **more), seconds=seconds).value
        if not more.get("sections"):
            assert [row.number for row in results.tests] == [*ROWS, "T"]
        assert problems(results) == []
        assert bool(faults(results)) == results.fault == faulty, faults(results)
        return results

    return graded
