"""A class's grades as a CSV file that a spreadsheet opens without running any of it."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from typing import TYPE_CHECKING

from autograder import tally
from autograder.files import printable
from autograder.metadata import Submitter
from autograder.results import clean

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from autograder.results import Results, Row
    from autograder.roster import Submission

__all__ = ["columns", "faults", "grades", "number", "own_name", "problems", "title"]

# What a spreadsheet takes for a formula: ASCII, or in full width. Not only where a cell begins, but also behind
# what some countries' settings take for the end of a cell, since those do not heed our quotation marks.
FORMULA = re.compile(r"""(^|[;,|])([\s"']*)(?=[=+\-@\uff1d\uff0b\uff0d\uff20])""")


def grades(graded: Sequence[tuple[Submission, Results]], waiting: Sequence[Submission] = ()) -> str:
    """Return the grades as CSV (RFC 4180), one line for each submitter of a group, what has no grade last.

    waiting: what is not graded yet

    The text begins with a byte order mark, without which Excel takes names in UTF-8 for another encoding.
    """
    numbers = [row.number for row in columns(results for _, results in graded)]
    text = io.StringIO()
    writer = csv.writer(text)  # its lines end in CR LF, as the RFC has it
    head = ["Name", "SID", "Email", "Submission ID", "Submission", "Total Score", "Max Points"]
    writer.writerow([*head, *(f"Row {n}" for n in numbers), "Fingerprint", "Hash", "Note"])
    for submission, results in sorted(graded, key=lambda pair: pair[1].fault):
        rows = {row.number: row for row in results.tests}
        score = "" if results.fault else number(results.score)
        cells = ["" if results.fault or n not in rows else _cell(rows[n]) for n in numbers]
        marks = [results.fingerprint, str(results.extra_data.get("submission", ""))]
        said = "; ".join(problems(submission, results))
        for who in _people(submission):
            line = [*who, score, number(results.max_score), *cells, *marks, said]
            writer.writerow([_harmless(value) for value in line])
    for submission in waiting:
        for who in _people(submission):
            said = "; ".join(["Not graded", *submission.notes] if submission.missing else ["Not graded yet"])
            line = [*who, "", "", *("" for _ in numbers), "", "", said]
            writer.writerow([_harmless(value) for value in line])
    return "\N{BYTE ORDER MARK}" + text.getvalue()


def own_name(submission: Submission) -> str:
    """Return what the submission's folder or file is called; its `name` is that made safe for files and pages."""
    source = submission.source
    return printable(unicodedata.normalize("NFC", source.name if source.is_dir() else source.stem))


def title(submission: Submission) -> str:
    """Return who handed a submission in, or what it is called where nobody knows."""
    names = [person.name or person.email or person.sid for person in submission.submitters]
    return ", ".join(filter(None, names)) or own_name(submission)


def columns(records: Iterable[Results]) -> list[Row]:
    """Return a row for each row id that occurs, in order: not each record has all, where the grader failed."""
    rows: dict[str, Row] = {}
    for record in records:
        for row in record.tests:
            rows.setdefault(row.number, row)
    return list(rows.values())


def problems(submission: Submission, results: Results) -> list[str]:
    """Return what a teacher should know about how a submission was taken and graded."""
    extra = results.extra_data
    said = [
        *(
            ["Not graded: the grader itself failed, which is no fault of the student's."]
            if results.fault
            else []
        ),
        *([f"Unreadable: {extra['unreadable']}"] if "unreadable" in extra else []),
        *nothing_runs(results),
        *submission.notes,
        *extra.get("notes", []),
    ]
    return list(dict.fromkeys(said))


def nothing_runs(results: Results) -> list[str]:
    """Return why vae.py cannot be loaded, where that is what all its rows say."""
    said = {row.output.partition("\n")[0] for row in results.tests if row.max_score}
    return [words for words in said if len(said) == 1 and words.startswith("Your vae.py ")]


def faults(results: Results) -> list[str]:
    """Return what failed in the grader itself, for those who mend it."""
    said = [
        f"Row {row.number}: {row.extra_data.get('fault', '')}"
        for row in results.tests
        if row.extra_data.get("fault")
    ]
    return [*said, *filter(None, [str(results.extra_data.get("grader_fault", "")).strip()])]


def number(points: float | None) -> str:
    """Write points without a needless fraction."""
    return f"{points or 0:g}"


def _people(submission: Submission) -> list[list[str]]:
    """Return for each submitter the cells that a line begins with."""
    people = submission.submitters or (Submitter(own_name(submission)),)
    which = [submission.submission_id, submission.name]
    return [[person.name, person.sid, person.email, *which] for person in people]


def _cell(row: Row) -> str:
    return tally.ending(row) if row.max_score is None else number(row.score)


def _harmless(value: str) -> str:
    """Return text on one line, with an apostrophe before each thing that a spreadsheet would run."""
    return FORMULA.sub(r"\1\2'", " ".join(clean(value, 2000).split()))
