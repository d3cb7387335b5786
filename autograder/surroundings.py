"""What many files take for granted when they are loaded: a notebook's shell, other programs and processes, a screen."""

from __future__ import annotations

import contextlib
import errno
import importlib
import multiprocessing
import multiprocessing.context
import os
import queue
import re
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["surround"]

# There is no public place at which each way to start a program could be met.
START_PROGRAM = subprocess.Popen._execute_child  # type: ignore[attr-defined] # noqa: SLF001

NO_PROGRAM = "The autograder lets your code start no other program"
NOBODY = 1 << 22  # the number of no process
# What several processes share, and what does the same for the only one that there is.
SHARED = {
    **{
        name: getattr(threading, name)
        for name in ("Barrier", "BoundedSemaphore", "Condition", "Event", "Lock", "RLock", "Semaphore")
    },
    "JoinableQueue": queue.Queue,
    "Queue": queue.Queue,
    "SimpleQueue": queue.SimpleQueue,
}
NOT_FOUND = 127  # the exit status of a shell that does not find a program
INSTALLS = re.compile(r"\bpip3? install\b|\bconda install\b")
# Where Popen hands these over, behind what is to be started.
SHELL, PIPES = 8, slice(9, 15)


class Shell:
    """Stands for the notebook's IPython shell, whose magics change nothing here, and for anything that it has."""

    config: ClassVar[dict[str, Any]] = {}  # as of no kernel
    user_ns: ClassVar[dict[str, Any]] = {}

    def __getattr__(self, name: str) -> Any:
        """Return a method that does nothing."""
        return Shell()

    def __call__(self, *_: Any, **__: Any) -> None:
        """Do nothing."""

    def getoutput(self, *_: Any, **__: Any) -> list[str]:
        """Give a program's output, by its lines: none is started here."""
        return []


def surround(module: ModuleType, text: bytes) -> None:
    """Make ready what a file of this text may ask for when it is run as this module, for the rest of this process."""
    give_shell(module, text)
    for word, prepare in PREPARED.items():
        if word in text:
            with contextlib.suppress(ImportError, OSError):
                prepare(text)
    subprocess.Popen._execute_child = start_program  # type: ignore[attr-defined] # noqa: SLF001
    # There is no other process with which a model could share its memory; to try it would be refused.
    torch.UntypedStorage.share_memory_ = stay  # type: ignore[method-assign]


def stay(storage: torch.UntypedStorage, *_: Any, **__: Any) -> torch.UntypedStorage:
    """Leave a tensor's numbers where they are."""
    return storage


def share_with_nobody(_: bytes) -> None:
    """Let locks and the like for several processes be made: who makes them when a file is loaded starts none then."""
    for name, single in SHARED.items():
        for module in (multiprocessing, torch.multiprocessing):
            setattr(module, name, single)
        setattr(multiprocessing.context.BaseContext, name, staticmethod(single))
    # Memory for numbers lies in a temporary folder of this process's own.
    heap: Any = importlib.import_module("multiprocessing.heap")
    heap.Arena._dir_candidates = [tempfile.mkdtemp()]  # noqa: SLF001


def keep_backend(text: bytes) -> None:
    """Let a file choose how matplotlib shows figures, which it does not do here: there is no screen."""
    if b".use(" in text:
        importlib.import_module("matplotlib").use = nothing  # type: ignore[attr-defined]
    if b"switch_backend" in text:
        pyplot: Any = importlib.import_module("matplotlib.pyplot")
        pyplot.switch_backend("Agg")
        pyplot.switch_backend = nothing


def show_own_process(_: bytes) -> None:
    """Let psutil look at this process alone, whatever its number is elsewhere."""
    psutil: Any = importlib.import_module("psutil")
    folder = Path(tempfile.mkdtemp())
    for name in ("cpuinfo", "meminfo", "stat"):
        (folder / name).symlink_to(f"/proc/{name}")
    (folder / str(os.getpid())).symlink_to("/proc/self")
    psutil.PROCFS_PATH = str(folder)


def nothing(*_: Any, **__: Any) -> None:
    """Do nothing."""


def give_shell(module: ModuleType, text: bytes) -> None:
    """Let a file ask for the notebook's shell, which some are exported from, by itself or as IPython's."""
    module.__dict__["get_ipython"] = Shell
    if b"IPython" in text and b"get_ipython" in text:
        with contextlib.suppress(ImportError):
            for name in ("IPython", "IPython.core.getipython"):
                importlib.import_module(name).get_ipython = Shell  # type: ignore[attr-defined]


def start_program(popen: Any, args: Any, *others: Any) -> None:
    """Start a program. Where none may be started there seems to be none: who looks for nvidia-smi expects that."""
    try:
        START_PROGRAM(popen, args, *others)
    except PermissionError as error:
        if error.filename is not None:  # the program's own
            raise
        words = [args] if isinstance(args, (str, bytes, os.PathLike)) else [*args]
        if len(others) > PIPES.stop and others[SHELL]:
            end(popen, others[PIPES], NOT_FOUND, f"{NO_PROGRAM}\n")
            return
        if len(others) > PIPES.stop and INSTALLS.search(" ".join(map(str, words))):
            end(popen, others[PIPES], 0)  # what is not there then has a stand-in where nothing needs it
            return
        name = next(iter(words), "")
        raise FileNotFoundError(errno.ENOENT, NO_PROGRAM, name) from None


def end(popen: Any, pipes: tuple[int, ...], status: int, errors: str = "") -> None:
    """Do as a program does that ends at once.

    pipes: the ends, the parent's and the child's, of those to its input, its output and its errors; -1 for none
    """
    with contextlib.suppress(OSError):
        os.write(pipes[-1] if pipes[-1] >= 0 else 2, errors.encode())
    popen._close_pipe_fds(*pipes)  # noqa: SLF001 - as Popen does once the shell has its own
    popen.pid, popen.returncode = NOBODY, status


# What is made ready for a file that has this word in it.
PREPARED = {
    b"concurrent": share_with_nobody,
    b"multiprocessing": share_with_nobody,
    b"matplotlib": keep_backend,
    b"psutil": show_own_process,
}
