"""The rubric's run: real sessions of pytest, whose outcomes become rows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest
from apart import REFERENCE, ROWS, grade_source, lost

from autograder.outcome import Failure, Raised
from autograder.plugin import ENDINGS, FAULT, TIMEOUT, note_failure
from autograder.results import Row
from autograder.rubric.mistake import Cause, Mistake, raise_all
from autograder.watch import Limits

if TYPE_CHECKING:
    from apart import Apart

ROOT = Path(__file__).parents[1]
HEAD = """
    import os, signal, time, pytest, warnings
    from gradescope_utils.autograder_utils.decorators import number, weight
    from autograder.outcome import Missing, Raised, Unfinished, WrongKind
    from autograder.nursery import NurseryError
    from autograder.rubric.mistake import Mistake
    from autograder.endings import Died, Ended, Malformed, TooBig, TooSlow
"""
ROW = '''
@number("{number}")
@weight({weight})
def test_{name}(student{more}):
    """{doc}"""
    {body}
'''


class Stub:
    """Stands for a student: only its dialogue is asked, to forget the row before."""

    def __init__(self) -> None:
        self.dialogue = self
        self.rows = 0
        self.spent = 0.0

    def new_row(self) -> None:
        """Count the rows."""
        self.rows += 1


def row(body: str, number: str = "1.1", weight: float = 1, doc: str = "what holds", more: str = "") -> str:
    """The text of a row."""
    return ROW.format(
        number=number, weight=weight, name=number.replace(".", "_"), doc=doc, body=body, more=more
    )


def write(folder: Path, **sections: str) -> Path:
    """Write a rubric: by its name, the text of each section."""
    rubric = folder / "rubric"
    rubric.mkdir()
    for i, (name, text) in enumerate(sections.items(), start=1):
        (rubric / f"test_{i}_{name}.py").write_text(dedent(HEAD) + text)
    (rubric / "pytest.ini").write_text("[pytest]\npython_files = test_*.py\n")
    return rubric


def run_rubric(folder: str, only: tuple[str, ...] = (), listing: bool = False) -> Any:  # noqa: FBT001, FBT002
    """Run another rubric than the project's; returns its rows, and how many the student was asked to forget."""
    from autograder import plugin, rubric

    rubric.__file__ = f"{folder}/__init__.py"
    plugin.refusal = lambda items: ""  # noqa: ARG005 - its name is a part of its type
    student: Any = None if listing else Stub()
    rows = plugin.run(student, only)
    return rows, student.rows if student else 0


OUTCOMES = {
    "passed": ("pass", "passed"),
    "mistake": ("raise Mistake('yours')", "mistake"),
    "too slow": ("raise TooSlow('yours')", "too slow"),
    "too big": ("raise TooBig('yours')", "too big"),
    "died": ("raise Died('yours')", "died"),
    "malformed": ("raise Malformed('yours')", "malformed answer"),
    "ended": ("raise Ended('yours')", "no answer"),
    "wrong kind": ("raise WrongKind('yours')", "wrong kind of answer"),
    "assert": ("assert 1 == 2", FAULT),
    "AssertionError": ("raise AssertionError('x')", FAULT),
    "error": ("1 / 0", FAULT),
    "nursery": ("raise NurseryError('no fork')", FAULT),
    "OSError": ("raise OSError(28, 'No space left on device')", FAULT),
    "MemoryError": ("raise MemoryError", FAULT),
    "RecursionError": ("f = lambda: f(); f()", FAULT),
    "SystemExit": ("raise SystemExit(3)", FAULT),
    "skip": ("pytest.skip('not today')", FAULT),
    "xfail": ("pytest.xfail('known')", FAULT),
    "fail": ("pytest.fail('x')", FAULT),
    "timeout": ("time.sleep(60)", FAULT),
    "during another": ("try:\n        raise Mistake('yours')\n    except Mistake:\n        1 / 0", FAULT),
}


def test_outcomes(apart: Apart, tmp_path: Path) -> None:
    """Only the student's own failures are charged to the student; anything else is named a fault of the grader's."""
    text = "".join(
        f"\n@pytest.mark.timeout(0.5)\n{row(body, f'1.{i:02}').strip()}\n"
        for i, (body, _) in enumerate(OUTCOMES.values())
    )
    rows, asked = apart(run_rubric, str(write(tmp_path, encoder=text))).value
    assert [r.extra_data.get("ending", "passed") for r in rows] == [ending for _, ending in OUTCOMES.values()]
    assert asked == len(rows)
    for r in rows:
        assert (r.score, r.status) == ((1, "passed") if "ending" not in r.extra_data else (0, "failed"))
        if r.fault:
            assert "not yours" in r.output
            assert r.extra_data["fault"]
        elif r.score == 0:
            assert r.output == "yours"


