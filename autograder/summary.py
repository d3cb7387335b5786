"""A graded class in a few lines on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from autograder import tally

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from autograder.results import Results

__all__ = ["fault_of", "show", "show_changes", "show_copies", "show_faults"]

WIDTH = 40  # of the longest bar
MISTAKES = 10


def show(records: Mapping[str, Results], console: Console | None = None) -> None:
    """Print how many have which score, how many passed each row, the commonest mistakes, and the grader's own faults.

    records: by the name of the submission
    """
    console = console or Console(highlight=False)
    graded = [record for record in records.values() if not record.fault]
    faults = {name: record for name, record in records.items() if record.fault}
    if graded:
        show_scores(graded, console)
        show_rows(graded, console)
        show_mistakes(graded, console)
    if faults:
        show_faults(faults, console)


def show_scores(records: Sequence[Results], console: Console) -> None:
    """Print the histogram of scores."""
    scores = tally.histogram(records)
    most = max(count for _, count in scores)
    table = table_of("Score", "Submissions", "")
    for score, count in reversed(scores):
        table.add_row(str(score), str(count), Text("█" * round(WIDTH * count / most), style="green"))
    mean = sum(record.score for record in records) / len(records)
    console.print(f"\n{len(records)} graded, mean {mean:.1f}", style="bold")
    console.print(table)


def show_rows(records: Sequence[Results], console: Console) -> None:
    """Print how many have passed each row."""
    table = table_of("Row", "Passed", "")
    for rate in sorted(tally.pass_rates(records), key=lambda rate: rate.number):
        table.add_row(rate.number, f"{rate.passed}/{rate.total}", Text(rate.name))
    read = sum("unreadable" not in record.extra_data for record in records)
    of = f", of {read} whose vae.py could be read" if read < len(records) else ""
    console.print(f"\nRows{of}", style="bold")
    console.print(table)


def show_mistakes(records: Sequence[Results], console: Console) -> None:
    """Print the commonest mistakes."""
    mistakes = tally.mistakes(records)[:MISTAKES]
    if not mistakes:
        return
    table = table_of("Rows", "Made by", "")
    for mistake in mistakes:
        rows = f"{len(mistake.rows)} rows" if len(mistake.rows) > 3 else ", ".join(mistake.rows)
        table.add_row(rows, str(len(mistake.made_by)), Text(mistake.words))
    console.print("\nCommonest mistakes", style="bold")
    console.print(table)


def show_changes(
    then: Mapping[str, Results], now: Mapping[str, Results], console: Console | None = None
) -> None:
    """Print which verdicts are not those of an earlier grading."""
    found = tally.changes(then, now)
    if not found:
        return
    console = console or Console(highlight=False)
    console.print(f"\nOther than in the grading before: {len(found)} of {len(now)}", style="bold")
    for change in found:
        old, new = (f"{score:g}" for score in change.scores)
        rows = [*(f"{row} lost" for row in change.lost), *(f"{row} won" for row in change.won)]
        why = "; it has been handed in anew" if change.has_new_files else ""
        console.print(Text(f"  {change.name}: {old} → {new} ({', '.join(rows)}{why})"), soft_wrap=True)


def show_copies(records: Mapping[str, Results], console: Console | None = None) -> None:
    """Print which submissions have the same vae.py."""
    console = console or Console(highlight=False)
    for names in tally.copies(records):
        console.print(Text(f"\nThe same vae.py, to the byte: {', '.join(names)}"), soft_wrap=True)


def show_faults(faults: Mapping[str, Results], console: Console) -> None:
    """Print which submissions have no grade because the grader failed."""
    console.print(
        f"\nGrader faults: {len(faults)} without a grade; the next run tries them again", style="bold yellow"
    )
    for name, record in faults.items():
        console.print(Text(f"  {name}: {fault_of(record)}"), soft_wrap=True)


def fault_of(record: Results) -> str:
    """Say how the grader failed, in a line: the last of the first failure's."""
    why = str(
        record.extra_data.get("grader_fault")
        or next((row.extra_data["fault"] for row in record.tests if row.extra_data.get("fault")), "")
    )
    return (why.strip().splitlines() or ["it is not known how"])[-1][:200]


def table_of(first: str, second: str, third: str) -> Table:
    """Make a table of two narrow columns and a wide one."""
    table = Table(box=None, padding=(0, 1), pad_edge=False)
    table.add_column(first, no_wrap=True)
    table.add_column(second, justify="right", no_wrap=True)
    table.add_column(third, overflow="fold")
    return table
