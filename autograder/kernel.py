"""What Linux offers beyond Python's os module: prctl, capset and raw system calls, errno as exceptions."""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys

__all__ = [
    "Unavailable",
    "become_subreaper",
    "call",
    "die_with_parent",
    "drop_capabilities",
    "forbid_new_privileges",
    "hide_memory",
    "landlock_abi",
    "lock_capabilities",
    "show_memory",
]

# Three answers mean that the host does not offer the thing; any other errno is a mistake of the caller.
_NOT_HERE = {
    errno.ENOSYS: "this kernel does not have it",
    errno.EOPNOTSUPP: "this kernel was started without it",
    errno.EPERM: "it is not permitted here",
}

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_CAPBSET_READ = 23
_PR_CAPBSET_DROP = 24
_PR_SET_SECUREBITS = 28
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38

# noroot, keep_caps off and no_cap_ambient_raise, each locked. no_setuid_fixup stays off: leaving uid 0 must
# clear all capabilities.
_SECUREBITS = 0b1110_0011
_CAPABILITY_VERSION_3 = 0x20080522
_LANDLOCK_CREATE_RULESET = 444
_LANDLOCK_CREATE_RULESET_VERSION = 1


class Unavailable(Exception):  # noqa: N818 -- a state of the host, to be reported, not a failure
    """A layer of the sandbox cannot be had on this host; the message is the reason, for a person to read."""


def call(what: str, function: str, *arguments: int | bytes) -> int:
    """Call libc's ``syscall``, ``prctl`` or ``capset``; integers go as C longs, bytes as pointers.

    Raises Unavailable, naming ``what``, for ENOSYS, EOPNOTSUPP and EPERM and on any system but Linux;
    OSError for any other errno.
    """
    if sys.platform != "linux":
        raise Unavailable(f"{what}: Linux only")
    # A fresh handle, because another module may have declared other types for the same function.
    libc = ctypes.CDLL(None, use_errno=True)
    result: int = libc[function](*(ctypes.c_long(a) if isinstance(a, int) else a for a in arguments))
    if result >= 0:
        return result
    code = ctypes.get_errno()
    if code in _NOT_HERE:
        raise Unavailable(f"{what}: {_NOT_HERE[code]} ({os.strerror(code)})")
    raise OSError(code, f"{what}: {os.strerror(code)}")


def _prctl(what: str, option: int, value: int) -> int:
    return call(what, "prctl", option, value, 0, 0, 0)


def die_with_parent(signal: int) -> None:
    """Have the kernel send ``signal`` to this process when the thread that forked it ends.

    Call it after the user is changed, which resets it; then look at os.getppid(): the parent may be gone.
    """
    _prctl("signal at the parent's death", _PR_SET_PDEATHSIG, signal)


def hide_memory() -> None:
    """Close this process's memory, environment and /proc entries to other processes of the same user."""
    _prctl("undumpable process", _PR_SET_DUMPABLE, 0)


def show_memory() -> None:
    """Take hide_memory back."""
    _prctl("dumpable process", _PR_SET_DUMPABLE, 1)


def become_subreaper() -> None:
    """Make this process the parent of every descendant whose own parent has ended."""
    _prctl("child subreaper", _PR_SET_CHILD_SUBREAPER, 1)


def forbid_new_privileges() -> None:
    """Let no program started from here gain privileges, as by a set-user-ID bit; there is no way back."""
    _prctl("no new privileges", _PR_SET_NO_NEW_PRIVS, 1)


def lock_capabilities() -> None:
    """With the capability to, before the user is changed: no execve and no later uid 0 brings a capability back."""
    _prctl("secure bits", _PR_SET_SECUREBITS, _SECUREBITS)
    for capability in range(64):
        try:
            _prctl("capability bounding set", _PR_CAPBSET_READ, capability)
        except OSError:  # EINVAL: one past the kernel's last
            break
        _prctl("capability bounding set", _PR_CAPBSET_DROP, capability)


def drop_capabilities() -> None:
    """Empty this thread's effective, permitted and inheritable sets; afterwards uid 0 is an ordinary user."""
    call("capabilities", "capset", struct.pack("=Ii", _CAPABILITY_VERSION_3, 0), bytes(24))


def landlock_abi() -> int:
    """Return the kernel's Landlock version, 1 or more; raise Unavailable where there is none."""
    return call("Landlock", "syscall", _LANDLOCK_CREATE_RULESET, 0, 0, _LANDLOCK_CREATE_RULESET_VERSION)
