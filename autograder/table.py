"""A record as a table on a terminal."""

from __future__ import annotations

import io
import itertools
import textwrap
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from pathlib import Path

    from autograder.results import Results, Row

__all__ = ["show"]

INDENT = 14  # columns before what was found


def show(results: Results, path: Path | None = None, console: Console | None = None) -> None:
    """Print a record.

    path: where it was written, to be named below the table
    """
    console = console or Console(highlight=False)
    if isinstance(console.file, io.TextIOWrapper):  # not each terminal has a tick
        console.file.reconfigure(errors="replace")
    lay(
        console,
        Text(""),
        Text("Row"),
        Text("Points"),
        Text("What was checked, and what was found"),
        style="bold",
    )
    section = ""
    for row in results.tests:
        if row.tags and row.tags[0] != section:
            section = row.tags[0]
            lay(console, Text(""), Text(""), Text(""), Text(section.upper(), style="dim"))
        lay(console, mark(row), Text(row.number, style="bold"), points(row), Text(row.name))
        for code, lines in itertools.groupby(found(row), key=is_code):
            text = Text("\n".join(lines), style="yellow" if row.max_score else "dim")
            if code:  # as it is, to be copied: a line that is broken is no Python any more
                text.plain = textwrap.indent(text.plain, " " * INDENT)
                console.print(text, soft_wrap=True)
            else:
                lay(console, Text(""), Text(""), Text(""), text)
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


def found(row: Row) -> list[str]:
    """List the lines that say what was found, of a row that is not passed or that only informs."""
    if row.status == "passed" and row.max_score is not None:
        return []
    output: str = row.extra_data.get("text", row.output)  # where the output is HTML, with pictures
    return output.split("\n")


def is_code(line: str) -> bool:
    """Tell whether a line is one of a recipe's."""
    return line.startswith("    ")


def lay(console: Console, *cells: Text, style: str = "") -> None:
    """Print a line of the table; what the last cell holds may take several."""
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=1)
    grid.add_column(width=4, no_wrap=True)
    grid.add_column(width=6, justify="right", no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(*cells, style=style)
    console.print(grid)
