"""User ids for workers: one that is free, whether this process rules it, and what is done in its name."""

from __future__ import annotations

import contextlib
import os
import secrets
import select
import signal
import socket
import sys
import tempfile
from pathlib import Path

from autograder.confine import become
from autograder.processes import run_and_exit
from autograder.usage import removed_files

__all__ = ["LAST_UID", "claim_uid", "end_user", "removed_as", "rules_users"]

FIRST_UID = 20_000  # of workers: above people and services
LAST_UID = 60_000  # excluded; below what a container may lack
PATIENCE = 15  # seconds for a process of ours, as a worker's user, to answer


def claim_uid() -> tuple[socket.socket | None, int | None]:
    """Claim a user id that nobody has and no other grading, for as long as the returned socket lives.

    An abstract socket's name is taken by one process at a time and comes free with its death. Another container on this
    kernel does not see it, and counts a user's processes with ours: so the first id to be tried is drawn.
    Returns (None, None) where no user can be dropped to.
    """
    if sys.platform != "linux" or os.geteuid() != 0:
        return None, None
    taken, first = running_users(), secrets.randbelow(LAST_UID - FIRST_UID)
    for i in range(LAST_UID - FIRST_UID):
        uid = FIRST_UID + (first + i) % (LAST_UID - FIRST_UID)
        if uid in taken or is_known(uid):
            continue
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            claim.bind(f"\0vae-autograder-uid-{uid}")
        except OSError:
            claim.close()
        else:
            return claim, uid
    return None, None


def running_users() -> set[int]:
    """List whose processes run: all of a worker's user are killed when it ends."""
    found = set()
    with contextlib.suppress(OSError), os.scandir("/proc") as entries:
        for entry in entries:
            with contextlib.suppress(OSError):  # it has ended
                found.add(entry.stat().st_uid)
    return found


def is_known(uid: int) -> bool:
    """Tell whether this machine knows somebody by a user id, whose files a worker might read."""
    import pwd  # not on Windows

    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def rules_users() -> bool:
    """Try whether this process may do to another user's processes and files what must be done: not every root may.

    LAST_UID is no worker's: all processes of a worker's user are killed when it ends, by any grader on this machine.
    """
    if sys.platform != "linux" or os.geteuid() != 0:
        return False
    told, teller = os.pipe()
    ready, begun = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(teller)
        with contextlib.suppress(OSError):
            become(LAST_UID)
            os.write(begun, b"1")
            os.read(told, 1)  # until all is tried
        os._exit(0)
    for fd in (told, begun):
        os.close(fd)
    rules = bool(os.read(ready, 1)) and rules_files()
    try:
        os.kill(pid, 0)
    except PermissionError:
        rules = False
    for fd in (teller, ready):
        os.close(fd)
    os.waitpid(pid, 0)
    return rules


def rules_files() -> bool:
    """Try whether this process may give a closed folder to another user, and still look into it and remove it."""
    try:
        folder = Path(tempfile.mkdtemp(prefix="vae-"))
    except OSError:
        return False
    try:
        os.chown(folder, LAST_UID, LAST_UID)
        (folder / "file").touch()
        (folder / "file").unlink()
        return not list(folder.iterdir())
    except OSError:
        return False
    finally:
        with contextlib.suppress(OSError):
            os.chown(folder, os.geteuid(), os.getegid())
            folder.rmdir()


def end_user(uid: int) -> None:
    """Kill all processes of a user, at one stroke, so that none can start another meanwhile."""
    pid = os.fork()
    if pid == 0:
        try:
            become(uid)
            if uid > 0 and os.getresuid() == (uid, uid, uid):  # never as root: it would mean everybody
                os.kill(-1, signal.SIGKILL)
        finally:
            os._exit(0)  # kill(-1) spares the one who calls it
    os.waitpid(pid, 0)


def removed_as(uid: int, pid: int) -> int:
    """Measure the removed files that a worker holds as its own user: root may need a capability for it."""
    ready, result = os.pipe()
    child = os.fork()
    if child == 0:

        def look() -> None:
            become(uid)
            os.write(result, str(removed_files(pid) or 0).encode())

        run_and_exit(look)
    os.close(result)
    answered = select.select([ready], [], [], PATIENCE)[0]  # nothing, where the worker could stop it
    found = os.read(ready, 100) if answered else b""
    os.close(ready)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return int(found) if found else 1 << 62
