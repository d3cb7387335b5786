"""The grades as CSV, and that a spreadsheet runs none of it."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import pytest
from graded import ROWS, entry, record

from autograder.gradebook import grades
from autograder.intake import Submitter, submissions
from autograder.report import Entry
from autograder.results import Results

if TYPE_CHECKING:
    from pathlib import Path

ANA, JAN = (
    Submitter("Ana Almeida", "00100", "ana@example.edu"),
    Submitter("Ján Ďurčo, Jr.", "", "jan@example.edu"),
)


def read(*entries: Entry) -> list[dict[str, str]]:
    """Return the lines of the CSV file as a program reads them."""
    text = grades([(one.submission, one.results) for one in entries])
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline="")))


def test_columns() -> None:
    """Name, SID, e-mail, submission, score, a column for each row, the hashes and the notes."""
    (line,) = read(
        entry(
            "one",
            record({"5.1": "No."}, notes=["From a notebook"], fingerprint="f00d"),
            ANA,
            notes=("Not listed",),
        )
    )
    assert line == {
        "Name": "Ana Almeida",
        "SID": "00100",
        "Email": "ana@example.edu",
        "Submission ID": "7",
        "Submission": "one",
        "Total Score": "11",
        "Max Points": "12",
        **{f"Row {number}": "0" if number == "5.1" else "1" for number in ROWS},
        "Row T": "not run",
        "Fingerprint": "f00d",
        "Hash": "5eed",
        "Note": "Not listed; From a notebook",
    }


def test_nothing_runs() -> None:
    """Where vae.py cannot be loaded, which all rows say, the note says it too; what some rows say, it does not."""
    why = "Your vae.py raised SyntaxError: invalid syntax"
    (line,) = read(entry("one", record(dict.fromkeys(ROWS, f"{why}\n  vae.py, line 3:  x = = 3")), ANA))
    assert line["Note"] == why
    (line,) = read(entry("one", record({"1.1": why}), ANA))
    assert line["Note"] == ""


def test_group() -> None:
    """A group has a line for each of its people; a submission without people has one, by its folder's name."""
    lines = read(
        entry("pair", None, ANA, JAN),
        Entry(entry("folder").submission.__class__("folder", entry("x").submission.source), record(), None),
    )
    assert [(line["Name"], line["Submission"]) for line in lines] == [
        ("Ana Almeida", "pair"),
        ("Ján Ďurčo, Jr.", "pair"),
        ("x", "folder"),
    ]


def test_own_names(tmp_path: Path) -> None:
    """In a folder of submissions the name is the folder's or file's own, so that a roster fits, and runs no formula."""
    names = ["=cmd|calc Mallory", "Ana A\u0301lvarez", "Conor O'Brien v1.5", "Kim Lee.zip", "Li Wei.py"]
    for name in names:
        (tmp_path / name).mkdir() if "." not in name or "1.5" in name else (tmp_path / name).touch()
    found = submissions(tmp_path, tmp_path / "work")
    assert [
        (line["Name"], line["Submission"]) for line in read(*(Entry(one, record()) for one in found))
    ] == [
        ("'=cmd|calc Mallory", "cmd_calc_Mallory"),
        ("Ana Álvarez", "Ana_Álvarez"),
        ("Conor O'Brien v1.5", "Conor_O_Brien_v1.5"),
        ("Kim Lee", "Kim_Lee"),
        ("Li Wei", "Li_Wei"),
    ]
    assert [Entry(one, record()).title for one in found][1] == "Ana Álvarez"


@pytest.mark.parametrize(
    "results",
    [
        record(faults=("4.1",)),
        Results(score=0, output="", output_format="text", tests=[], extra_data={"grader_fault": "x"}),
    ],
    ids=["at a row", "altogether"],
)
def test_fault(results: Results) -> None:
    """Where the grader failed there is no grade, in no column, and the line comes last."""
    lines = read(entry("a", results), entry("b"))
    assert [line["Submission"] for line in lines] == ["b", "a"]
    assert {lines[1][name] for name in ("Total Score", "Row 1.1", "Row 4.1", "Row T")} == {""}
    assert "grader itself failed" in lines[1]["Note"]


def test_not_all() -> None:
    """What is not graded yet has a line without a grade, that says so."""
    one, other = entry("a", None, ANA), entry("b", None, JAN)
    text = grades([(one.submission, one.results)], [other.submission])
    graded, waiting = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""))
    assert (graded["Name"], graded["Total Score"], graded["Note"]) == ("Ana Almeida", "12", "")
    assert {name: value for name, value in waiting.items() if value} == {
        "Name": "Ján Ďurčo, Jr.",
        "Email": "jan@example.edu",
        "Submission ID": "7",
        "Submission": "b",
        "Note": "Not graded yet",
    }


def test_unreadable() -> None:
    """What cannot be read has 0 points and the reason."""
    lost = dict.fromkeys(ROWS, "Not graded: it is empty")
    (line,) = read(entry("a", record(lost, unreadable="it is empty")))
    assert (line["Total Score"], line["Row 1.1"], line["Note"]) == ("0", "0", "Unreadable: it is empty")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(1)", "'@SUM(1)"),
        ("\t=1", "'=1"),
        ("\r=1", "'=1"),
        ("\n=1", "'=1"),
        ("  =1", "'=1"),
        ('"=1"', '"\'=1"'),
        ("a;=1", "a;'=1"),
        ("a, =1", "a, '=1"),
        ("a\r\n=1", "a =1"),
        ("\N{FULLWIDTH EQUALS SIGN}1", "'\N{FULLWIDTH EQUALS SIGN}1"),
        ("\x1b[31m=1", "\N{REPLACEMENT CHARACTER}=1"),
        ("Anne-Marie O'Neill @ home", "Anne-Marie O'Neill @ home"),
        ('say "x", y', 'say "x", y'),
    ],
)
def test_formula(name: str, expected: str) -> None:
    """What a spreadsheet would run gets an apostrophe before it, at the start of a cell or of what may become one."""
    (line,) = read(entry("one", None, Submitter(name, name, name), notes=(name,)))
    assert [line[column] for column in ("Name", "SID", "Email", "Note")] == [expected] * 4


def test_rfc_4180() -> None:
    """The file is UTF-8 with a byte order mark, its lines end in CR LF, and it has as many cells in each line."""
    text = grades([(one.submission, one.results) for one in (entry("a", None, JAN), entry("b", None, ANA))])
    assert text.encode().startswith(b"\xef\xbb\xbfName,SID,")
    assert text.count("\r\n") == text.count("\n") == 3
    assert '\r\n"Ján Ďurčo, Jr.",' in text
    assert {len(line) for line in csv.reader(io.StringIO(text, newline=""))} == {len(ROWS) + 11}
