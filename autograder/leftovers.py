"""Removing what a worker leaves: its folders, and what its user left elsewhere."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

from autograder import kernel

__all__ = ["remove", "sweep_files", "sweep_ipc"]


def remove(folder: Path) -> None:
    """Remove a worker's folder, whatever it left in it: trees of any depth, folders that nobody may list."""
    with contextlib.suppress(OSError):
        folder.unlink()  # where it is none
    if os.name == "posix" and folder.is_dir():
        with contextlib.suppress(OSError):
            empty(folder)
    shutil.rmtree(folder, ignore_errors=True)


def empty(folder: Path) -> None:
    """Empty a folder step by step, down and up again, with one descriptor: no path gets long. Raises OSError."""
    here = open_folder(str(folder))
    way: list[
        tuple[str, list[str]]
    ] = []  # names of the folders down to here, and what is left to do in their parents
    left = clear(here)
    try:
        while left or way:
            if left:
                name = left.pop()
                there = open_folder(name, here)
                way.append((name, left))
                left = clear(there)
            else:
                name, left = way.pop()
                there = open_folder("..", here)
                os.rmdir(name, dir_fd=there)
            os.close(here)
            here = there
    finally:
        os.close(here)


def open_folder(name: str, parent: int | None = None) -> int:
    """Open a folder, whoever may."""
    if name != "..":
        os.chmod(name, 0o700, dir_fd=parent)
    return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)


def clear(folder: int) -> list[str]:
    """Remove all but the folders from an open folder; returns their names."""
    names = []
    with os.scandir(folder) as entries:
        for entry in list(entries):
            if entry.is_dir(follow_symlinks=False):
                names.append(entry.name)
            else:
                with contextlib.suppress(OSError):
                    os.unlink(entry.name, dir_fd=folder)
    return names


def sweep_files(uid: int) -> None:
    """Remove what a worker's user left where anybody may write."""
    for place in ("/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue"):  # noqa: S108
        with contextlib.suppress(OSError), os.scandir(place) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    if entry.stat(follow_symlinks=False).st_uid == uid:
                        remove(Path(entry.path))


def sweep_ipc(uid: int) -> None:
    """Remove System V's shared memory, semaphores and queues of a worker's user."""
    ipc_rmid = 0
    for kind in ("shm", "sem", "msg"):
        with contextlib.suppress(OSError, kernel.Unavailable):
            head, *lines = Path(f"/proc/sysvipc/{kind}").read_text(encoding="ascii").splitlines()
            for line in lines:
                found = dict(zip(head.split(), line.split(), strict=False))
                if uid in (int(found["uid"]), int(found["cuid"])):
                    # semctl has the number of a semaphore before the command: 0, and ignored.
                    kernel.call(kind, f"{kind}ctl", int(found[f"{kind}id"]), ipc_rmid, ipc_rmid)
