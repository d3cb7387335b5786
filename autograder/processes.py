"""Processes that are forked from here, and those that descend from one."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

__all__ = ["children", "descendants", "end_group", "run_and_exit"]


def children() -> list[int]:
    """List this process's children."""
    with contextlib.suppress(OSError):
        return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]
    return []


def descendants(pid: int) -> list[int]:
    """List all processes that descend from one."""
    import psutil  # only where it is needed: it takes a while

    with contextlib.suppress(psutil.Error):
        return [process.pid for process in psutil.Process(pid).children(recursive=True)]
    return []


def end_group(pid: int) -> None:
    """Kill the process group that a worker leads, if it came so far as to lead one."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def run_and_exit(work: Any) -> None:
    """Do the work of a forked process; never return into the code of its parent."""
    code = 1
    try:
        work()
        code = 0
    except BaseException:  # noqa: BLE001 - nothing may pass this line
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        os._exit(code)
