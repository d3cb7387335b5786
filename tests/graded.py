"""Records of gradings made by hand, for what is done with them afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from autograder.intake import Submission, Submitter
from autograder.report import Entry
from autograder.results import Results, Row

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["FAULT", "ROWS", "entry", "record"]

ROWS = ("1.1", "1.2", "1.3", "1.4", "2.1", "3.1", "3.2", "4.1", "5.1", "6.1", "6.2", "6.3")
FAULT = {"ending": "grader fault", "fault": "KeyError: 17"}


def record(
    lost: Mapping[str, str] | None = None,
    faults: tuple[str, ...] = (),
    causes: Mapping[str, list[str]] | None = None,
    **extra: Any,
) -> Results:
    """Make a record.

    lost, causes: outputs by row, and what the mistakes are; faults: the rows at which the grader failed
    extra: the record's extra_data
    """
    lost, causes = lost or {}, causes or {}
    rows = [
        Row(
            number=number,
            name=f"What row {number} asks for",
            status="failed" if number in lost or number in faults else "passed",
            output=lost.get(number, "The grader itself failed." if number in faults else "Passed."),
            score=0.0 if number in lost or number in faults else 1.0,
            max_score=1.0,
            extra_data=FAULT if number in faults else {"causes": causes[number]} if number in causes else {},
        )
        for number in ROWS
    ]
    untrained = Row(
        number="T", name="Training run", status="passed", output="Not run.", extra_data={"ending": "not run"}
    )
    return Results(
        score=sum(row.score or 0 for row in rows),
        output="",
        output_format="text",
        tests=[*rows, untrained],
        extra_data={"submission": "5eed", "layers": ["process", "limits"], **extra},
    )


def entry(
    name: str, results: Results | None = None, *people: Submitter, notes: tuple[str, ...] = (), **more: Any
) -> Entry:
    """Make an entry; without people it is somebody called like the submission."""
    people = people or (Submitter(name.title(), f"00{len(name)}", f"{name}@example.edu"),)
    submission = Submission(name, Path(name), people, "7", "2025-04-20", notes)
    return Entry(submission, results or record(), **{"source": b"x = 1\n", **more})
