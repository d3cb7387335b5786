"""Interpreters that are started from here: they import nothing from the current folder, a student's most likely."""

from __future__ import annotations

import contextlib
import os
import sys
from multiprocessing import util
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["safe_path"]

NAME = "PYTHONSAFEPATH"


@contextlib.contextmanager
def safe_path() -> Iterator[None]:
    """Keep the current folder off the path of each interpreter that is started meanwhile.

    multiprocessing starts them with `python -c`, for which that folder comes first, before the standard library.
    """
    before = os.environ.get(NAME)
    os.environ[NAME] = "1"
    module: Any = util
    flags = module._args_from_interpreter_flags  # noqa: SLF001 - Python 3.10 knows nothing of that variable
    if sys.version_info < (3, 11):
        module._args_from_interpreter_flags = lambda: [*flags(), "-I"]  # noqa: SLF001
    try:
        yield
    finally:
        module._args_from_interpreter_flags = flags  # noqa: SLF001
        if before is None:
            del os.environ[NAME]
        else:
            os.environ[NAME] = before
