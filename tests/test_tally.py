"""What a whole class's records say."""

from __future__ import annotations

import pytest
from graded import ROWS, record

from autograder import tally
from autograder.results import Row

LOSS = "For {} images your loss is {}; expected {}."


def words(*outputs: str) -> list[tuple[int, str]]:
    """Return how often each mistake is made, and its words, where each output is another submission's."""
    found = tally.mistakes([record({"5.1": output}) for output in outputs])
    return [(len(mistake.made_by), mistake.words) for mistake in found]


@pytest.mark.parametrize(
    ("outputs", "expected"),
    [
        pytest.param(
            [LOSS.format(9, 12.5, 730.38), LOSS.format(9, 2631.2, 742.6)],
            [(2, "For 9 images your loss is …; expected ….")],
            id="other numbers",
        ),
        pytest.param(
            ["It gives -1.5e-07.", "It gives 3."], [(2, "It gives ….")], id="signs and powers of ten"
        ),
        pytest.param(
            ["fc1 is not fc2.", "fc1 is not fc3."],
            [(1, "fc1 is not fc2."), (1, "fc1 is not fc3.")],
            id="names",
        ),
        pytest.param(
            ["It has 9, 3 more than due.", "It has 5, 1 fewer than due."],
            [(2, "It has …, … more or fewer than due.")],
            id="more and fewer",
        ),
        pytest.param(["Shape (5, 17).", "Shape (8, 17)."], [(2, "Shape (…, 17).")], id="sizes"),
        pytest.param(["Wrong … 1.", "Wrong … 2."], [(2, "Wrong … ….")], id="an ellipsis of its own"),
        pytest.param(
            ["It raised X\n  vae.py, line 3:  a", "It raised X\n  vae.py, line 5:  b"],
            [(2, "It raised X")],
            id="lines",
        ),
        pytest.param(["x" * 5000], [(1, "x" * 300)], id="endless"),
        pytest.param([""], [(1, "")], id="no words"),
    ],
)
def test_words(outputs: list[str], expected: list[tuple[int, str]]) -> None:
    """Outputs that differ in numbers only are one mistake, of which the first line says what was found."""
    assert words(*outputs) == expected


def test_causes() -> None:
    """What is known to be the mistake counts, whatever it shows by, and each of several in one row."""
    records = [
        record({"2.1": "The decoder is wrong."}, causes={"2.1": ["ReLU is missing."]}),
        record(
            {"6.2": "For 9 images it is wrong."}, causes={"6.2": ["ReLU is missing.", "5 layers are due."]}
        ),
        record({"2.1": "The decoder is wrong."}),
        record({"2.1": "The decoder is wrong."}, causes={"2.1": ["4 layers are due."]}),
    ]
    assert [(m.words, m.rows, m.made_by) for m in tally.mistakes(records)] == [
        ("ReLU is missing.", ("2.1", "6.2"), (0, 1)),
        ("… layers are due.", ("2.1", "6.2"), (1, 3)),
        ("The decoder is wrong.", ("2.1",), (2,)),
    ]


def test_consequence() -> None:
    """What cannot be judged because of another row's mistake is none of its own."""
    found = tally.mistakes(
        [record({"3.1": "No.", "4.1": "Forward cannot be judged, because of z (row 3.1):"})]
    )
    assert [(m.words, m.rows) for m in found] == [("No.", ("3.1",))]


def test_commonest_first() -> None:
    """The commonest mistake comes first, and knows who made it and in which rows."""
    broken = dict.fromkeys(("1.1", "1.2", "6.3"), "Your vae.py raised SyntaxError")
    found = tally.mistakes([record(broken), record({"5.1": "No."}), record(broken), record()])
    assert [(m.words, m.rows, m.made_by) for m in found] == [
        ("Your vae.py raised SyntaxError", ("1.1", "1.2", "6.3"), (0, 2)),
        ("No.", ("5.1",), (1,)),
    ]


def test_not_a_mistake() -> None:
    """What the grader fails at, and what carries no points, is nobody's mistake."""
    failed = record(faults=("2.1",))
    failed.tests[-1] = Row(number="T", name="Training", status="failed", output="Not below 120.")
    assert tally.mistakes([failed]) == []


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (Row(number="1", name="", status="passed", score=1, max_score=1), "passed"),
        (Row(number="1", name="", status="failed", score=0, max_score=1), "failed"),
        (Row(number="1", name="", status="failed", extra_data={"ending": "grader fault"}), "grader fault"),
        (Row(number="T", name="", status="passed", extra_data={"ending": "not run"}), "not run"),
        (Row(number="T", name="", status="failed", extra_data={"ending": "training fault"}), "not run"),
        (Row(number="T", name="", status="passed", extra_data={"ending": "unreadable"}), "not run"),
        (
            Row(number="1", name="", status="failed", max_score=1, extra_data={"ending": "unreadable"}),
            "failed",
        ),
        (Row(number="T", name="", status="failed", extra_data={"ending": "out of steps"}), "failed"),
        (Row(number="T", name="", status="passed", extra_data={"ending": "reached"}), "passed"),
    ],
)
def test_ending(row: Row, expected: str) -> None:
    """A training that was not run, or that we failed at, is neither passed nor failed."""
    assert tally.ending(row) == expected


def test_copies() -> None:
    """Submissions with the same vae.py are named, but for those without a point, such as the template."""
    records = {
        "ann": record(fingerprint="1a"),
        "bob": record({"1.1": "No."}, fingerprint="2b"),
        "cleo": record(fingerprint="1a"),
        "dan": record(dict.fromkeys(ROWS, "No."), fingerprint="3c"),
        "eve": record(dict.fromkeys(ROWS, "No."), fingerprint="3c"),
        "fay": record(),
    }
    assert tally.copies(records) == [["ann", "cleo"]]
    assert tally.copies({}) == []


def test_histogram() -> None:
    """Every score has a place, those that nobody has too."""
    counted = tally.histogram([record(), record(), record({"1.1": "No."})])
    assert counted == [*((score, 0) for score in range(11)), (11, 1), (12, 2)]


@pytest.mark.parametrize(
    ("passed", "total", "percent"),
    [(0, 7, 0), (1, 999, 1), (15, 26, 58), (11, 26, 42), (998, 999, 99), (7, 7, 100)],
)
def test_percent(passed: int, total: int, percent: int) -> None:
    """Shares are rounded, but 100 % is everybody and 0 % nobody."""
    assert tally.PassRate("5.1", "The loss", passed, total).percent == percent


def test_pass_rates() -> None:
    """Rows that carry points are listed, the hardest first."""
    rates = tally.pass_rates([record({"5.1": "No."}), record({"5.1": "No.", "1.2": "No."}), record()])
    assert [(rate.number, rate.passed, rate.total) for rate in rates[:3]] == [
        ("5.1", 1, 3),
        ("1.2", 2, 3),
        ("1.1", 3, 3),
    ]
    assert len(rates) == 12


def test_nobody() -> None:
    """Of no records there is nothing to say."""
    assert (tally.pass_rates([]), tally.mistakes([]), tally.histogram([])) == ([], [], [(0, 0)])
