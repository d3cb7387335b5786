"""The pytest plugin that turns the rubric's outcomes into rows, and the session of pytest that it does so in.

One session may run the rubric for many submissions: to set it up and to collect the rows takes as long as to judge
several of them.
"""

from __future__ import annotations

import hashlib
import inspect
import io
import itertools
import os
import re
import signal
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from _pytest._io import TerminalWriter

from autograder import rubric
from autograder.endings import Died, Ended, Malformed, OutOfMemory, Starved, TooBig, TooSlow
from autograder.nursery import NurseryError
from autograder.outcome import Missing, Raised, Unfinished, WrongKind
from autograder.results import CONSEQUENCE, OUT_OF_MEMORY, ROWS, STARVED, Row, clean
from autograder.rubric.mistake import Mistake
from autograder.rubric.oracle import Sizes, other_sizes

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from autograder.student import Student

__all__ = ["RefusedError", "Session", "run", "session"]

# The closed list of how a row that is not passed has ended; anything else is a fault of the grader.
ENDINGS: tuple[tuple[type[Exception], str], ...] = (
    (Mistake, "mistake"),
    (Missing, "missing"),
    (Unfinished, "unfinished"),
    (Raised, "raised"),
    (WrongKind, "wrong kind of answer"),
    (Starved, STARVED),
    (TooSlow, "too slow"),
    (TooBig, "too big"),
    (OutOfMemory, OUT_OF_MEMORY),
    (Died, "died"),
    (Malformed, "malformed answer"),
    (Ended, "no answer"),
)
MAX_CAUSE = 400  # characters
SEEN = ("mistake", "raised", "wrong kind of answer")  # where a student's own notebook shows it too
# Where it does not: the file cannot be loaded, or the mistake is another row's.
UNSEEN = re.compile(rf"Your vae\.py raised |.*{CONSEQUENCE}")
# These are run behind the others: where forward is right, its parts are asked little (rubric/alone.py).
LAST = ("1.2", "1.3", "1.4", "2.1", "6.1", "6.2")
FAULT = "grader fault"
TIMEOUT = 300  # seconds for a row: more than the student's code gets for all, so what runs into it is a fault of ours
FAULT_WORDS = (
    "The grader itself failed at this row: that is its own fault, not yours, and says nothing about your work. "
    "Course staff must look at it and grade this submission again."
)
# None of these is needed here, and each costs time at every start.
UNNEEDED = (
    *("cacheprovider", "debugging", "doctest", "faulthandler", "junitxml", "logging", "nose", "pastebin"),
    *("setuponly", "setupplan", "stepwise", "subtests", "terminal", "threadexception", "tmpdir", "unittest"),
    *("unraisableexception", "warnings"),
)


class RefusedError(RuntimeError):
    """The rubric is not the assignment's twelve rows."""


class Session:
    """Collects the rubric's rows in order, runs them for a student and notes each one's outcome."""

    def __init__(self, work: Callable[[Session], None]) -> None:
        self.work = work
        self.here = Path.cwd()  # where pytest is not started
        self.items: list[pytest.Item] = []
        self.refused = ""
        self.stopped = False  # by Ctrl-C
        self.asked: Student | None = None
        self.drawn = Sizes()
        self.rows: dict[str, Row] = {}
        self.seed = 0  # of the grading, from which each row has its own
        self.spent = 0.0  # seconds that the student's code had taken when the row began

    def run(self, student: Student | None, only: Sequence[str] = ()) -> list[Row]:
        """Run the rubric; returns its rows in order. Without a student the rows are only listed, none passed.

        only: names of sections; none means all
        """
        items = [item for item in self.items if not only or section(item) in only]
        self.asked = student
        self.seed = torch.default_generator.initial_seed()
        self.drawn = other_sizes()
        self.rows = {item.nodeid: blank(item) for item in items}
        order = sorted(items, key=lambda item: self.rows[item.nodeid].number in LAST) if student else []
        # The last row has none behind it: then all that was set up for this student is taken down.
        for item, following in itertools.zip_longest(order, order[1:]):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        return list(self.rows.values())

    @pytest.fixture
    def student(self) -> Student:
        """The submission at hand."""
        if self.asked is None:
            raise RuntimeError("there is no submission to ask")
        return self.asked

    @pytest.fixture
    def sizes(self) -> Sizes:
        """Sizes of models that are not the notebook's, the same for all rows of a grading."""
        return self.drawn

    def pytest_configure(self, config: pytest.Config) -> None:
        """Have failures told in short: nobody reads pytest's reports, and the long ones parse the rubric's source."""
        config.option.tbstyle = "value"
        if hasattr(
            signal, "SIGALRM"
        ):  # pytest-timeout shows other threads on a terminal before it says what happened
            config.get_terminal_writer = lambda: TerminalWriter(io.StringIO())  # type: ignore[method-assign]

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Note a Ctrl-C, which pytest takes for its own; what it ends itself with is another kind."""
        self.stopped = excinfo.type is KeyboardInterrupt

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Put the rows in order."""
        items.sort(key=lambda item: getattr(function(item), "__number__", ""))
        self.items = items

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Leave it to the work to do in this session which rows run when."""
        os.chdir(self.here)
        if session.testsfailed:
            raise session.Interrupted("the rubric could not be collected")
        self.refused = refusal(self.items)
        if not self.refused:
            self.work(self)
        return True

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Note the outcome of a row."""
        row = self.rows[item.nodeid]
        error = call.excinfo.value if call.excinfo else None
        if call.when == "call" and error is None:
            row.status, row.score = "passed", row.max_score
            row.output = "Passed."
        elif error is not None:
            if self.took_too_long(error, call.duration):
                error = TooSlow("Your code has used up the time for this row.")
            note_failure(row, error, described(item)[1])
            if isinstance(error, pytest.exit.Exception):
                raise error
        return (yield)

    def took_too_long(self, error: BaseException, seconds: float) -> bool:
        """Tell whether a row has run into pytest-timeout, and the student's code took most of its seconds."""
        timeout = isinstance(error, pytest.fail.Exception) and "pytest-timeout" in str(error)
        return timeout and self.asked is not None and self.asked.dialogue.spent - self.spent > seconds / 2

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, None, None]:
        """Let the student forget the row before, and note how long this one takes."""
        if self.asked:
            self.spent = self.asked.dialogue.spent
            self.asked.dialogue.new_row()
        # So that a row draws the same, under the same seed, whichever are judged before it.
        torch.default_generator.manual_seed(seed_of(self.seed, self.rows[item.nodeid].number))
        begin = time.monotonic()
        try:
            return (yield)
        finally:
            self.rows[item.nodeid].extra_data["seconds"] = round(time.monotonic() - begin, 3)