def test_causes() -> None:
    """What the student's mistakes are is said in the words of the row, and noted beside them, cut where endless."""
    row = Row(number="5.1", name="", status="passed", score=1)
    one = Mistake("The loss is 3.", Cause("A term is missing."), "", "Look at line 7.")
    two = Mistake("It is 4 behind that.", Cause(""), Cause("x" * 1000))
    with pytest.raises(Mistake) as both:
        raise_all([one, two])
    note_failure(row, both.value, "")
    assert row.output.splitlines()[:4] == [
        "The loss is 3.",
        "A term is missing.",
        "Look at line 7.",
        "It is 4 behind that.",
    ]
    first, second = row.causes
    assert first == "A term is missing."
    assert len(second) < 500


def test_timeout(apart: Apart, tmp_path: Path) -> None:
    """A row that runs into its timeout says so, and is charged to the student whose code took most of the time."""
    bodies = (
        "time.sleep(60)",
        "student.spent += 0.1\n    time.sleep(60)",
        "student.spent += 60\n    time.sleep(60)",
    )
    text = "".join(
        f"\n@pytest.mark.timeout(0.5)\n{row(body, f'1.{i}').strip()}\n" for i, body in enumerate(bodies)
    )
    rows, _ = apart(run_rubric, str(write(tmp_path, encoder=text))).value
    assert [r.extra_data["ending"] for r in rows] == [FAULT, FAULT, "too slow"]
    assert all("Timeout (>0.5s)" in r.extra_data["fault"] for r in rows[:2])
    assert rows[2].output == "Your code has used up the time for this row."
    assert Limits().total < TIMEOUT  # slow code comes to its own end before


@pytest.mark.parametrize(
    "fixture",
    [
        "@pytest.fixture\ndef student():\n    1 / 0\n",
        "@pytest.fixture\ndef student():\n    yield\n    1 / 0\n",
    ],
    ids=["before", "after"],
)
def test_fault_around_a_row(apart: Apart, tmp_path: Path, fixture: str) -> None:
    """A fault of the grader's before or after a row is a fault at that row, and no point."""
    rows, _ = apart(run_rubric, str(write(tmp_path, encoder=fixture + row("pass")))).value
    assert [(r.fault, r.score, r.extra_data["ending"]) for r in rows] == [(True, 0, FAULT)]


def test_order_points_and_tags(apart: Apart, tmp_path: Path) -> None:
    """Rows come in the order of their numbers, with their points, the docstring as the name and their section."""
    rubric = write(
        tmp_path,
        encoder=row("pass", "1.2", 2, "second") + row("pass", "1.1", 0.5, "first"),
        decoder=row("raise Mistake('x')", "2.1", 3),
    )
    rows, _ = apart(run_rubric, str(rubric)).value
    assert [(r.number, r.name, r.score, r.max_score, r.tags) for r in rows] == [
        ("1.1", "first", 0.5, 0.5, ["encoder"]),
        ("1.2", "second", 2, 2, ["encoder"]),
        ("2.1", "what holds", 0, 3, ["decoder"]),
    ]


def test_parts_are_judged_last(apart: Apart, tmp_path: Path) -> None:
    """The rows of what forward calls are run behind the others, and stand in the order of their numbers."""
    note = "open('{}', 'a').write(' {}')"
    rubric = write(
        tmp_path,
        encoder=row(note.format(tmp_path / "run", "1.1"), "1.1"),
        forward=row(note.format(tmp_path / "run", "4.1"), "4.1"),
        cvae=row(note.format(tmp_path / "run", "6.2"), "6.2")
        + row(note.format(tmp_path / "run", "6.3"), "6.3"),
    )
    rows, _ = apart(run_rubric, str(rubric)).value
    assert [r.number for r in rows] == ["1.1", "4.1", "6.2", "6.3"]
    assert (tmp_path / "run").read_text() == " 1.1 4.1 6.3 6.2"


@pytest.mark.parametrize(
    ("only", "numbers"),
    [((), ["1.1", "2.1", "3.1"]), (("decoder",), ["2.1"]), (("CVAE", "encoder"), ["1.1", "3.1"])],
)
def test_sections(apart: Apart, tmp_path: Path, only: tuple[str, ...], numbers: list[str]) -> None:
    """Where sections are chosen, only their rows are run."""
    rubric = write(tmp_path, encoder=row("pass", "1.1"), decoder=row("pass", "2.1"), CVAE=row("pass", "3.1"))
    rows, asked = apart(run_rubric, str(rubric), only).value
    assert [r.number for r in rows] == numbers
    assert asked == len(numbers)


