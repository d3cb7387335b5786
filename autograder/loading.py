"""Loads the student's vae.py as a module, in surroundings that many such files take for granted."""

from __future__ import annotations

import errno
import importlib.util
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from autograder.absent import stand_ins

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

__all__ = ["load"]

# There is no public place at which each way to start a program could be met.
START_PROGRAM = subprocess.Popen._execute_child  # type: ignore[attr-defined] # noqa: SLF001


class Shell:
    """Stands for the notebook's IPython shell, whose magics change nothing here."""

    def __getattr__(self, name: str) -> Any:
        """Return a method that does nothing."""
        return lambda *_, **__: None


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
    module.__dict__["get_ipython"] = Shell  # as in a notebook, which some files are exported from
    subprocess.Popen._execute_child = start_program  # type: ignore[attr-defined] # noqa: SLF001
    text = path.read_bytes()
    code = compile(text, str(path), "exec", dont_inherit=True)
    with stand_ins(text):
        exec(code, module.__dict__)  # noqa: S102 - what this process is for
    return module


def start_program(popen: Any, args: Any, *others: Any) -> None:
    """Start a program. Where none may be started there seems to be none: who looks for nvidia-smi expects that."""
    try:
        START_PROGRAM(popen, args, *others)
    except PermissionError as error:
        if error.filename is not None:  # the program's own
            raise
        name = args if isinstance(args, (str, bytes, os.PathLike)) else next(iter(args), "")
        reason = "The autograder lets your code start no other program"
        raise FileNotFoundError(errno.ENOENT, reason, name) from None
