"""The watch over a running worker: what it may take, what it takes, and whether the machine keeps it from computing."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autograder.confine import ROOM
from autograder.endings import is_kill
from autograder.usage import fits, killed_for_memory, memory_and_threads, removed_files, times_of, waiting_of

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from autograder.nursery import Starter

__all__ = ["Limits", "Watch"]

MOMENT = 0.05  # seconds that are too short for the machine to take much from a worker
MACHINE_FULL = (
    " That was the machine: its memory, or that of the container, was used up. Does your code keep large tensors, or "
    "make very many?"
)


@dataclass(frozen=True)
class Limits:
    """What one submission may use. Times are in seconds, memory in bytes."""

    start: float = 60  # to load vae.py; on half a CPU torchvision and matplotlib alone take 10
    question: float = 20  # right answers take milliseconds
    again: float = 2  # the like of one that took all of its time: an endless loop costs its own rows
    row: float = 40  # all questions of a row together
    total: float = 240  # all rows, by the clock; training follows, and Gradescope ends a run after 600
    memory: int = ROOM  # of a worker, beyond what it shares with the grader
    threads: int = 64  # the same
    disk: int = 256 << 20  # of a worker's folders
    files: int = 5000  # in a worker's folders
    answer: int = 20 << 20  # one answer's tensors; half as much is enough
    held: int = 128 << 20  # all answers' of a row; half as much is enough


class Watch:
    """What one worker takes, measured again and again while an answer is waited for."""

    def __init__(self, pid: int, scratch: Path, limits: Limits, starter: Starter) -> None:
        """Watch a process that has not closed its doors yet.

        scratch: its folders
        starter: whose processes are counted with it, where it may start any
        """
        self.pid = pid
        self.scratch = scratch
        self.limits = limits
        self.starter = starter
        self.may_start_others = False
        self.floor = (0, 0)  # the memory and threads that it had before the student's code was loaded
        self.measure_at = time.monotonic() + 1  # when to measure its folders
        self.killed = killed_for_memory()  # before
        self.times = [times_of(pid)]  # how it has spent its time, second by second
        self.before = self.times[0]  # the same when the wait began, or a moment earlier

    def begin(self, layers: Collection[str]) -> None:
        """Count from here on: the doors are closed, and these layers are in force."""
        self.may_start_others = "seccomp" not in layers
        self.floor = memory_and_threads(self.pid)

    def await_answer(self) -> None:
        """Note how the time was spent before a wait."""
        if time.monotonic() - self.before.clock > MOMENT:  # to look at /proc takes as long as a question
            self.before = times_of(self.pid)

    def look(self) -> None:
        """Raise MemoryError when the worker has grown too large, or its folders have."""
        limits = self.limits
        memory, threads = self.taken()
        if memory > limits.memory:
            raise MemoryError(f"Your code used more than {limits.memory >> 20} MB of memory.")
        if threads > limits.threads:
            raise MemoryError(f"Your code started more than {limits.threads} threads.")
        if time.monotonic() > self.measure_at:
            self.measure_at = time.monotonic() + 1
            self.times = [*self.times[-60:], times_of(self.pid)]
            removed = removed_files(self.pid)
            if removed is None:
                removed = self.starter.removed()
            if not fits(self.scratch, limits.disk - removed, limits.files):
                raise MemoryError(
                    f"Your code wrote more than {limits.disk >> 20} MB or {limits.files} files."
                )

    def taken(self) -> tuple[int, int]:
        """Measure the memory that the worker has taken since its start, and count the threads.

        Those of processes that it may have started, where none forbids it, are counted too.
        """
        if not any(self.floor):  # it has not closed its doors yet
            return self.floor
        others = {*self.starter.family()} if self.may_start_others else set()
        memory, threads = zip(*map(memory_and_threads, {self.pid, *others}), strict=True)
        return sum(memory) - self.floor[0], sum(threads) - self.floor[1]

    def starved(self, seconds: float) -> bool:
        """Tell whether the worker was kept from computing for the last seconds, by whatever else this machine does."""
        now = times_of(self.pid)
        return now.starved_since(
            next((t for t in reversed(self.times) if t.clock <= now.clock - seconds), self.times[0])
        )

    def kept(self) -> float:
        """Return the seconds of this wait in which the machine kept the worker from computing, as far as is known."""
        now = times_of(self.pid)
        return now.waiting - self.before.waiting if now.starved_since(self.before) else 0.0

    def waited(self) -> float:
        """Return the seconds that the worker and the grader have waited for a processor, as far as that is known."""
        with contextlib.suppress(OSError, ValueError, IndexError):
            return waiting_of(self.pid) + waiting_of(os.getpid())
        return 0.0

    def blame(self, status: int) -> str:
        """Say that it was the machine that ended the worker, which ended with this wait status, where it was."""
        return MACHINE_FULL if is_kill(status) and killed_for_memory() > self.killed else ""
