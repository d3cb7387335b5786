"""Where a batch is graded: lanes, each a process that grades one submission after another.

    batch  --tasks-->  lane  --control-->  nursery  --fork-->  worker
           <-records-

A lane is forked from a server that has imported torch (multiprocessing's fork server). First it makes its nursery;
only then it loads pytest and the rubric, and opens the one session in which it grades (sandbox.py says why in this
order). So a submission costs a fork and its questions. No student's code runs in a lane or in its nursery: each
submission gets a worker of its own, as in any grading, and nothing is left of it for the next.

What may still happen to a lane - our own mistakes, a machine out of memory - happens to one submission: the lane is
given up, and that submission is graded once more in a new one. If that fails too, it is a grader fault.
"""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import threading
from dataclasses import dataclass
from functools import partial
from multiprocessing import connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from autograder import kernel
from autograder.interpreter import safe_path
from autograder.results import Results
from autograder.startup import unheard

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from autograder.nursery import Starter
    from autograder.plugin import Session

__all__ = ["Graded", "LaneError", "Lanes", "Task", "open_server"]

SECONDS = {
    "never": 900,
    "auto": 4000,
    "always": 4000,
}  # for one submission; a grading limits itself to far less
PATIENCE = 20  # seconds to end when asked to


@dataclass(frozen=True)
class Task:
    """One submission to grade, and how."""

    name: str
    source: Path
    notes: tuple[str, ...] = ()  # for the record
    train: str = "never"
    seed: int | None = None
    data: Path | None = None  # as in Settings
    accept_weak: bool = False  # as in Options


class Graded(msgspec.Struct):
    """What comes of a task: the record, and the pictures that it names, as PNG by file name."""

    record: Results
    pictures: dict[str, bytes] = {}


class LaneError(Exception):
    """A lane gave no record."""


class Lanes:
    """Lanes as they are needed: as many as tasks are performed at once."""

    def __init__(self) -> None:
        self.idle: list[Lane] = []
        self.busy: set[Lane] = set()
        self.lock = threading.Lock()
        self.closed = False
        # Workers may run as other users, who must get through to their own folders in here.
        self.temporary = tempfile.TemporaryDirectory(prefix="vae-batch-", ignore_cleanup_errors=True)
        Path(self.temporary.name).chmod(0o711)

    def perform(self, task: Task) -> bytes:
        """Grade a submission; returns what comes of it, Graded, as MessagePack. After a fault, a new lane tries again.

        Raises LaneError where even then nothing comes of it.
        """
        first = self.attempt(task)
        if isinstance(first, bytes):
            return first
        second = self.attempt(task)
        if isinstance(second, LaneError):
            raise second
        return second if isinstance(second, bytes) else second.graded

    def attempt(self, task: Task) -> bytes | Fault | LaneError:
        """Grade a submission once, in a lane that is given up after a fault."""
        lane = self.take()
        try:
            answer = lane.ask(task)
        except LaneError as error:
            self.drop(lane)
            if self.closed:
                raise
            return error
        if isinstance(answer, Fault):
            self.drop(lane)
        else:
            self.give(lane)
        return answer

    def take(self) -> Lane:
        """Return an idle lane, or a new one."""
        with self.lock:
            if self.closed:
                raise LaneError("stopped")
            lane = self.idle.pop() if self.idle else Lane(self.temporary.name)
            self.busy.add(lane)
        return lane

    def give(self, lane: Lane) -> None:
        """Take a lane back."""
        with self.lock:
            self.busy.discard(lane)
            self.idle.append(lane)

    def drop(self, lane: Lane) -> None:
        """Give a lane up."""
        with self.lock:
            self.busy.discard(lane)
        lane.close()

    def close(self) -> None:
        """End all lanes; what they are at is lost."""
        with self.lock:
            self.closed = True
            lanes = [*self.idle, *self.busy]
        for lane in lanes:
            lane.process.terminate()
        for lane in lanes:
            lane.close()
        self.temporary.cleanup()


@dataclass(frozen=True)
class Fault:
    """What came of a task in which the grader failed, and says so."""

    graded: bytes


