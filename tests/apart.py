"""Runs functions in forks of a warm process in which nothing else was ever run, and gradings above all."""

from __future__ import annotations

import contextlib
import gc
import io
import multiprocessing
import os
import tempfile
import threading
import traceback
from dataclasses import dataclass
from multiprocessing import forkserver
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

    from autograder.results import Results
    from autograder.watch import Limits

__all__ = ["REFERENCE", "ROWS", "Apart", "Outcome", "faults", "grade_source", "lost"]

ROOT = Path(__file__).parents[1]
REFERENCE = (ROOT / "reference" / "vae.py").read_text(encoding="utf-8")
ROWS = ["1.1", "1.2", "1.3", "1.4", "2.1", "3.1", "3.2", "4.1", "5.1", "6.1", "6.2", "6.3"]
# What a grading imports, but for the rubric: a worker must not find that in its memory.
WARM = ["autograder.grade", "autograder.table", "pytest", "pytest_timeout", "gradescope_utils"]


@dataclass(frozen=True)
class Outcome:
    """How a function ended: what it returned or its exit code, and what it printed."""

    value: Any
    code: int | None
    printed: str


class Apart:
    """Runs functions, several at a time when several threads ask."""

    def __init__(self) -> None:
        self.lock = threading.Lock()  # multiprocessing's list of children is not made for threads
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(WARM)
        # As __main__.py sets it: the server imports torch with the environment that it is started with.
        with mock.patch.dict(os.environ, OMP_NUM_THREADS="1"):
            forkserver.ensure_running()

    def __call__(self, function: Callable[..., Any], *args: Any, seconds: float = 120) -> Outcome:
        """Run a function of a module. Raises AssertionError with its traceback, or when it takes too long."""
        ours, theirs = self.context.Pipe()
        process = self.context.Process(target=run, args=(theirs, function, args))
        with self.lock:
            process.start()
        theirs.close()
        try:
            if not ours.poll(seconds):
                raise AssertionError(f"{function} took longer than {seconds} seconds")
            outcome, error = ours.recv()
        except EOFError:
            raise AssertionError(f"{function} ended its process") from None
        finally:
            with self.lock:
                process.kill()
                process.join()
                process.close()
            ours.close()
        if error:
            raise AssertionError(error)
        return outcome  # type: ignore[no-any-return]


def run(connection: Connection, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
    """Run a function and send its outcome."""
    gc.disable()
    printed = io.StringIO()
    value, code, error = None, None, ""
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            value = function(*args)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(bool(end.code))
    except BaseException:  # noqa: BLE001 - it is shown where the function was asked for
        error = traceback.format_exc()
    connection.send((Outcome(value, code, printed.getvalue()), error))
    connection.recv_bytes()  # until the other side hangs up: then nothing is torn down in vain


def grade_source(
    source: str | bytes | None, limits: Limits | None = None, method: str = "", patch: str = "", **more: Any
) -> Results:
    """Grade the text of a vae.py, or a folder without one.

    patch: Python to run before, in which grade is the module
    more: other options of the grading
    """
    from autograder import grade, watch

    with tempfile.TemporaryDirectory(prefix="handed-in-") as folder:
        exec(patch, {"grade": grade})  # noqa: S102 - the tests' own
        if source is not None:
            (Path(folder) / "vae.py").write_bytes(source if isinstance(source, bytes) else source.encode())
        options = grade.Options(train="never", method=method, limits=limits or watch.Limits(), **more)
        return grade.grade(Path(folder), options)


def lost(results: Results) -> list[str]:
    """List the rows that cost points."""
    return [row.number for row in results.tests if row.max_score and row.score != row.max_score]


def faults(results: Results) -> list[str]:
    """List what the grader says of its own failures."""
    found = [f"{row.number}: {row.extra_data.get('fault')}" for row in results.tests if row.fault]
    return [*found, *filter(None, [results.extra_data.get("grader_fault")])]
