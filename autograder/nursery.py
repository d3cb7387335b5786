"""Where workers come from: forks of one clean, warm process, or fresh interpreters where there is no fork."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
from multiprocessing import reduction
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol

from autograder import kernel, worker
from autograder.confine import Plan, confine, hide, is_safe, needed
from autograder.namespaces import closed_folder, enter, fork_apart, open_way
from autograder.processes import children, descendants, end_group, run_and_exit
from autograder.startup import ENDING
from autograder.users import end_user, removed_as, rules_users
from autograder.wire import messages, send

__all__ = ["Nursery", "NurseryError", "Spawner", "Starter"]

PATIENCE = 30  # seconds for the nursery, code of ours, to do what it is told


class NurseryError(Exception):
    """No worker could be started or ended: our own fault."""


class Starter(Protocol):
    """Starts one worker at a time."""

    def reaches(self) -> bool:
        """Tell whether a worker could have another user id, and would still read Python's files."""

    def start(self, plan: Plan) -> tuple[Connection, int, int]:
        """Start a worker; returns the connection to it, a descriptor of what it prints, and its process id."""

    def stop(self) -> int:
        """End the worker and everything it started; returns its wait status."""

    def family(self) -> list[int]:
        """List the processes of the worker and of what it started, where it may start any."""

    def removed(self) -> int:
        """Measure the removed files that the worker holds, where only its own user may look."""

    def close(self) -> None:
        """Start no more workers."""


class Nursery:
    """Forks workers. Make it when torch is imported and before anything secret is in memory."""

    def __init__(self, *, namespaces: bool = True) -> None:
        """Fork the nursery.

        namespaces: use them where they are to be had
        """
        self.control, theirs = multiprocessing.Pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            self.control.close()  # or the grader's hanging up would go unnoticed
            run_and_exit(lambda: tend(theirs, namespaces=namespaces))
        theirs.close()
        hide()  # after the fork: the nursery must be able to write to its own /proc

    def reaches(self) -> bool:
        """Ask the nursery, which may have opened a way."""
        return bool(self.tell("reaches"))

    def start(self, plan: Plan) -> tuple[Connection, int, int]:
        """Fork a worker."""
        pid = self.tell(plan)
        try:
            return Connection(reduction.recv_handle(self.control)), reduction.recv_handle(self.control), pid
        except OSError as error:
            raise NurseryError("the nursery broke off in the middle of a start") from error

    def stop(self) -> int:
        """Have the nursery end its worker."""
        return self.tell("stop")

    def tell(self, order: Plan | str) -> int:
        """Send a plan for a worker, or another order; returns what the nursery says."""
        try:
            self.control.send(order)
            if not self.control.poll(PATIENCE):
                raise NurseryError("the nursery does not answer")
            answer = self.control.recv()
        except (EOFError, OSError) as error:
            raise NurseryError("the nursery is gone") from error
        if isinstance(answer, str):
            raise NurseryError(answer)
        return int(answer)

    def family(self) -> list[int]:
        """List the nursery's descendants: what a worker leaves without a parent becomes its child."""
        return descendants(self.pid)

    def removed(self) -> int:
        """Have the nursery look at them: what becomes another user must not have the grader's memory."""
        return self.tell("removed")

    def close(self) -> None:
        """End the nursery, and with it its worker."""
        self.control.close()
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, 0)


class Spawner:
    """Starts each worker as a fresh interpreter: slow, but possible everywhere."""

    def __init__(self) -> None:
        self.process: Any = None
        self.uid: int | None = None
        self.rules = rules_users()
        hide()

    def reaches(self) -> bool:
        """Look at the folders on the way to Python."""
        return self.rules and closed_folder(needed()) is None

    def start(self, plan: Plan) -> tuple[Connection, int, int]:
        """Start a fresh interpreter that becomes the worker."""
        self.uid = plan.uid
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        ready, output = context.Pipe(duplex=False)
        self.process = context.Process(target=live, args=(plan, os.getpid(), theirs, output), daemon=True)
        self.process.start()
        theirs.close()
        output.close()
        printed = os.dup(ready.fileno()) if os.name == "posix" else -1  # a handle of Windows is no descriptor
        ready.close()
        return ours, printed, self.process.pid or 0

    def stop(self) -> int:
        """End the worker, its descendants, its process group and its user's processes."""
        for pid in self.family():
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGTERM if os.name == "nt" else signal.SIGKILL)
        if os.name == "posix":
            end_group(self.process.pid)
        self.process.kill()
        if self.uid:
            end_user(self.uid)
        self.process.join(PATIENCE)
        code = self.process.exitcode or 0
        return -code if code < 0 else code << 8

    def family(self) -> list[int]:
        """List the worker and its descendants."""
        return [self.process.pid, *descendants(self.process.pid)]

    def removed(self) -> int:
        """Know of none."""
        return 0

    def close(self) -> None:
        """Nothing is kept between workers."""


