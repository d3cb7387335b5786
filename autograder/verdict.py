"""A record as a student sees it: rows, what was found, what to look at next; as text, or as a table in a notebook."""

from __future__ import annotations

import html
import textwrap
from typing import Any

__all__ = ["SECTIONS", "Verdict"]

SECTIONS = ("encoder", "decoder", "reparametrize", "forward", "loss", "cvae")  # of the notebook, in its order
GREEN, RED, DIM, PLAIN = "\x1b[32m", "\x1b[31m", "\x1b[2m", "\x1b[0m"


class Verdict:
    """A record, results.json as Python reads it, that shows itself: as HTML in a notebook, else as text."""

    def __init__(self, record: dict[str, Any]) -> None:
        self.record = record
        self.rows = [row for row in record["tests"] if row.get("extra_data", {}).get("ending") != "not run"]

    def __repr__(self) -> str:
        return self.as_text(100)

    def _repr_html_(self) -> str:
        return self.as_html()

    def summary(self) -> list[str]:
        """Say in a few lines how it went, and what to look at next: the first section that is not finished."""
        extra = self.record.get("extra_data", {})
        made_from = f" for vae.py {extra['fingerprint']}" if "fingerprint" in extra else ""
        most = sum(row.get("max_score", 0) for row in self.rows)
        lines = [f"{self.record['score']:g} of {most:g} points{made_from}."]
        lines += [f"Note: {note}" for note in extra.get("notes", [])]
        if "unreadable" in extra:
            return [*lines, f"Nothing could be checked: {extra['unreadable']}"]
        if "grader_fault" in extra:
            return [
                *lines,
                "The check itself failed; please show this to your course staff:",
                extra["grader_fault"],
            ]
        from autograder.results import gist  # msgspec: there, if there is a record

        left = [row for row in self.rows if row["status"] != "passed"]
        if not left:
            sections = dict.fromkeys(map(section_of, self.rows))
            if sections.keys() >= {*SECTIONS}:
                return [*lines, "Everything is right."]
            return [*lines, f"What was checked is right: {', '.join(sections)}."]
        section = section_of(left[0])
        causes = left[0].get("extra_data", {}).get("causes", ())
        numbers = ", ".join(row["number"] for row in left if section_of(row) == section)
        return [
            *lines,
            f"Next: {section}, row{'s' * (',' in numbers)} {numbers}. {gist(output(left[0]), causes)}",
        ]

    def as_text(self, width: int, *, colours: bool = False) -> str:
        """Write the record as plain text of so many columns."""
        green, red, dim, plain = (GREEN, RED, DIM, PLAIN) if colours else [""] * 4
        lines, section = [], ""
        for row in self.rows:
            if section != section_of(row):
                section = section_of(row)
                lines.append(f"{dim}{section.upper()}{plain}")
            passed = row["status"] == "passed"
            mark = f"{green}✓{plain}" if passed else f"{red}✗{plain}"
            name = textwrap.wrap(row["name"], max(20, width - 13)) or [""]
            lines.append(f"{mark} {row['number']:<4} {points(row):>5}  {name[0]}")
            lines += [f"{'':13}{line}" for line in name[1:]]
            said = [] if passed and row.get("max_score") else output(row).splitlines()
            # A line that is indented is a line of code: it stays as it is.
            broken = [
                [line] if line.startswith(" ") else textwrap.wrap(line, max(20, width - 13)) for line in said
            ]
            lines += [f"{'':13}{line}" for group in broken for line in group]
        return "\n".join([*lines, "", *self.summary()])

    def as_html(self) -> str:
        """Write the record as a small table. All of its text is escaped."""
        rows = []
        for row in self.rows:
            passed = row["status"] == "passed"
            said = "" if passed and row.get("max_score") else output(row)
            detail = (
                f"<pre style='white-space: pre-wrap; margin: 0'>{html.escape(said)}</pre>" if said else ""
            )
            rows.append(
                f"<tr><td>{'&#10003;' if passed else '&#10007;'}</td><td>{html.escape(row['number'])}</td>"
                f"<td>{points(row)}</td><td style='text-align: left'>{html.escape(row['name'])}{detail}</td></tr>"
            )
        head = (
            "<tr><th></th><th>row</th><th>points</th><th style='text-align: left'>what was checked</th></tr>"
        )
        end = "".join(f"<p style='white-space: pre-wrap'>{html.escape(line)}</p>" for line in self.summary())
        return f"<table>{head}{''.join(rows)}</table>{end}"


def section_of(row: dict[str, Any]) -> str:
    """Return the section that a row belongs to."""
    return str(row.get("tags", ["the assignment"])[0])


def output(row: dict[str, Any]) -> str:
    """Return what was found."""
    return str(row.get("extra_data", {}).get("text") or row.get("output") or "Not passed.")


def points(row: dict[str, Any]) -> str:
    """Write a row's points."""
    return f"{row.get('score', 0):g}/{row['max_score']:g}" if "max_score" in row else ""
