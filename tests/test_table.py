"""The table on a terminal: readable, and deaf to what students would write into it."""

from __future__ import annotations

import io
import os
import re
import sys
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

from autograder import table
from autograder.results import Results, Row, clean

ROWS = [
    Row(
        number="1.1",
        name="counts",
        status="passed",
        output="Passed.",
        score=1.0,
        max_score=1.0,
        tags=["encoder"],
    ),
    Row(
        number="1.2",
        name="computes",
        status="failed",
        output="No ReLU.",
        score=0.0,
        max_score=1.0,
        tags=["encoder"],
    ),
    Row(number="5.1", name="loss", status="failed", output="Ours.", score=0.0, max_score=1.0, tags=["loss"]),
    Row(
        number="T",
        name="training",
        status="passed",
        output="Not run: no time.",
        extra_data={"ending": "not run"},
    ),
]
ROWS[2].extra_data = {"ending": "grader fault"}


def shown(*rows: Row, output: str = "", colour: bool = False, width: int = 80) -> str:
    """The printed table."""
    record = Results(score=0, output=output, output_format="text", tests=list(rows))
    console = Console(
        file=io.StringIO(),
        width=width,
        force_terminal=colour,
        color_system="standard" if colour else None,
        highlight=False,
    )
    table.show(record, Path("results.json"), console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def failed(text: str) -> Row:
    """A row that was lost with these words."""
    return Row(
        number="1.1", name="name", status="failed", output=text, score=0.0, max_score=1.0, tags=["encoder"]
    )


def test_rows() -> None:
    """Each row shows its mark, number and points, below its section; what was found shows where it was not right."""
    lines = [line.split() for line in shown(*ROWS).splitlines()]
    assert ["✓", "1.1", "1/1", "counts"] in lines
    assert ["✗", "1.2", "0/1", "computes"] in lines
    assert ["!", "5.1", "0/1", "loss"] in lines
    assert ["-", "T", "training"] in lines
    assert [line for line in lines if line in (["ENCODER"], ["LOSS"])] == [["ENCODER"], ["LOSS"]]
    text = shown(*ROWS)
    assert "No ReLU." in text
    assert "Not run: no time." in text
    assert "Passed." not in text
    assert "Written to results.json." in text


MARKUP = [
    "[bold red]12/12[/bold red]",
    "[/]",
    "[link=http://example.org]click[/link]",
    "[@click=app.quit]x[/]",
    ":smile: [not closed",
    "\\[escaped]",
    "<b>&amp;</b>",
    "{curly} %s %d",
]


@pytest.mark.parametrize("text", MARKUP)
def test_markup_is_text(text: str) -> None:
    """What looks like markup is shown as it is written, in a row and below the table."""
    assert text in shown(failed(text), width=200)
    assert text in shown(output=text, width=200)


@pytest.mark.parametrize(
    "text",
    ["\x1b[2J\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "\x9b2J", "a\rb", "\x07\x08\x7f", "\u202eturned"],
)
@pytest.mark.parametrize("colour", [False, True], ids=["plain", "with colours"])
def test_controls_do_not_arrive(text: str, colour: bool) -> None:  # noqa: FBT001
    """No control sequence of a student's reaches the terminal: only our own colours do."""
    text = clean(text)  # as the grader does with all that it records
    printed = shown(failed(text), output=text, colour=colour)
    if colour:
        printed = re.sub(r"\x1b\[[0-9;]*m", "", printed)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", printed)


@pytest.mark.parametrize("text", ["x" * 8000, "汉" * 4000, "a\n" * 4000, "👩‍👩‍👧" * 500])
def test_long_text(text: str) -> None:
    """Long words and wide letters are folded: the table keeps to its width."""
    assert max(map(cell_len, shown(failed(text), width=60).splitlines())) <= 60


def test_terminal_without_a_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the terminal's encoding has no tick, the table shows all the same."""
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    table.show(Results(score=0, output="π", output_format="text", tests=ROWS))
    sys.stdout.flush()
    assert b"1.1" in raw.getvalue()


def test_own_width(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a terminal, as in Gradescope, the table keeps to COLUMNS or 80."""
    monkeypatch.setitem(os.environ, "COLUMNS", "50")
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    table.show(Results(score=0, output="", output_format="text", tests=[failed("word " * 100)]))
    assert max(map(len, out.getvalue().splitlines())) <= 50
