"""Loads the student's vae.py as a module, in surroundings that many such files take for granted."""

from __future__ import annotations

import contextlib
import errno
import importlib
import importlib.util
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from autograder.absent import stand_ins

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

__all__ = ["load"]

# There is no public place at which each way to start a program could be met.
START_PROGRAM = subprocess.Popen._execute_child  # type: ignore[attr-defined] # noqa: SLF001

NO_PROGRAM = "The autograder lets your code start no other program"
NOBODY = 1 << 22  # the number of no process
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


def load(path: Path) -> ModuleType:
    """Run a file as the module `vae`, from its bytes, with the nndl2 beside it: no folder of theirs is on sys.path."""
    nndl2 = path.parent / "nndl2"
    package = importlib.util.spec_from_file_location(
        "nndl2", nndl2 / "__init__.py", submodule_search_locations=[str(nndl2)]
    )
    sys.modules["nndl2"] = importlib.util.module_from_spec(package)  # type: ignore[arg-type]
    package.loader.exec_module(sys.modules["nndl2"])  # type: ignore[union-attr]
    spec = importlib.util.spec_from_file_location("vae", path)
    module = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
    sys.modules["vae"] = module
    text = path.read_bytes()
    give_shell(module, text)
    subprocess.Popen._execute_child = start_program  # type: ignore[attr-defined] # noqa: SLF001
    # There is no other process with which a model could share its memory; to try it would be refused.
    torch.UntypedStorage.share_memory_ = stay  # type: ignore[method-assign]
    # As Python does by itself, with assert and docstrings, whatever -O or PYTHONOPTIMIZE says to the grader.
    code = compile(text, str(path), "exec", dont_inherit=True, optimize=0)
    with stand_ins(text):
        exec(code, module.__dict__)  # noqa: S102 - what this process is for
    return module


def stay(storage: torch.UntypedStorage, *_: Any, **__: Any) -> torch.UntypedStorage:
    """Leave a tensor's numbers where they are."""
    return storage


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
