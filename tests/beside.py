"""Stands for the sandbox: workers in a thread of the test's own process, and workers that follow a script."""

from __future__ import annotations

import contextlib
import multiprocessing
import shutil
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from autograder import worker
from autograder.endings import TooBig, TooSlow
from autograder.student import Student
from autograder.watch import Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from autograder.sandbox import Sandbox

__all__ = ["BesideSandbox", "Script", "ScriptedSandbox", "ScriptedWorker", "modules_of_its_own", "students"]

MODULES = ("vae", "nndl2")
NNDL2 = Path(__file__).parents[1] / "student_template" / "nndl2"


@contextlib.contextmanager
def modules_of_its_own() -> Iterator[None]:
    """Let such workers import vae and nndl2 anew, and take away what they have imported."""
    before = {name: module for name, module in sys.modules.items() if name.partition(".")[0] in MODULES}
    for name in before:
        del sys.modules[name]
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] in MODULES]:
        del sys.modules[name]
    sys.modules.update(before)


@contextlib.contextmanager
def students(folder: Path) -> Iterator[Callable[[str], Student]]:
    """Give what opens a student of the text of a vae.py, which is written into the folder."""
    shutil.copytree(NNDL2, folder / "nndl2")
    opened: list[Student] = []

    def open_student(source: str) -> Student:
        (folder / "vae.py").write_text(source, encoding="utf-8")
        opened.append(Student(cast("Sandbox", BesideSandbox(folder))))
        return opened[-1]

    with modules_of_its_own():
        yield open_student
        for student in opened:
            student.dialogue.close()


class BesideSandbox:
    """Starts worker.serve in a thread, on a folder with vae.py and nndl2: no layer of the sandbox is there."""

    def __init__(self, folder: Path, limits: Limits | None = None) -> None:
        self.folder = folder
        self.limits = limits or Limits()
        self.started: list[BesideWorker] = []

    def start(self) -> BesideWorker:
        """Start another worker."""
        self.started.append(BesideWorker(self.folder))
        return self.started[-1]


class BesideWorker:
    """The grader's view of such a worker."""

    printed = ""
    kept = 0.0
    waited = 0.0
    end = 0.0

    def __init__(self, folder: Path) -> None:
        self.connection, theirs = multiprocessing.Pipe()
        self.thread = threading.Thread(target=worker.serve, args=(theirs, folder), daemon=True)
        self.thread.start()

    def clock(self) -> float:
        """Return the time."""
        return time.monotonic()

    def ask(self, messages: Sequence[bytes], _: float) -> None:
        """Send questions."""
        for message in messages:
            self.connection.send_bytes(message)

    def hear(self, limit: int, seconds: float) -> bytes:
        """Receive a message."""
        if not self.connection.poll(seconds):
            raise TooSlow(f"no answer within {seconds} seconds")
        return self.hear_more(limit)

    def hear_more(self, limit: int) -> bytes:
        """Receive a message that follows."""
        return self.connection.recv_bytes(limit)

    def stop(self) -> int:
        """Hang up."""
        self.connection.close()
        self.thread.join(10)
        return 0


Script = list[Any]  # of what each worker says: bytes, or an ending that is raised


class ScriptedSandbox:
    """Starts workers that say what was written for them, whatever they are asked."""

    def __init__(self, *scripts: Script, limits: Limits | None = None) -> None:
        self.scripts = list(scripts)
        self.limits = limits or Limits()
        self.workers: list[ScriptedWorker] = []

    def start(self) -> ScriptedWorker:
        """Start the next worker."""
        self.workers.append(ScriptedWorker(self.scripts.pop(0)))
        return self.workers[-1]


class ScriptedWorker:
    """One of them; it notes what it was asked."""

    printed = ""
    kept = 0.0
    waited = 0.0
    end = 0.0

    def __init__(self, script: Script) -> None:
        self.script = list(script)
        self.asked: list[list[bytes]] = []
        self.stopped = False

    def clock(self) -> float:
        """Return the time."""
        return time.monotonic()

    def ask(self, messages: Sequence[bytes], _: float) -> None:
        """Note the questions."""
        self.asked.append([*messages])

    def hear(self, limit: int, _: float) -> bytes:
        """Say the next thing."""
        return self.hear_more(limit)

    def hear_more(self, limit: int) -> bytes:
        """Say the next thing."""
        said = self.script.pop(0)
        if isinstance(said, Exception):
            raise said
        assert isinstance(said, bytes)
        if len(said) > limit:
            raise TooBig("too big")
        return said

    def stop(self) -> int:
        """Note the end."""
        self.stopped = True
        return 0