def test_listing(apart: Apart, tmp_path: Path) -> None:
    """Without a student the rows are listed, none of them run and none passed."""
    rows, asked = apart(run_rubric, str(write(tmp_path, encoder=row("open('ran', 'w')"))), (), True).value  # noqa: FBT003
    assert [(r.number, r.status, r.score, r.max_score) for r in rows] == [("1.1", "failed", 0, 1)]
    assert asked == 0
    assert not (tmp_path / "ran").exists()


def test_student_words_are_clean(apart: Apart, tmp_path: Path) -> None:
    """Whatever a student's message holds, the row's output can be shown."""
    rubric = write(tmp_path, encoder=row(r"raise Mistake('\x1b[31m' + '\udcff' + 'x' * 100_000)"))
    rows, _ = apart(run_rubric, str(rubric)).value
    assert rows[0].output.startswith("\ufffd\ufffdxxx")
    assert len(rows[0].output) < 10_000


# Right but for what is asked twice, which no row minds.
KEEPS = f"""{REFERENCE}

right, seen = loss_function, set()


def loss_function(*inputs):
    value = right(*inputs)
    known = float(value) in seen
    seen.add(float(value))
    return 2 * value if known else value
"""
WRONG_ROWS = {
    "no number": ("", "test_extra in test_5_loss.py has no @number"),
    "a number of another": (
        '@number("5.1")\n@weight(1)\n',
        "test_extra in test_5_loss.py is one more row 5.1",
    ),
    "an unknown number": (
        '@number("5.2")\n@weight(1)\n',
        "test_extra in test_5_loss.py is row 5.2, which the assignment does not have",
    ),
}


def another_rubric(folder: Path, **changed: str) -> str:
    """Copy the rubric's tests with other texts in some of them; returns what makes a grading take them."""
    for path in (ROOT / "autograder" / "rubric").glob("*"):
        if path.name.startswith("test_") or path.suffix == ".ini":
            (folder / path.name).write_text(changed.get(path.stem, path.read_text("utf-8")))
    return f"from autograder import rubric; rubric.__file__ = {str(folder / '__init__.py')!r}"


@pytest.mark.skipif(os.name == "nt", reason="Windows knows no such names")
def test_any_folder(apart: Apart, tmp_path: Path) -> None:
    """The grader may lie in a folder of any name, also of one that pytest would take apart."""
    folder = tmp_path / "[CS 101] a::b [1]"
    folder.mkdir()
    patch = another_rubric(folder)
    record = apart(partial(grade_source, REFERENCE, patch=patch)).value
    assert record.score == 12


@pytest.mark.parametrize(("decorators", "words"), WRONG_ROWS.values(), ids=WRONG_ROWS)
def test_wrong_rows(apart: Apart, tmp_path: Path, decorators: str, words: str) -> None:
    """A test that is no row, or a row too many, is the grader's fault, named, and not swallowed or given a point."""
    text = (ROOT / "autograder" / "rubric" / "test_5_loss.py").read_text("utf-8")
    text += f'\n\n{decorators}def test_extra(student):\n    """what holds"""\n    raise Mistake("No.")\n'
    patch = another_rubric(tmp_path, test_5_loss=text)
    record = apart(partial(grade_source, REFERENCE, patch=patch)).value
    assert record.fault
    assert (record.score, record.max_score) == (0, 12)
    said = record.extra_data["grader_fault"].strip().splitlines()[-1]
    assert said.startswith(f"autograder.plugin.RefusedError: the rubric is refused: {words}")
    assert "docs/adding-a-test.md" in said


@pytest.mark.parametrize(
    ("line", "other", "words"),
    [
        (
            '@number("5.1")\n@weight(1)',
            '@number("5.1")\n@weight(2)',
            "test_loss in test_5_loss.py has 2 points",
        ),
        ('@number("5.1")\n@weight(1)\ndef test_loss', "def loss_of", "row 5.1 is missing"),
    ],
)
def test_wrong_points(apart: Apart, tmp_path: Path, line: str, other: str, words: str) -> None:
    """Rows that do not have one point each, twelve in all, are refused."""
    text = (ROOT / "autograder" / "rubric" / "test_5_loss.py").read_text("utf-8")
    patch = another_rubric(tmp_path, test_5_loss=text.replace(line, other))
    assert words in apart(partial(grade_source, REFERENCE, patch=patch)).value.extra_data["grader_fault"]


