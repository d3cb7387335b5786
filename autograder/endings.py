"""How a worker can end without an answer, and what is said of it.

Ended              the student's code gave no answer
+-- TooSlow        in the time allowed
|   +-- OutOfTime  of which earlier questions have left nothing
|   +-- Starved    most of which the machine gave to others
+-- TooBig         an answer larger than any right one, or too much memory
+-- Died           the process ended: a signal, os._exit
|   +-- OutOfMemory  the machine ended it, for want of memory
+-- Malformed      bytes that are no answer
"""

from __future__ import annotations

import contextlib
import os
import signal

__all__ = [
    "Died",
    "Ended",
    "Malformed",
    "OutOfMemory",
    "OutOfTime",
    "Starved",
    "TooBig",
    "TooSlow",
    "describe",
    "is_kill",
]


class Ended(Exception):  # noqa: N818 - an ending is not always an error
    """The student's code gave no answer; the message says so in the student's words."""


class TooSlow(Ended):
    """The time allowed has passed."""


class OutOfTime(TooSlow):
    """Nothing is left of the time for a row, or for all of them."""


class Starved(TooSlow):
    """The time allowed has passed, and for most of it the machine computed something else."""


class TooBig(Ended):
    """The answer, or the process, is larger than any right one."""


class Died(Ended):
    """The process ended in the middle of a question."""


class OutOfMemory(Died):
    """The machine's memory was used up, by this process or by others."""


class Malformed(Ended):
    """What came back is no answer."""


def is_kill(status: int) -> bool:
    """Tell whether a process was ended by SIGKILL."""
    return os.name == "posix" and os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def describe(status: int) -> str:
    """Say how a process ended, for the student."""
    if os.name == "posix" and os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        with contextlib.suppress(ValueError):
            return f"Your code ended its process: {signal.strsignal(number)} ({signal.Signals(number).name})."
        return f"Your code ended its process: signal {number}."
    code = status >> 8 if os.name == "posix" else status
    return f"Your code ended its process with exit code {code}."
