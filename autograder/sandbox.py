"""How a worker is started, questioned and ended.

Theory of operation. Three processes:

    grader  --control-->  nursery  --fork-->  worker
       |                                        |
       +------- questions and answers ----------+
       +<------ what the worker prints ---------+

The *grader* asks the questions and knows what is right. The *nursery* (nursery.py) is forked from it when torch is
imported and before anything else is: before the rubric is loaded and before any random input is drawn. So a worker,
which is a fork of the nursery, starts in milliseconds and finds nothing of the grading in its memory. The nursery
runs code of ours only; it is the worker's parent, so it can end it without mistaking another process for it, and as
a subreaper it inherits whatever the worker leaves behind, and ends that too. The *worker* closes itself in
(confine.py) and only then loads the student's file (worker.py).

Where there is no fork (Windows, macOS), or when asked, a worker is started afresh by the multiprocessing module's
"spawn"; then there is no nursery, and the worker imports torch for itself, which takes seconds.

The answers are data from a liar. They arrive through channel.py, which bounds each in time and size. Whatever else
goes wrong ends in one of these exceptions; the next question then starts a new worker.

    Ended              the student's code gave no answer (endings.py)
    NurseryError       our own fault, never the student's
    +-- WeakError      too few layers hold here
"""

from __future__ import annotations

import contextlib
import math
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from autograder.channel import Channel, OversizeError, StalledError
from autograder.confine import LAYERS, Plan, is_safe
from autograder.endings import Died, Ended, OutOfMemory, Starved, TooBig, TooSlow, describe
from autograder.leftovers import remove, sweep_files, sweep_ipc
from autograder.namespaces import closed_folder
from autograder.nursery import Nursery, NurseryError, Spawner, Starter
from autograder.users import claim_uid
from autograder.watch import Limits, Watch

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator, Sequence

__all__ = ["NurseryError", "Sandbox", "WeakError", "Worker", "open_starter"]

WEAK = (
    "This host's sandbox is too weak for files by others, and none of the student's code was run. Run `autograder "
    "doctor` to see why; --accept-weak-sandbox grades all the same, at your own risk."
)
HEADER = 1 << 20  # bytes of an answer's JSON


class WeakError(NurseryError):
    """Too few layers hold here for a file by somebody else."""

    def __init__(self, missing: str) -> None:
        super().__init__(f"{WEAK} Missing: {missing}.")


class Alive(msgspec.Struct):
    """A worker's first word, from code of ours: the doors are closed."""

    alive: bool
    layers: list[str]
    missing: dict[str, str]


def open_starter(method: str = "") -> Starter:
    """Return where workers come from: "fork", or "spawn" where there is no fork or it is not wanted."""
    if (method or ("fork" if sys.platform == "linux" else "spawn")) == "fork":
        return Nursery()
    return Spawner()


class Sandbox:
    """One submission's place: starts workers on it, each in a fresh copy."""

    def __init__(  # noqa: PLR0913 - the layers are told apart only in tests
        self,
        starter: Starter,
        folder: Path,
        nndl2: Path,
        limits: Limits,
        layers: tuple[str, ...] = LAYERS,
        *,
        readable: tuple[str, ...] = (),
        device: str = "cpu",
        strict: bool = False,
    ) -> None:
        """Start nothing yet.

        folder: the submission, with vae.py in it; it is only read
        nndl2: the course's helper package
        readable: what workers may read beside these
        device: what they may compute on: "cpu", "cuda" or "mps"
        strict: raise WeakError, and run nothing, where too few layers hold for a file by somebody else
        """
        self.starter = starter
        self.folder = folder
        self.nndl2 = nndl2
        self.limits = limits
        self.layers = layers
        self.readable = readable
        self.device = device
        self.strict = strict
        self.state: Alive | None = None  # of the last worker

    def start(self) -> Worker:
        """Start a worker. Raises NurseryError."""
        scratch = Path(tempfile.mkdtemp(prefix="vae-")).absolute()  # TMPDIR may be "."
        try:
            # Another user must get to Python, and into the temporary folder.
            reached = self.starter.reaches() and closed_folder([str(scratch.parent)]) is None
            claim, uid = claim_uid() if "user" in self.layers and reached else (None, None)
            plan = self.furnish(scratch, uid)
            connection, output, pid = self.starter.start(plan)
            worker = Worker(self.starter, scratch, claim, Watch(pid, scratch, self.limits, self.starter))
            worker.channel = Channel(connection, output, worker.watch.look, worker.grant)
            try:
                self.state = msgspec.json.decode(worker.hear(HEADER, PATIENCE), type=Alive)
            except (Ended, msgspec.MsgspecError) as error:
                worker.stop()
                raise NurseryError(f"a worker did not start: {error}\n{worker.printed}") from error
        except BaseException:
            remove(scratch)
            raise
        if self.strict and not is_safe(self.state.layers):
            worker.stop()
            raise WeakError("; ".join(f"{layer}: {why}" for layer, why in self.state.missing.items()))
        worker.uid = uid
        worker.layers = {*self.state.layers}
        worker.watch.begin(worker.layers)
        return worker

    def furnish(self, scratch: Path, uid: int | None) -> Plan:
        """Put a copy of the submission, nndl2 and a temporary folder in place, and give them to uid."""
        work, temporary = scratch / "work", scratch / "tmp"
        shutil.copytree(self.folder, work, symlinks=True)
        shutil.copytree(self.nndl2, work / "nndl2", ignore=shutil.ignore_patterns("__pycache__", "MNIST"))
        temporary.mkdir()
        if uid is not None:
            for path in [scratch, temporary, work, *work.rglob("*")]:
                os.chown(path, uid, uid, follow_symlinks=False)
        return Plan(
            str(work),
            str(temporary),
            uid,
            self.layers,
            readable=self.readable,
            device=self.device,
            strict=self.strict,
        )