def test_documented_example(apart: Apart, tmp_path: Path) -> None:
    """The page's example of a test works as it stands there: right work keeps the row, the mistake loses it."""
    page = (ROOT / "docs" / "adding-a-test.md").read_text("utf-8")
    added = next(block for block in page.split("```python\n")[1:] if "expect_same_again" in block)
    text = (ROOT / "autograder" / "rubric" / "test_5_loss.py").read_text("utf-8")
    last = "    expect_gradients(student, draw_batch(any_number(3, 9), any_number(5, 8)))\n"
    assert f"{last}\n\n" in text
    patch = another_rubric(tmp_path, test_5_loss=text.replace(last, last + added.partition("```")[0]))
    right, wrong = (apart(partial(grade_source, source, patch=patch)).value for source in (REFERENCE, KEEPS))
    assert lost(right) == []
    assert lost(wrong) == ["5.1"]
    assert "Asked for the same loss again" in next(r for r in wrong.tests if r.number == "5.1").output


BROKEN = {
    "a syntax error": "def broken(:",
    "an import": "import no_such_module",
    "no rows": "",
    "an exit": "raise SystemExit(0)",
    "a skip": "import pytest; pytest.skip('x', allow_module_level=True)",
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_broken_rubric(apart: Apart, tmp_path: Path, text: str) -> None:
    """A rubric that cannot be collected is a failure of pytest's, never an empty record."""
    with pytest.raises(AssertionError, match=r"RuntimeError: pytest ended with|SystemExit|Interrupted"):
        apart(run_rubric, str(write(tmp_path, encoder=text)))


@pytest.mark.parametrize("where", ["autograder", "the session"])
def test_real_rubric(where: str) -> None:
    """The project's own rubric has the twelve rows, of one point each, in its six sections."""
    code = (
        "from autograder import plugin; print([(r.number, r.max_score, r.tags[0]) for r in plugin.run(None)])"
    )
    if where == "the session":
        code = (
            "from autograder import plugin\n"
            "def work(s): print([(r.number, r.max_score, r.tags[0]) for r in s.run(None)])\n"
            "plugin.session(work)"
        )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT)
    rows = json.loads(done.stdout.replace("(", "[").replace(")", "]").replace("'", '"'))
    assert [(number, points) for number, points, _ in rows] == [(number, 1) for number in ROWS]
    sections = ["encoder", "decoder", "reparametrize", "forward", "loss", "cvae"]
    assert list(dict.fromkeys(section for *_, section in rows)) == sections


DISTURBANCES = {
    "pytest's": {
        "PYTEST_ADDOPTS": "--no-such-option",
        "PYTEST_PLUGINS": "no_such_plugin",
        "PYTEST_TIMEOUT": "0.001",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "",
        "PYTEST_DEBUG": "1",
    },
    "Python's": {"PYTHONWARNINGS": "error"},
}


@pytest.mark.slow
@pytest.mark.parametrize("whose", DISTURBANCES)
def test_environment_takes_no_part(tmp_path: Path, whose: str) -> None:
    """Settings for other runs of pytest, and files of pytest's in the current folder, change nothing."""
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n")
    (tmp_path / "conftest.py").write_text("raise SystemExit(7)\n")
    (tmp_path / "test_mine.py").write_text("raise SystemExit(7)\n")
    code = f"import sys; sys.path.append({str(ROOT)!r}); from autograder import plugin; print(len(plugin.run(None)))"
    environment = os.environ | DISTURBANCES[whose]
    done = subprocess.run(
        [sys.executable, "-I" if whose == "pytest's" else "-P", "-c", code]
        if sys.version_info >= (3, 11)
        else [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
        check=False,
    )
    assert (done.stdout.strip().splitlines() or [done.stderr])[-1] == str(len(ROWS))


SYNTAX = Failure(kind="raised", type="SyntaxError", message="invalid syntax", lines=[])
SEEN = {
    "a mistake": (Mistake("A slip."), True),
    "an exception": (Raised("VAE(784)", SYNTAX), True),
    "a file that cannot be loaded": (Raised("Your vae.py", SYNTAX), False),
    "another row's mistake": (
        Mistake("VAE.forward cannot be judged, because of VAE.encoder (row 1.2):\nA."),
        False,
    ),
}


@pytest.mark.parametrize(("error", "is_seen"), SEEN.values(), ids=SEEN)
def test_recipe_where_something_is_to_be_seen(error: Exception, is_seen: bool) -> None:  # noqa: FBT001
    """A row says how to see its mistake in the notebook, unless the mistake is another row's, or the whole file's."""
    judged = Row(number="4.1", name="what holds", status="failed")
    note_failure(judged, error, "To see it in your notebook: ...")
    assert ("To see it in your notebook" in judged.output) == is_seen


def test_endings_are_distinct() -> None:
    """Each way that a row can end has a name of its own, and a special case comes before the general one."""
    names = [name for _, name in ENDINGS]
    assert len({*names, FAULT}) == len(names) + 1
    for i, (kind, _) in enumerate(ENDINGS):
        assert not any(issubclass(kind, earlier) for earlier, _ in ENDINGS[:i])
