"""A hostile submission: what it hands in, what it may keep at most, and what must not come of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    Fill = Callable[[bytes], bytes]
    Builder = Callable[[Path, Fill], Path]

__all__ = ["ALL", "ALWAYS", "HARMS", "LAYERS", "NONE", "NOTHING", "PLACEHOLDERS", "Hostile", "without"]

ALL = frozenset(["1.1", "1.2", "1.3", "1.4", "2.1", "3.1", "3.2", "4.1", "5.1", "6.1", "6.2", "6.3"])
NONE: frozenset[str] = frozenset()
NOTHING = "nothing got through"  # what an attack at import says when it has failed

# What the runner prepares afresh for each grading, and puts in the place of @NAME@.
PLACEHOLDERS = {
    "MARK": "a new word of 8 to 15 letters and digits: whatever is left behind carries it in its name",
    "HINT": "the first letters of this grading's secret: they and 32 hexadecimal digits; it stands where the"
    " names below say, and in a variable of the grader's environment",
    "CANARY": "a file outside that holds the secret",
    "VICTIM": "a file outside, on the submissions' file system, that its mode lets anybody read and write",
    "NEIGHBOUR": (
        "a folder outside with another submission's vae.py (the secret is in it) and its results.json"
    ),
    "RESULTS": "where this grading writes its own results.json",
    "ROOT": "the repository's root, with reference/ and autograder/ in it",
    "PID": (
        "a process outside that must go on undisturbed; it notes SIGURG and has the secret in its arguments"
    ),
    "PORT": "a loopback TCP port that listens outside, on 127.0.0.1 and ::1, and must see nobody",
    "UDP": "a loopback UDP port likewise",
    "FREE": "a loopback TCP port that is free; from outside nobody must ever find it answering",
    "UNIX": "the path of a listening unix socket outside, which must see nobody",
    "ABSTRACT": "the abstract name of another, without the leading NUL",
}

# What must be true after every grading, whatever the submission.
ALWAYS = {
    "complete": "results.json is there, valid against the schema, with all twelve rows and T in order",
    "ordinary": "the command exits 0, and no row and no output speaks of a fault of the grader's",
    "earned": "the rows passed are among keeps, and earns is among the rows passed",
    "silent": "the secret is in nothing that the grading wrote, nor is BREACHED[mark]",
    "teeth": "TOOTHLESS[mark] is nowhere either: it means that the attack itself is mis-written",
    "shown": "what the submission is to show is among the rows' outputs",
    "alive": "the runner and the process PID are alive, not stopped, and got no signal",
    "gone": (
        "no process carries the mark in its name or arguments, none is left of the worker's user or session"
    ),
    "outside": (
        "nothing new outside: no file with the mark in its name or contents, no staged copy, no temporary"
    ),
}

# What else must be true after some of them, by name.
HARMS = {
    "canary": "CANARY and VICTIM have the contents, mode, owner and times that they had",
    "neighbour": "every file in NEIGHBOUR has the contents, mode and times that it had",
    "sources": "every file of the grader, of its environment and of reference/ is what it was",
    "results": (
        "RESULTS holds what the grader wrote: a regular file with its own user and mode, nothing beside it"
    ),
    "hash": "the hash of the submission in extra_data is the hash of what was handed in",
    "seeds": "no seed in extra_data is among the numbers in the rows' outputs",
    "tcp": "nobody connected to PORT",
    "udp": "nothing arrived at UDP",
    "unix": "nobody connected to UNIX or ABSTRACT",
    "listener": "connecting to FREE from outside was refused all the time",
    "ipc": "no new System V segment, semaphore or queue, no POSIX queue, nothing new in /dev/shm",
    "memory": (
        "the grading's processes together never held more than the memory limit and what the grader needs"
    ),
    "disk": "what the grading wrote to disk never exceeded its cap",
    "pids": "the grading's processes and threads together never exceeded their cap",
    "time": "the grading ended within its overall limit",
    "size": "results.json is at most 1 MB",
    "display": (
        "no control character, bidi override, live markup or formula of the student's in table, JSON,"
        " CSV, HTML"
    ),
}

LAYERS = ("user", "limits", "landlock", "seccomp", "namespaces")


@dataclass(frozen=True)
class Hostile:
    """A hostile submission.

    name: what it does, unique in the table
    family: control, results, forgery, reading, planting, network, processes, display or machine
    files: contents by path in the submission; or, for what a dict cannot say, a function that is given an
        empty folder and the filling of placeholders, and returns the path to hand in
    keeps: the rows that it may honestly keep, at most
    earns: the rows that it must keep at least: where the attack must mean nothing to work that is right
    harm: what must be true afterwards, by name in HARMS; what ALWAYS lists goes without saying
    layers: the layers of the sandbox each of which should stop it alone; empty where they only do so
        together, and where the protocol, the rubric or the intake has to, with any layers or none
    shows: words that the results must show: the attack was made to its end, and failed
    slow: whether it makes the grader wait for a time limit
    brief: whether it belongs to the short run; what is left out there is much like something that is not
    """

    name: str
    family: str
    files: Mapping[str, bytes] | Builder
    keeps: frozenset[str]
    earns: frozenset[str] = NONE
    harm: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    shows: str = ""
    slow: bool = False
    brief: bool = True

    def __post_init__(self) -> None:
        """Refuse what cannot be checked."""
        strange = {*self.keeps} - ALL or {*self.harm} - {*HARMS} or {*self.layers} - {*LAYERS}
        if strange or not self.earns <= self.keeps:
            raise ValueError(f"{self.name}: {strange or 'earns more than it keeps'}")

    def build(self, folder: Path, values: Mapping[str, str]) -> Path:
        """Write the submission into an empty folder; returns the path to hand to the grader.

        values: one for each of PLACEHOLDERS
        """

        def fill(text: bytes) -> bytes:
            return re.sub(rb"@([A-Z]+)@", lambda found: values[found[1].decode()].encode(), text)

        if callable(self.files):
            return self.files(folder, fill)
        submission = folder / "submission"
        submission.mkdir()
        for name, contents in self.files.items():
            (submission / name).parent.mkdir(parents=True, exist_ok=True)
            (submission / name).write_bytes(fill(contents))
        return submission


def without(*rows: str) -> frozenset[str]:
    """All rows but these."""
    return ALL - {*rows}