def seed_of(seed: int, number: str) -> int:
    """Make the seed of a row of this number from the grading's."""
    return int.from_bytes(hashlib.blake2b(f"{seed} {number}".encode(), digest_size=7).digest(), "big")


def blank(item: pytest.Item) -> Row:
    """Make a row that is not judged yet."""
    test = function(item)
    return Row(
        number=getattr(test, "__number__", ""),
        name=described(item)[0],
        status="failed",
        score=0.0,
        max_score=float(getattr(test, "__weight__", 0)),
        tags=[section(item)],
    )


def refusal(items: Sequence[pytest.Item]) -> str:
    """Say why these tests are not the assignment's rows, of one point each; nothing where they are."""
    wrong, left = [], list(ROWS)
    for item in items:
        row = blank(item)
        if not row.number:
            why = "has no @number, so it would count for nothing"
        elif row.number not in ROWS:
            why = f"is row {row.number}, which the assignment does not have"
        elif row.number not in left:
            why = f"is one more row {row.number}"
        else:
            left.remove(row.number)
            why = "" if row.max_score == 1 else f"has {row.max_score:g} points, not 1"
        if why:
            wrong.append(f"{item.name} in {item.path.name} {why}")
    wrong += [f"row {number} is missing" for number in left]
    advice = "see docs/adding-a-test.md: what a row asks for is added to its own function"
    return f"the rubric is refused: {'; '.join(wrong)} ({advice})" if wrong else ""


def described(item: pytest.Item) -> tuple[str, str]:
    """Split a row's docstring into what holds, its first line, and what lets a student see that it does not."""
    name, _, recipe = inspect.cleandoc(function(item).__doc__ or item.name).partition("\n\n")
    return name, recipe


def note_failure(row: Row, error: BaseException, recipe: str) -> None:
    """Write how a row failed, and where it was judged, how to see it."""
    ending = next((name for kind, name in ENDINGS if isinstance(error, kind)), FAULT)
    row.status, row.score = "failed", 0.0
    row.extra_data["ending"] = ending
    if ending == FAULT:
        row.output = FAULT_WORDS
        row.extra_data["fault"] = clean(f"{type(error).__name__}: {error} ({', '.join(way_to(error))})")
        if isinstance(error, NurseryError):
            row.extra_data["sandbox"] = True
    else:
        row.output = clean(str(error))
        if isinstance(error, Mistake) and error.causes:
            row.extra_data["causes"] = [clean(cause, MAX_CAUSE) for cause in error.causes]
        if recipe and ending in SEEN and not UNSEEN.match(row.output):
            row.output += f"\n{recipe}"


def way_to(error: BaseException) -> list[str]:
    """List the lines of the rubric that led to an error, the last first."""
    frames = reversed(traceback.extract_tb(error.__traceback__))
    rubrics = [(Path(frame.filename), frame.lineno) for frame in frames if "rubric" in frame.filename]
    return [f"{path.name}:{line}" for path, line in rubrics][:5]


def function(item: pytest.Item) -> Any:
    """Return a row's function."""
    return getattr(item, "function", item)


def section(item: pytest.Item) -> str:
    """Return a row's section: "encoder" for test_1_encoder.py."""
    return item.path.stem.split("_", 2)[-1]


def run(student: Student | None, only: Sequence[str] = ()) -> list[Row]:
    """Run the rubric once, in a session of its own: see Session.run. Raises RuntimeError when pytest itself fails."""
    rows: list[Row] = []
    session(lambda opened: rows.extend(opened.run(student, only)))
    return rows


def session(work: Callable[[Session], None]) -> None:
    """Open a session, do the work in it and close it.

    Raises RefusedError, KeyboardInterrupt after Ctrl-C, and RuntimeError when pytest itself fails.
    """
    folder = Path(rubric.__file__).parent
    # By its path it would be taken apart at every [ and :: that may be in one.
    arguments = [".", "-c", str(folder / "pytest.ini"), "--rootdir", str(folder), "--assert=plain"]
    arguments += ["--import-mode=importlib", "-p", "pytest_timeout", f"--timeout={TIMEOUT}", "--capture=no"]
    arguments += [word for name in UNNEEDED for word in ("-p", f"no:{name}")]
    # Nothing that happens to be installed, or set for other runs of pytest, takes part.
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    for variable in ("PYTEST_ADDOPTS", "PYTEST_PLUGINS"):
        os.environ.pop(variable, None)
    opened = Session(work)
    os.chdir(folder)
    try:
        code = pytest.main(arguments, [opened])
    finally:
        os.chdir(opened.here)
    if opened.stopped:
        raise KeyboardInterrupt
    if opened.refused:
        raise RefusedError(opened.refused)
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) or not opened.items:
        raise RuntimeError(f"pytest ended with {code!r} and {len(opened.items)} rows")
