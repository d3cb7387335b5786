"""A class's records as files for a TA: grades.csv, a page of the class, and a page of each submission."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import re
import statistics
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec
from markupsafe import Markup, escape

from autograder import gradebook, tally, web
from autograder.cores import cores
from autograder.files import printable
from autograder.gradebook import number
from autograder.preview import Preview, decoded

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from autograder.results import Results, Row
    from autograder.roster import Submission
    from autograder.tally import Mistake

__all__ = ["Entry", "write"]

PNG = b"\x89PNG\r\n\x1a\n"
NAMED_LINE = re.compile(r"\bvae\.py, line (\d{1,6})\b")  # as `autograder.outcome` names it
MAX_OPTION = (
    160  # characters of a mistake in the filter, cut in its middle: what tells two apart may come last
)
MAX_LINES = 20_000  # of vae.py on a page
MAX_JOBS = 8


@dataclass(frozen=True)
class Entry:
    """One submission with its record, and what else its page is to show.

    source: vae.py as it was graded; notebook: the .ipynb; pictures: PNG files of the training run by their captions
    """

    submission: Submission
    results: Results
    source: bytes | None = None
    notebook: bytes | None = None
    pictures: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """Who handed it in, or what it is called where nobody knows."""
        return gradebook.title(self.submission)

    @property
    def file(self) -> str:
        """The address of its page, from the other pages of submissions."""
        return quote(f"{self.submission.name}.html")

    @property
    def problems(self) -> list[str]:
        """What a teacher should know about how it was taken and graded."""
        return gradebook.problems(self.submission, self.results)


def write(
    out: Path,
    entries: Sequence[Entry],
    complete: Callable[[Entry], Entry] = lambda entry: entry,
    waiting: Sequence[Submission] = (),
) -> None:
    """Write out/grades.csv, out/index.html and out/submissions/<name>.html. Raises OSError.

    Each page holds all that it shows. A page that is there already, made from the same, is left as it is.
    complete: adds an entry's files just before its page is made, so that those of a whole class are never in memory
    waiting: what is not graded yet
    """
    pages = out / "submissions"
    pages.mkdir(parents=True, exist_ok=True)
    entries = sorted(entries, key=lambda entry: (plain(entry.title), entry.submission.name))
    put(
        out / "grades.csv",
        gradebook.grades([(entry.submission, entry.results) for entry in entries], waiting),
    )
    put(out / "index.html", index(entries, waiting))
    around = list(zip(entries, [None, *entries], [*entries[1:], None], strict=False))
    jobs = min(cores(), MAX_JOBS)

    def write_share(start: int) -> None:
        with Preview() as preview:
            for listed, before, after in around[start::jobs]:
                entry = complete(listed)
                path = pages / f"{entry.submission.name}.html"
                mark = fingerprint(entry, before, after)
                if not is_made_from(path, mark):
                    put(path, page(entry, before, after, preview, mark))

    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(write_share, range(jobs)))


def index(entries: Sequence[Entry], waiting: Sequence[Submission] = ()) -> str:
    """Return the page of the class."""
    graded = [entry for entry in entries if not entry.results.fault]
    records = [entry.results for entry in graded]
    scores = [record.score for record in records]
    histogram = tally.histogram(records) if records else []
    mistakes = tally.mistakes(records)
    made: list[list[int]] = [[] for _ in graded]
    for position, mistake in enumerate(mistakes):
        for one in mistake.made_by:
            made[one].append(position)
    columns = gradebook.columns(records)
    return web.render(
        "index.html.j2",
        ("vendor/sortable.js", "filter.js"),
        mark="",
        waiting=waiting,
        faults=[entry for entry in entries if entry.results.fault],
        reasons=lambda entry: " ".join(line.splitlines()[-1] for line in gradebook.faults(entry.results)),
        histogram=histogram,
        most=max((count for _, count in histogram), default=0),
        rates=tally.pass_rates(records),
        scored=len(records),
        mean=number(round(statistics.fmean(scores), 1)) if scores else "",
        median=number(statistics.median(scores)) if scores else "",
        highest=number(max((record.max_score for record in records), default=0)),
        mistakes=mistakes,
        rows_of=rows_of,
        short=lambda mistake: printable(mistake.words, MAX_OPTION),
        columns=[(row, sum(is_lost(record, row.number) for record in records)) for row in columns],
        lines=[line(entry, columns, own) for entry, own in zip(graded, made, strict=True)],
    )


def line(entry: Entry, columns: Sequence[Row], mistakes: Sequence[int]) -> dict[str, Any]:
    """Return a submission's line in the table of the class."""
    submission, results = entry.submission, entry.results
    rows = {row.number: row for row in results.tests}
    note = " ".join(entry.problems)
    people = [word for one in submission.submitters for word in (one.name, one.sid, one.email)]
    words = [entry.title, *people, submission.submission_id, submission.name, results.fingerprint, note]
    return {
        "entry": entry,
        "sid": ", ".join(filter(None, (person.sid for person in submission.submitters))),
        "score": number(results.score),
        "cells": [cell(rows.get(column.number)) for column in columns],
        "note": note,
        "text": plain(" ".join(dict.fromkeys(filter(None, words)))),
        "lost": [column.number for column in columns if is_lost(results, column.number)],
        "mistakes": mistakes,
    }


def cell(row: Row | None) -> tuple[str, str]:
    """Return the class of a row's cell and its text."""
    if row is None:
        return "n", ""
    how = tally.ending(row)
    said = {"passed": "yes", "failed": "no"}.get(how, "–")  # noqa: RUF001 - a dash
    return "lost" if how == "failed" else "n", said if row.max_score is None else number(row.score)