PATIENCE = 60  # seconds for a worker to close its doors; a spawned one imports torch first


class Worker:
    """A running worker, seen from the grader."""

    channel: Channel

    def __init__(self, starter: Starter, scratch: Path, claim: socket.socket | None, watch: Watch) -> None:
        self.starter = starter
        self.scratch = scratch
        self.claim = claim
        self.watch = watch
        self.uid: int | None = None  # of its own
        self.layers: set[str] = set()  # in force
        self.stopped = False
        self.deadline = 0.0  # when this wait is over, by the channel's clock, if nothing is granted
        self.seconds = 0.0  # allowed for this wait
        self.end = math.inf  # after which nothing is granted, by the same clock

    def clock(self) -> float:
        """Return the time in seconds; it stands still where the grader itself does."""
        return self.channel.clock()

    def ask(self, messages: Sequence[bytes], seconds: float) -> None:
        """Send questions. Raises Ended."""
        self.allow(seconds)
        with self.endings(seconds):
            self.channel.send(messages, self.deadline)

    def hear(self, limit: int, seconds: float) -> bytes:
        """Receive one message of at most limit bytes. Raises Ended."""
        self.allow(seconds)
        return self.hear_more(limit)

    def hear_more(self, limit: int) -> bytes:
        """Receive one more message in what is left of the same seconds. Raises Ended."""
        with self.endings(self.seconds):
            return self.channel.receive(limit, self.deadline)

    def allow(self, seconds: float) -> None:
        """Begin to wait for so many seconds, and for longer where the machine is to blame."""
        self.channel.granted, self.seconds = 0.0, seconds
        self.deadline = self.clock() + seconds
        self.watch.await_answer()

    @property
    def kept(self) -> float:
        """Seconds of this wait in which the machine kept the worker from computing, as far as that is known."""
        return max(self.channel.granted, self.watch.kept())

    @property
    def waited(self) -> float:
        """Seconds that the worker and this process have waited for a processor so far, as far as that is known."""
        return self.watch.waited()

    def grant(self) -> float:
        """Return how many more seconds the worker gets when its time is over: twice as many as it had at most."""
        more = min(self.seconds, self.end - self.clock())
        if more > 0 and self.channel.granted < 2 * self.seconds and self.watch.starved(self.seconds):
            return more
        return 0.0

    @contextlib.contextmanager
    def endings(self, seconds: float) -> Iterator[None]:
        """Turn what can go wrong with the channel into an ending, and end the worker."""
        try:
            yield
        except StalledError:
            kind = Starved if self.watch.starved(seconds) else TooSlow
            self.stop()
            raise kind(f"Your code did not answer within {max(1, round(seconds))} seconds.") from None
        except OversizeError:
            self.stop()
            raise TooBig("Your code's answer is larger than any right one.") from None
        except MemoryError as limit:
            self.stop()
            raise TooBig(str(limit)) from None
        except (EOFError, ConnectionError):
            status = self.stop()
            machine = self.watch.blame(status)
            raise (OutOfMemory if machine else Died)(describe(status) + machine) from None

    def stop(self) -> int:
        """End the worker and all that came from it, and remove its folders; returns its wait status."""
        if self.stopped:
            return 0
        self.stopped = True
        try:
            status = self.starter.stop()
        finally:
            self.channel.close()
            if self.claim:
                self.claim.close()
            remove(self.scratch)
            if self.uid and "landlock" not in self.layers:
                sweep_files(self.uid)
            if self.uid and not self.layers & {"seccomp", "namespaces"}:
                sweep_ipc(self.uid)
        return status

    @property
    def printed(self) -> str:
        """The end of what the student's code printed."""
        return self.channel.printed.decode("utf-8", "replace")
