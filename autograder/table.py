"""A record as a table on a terminal."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from pathlib import Path

    from autograder.results import Results, Row

__all__ = ["show"]


def show(results: Results, path: Path | None = None, console: Console | None = None) -> None:
    """Print a record.

    path: where it was written, to be named below the table
    """
    console = console or Console(highlight=False)
    if isinstance(console.file, io.TextIOWrapper):  # not each terminal has a tick
        console.file.reconfigure(errors="replace")
    table = Table(box=None, padding=(0, 1), pad_edge=False)
    table.add_column("", no_wrap=True)
    table.add_column("Row", style="bold", no_wrap=True)
    table.add_column("Points", justify="right", no_wrap=True)
    table.add_column("What was checked, and what was found", overflow="fold")
    section = ""
    for row in results.tests:
        if row.tags and row.tags[0] != section:
            section = row.tags[0]
            table.add_row("", "", "", Text(section.upper(), style="dim"))
        table.add_row(mark(row), Text(row.number), points(row), describe(row))
    console.print(table)
    console.print()
    # Nothing that comes from a student may be taken for markup: all of it goes through Text.
    console.print(Text(results.output))
    if path:
        console.print(Text(f"Written to {path}.", style="dim"))


def mark(row: Row) -> Text:
    """Show at a glance how a row went."""
    if row.fault:
        return Text("!", style="bold yellow")
    if row.max_score is None and row.extra_data.get("ending") == "not run":
        return Text("-", style="dim")
    return Text("✓", style="bold green") if row.status == "passed" else Text("✗", style="bold red")


def points(row: Row) -> Text:
    """Show points, where there are any to be had."""
    return Text("" if row.max_score is None else f"{row.score or 0:g}/{row.max_score:g}")


def describe(row: Row) -> Text:
    """Show what was checked, and for a row that is not passed what was found."""
    text = Text(row.name)
    if row.status != "passed" or row.max_score is None:
        output = row.extra_data.get("text", row.output)  # where the output is HTML, with pictures
        text.append(f"\n{output}", style="yellow" if row.max_score else "dim")
    return text
