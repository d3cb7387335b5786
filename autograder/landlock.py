"""Landlock: a process gives up, for good and without privilege, every path that it has not named beforehand.

A rule opens one file, or one folder and all that is below it; all else answers EACCES. Newer kernels (with a
higher ABI) govern more, and a ruleset handles as much as the kernel at hand knows:

    ABI 1   Linux 5.13   read, execute, write, create, remove; rename and link only within one folder
        2          5.19  rename and link between folders
        3          6.2   truncate
        4          6.7   TCP bind and connect (no rule here: all refused)
        5          6.10  ioctl on devices
        6          6.12  signals to processes outside, and their abstract unix sockets (all refused)

It never covers UDP, unix sockets that have a path, stat, chmod, utime, nor files that are open already.
`seccomp` closes all of these but stat and open files, and truncation before ABI 3. See landlock(7).
"""

from __future__ import annotations

import errno
import os
import stat
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from autograder import kernel

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Ruleset"]

# The same numbers on every architecture.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_RULE_PATH_BENEATH = 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REMOVE_DIR, _REMOVE_FILE, _MAKE_DIR, _MAKE_REG = 1 << 4, 1 << 5, 1 << 7, 1 << 8
_MAKE_SYM, _REFER, _TRUNCATE, _IOCTL_DEV = 1 << 12, 1 << 13, 1 << 14, 1 << 15

_READ = _EXECUTE | _READ_FILE | _READ_DIR
# Not granted to anybody: device nodes, sockets and named pipes (1 << 6, 9, 10, 11).
_WRITE = (
    (_READ_FILE | _READ_DIR | _WRITE_FILE | _TRUNCATE | _IOCTL_DEV)
    | (_REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_REG | _MAKE_SYM | _REFER)
)  # fmt: skip
_ON_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV

# How many of the rights 1 << 0, 1 << 1, ... each ABI knows; later ones know as many as 5.
_RIGHTS_KNOWN = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
_ALL_TCP = 0b11  # bind, connect
_ALL_SCOPES = 0b11  # abstract unix sockets, signals

_MISSING = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EACCES)


@dataclass
class Ruleset:
    """Paths that stay open to the process that enforces this; ``abi`` is the kernel's Landlock version."""

    fd: int
    abi: int

    @classmethod
    def prepare(
        cls, *, read: Iterable[str | os.PathLike[str]] = (), write: Iterable[str | os.PathLike[str]] = ()
    ) -> Ruleset:
        """Open files and folders: in ``read`` to read, list, execute, in ``write`` to read, list, change.

        Symbolic links are followed now, and a path that cannot be reached now is left out: it stays closed.
        Do this before the user is changed. Raises kernel.Unavailable where there is no Landlock.
        """
        abi = kernel.landlock_abi()
        handled = (1 << _RIGHTS_KNOWN[min(abi, 5)]) - 1
        # An older kernel expects a shorter structure, and takes a longer one when the rest is zero.
        attributes = struct.pack("=QQQ", handled, _ALL_TCP if abi >= 4 else 0, _ALL_SCOPES if abi >= 6 else 0)
        fd = kernel.call("Landlock", "syscall", _CREATE_RULESET, attributes, len(attributes), 0)
        ruleset = cls(fd, abi)
        try:
            for paths, rights in ((read, _READ), (write, _WRITE)):
                for path in paths:
                    ruleset._open(path, rights & handled)
        except BaseException:
            ruleset.close()
            raise
        return ruleset

    def _open(self, path: str | os.PathLike[str], rights: int) -> None:
        try:
            fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError as error:
            if error.errno in _MISSING:
                return
            raise
        try:
            if not stat.S_ISDIR(os.fstat(fd).st_mode):
                rights &= _ON_FILES
            rule = struct.pack("=Qi", rights, fd)
            kernel.call(f"Landlock: {path}", "syscall", _ADD_RULE, self.fd, _RULE_PATH_BENEATH, rule, 0)
        finally:
            os.close(fd)

    def enforce(self) -> None:
        """Restrict this process, and all that it starts from now on, to the rules; there is no way back.

        Raises RuntimeError when other threads run already: Landlock would leave them free.
        """
        tasks = Path("/proc/self/task")
        threads = len(list(tasks.iterdir())) if tasks.is_dir() else 1
        if threads != 1:
            raise RuntimeError(f"Landlock binds only the calling thread, and {threads} run")
        kernel.forbid_new_privileges()
        kernel.call("Landlock", "syscall", _RESTRICT_SELF, self.fd, 0)
        self.close()

    def close(self) -> None:
        """Give up a ruleset without enforcing it."""
        os.close(self.fd)