def live(
    plan: Plan,
    parent: int,
    connection: Connection,
    output: Connection,
    missing: str = "each worker is started afresh",
) -> None:
    """Be a worker: close the doors, say which are closed, serve.

    missing: why there are no namespaces; nothing where there are
    """
    try:
        state = confine(plan, parent, connection.fileno(), output.fileno())
        list(
            Path(plan.folder).iterdir()
        )  # its user may not get there (a closed TMPDIR): no fault of the student's
    except FileNotFoundError:
        if Path(plan.folder).exists():
            raise
        return  # the grader has broken off meanwhile, and removed it
    if missing:
        state["missing"]["namespaces"] = missing
    else:
        state["layers"].append("namespaces")
    send(connection, messages({"alive": True, **state}))
    if is_safe(state["layers"]) or not plan.strict:
        worker.serve(connection, Path(plan.folder))


def tend(control: Connection, *, namespaces: bool) -> None:
    """Be the nursery: start and end workers as told, until the grader hangs up."""
    # They may reach all processes; the grader ends this one.
    for number in (signal.SIGINT, *ENDING):
        signal.signal(number, signal.SIG_IGN)
    missing = settle(namespaces=namespaces)
    rules = rules_users()
    hide()
    current, uid = 0, None

    def finish() -> int:
        # Where the process namespace does not end all that was started in it, the user id has to.
        return end(current, uid if missing else None)

    try:
        with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):  # the grader is gone
            while True:
                order: Plan | str = control.recv()
                if order == "reaches":
                    control.send(rules and closed_folder(needed()) is None)
                elif order == "stop":
                    status, current = finish(), 0
                    control.send(status)
                elif order == "removed":
                    control.send(removed_as(uid, current) if uid else 0)
                elif isinstance(order, Plan):
                    uid = order.uid
                    current = give_birth(order, control, missing)
    finally:
        finish()


def settle(*, namespaces: bool) -> str:
    """Enter namespaces where they are to be had; returns why not."""
    if not namespaces:
        return "switched off"
    try:
        if sys.platform == "linux":
            kernel.show_memory()  # the grader before may have hidden: its /proc entries then belong to root
        enter()
        if os.geteuid() == 0:
            open_way(needed())
        # They may be half forbidden: see whether it can be done.
        kernel.become_subreaper()
        if (pid := fork_apart()) == 0:
            os._exit(0)
        os.waitpid(pid, 0)
    except (kernel.Unavailable, OSError) as reason:
        return str(reason)
    return ""


def give_birth(plan: Plan, control: Connection, missing: str) -> int:
    """Fork a worker and hand its connection and its output to the grader; returns its process id."""
    ours, theirs = multiprocessing.Pipe()
    ready, output = multiprocessing.Pipe(duplex=False)
    parent = os.getpid()
    try:
        pid = os.fork() if missing else fork_apart()
        if pid == 0:
            signal.signal(signal.SIGINT, signal.default_int_handler)  # as in any process of Python's
            for number in ENDING:
                signal.signal(number, signal.SIG_DFL)
            run_and_exit(lambda: live(plan, parent, theirs, output, missing))
    except (OSError, kernel.Unavailable) as error:
        control.send(f"a worker could not be forked: {error}")
        return 0
    theirs.close()
    output.close()
    with contextlib.suppress(BrokenPipeError):  # the grader is gone, as the next order will say
        control.send(pid)
        reduction.send_handle(control, ours.fileno(), None)
        reduction.send_handle(control, ready.fileno(), None)
    ours.close()
    ready.close()
    return pid


def end(pid: int, uid: int | None) -> int:
    """End a worker and all that came from it; returns its wait status.

    uid: end every process of this user, too
    """
    if not pid:
        return 0
    end_group(pid)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    status = os.waitpid(pid, 0)[1]
    if uid:
        end_user(uid)
    # What outlived its parents has become a child of ours, since the nursery is a subreaper.
    with contextlib.suppress(ChildProcessError):
        while True:
            for orphan in children():
                os.kill(orphan, signal.SIGKILL)
            os.waitpid(-1, 0)
    return status
