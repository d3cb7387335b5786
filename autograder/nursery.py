"""Where workers come from: forks of one clean, warm process, or fresh interpreters where there is no fork."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import traceback
from multiprocessing import reduction
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol

from autograder import worker
from autograder.confine import Plan, confine, hide

__all__ = ["Nursery", "NurseryError", "Spawner", "Starter"]

PATIENCE = 30  # seconds for the nursery, code of ours, to do what it is told


class NurseryError(Exception):
    """No worker could be started or ended: our own fault."""


class Starter(Protocol):
    """Starts one worker at a time."""

    def start(self, plan: Plan) -> tuple[Connection, int, int]:
        """Start a worker; returns the connection to it, a descriptor of what it prints, and its process id."""

    def stop(self) -> int:
        """End the worker and everything it started; returns its wait status."""

    def close(self) -> None:
        """Start no more workers."""


class Nursery:
    """Forks workers. Make it when torch is imported and before anything secret is in memory."""

    def __init__(self) -> None:
        self.control, theirs = multiprocessing.Pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            self.control.close()  # or the grader's hanging up would go unnoticed
            run_and_exit(lambda: tend(theirs))
        theirs.close()

    def start(self, plan: Plan) -> tuple[Connection, int, int]:
        """Fork a worker."""
        pid = self.tell(plan)
        try:
            return Connection(reduction.recv_handle(self.control)), reduction.recv_handle(self.control), pid
        except OSError as error:
            raise NurseryError("the nursery broke off in the middle of a start") from error

    def stop(self) -> int:
        """Have the nursery end its worker."""
        return self.tell(None)

    def tell(self, plan: Plan | None) -> int:
        """Send a plan for a worker, or None to end it; returns what the nursery says."""
        try:
            self.control.send(plan)
            if not self.control.poll(PATIENCE):
                raise NurseryError("the nursery does not answer")
            answer = self.control.recv()
        except (EOFError, OSError) as error:
            raise NurseryError("the nursery is gone") from error
        if isinstance(answer, str):
            raise NurseryError(answer)
        return int(answer)

    def close(self) -> None:
        """End the nursery, and with it its worker."""
        self.control.close()
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, 0)


class Spawner:
    """Starts each worker as a fresh interpreter: slow, but possible everywhere."""

    def __init__(self) -> None:
        self.process: Any = None

    def start(self, plan: Plan) -> tuple[Connection, int, int]:
        """Start a fresh interpreter that becomes the worker."""
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        ready, output = context.Pipe(duplex=False)
        self.process = context.Process(target=live, args=(plan, os.getpid(), theirs, output), daemon=True)
        self.process.start()
        theirs.close()
        output.close()
        printed = os.dup(ready.fileno())
        ready.close()
        return ours, printed, self.process.pid or 0

    def stop(self) -> int:
        """End the worker and its process group."""
        if os.name == "posix":
            end_group(self.process.pid)
        self.process.kill()
        self.process.join(PATIENCE)
        code = self.process.exitcode or 0
        return -code if code < 0 else code << 8

    def close(self) -> None:
        """Nothing is kept between workers."""


def live(plan: Plan, parent: int, connection: Connection, output: Connection) -> None:
    """Be a worker: close the doors, say which are closed, serve."""
    state = confine(plan, parent, connection.fileno(), output.fileno())
    worker.send(connection, {"alive": True, **state})
    worker.serve(connection, Path(plan.folder))


def tend(control: Connection) -> None:
    """Be the nursery: start and end workers as told, until the grader hangs up."""
    hide()
    current, parent = 0, os.getpid()
    while True:
        try:
            plan: Plan | None = control.recv()
        except (EOFError, OSError):
            end(current)
            return
        if plan is None:
            control.send(end(current))
            current = 0
            continue
        ours, theirs = multiprocessing.Pipe()
        ready, output = multiprocessing.Pipe(duplex=False)
        try:
            current = os.fork()
        except OSError as error:
            control.send(f"a worker could not be forked: {error}")
            continue
        if current == 0:
            run_and_exit(lambda: live(plan, parent, theirs, output))  # noqa: B023 - it is run at once
        theirs.close()
        output.close()
        control.send(current)
        reduction.send_handle(control, ours.fileno(), None)
        reduction.send_handle(control, ready.fileno(), None)
        ours.close()
        ready.close()


def end(pid: int) -> int:
    """End a worker and all that came from it; returns its wait status."""
    if not pid:
        return 0
    end_group(pid)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    status = os.waitpid(pid, 0)[1]
    # What outlived its parents has become a child of ours, since the nursery is a subreaper.
    with contextlib.suppress(ChildProcessError):
        while True:
            for orphan in children():
                os.kill(orphan, signal.SIGKILL)
            os.waitpid(-1, 0)
    return status


def children() -> list[int]:
    """List this process's children."""
    with contextlib.suppress(OSError):
        return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]
    return []


def end_group(pid: int) -> None:
    """Kill the process group that a worker leads, if it came so far as to lead one."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def run_and_exit(work: Any) -> None:  # noqa: ANN401
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
