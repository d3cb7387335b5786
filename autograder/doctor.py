"""What this host allows: a worker is started on an empty submission, and asked which layers hold."""

from __future__ import annotations

import sys
import tempfile
from contextlib import closing
from pathlib import Path

from autograder.confine import is_safe
from autograder.sandbox import Sandbox, open_starter
from autograder.watch import Limits

__all__ = ["LAYERS", "examine", "report"]

# By layer: what it does, and what it means when it is not to be had.
LAYERS = {
    "process": (
        "Student code runs in a process of its own, with a copy of its files and a short environment.",
        "Nothing can be graded.",
    ),
    "user": (
        "It runs as a user that owns nothing: it reads and changes no file that is closed to others.",
        "It runs as you. Only Landlock keeps it from your files.",
    ),
    "limits": (
        "Its memory, processor time, files and threads are limited.",
        "A submission can make the machine slow until its time is up.",
    ),
    "landlock": (
        "It can read Python and the system's libraries, and write its own folder; all other files are closed to it.",
        "It can read every file that its user can, and write to folders that are open to everybody.",
    ),
    "seccomp": (
        "It can open no connection, start no process, and reach into none.",
        "It can connect to the network and start processes, unless namespaces keep it from that.",
    ),
    "namespaces": (
        "It has no network, sees no other process, and everything that it starts ends with it.",
        "Nothing, as long as seccomp holds: this layer is a second lock on the same doors.",
    ),
}
SAFE = "Grading files by others is safe here, as far as docs/security.md promises."
UNSAFE = (
    "Grade only your own files here. For files by others, use Linux with kernel 5.13 or later (Landlock and seccomp), "
    "or run the grader as root (a user of its own for each submission); Gradescope's containers are such a place."
)


def examine() -> tuple[list[str], dict[str, str]]:
    """Start a worker; returns the layers that hold, and for each other one the reason. Raises NurseryError."""
    with closing(open_starter()) as starter, tempfile.TemporaryDirectory(prefix="vae-doctor-") as folder:
        for name in ("submission/vae.py", "nndl2/__init__.py"):
            path = Path(folder, name)
            path.parent.mkdir()
            path.touch()
        sandbox = Sandbox(starter, Path(folder, "submission"), Path(folder, "nndl2"), Limits())
        sandbox.start().stop()
    return (sandbox.state.layers, sandbox.state.missing) if sandbox.state else ([], {})


def report(held: list[str], missing: dict[str, str]) -> tuple[str, bool]:
    """Say it in words; returns the text, and whether files by others may be graded here."""
    lines = [f"{sys.platform}, Python {sys.version.split()[0]}", ""]
    for layer, (does, lacks) in LAYERS.items():
        if layer in held:
            lines.append(f"yes  {layer:<11} {does}")
        else:
            lines.append(f"NO   {layer:<11} {missing.get(layer, 'not on this system')}.\n{'':17}{lacks}")
    safe = is_safe(held)
    return "\n".join([*lines, "", SAFE if safe else UNSAFE]), safe
