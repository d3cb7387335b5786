"""The rubric measured: submissions whose verdicts are known are graded, and what comes of them is compared."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from autograder import batch, gradebook
from autograder.results import RECIPE, ROWS

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from autograder.results import Results

__all__ = ["Finding", "Known", "run", "table", "totals"]

MARKS = {(True, True): "x", (False, False): "·", (True, False): "M", (False, True): "O"}  # must lose, lost


class Known(Protocol):
    """A submission whose verdict is known: the rows that it must lose, and words that these rows must say."""

    @property
    def name(self) -> str: ...  # noqa: D102 - a field
    @property
    def source(self) -> bytes: ...  # noqa: D102 - a field
    @property
    def lost(self) -> Collection[str]: ...  # noqa: D102 - a field
    @property
    def words(self) -> Sequence[str]: ...  # noqa: D102 - a field
    @property
    def family(self) -> str: ...  # noqa: D102 - a field


@dataclass(frozen=True)
class Finding:
    """What came of one entry."""

    name: str
    family: str
    due: tuple[str, ...]  # rows that it must lose
    lost: tuple[str, ...]  # rows that it lost
    unsaid: tuple[str, ...]  # words that its lost rows do not say
    fault: bool  # the grader failed
    said: str  # by the lost rows, and by those that should have been

    @property
    def missed(self) -> list[str]:
        """Rows that it kept and must not."""
        return [row for row in self.due if row not in self.lost]

    @property
    def overcharged(self) -> list[str]:
        """Rows that it lost and must not."""
        return [row for row in self.lost if row not in self.due]

    @property
    def right(self) -> bool:
        """Whether the verdict and its words are as they must be."""
        return not (self.missed or self.overcharged or self.unsaid or self.fault)

    @property
    def marks(self) -> str:
        """A mark for each row: x lost as it must be, · kept as it must be, M missed, O overcharged."""
        return " ".join(MARKS[row in self.due, row in self.lost] for row in ROWS)


def run(entries: Sequence[Known], jobs: int = 0, *, quiet: bool = False) -> list[Finding]:
    """Grade the entries as a class is graded, and compare.

    Raises KeyboardInterrupt where it was stopped: half an audit says nothing.
    """
    with tempfile.TemporaryDirectory(prefix="vae-audit-") as folder:
        handed_in, out = Path(folder) / "class", Path(folder) / "out"
        handed_in.mkdir()
        for entry in entries:
            (handed_in / f"{entry.name}.py").write_bytes(entry.source)
        outcome = batch.run(handed_in, out, batch.Settings(jobs=jobs, train="never", quiet=quiet))
        if outcome.interrupted:
            raise KeyboardInterrupt
        records = {s.source.stem: outcome.records[s.name] for s in outcome.submissions}
        return [compare(entry, records[entry.name]) for entry in entries]


def compare(entry: Known, record: Results) -> Finding:
    """Compare a record with what is known."""
    rows = {row.number: row for row in record.tests if row.max_score}
    lost = tuple(number for number, row in rows.items() if not row.score)
    # What every student reads at a row says nothing about this one's mistake.
    heard = "\n".join(rows[number].output.partition(f"\n{RECIPE}")[0] for number in lost).lower()
    shown = [
        f"{number}: {rows[number].output}" for number in ROWS if number in {*lost, *entry.lost} & {*rows}
    ]
    return Finding(
        entry.name,
        entry.family,
        tuple(row for row in ROWS if row in entry.lost),
        lost,
        tuple(word for word in entry.words if word not in heard),
        record.fault,
        "\n".join([*shown, *gradebook.faults(record)]),
    )


def table(findings: Sequence[Finding]) -> str:
    """Write the matrix of rows and entries."""
    width = max(len(finding.name) for finding in findings)
    lines = [
        f"{'':{width}}  {' '.join(row[0] for row in ROWS)}",
        f"{'':{width}}  {' '.join(row[2] for row in ROWS)}",
    ]
    for finding in findings:
        words = f"  does not say: {', '.join(finding.unsaid)}" if finding.unsaid else ""
        fault = "  grader fault" if finding.fault else ""
        lines.append(f"{finding.name:{width}}  {finding.marks}{words}{fault}")
    return "\n".join(lines)


def totals(findings: Sequence[Finding]) -> str:
    """Write for each row how many must lose it and do, and how many must keep it and do; and what was named."""
    lines = ["row   must lose  missed  must keep  overcharged"]
    for row in ROWS:
        due = [finding for finding in findings if row in finding.due]
        missed = sum(row in finding.missed for finding in findings)
        over = sum(row in finding.overcharged for finding in findings)
        lines.append(f"{row}  {len(due):10}  {missed:6}  {len(findings) - len(due):9}  {over:11}")
    wrong = [finding for finding in findings if finding.due]
    named = sum(not finding.unsaid for finding in wrong)
    share = f"{named} of {len(wrong)} mistakes named ({named / len(wrong):.1%}), " if wrong else ""
    faults = sum(finding.fault for finding in findings)
    return "\n".join([*lines, f"{len(findings)} entries, {share}{faults} grader faults"])
