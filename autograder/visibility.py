"""Which rows students see on Gradescope, and when: chosen at the release, carried in the zip, applied when grading."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING

import msgspec

from autograder.grade import summary
from autograder.results import ROWS

if TYPE_CHECKING:
    from pathlib import Path

    from autograder.results import Results, Row

__all__ = ["SETTINGS", "WHEN", "Visibility", "read"]

SETTINGS = "visibility.json"  # beside setup.sh, in autograder.zip
# Gradescope's own words, and what a student is told of rows that are not shown yet.
WHEN = {
    "visible": "",
    "after_due_date": "after the due date",
    "after_published": "when the grades are published",
    "hidden": "to course staff only",
}


class Visibility(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When students see the rows.

    rows: of all rows, a word of WHEN; hide: numbers of rows that are shown later, or never; hidden: when those are
    """

    rows: str = "visible"
    hide: tuple[str, ...] = ()
    hidden: str = "hidden"

    def __post_init__(self) -> None:
        """Raise ValueError for a row that there is not."""
        known = (*ROWS, "T")
        if unknown := [row for row in self.hide if row not in known]:
            raise ValueError(f"there is no row {unknown[0]}; there are {', '.join(known)}")
        if self.rows not in WHEN or self.hidden not in WHEN:
            raise ValueError(f"the words for when are {', '.join(WHEN)}")

    def encode(self) -> bytes:
        """Write it as JSON."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"

    def of(self, row: Row) -> str:
        """Say when a row is shown."""
        return self.hidden if row.number in self.hide else self.rows

    def apply(self, results: Results) -> None:
        """Mark the rows, and take what is not shown at once out of the text about the whole."""
        if self == Visibility():
            return
        for row in results.tests:
            row.visibility = self.of(row)
        now = copy(results)
        now.tests = [row for row in results.tests if row.visibility == "visible"]
        now.score = sum(row.score or 0 for row in now.tests)
        later = [(row.number, WHEN[self.of(row)]) for row in results.tests if self.of(row) != "visible"]
        text = summary(now).replace("Everything is right.", "Every row that is shown now is right.")
        if not now.max_score and not results.fault:
            text = "Your work was received and graded."
        for when in dict.fromkeys(when for _, when in later):
            numbers = ", ".join(number for number, shown in later if shown == when)
            text += f"\nShown {when}: {numbers}."
        results.output = text


def read(project: Path) -> Visibility:
    """Read what the release chose; without a file, everything is visible. Raises msgspec.MsgspecError."""
    path = project / SETTINGS
    return msgspec.json.decode(path.read_bytes(), type=Visibility) if path.is_file() else Visibility()
