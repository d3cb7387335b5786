"""Linux namespaces for the nursery and its workers: no network, nobody else's processes, no closed home on the way.

A belt to the braces: hosts often forbid them (containers, hardened kernels), and no other layer relies on them, but
for one thing. Where Python lies below a folder that only root may enter, such as root's home, a worker with a user id
of its own could import nothing more. With mounts of its own, the nursery puts an empty folder in that place, in which
only Python shows.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from autograder import kernel

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["closed_folder", "counted_apart", "enter", "fork_apart", "open_way"]

NEWNS, NEWIPC, NEWUSER, NEWPID, NEWNET = 0x0002_0000, 0x0800_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000
MNT_DETACH = 2
MS_NOSUID, MS_NODEV, MS_BIND, MS_REC, MS_PRIVATE = 2, 4, 4096, 16384, 1 << 18


def enter() -> None:
    """Move this process and those it forks into namespaces of their own: network, System V IPC, mounts.

    An ordinary user needs a user namespace for that. Raises kernel.Unavailable where the host forbids it.
    """
    uid, gid = os.geteuid(), os.getegid()
    kernel.call("namespaces", "unshare", (NEWUSER if uid else 0) | NEWNS | NEWIPC | NEWNET)
    if uid:
        Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
        Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1", encoding="ascii")
        Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1", encoding="ascii")
    mount("none", "/", "", MS_REC | MS_PRIVATE)  # what is mounted here shows nowhere else


def counted_apart() -> bool:
    """Tell whether the processes of this one's user are counted here alone: in an ordinary user's own namespaces."""
    if sys.platform != "linux" or [*map(int, re.findall(r"\d+", os.uname().release)[:2])] < [5, 14]:
        return False
    return Path("/proc/self/uid_map").read_text(encoding="ascii").split()[2:] == ["1"]


def fork_apart() -> int:
    """Fork, as os.fork does, into a process namespace of its own: the child sees, and can signal, nobody else.

    Nor is System V's shared memory of an earlier child there: that namespace, too, is new for each, and the caller's.
    Root enters one and comes back. An ordinary user, or the root of a user namespace, may not come back: there a
    process in between makes the namespace and is gone when this returns, so that the child becomes the caller's, who
    must be a subreaper. Raises kernel.Unavailable.
    """
    own = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    try:
        kernel.call("process namespace", "setns", own, NEWPID)  # where it is already
    except kernel.Unavailable:
        os.close(own)
        return fork_through()
    kernel.call("process namespace", "unshare", NEWPID | NEWIPC)
    child = os.fork()
    if child:
        kernel.call("process namespace", "setns", own, NEWPID)
    os.close(own)
    return child


def fork_through() -> int:
    """Fork as fork_apart does, through a process in between. Raises kernel.Unavailable."""
    gate, opener = os.pipe()
    told, teller = os.pipe()
    middle = os.fork()
    if middle == 0:
        try:
            os.close(opener)
            kernel.call("process namespace", "unshare", NEWPID | NEWIPC)
            child = os.fork()
            if child:
                os.write(teller, child.to_bytes(4, "big"))
        except (OSError, kernel.Unavailable):
            os._exit(1)
        if child:
            os._exit(0)
        for fd in (told, teller):
            os.close(fd)
        os.read(
            gate, 1
        )  # ends when the process in between is gone, whose death may mean the end of its children
        os.close(gate)
        return 0
    os.waitpid(middle, 0)
    os.close(teller)
    child = int.from_bytes(os.read(told, 4), "big")
    for fd in (gate, opener, told):
        os.close(fd)
    if not child:
        raise kernel.Unavailable("process namespace: it is not permitted here")
    return child


def closed_folder(paths: Iterable[str]) -> Path | None:
    """Find a folder on the way to one of the paths that other users may not enter."""
    for path in paths:
        for folder in reversed(Path(path).resolve().parents):
            if not folder.stat().st_mode & 0o001:
                return folder
    return None


def open_way(paths: Iterable[str]) -> None:
    """Make each path reachable for other users: closed folders on the way make place for ones with the path alone.

    Only inside mount namespaces of one's own. Raises kernel.Unavailable, or OSError.
    """
    for path in map(Path, paths):
        real = path.resolve()
        while folder := closed_folder([str(real)]):
            source = os.open(real, os.O_PATH | os.O_CLOEXEC)
            try:
                mount("none", str(folder), "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=1m")
                try:
                    real.mkdir(parents=True, exist_ok=True)
                    mount(f"/proc/self/fd/{source}", str(real), "", MS_BIND | MS_REC)
                except (kernel.Unavailable, OSError):  # or what lies there would be hidden for good
                    unmount(str(folder))
                    raise
            finally:
                os.close(source)


def unmount(target: str) -> None:
    """Take away the file system that was mounted last."""
    kernel.call("umount2", "umount2", target.encode() + b"\0", MNT_DETACH)


def mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    """Mount a file system."""
    if sys.platform != "linux":
        raise kernel.Unavailable("mounts: Linux only")
    words = [word.encode() + b"\0" for word in (source, target, kind)]
    kernel.call("mount", "mount", *words, flags, options.encode() + b"\0")