class Lane:
    """One lane, seen from outside."""

    def __init__(self, temporary: str) -> None:
        context = open_server()
        self.closing = threading.Lock()  # two at a time, after Ctrl-C, would close a descriptor twice
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=live, args=(theirs, temporary), name="lane")
        with safe_path():
            self.process.start()
        theirs.close()

    def ask(self, task: Task) -> bytes | Fault:
        """Have a submission graded. Raises LaneError."""
        seconds = SECONDS[task.train]
        try:
            self.pipe.send(task)
            if not connection.wait([self.pipe, self.process.sentinel], seconds):
                raise LaneError(f"the grader did not finish within {seconds} seconds")
            fault = self.pipe.recv()
            if isinstance(fault, str):  # why nothing can be graded there
                raise LaneError(fault)
            graded = self.pipe.recv_bytes()
        except (EOFError, OSError) as error:
            self.process.join(PATIENCE)
            raise LaneError(f"the grader's process ended (exit code {self.process.exitcode})") from error
        return Fault(graded) if fault else graded

    def close(self) -> None:
        """End the process."""
        with self.closing:
            self.pipe.close()
            self.process.terminate()
            self.process.join(PATIENCE)
            if self.process.is_alive():
                self.process.kill()
                self.process.join()


def open_server() -> Any:
    """Start the server that forks lanes, where it is not there yet; returns multiprocessing's context."""
    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    from multiprocessing import forkserver  # Windows lacks what it needs

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["autograder.grade"])
    with safe_path():  # here, too: a worker of dask's is not started by our command
        forkserver.ensure_running()
    return context


def live(pipe: Connection, temporary: str) -> None:
    """Be a lane, until the other side hangs up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process of a terminal
    tempfile.tempdir = temporary
    parent = os.getppid()
    with contextlib.suppress(kernel.Unavailable):
        kernel.die_with_parent(
            signal.SIGTERM
        )  # the server that forks lanes ends with the batch, however that ends

    from autograder.sandbox import open_starter

    gc.freeze()
    starter = open_starter()

    from autograder import plugin  # pytest and the rubric: after the nursery, so that no worker has them

    try:
        signal.signal(signal.SIGTERM, interrupt)  # so that a grading cleans up behind it
        plugin.session(partial(serve, pipe, starter))
    except plugin.RefusedError as error:
        with contextlib.suppress(EOFError, OSError, KeyboardInterrupt):
            pipe.recv()  # a pipe that is closed before loses what was sent, too
            pipe.send(str(error))
        raise SystemExit(1) from None
    except (KeyboardInterrupt, RuntimeError):
        raise SystemExit(1) from None
    finally:
        signal.signal(signal.SIGTERM, unheard)  # it is ending already
        starter.close()
        if os.getppid() != parent and hung_up(pipe):  # nobody is left who would
            shutil.rmtree(temporary, ignore_errors=True)


def interrupt(*_: object) -> None:
    """End as by Ctrl-C, once: a second signal would break off the cleaning up."""
    signal.signal(signal.SIGTERM, unheard)
    raise KeyboardInterrupt


def hung_up(pipe: Connection) -> bool:
    """Tell whether the batch itself has ended: where only the server that forks lanes has, other lanes go on."""
    try:
        while pipe.poll():
            pipe.recv()
    except (EOFError, OSError):
        return True
    return False


def serve(pipe: Connection, starter: Starter, session: Session) -> None:
    """Grade what comes in."""
    gc.freeze()
    gc.enable()
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):  # nobody waits any more
        while True:
            graded = perform(pipe.recv(), starter, session)
            pipe.send(graded.record.fault)
            pipe.send_bytes(msgspec.msgpack.encode(graded))


def perform(task: Task, starter: Starter, session: Session) -> Graded:
    """Grade a submission."""
    from autograder.grade import Options, Warm, grade
    from autograder.schedule import Settings

    with tempfile.TemporaryDirectory(prefix="pictures-") as place:
        folder = Path(place, f"{task.name}-training")
        options = Options(
            train=task.train,
            seed=task.seed,
            notes=task.notes,
            training=Settings(data=task.data, folder=folder),
            accept_weak=task.accept_weak,
        )
        record = grade(task.source, options, Warm(starter, session))
        pictures = {f"{folder.name}/{path.name}": path.read_bytes() for path in sorted(folder.glob("*.png"))}
    return Graded(record, pictures)
