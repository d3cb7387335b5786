"""What a process may be started with: streams that are closed or full, signals, a current folder that is gone."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ENDING", "expect_current_folder", "prepare", "printing", "unheard"]


# What timeout, Slurm and a terminal that is closed send; Windows knows no such terminal.
ENDING = (signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else []))


def prepare() -> None:
    """Fill in closed streams, write what they cannot hold as question marks, and end by any signal as by Ctrl-C."""
    for number in ENDING:
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)
    for handle, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(handle)
        except OSError:  # or the next file to be opened would be taken for it
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # noqa: FBT003 - it takes no name
        if getattr(sys, name) is None:
            opened = open(handle, "w" if handle else "r", encoding="utf-8", closefd=False)  # noqa: SIM115 - to stay
            setattr(sys, name, opened)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def unheard(*_: object) -> None:
    """Do nothing about a signal: where SIG_IGN is set while one comes, Python prints that it was ignored in a race."""


def expect_current_folder() -> None:
    """Expect a current folder that is there and may be entered: pytest and what else is started go back to it.

    Raises OSError, which says what to do.
    """
    try:
        here = Path.cwd()
    except OSError:
        raise FileNotFoundError("the current folder is gone: change to another one first") from None
    if not os.access(here, os.X_OK):
        raise PermissionError(f"{here} may not be entered by this account: change to another folder first")


@contextlib.contextmanager
def printing() -> Iterator[None]:
    """Print for people: a closed pipe or a full disk breaks nothing off, and is silent from then on."""
    try:
        yield
        sys.stdout.flush()
    except (OSError, SystemExit):  # rich exits where the pipe is closed
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