def is_lost(record: Results, row_number: str) -> bool:
    """Say whether a record's row is there and failed."""
    return any(row.number == row_number and tally.ending(row) == "failed" for row in record.tests)


def rows_of(mistake: Mistake) -> str:
    """Return in which rows a mistake was found, in short."""
    if len(mistake.rows) > 6:
        return f"{len(mistake.rows)} rows"
    return ("row " if len(mistake.rows) == 1 else "rows ") + ", ".join(mistake.rows)


def page(entry: Entry, before: Entry | None, after: Entry | None, preview: Preview, mark: str = "") -> str:
    """Return the page of a submission, with links to the one before and the one after."""
    code = (preview.code(entry.source) or plain_lines(entry.source)) if entry.source else []
    extra = entry.results.extra_data
    missing = extra.get("layers_missing") or {}
    versions = extra.get("versions") or {}
    how = {
        "Fingerprint of vae.py, as a check shows it": entry.results.fingerprint,
        "Files (SHA-256)": extra.get("submission"),
        "Layers of the sandbox in force": ", ".join(extra.get("layers", [])),
        "Not in force": "; ".join(f"{layer}: {reason}" for layer, reason in missing.items()),
        "Seed": extra.get("seed"),
        "Time": f"{entry.results.execution_time:.1f} s",
        "Versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
        "Grader (SHA-256)": extra.get("grader"),
        "Rubric (SHA-256; the same in the students' check)": extra.get("rubric"),
    }
    notebook = preview.notebook(entry.notebook) if entry.notebook is not None else None
    return web.render(
        "submission.html.j2",
        ("frame.js",),
        mark=mark,
        entry=entry,
        before=before,
        after=after,
        rows=[
            (row, tally.ending(row), linked(words(row), len(code)), first)
            for row, first in zip(entry.results.tests, firsts(entry.results.tests), strict=True)
        ],
        number=number,
        faults=gradebook.faults(entry.results),
        pictures=[
            (name, data_address(picture))
            for name, picture in entry.pictures.items()
            if picture.startswith(PNG)
        ],
        code=[Markup(text) for text in code[:MAX_LINES]],  # noqa: S704 - escaped by Pygments, or by us
        hidden_lines=max(0, len(code) - MAX_LINES),
        named=named_lines(entry.results.tests, len(code)),
        notebook=notebook and web.render("notebook.html.j2", html=Markup(notebook)),  # noqa: S704 - sanitized
        how={name: value for name, value in how.items() if value},
    )


def firsts(rows: Sequence[Row]) -> list[str]:
    """Return for each row the number of the one before that failed in the same words, if there is one."""
    known: dict[str, str] = {}
    found = []
    for row in rows:
        first = known.setdefault(words(row), row.number) if row.status == "failed" else row.number
        found.append("" if first == row.number else first)
    return found


def named_lines(rows: Sequence[Row], count: int) -> dict[int, list[str]]:
    """Return the lines of vae.py, from 1 to `count`, that tracebacks name, each with the rows that do."""
    named: dict[int, list[str]] = {}
    for row in rows:
        for line_number in {int(digits) for digits in NAMED_LINE.findall(row.output)}:
            if 1 <= line_number <= count:
                named.setdefault(line_number, []).append(row.number)
    return dict(sorted(named.items()))


def plain_lines(source: bytes) -> list[str]:
    """Return a Python file as HTML, line by line, without colours."""
    return str(escape(decoded(source))).split("\n")


def words(row: Row) -> str:
    """Return what a row says: where its output is HTML, for Gradescope, the text that went into it."""
    notes = row.extra_data.get("notes", [])
    output = str(row.extra_data.get("text", row.output)) if row.output_format == "html" else row.output
    return "\n".join([output, *(f"Note: {note}" for note in notes)])


def linked(output: str, lines: int) -> Markup:
    """Return an output as HTML, with a link from each line that it names to that line below."""

    def link(match: re.Match[str]) -> str:
        target = int(match[1])
        return f'<a href="#L{target}">{match[0]}</a>' if 1 <= target <= lines else match[0]

    return Markup(NAMED_LINE.sub(link, str(escape(output))))  # noqa: S704 - escaped just here


def plain(text: str) -> str:
    """Return text as it is searched for: in lower case, without accents."""
    return "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c)).lower()


def data_address(picture: bytes) -> str:
    """Return a picture as an address that contains it."""
    return f"data:image/png;base64,{base64.b64encode(picture).decode()}"


def fingerprint(entry: Entry, *neighbours: Entry | None) -> str:
    """Return a hash of all that a submission's page is made from."""
    around = [one and (one.title, one.file) for one in neighbours]
    parts = [web.fingerprint(), repr((entry.submission, around)).encode(), msgspec.json.encode(entry.results)]
    parts += [b"none" if file is None else b"=" + file for file in (entry.source, entry.notebook)]
    parts += [part for name, picture in entry.pictures.items() for part in (name.encode(), picture)]
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


def is_made_from(path: Path, mark: str) -> bool:
    """Say whether a page is there and carries this fingerprint, in its head."""
    try:
        with path.open("rb") as file:
            return f'"{mark}"'.encode() in file.read(2000)
    except OSError:
        return False


def put(path: Path, text: str) -> None:
    """Write a file: all of it or nothing. Raises OSError, with its name."""
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(text.encode("utf-8", "replace"))
        part.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise OSError(error.errno, error.strerror, str(path)) from None
