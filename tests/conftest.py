"""What several of the tests need."""

# ruff: noqa: E402 - the environment comes before the imports

from __future__ import annotations

import os

# Before torch is imported: a fork of a process that has computed with several threads hangs at its first product.
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import signal
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from apart import ROWS, Apart, faults, grade_source
from valid import problems

if TYPE_CHECKING:
    from collections.abc import Callable

    from autograder.results import Results


# A shell's background jobs ignore Ctrl-C, and so would all that is started here.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


# What takes minutes comes first: at the end, one of two processors would have nothing to do beside it.
LONGEST = ("test_rubric", "test_hostile", "test_container", "test_training", "test_template")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first."""
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(LONGEST)))


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
