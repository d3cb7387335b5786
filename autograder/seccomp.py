"""seccomp: a process gives up, for good and without privilege, the system calls that its work does not need.

The kernel runs a small program (classic BPF) before each system call; it sees the call's number and its plain
arguments, never the memory behind a pointer. So whole calls are refused by number, and some by an argument; a few do
nothing, and say that they did.
Calls that are newer than this list get ENOSYS, as from an older kernel: libc and torch then do without them.
What is left is what torch, numpy and matplotlib need: files, memory, threads, pipes. See seccomp(2).
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys
from typing import NamedTuple

from autograder import kernel

__all__ = ["install", "program"]

# Each as name:x86-64/aarch64, or name:number where both agree; "-" where aarch64 never had the call.
_REFUSED = (
    # Other processes: their memory, files, priority. Leaving the session by which the grader finds this one.
    "ptrace:101/117 process_vm_readv:310/270 process_vm_writev:311/271 process_madvise:440 "
    "process_mrelease:448 pidfd_open:434 pidfd_getfd:438 pidfd_send_signal:424 kcmp:312/272 "
    "move_pages:279/239 migrate_pages:256/238 ioprio_set:251/30 setsid:112/157 "
    "setpgid:109/154 "
    # New processes and programs.
    "fork:57/- vfork:58/- execve:59/221 execveat:322/281 "
    # Doors into the kernel that lead round this filter or have often been broken.
    "io_uring_setup:425 io_uring_enter:426 io_uring_register:427 bpf:321/280 userfaultfd:323/282 "
    "perf_event_open:298/241 add_key:248/217 request_key:249/218 keyctl:250/219 modify_ldt:154/- "
    # Namespaces, mounts, files by other means than a path.
    "unshare:272/97 setns:308/268 mount:165/40 umount2:166/39 pivot_root:155/41 chroot:161/51 open_tree:428 "
    "move_mount:429 fsopen:430 fsconfig:431 fsmount:432 fspick:433 mount_setattr:442 "
    # Rules that the kernel keeps in memory which no limit counts.
    "landlock_create_ruleset:444 landlock_add_rule:445 landlock_restrict_self:446 "
    "name_to_handle_at:303/264 open_by_handle_at:304/265 "
    # Memory that outlives the process, is shared with others, or that no limit counts.
    "shmget:29/194 shmat:30/196 shmctl:31/195 msgget:68/186 msgsnd:69/189 msgrcv:70/188 msgctl:71/187 "
    "semget:64/190 semop:65/193 semctl:66/191 semtimedop:220/192 mq_open:240/180 mq_unlink:241/181 "
    "mq_timedsend:242/182 mq_timedreceive:243/183 mq_notify:244/184 mq_getsetattr:245/185 "
    "memfd_create:319/279 memfd_secret:447 "
    # The machine.
    "swapon:167/224 swapoff:168/225 reboot:169/142 kexec_load:246/104 kexec_file_load:320/294 "
    "io_setup:206/0 sync:162/81 syncfs:306/267 "
    "init_module:175/105 finit_module:313/273 delete_module:176/106 personality:135/92 quotactl:179/60 "
    "quotactl_fd:443 acct:163/89 settimeofday:164/170 clock_settime:227/112 adjtimex:159/171 "
    "clock_adjtime:305/266 sethostname:170/161 setdomainname:171/162 syslog:103/116 iopl:172/- ioperm:173/- "
    "vhangup:153/58 "
    # What Landlock does not see: owners, attributes; truncation before ABI 3; watched folders.
    "chown:92/- fchown:93/55 lchown:94/- fchownat:260/54 setxattr:188/5 lsetxattr:189/6 fsetxattr:190/7 "
    "removexattr:197/14 lremovexattr:198/15 fremovexattr:199/16 truncate:76/45 "
    # Descriptors in flight to nowhere, whose removed files no limit counts.
    "sendmsg:46/211 sendmmsg:307/269 "
    # Pages in pipes: each keeps the 2 MB that it is a part of, which nobody maps any more. Copying does without.
    "vmsplice:278/75 splice:275/76 tee:276/77 sendfile:40/71 "
    "mknod:133/- mknodat:259/33 inotify_add_watch:254/27 fanotify_init:300/262 fanotify_mark:301/263"
)
_NO_SOCKETS = "socket:41/198 bind:49/200 connect:42/203 listen:50/201"
_NO_RESERVING = "fallocate:285/47"  # gigabytes at a stroke, between two looks; libc writes zeros instead
# Said to be done: the work does not depend on it, but stops at an error. Modes and times, which Landlock does not see
# either, are set by shutil.copy and its like; the priority by people who are considerate of others.
_PRETENDED = (
    "setpriority:141/140 "
    "chmod:90/- fchmod:91/52 fchmodat:268/53 fchmodat2:452 "
    "utime:132/- utimes:235/- futimesat:261/- utimensat:280/88"
)
_ABSENT = "clone3:435 openat2:437"  # their arguments lie in memory; libc falls back to clone and openat
_FIRST_UNKNOWN = 453

_CLONE_FILES, _CLONE_THREAD, _CLOSE_RANGE_UNSHARE = 0x0400, 0x0001_0000, 2
_CLONE_NEW = 0x7E02_0000  # NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET
_O_ACCMODE, _O_TRUNC = 0o3, 0o1000
_AF_UNIX, _SOCK_STREAM, _SOCK_TYPE, _MSG_OOB = 1, 1, 0xF, 1
_F_SETOWN, _F_SETSIG, _F_SETOWN_EX, _F_SETLEASE, _F_NOTIFY = 8, 10, 15, 1024, 1026
_FIOSETOWN, _SIOCSPGRP, _TIOCSTI = 0x8901, 0x8902, 0x5412
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 4
_MAP_SHARED_ANONYMOUS = 0x21


class _Check(NamedTuple):
    """Refuse a call unless (``only``) or if (not ``only``) its masked argument is one of the values."""

    call: str
    argument: int
    values: tuple[int, ...]
    only: bool = True
    mask: int = 0xFFFF_FFFF  # the kernel too reads just the lower half of each argument below


def _checks(pid: int, *, sharing: bool) -> list[_Check]:
    # Of memory that is shared with nobody, one page that is still mapped keeps all that was; none is seen.
    shared = _Check("mmap:9/222", 3, (_MAP_SHARED_ANONYMOUS,), only=False, mask=_MAP_SHARED_ANONYMOUS)
    return [
        *([] if sharing else [shared]),
        # To itself. A pid of 0 is the group for kill, but the caller itself for the others.
        *(_Check(call, 0, (pid,)) for call in ("kill:62/129", "tkill:200/130", "tgkill:234/131")),
        *(_Check(call, 0, (pid,)) for call in ("rt_sigqueueinfo:129/138", "rt_tgsigqueueinfo:297/240")),
        *(_Check(call, 0, (0, pid)) for call in ("prlimit64:302/261", "sched_setaffinity:203/122")),
        *(_Check(call, 0, (0, pid)) for call in ("sched_setscheduler:144/119", "sched_setparam:142/118")),
        _Check("sched_setattr:314/274", 0, (0, pid)),
        # Threads, no processes; and none with descriptors of its own, which do not show among the process's.
        _Check(
            "clone:56/220", 0, (_CLONE_THREAD | _CLONE_FILES,), mask=_CLONE_THREAD | _CLONE_FILES | _CLONE_NEW
        ),
        _Check("close_range:436", 2, (_CLOSE_RANGE_UNSHARE,), only=False, mask=_CLOSE_RANGE_UNSHARE),
        # A pair of streams is closed; one of datagram sockets could still write to any other such socket.
        _Check("socketpair:53/199", 0, (_AF_UNIX,)),
        _Check("socketpair:53/199", 1, (_SOCK_STREAM,), mask=_SOCK_TYPE),
        # Bytes out of band: nobody's need, and a way that has led into the kernel (CVE-2025-38236).
        _Check("sendto:44/206", 3, (_MSG_OOB,), only=False, mask=_MSG_OOB),
        # Signals, SIGKILL too, to the owner of a descriptor; leases, which hold up whoever else opens a file.
        _Check("fcntl:72/25", 1, (_F_SETOWN, _F_SETSIG, _F_SETOWN_EX, _F_SETLEASE, _F_NOTIFY), only=False),
        _Check("ioctl:16/29", 1, (_FIOSETOWN, _SIOCSPGRP, _TIOCSTI), only=False),
        # To truncate and only read, or to truncate and do neither: before ABI 3, Landlock does not see that.
        _Check("open:2/-", 1, (_O_TRUNC, _O_TRUNC | _O_ACCMODE), only=False, mask=_O_TRUNC | _O_ACCMODE),
        _Check("openat:257/56", 2, (_O_TRUNC, _O_TRUNC | _O_ACCMODE), only=False, mask=_O_TRUNC | _O_ACCMODE),
        # Outliving the parent, and hiding from it what it holds.
        _Check("prctl:157/167", 0, (_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE), only=False),
    ]


# machine name of os.uname: column in the lists, AUDIT_ARCH number, number of the call seccomp(2)
_MACHINES = {"x86_64": (0, 0xC000_003E, 317), "aarch64": (1, 0xC000_00B7, 277)}

# struct seccomp_data: where the number, the architecture and the (little-endian) arguments lie
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
# BPF instructions
_LOAD, _AND, _JUMP, _JUMP_IF_EQUAL, _JUMP_IF_AT_LEAST, _RETURN = 0x20, 0x54, 0x05, 0x15, 0x35, 0x06
# what the program returns
_KILL_PROCESS, _ERRNO, _ALLOW = 0x8000_0000, 0x0005_0000, 0x7FFF_0000

_SET_MODE_FILTER, _GET_ACTION_AVAIL = 1, 2
_FILTER_FLAG_TSYNC = 1


def _instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)


def _numbers(calls: str, column: int) -> list[int]:
    """Return the numbers, on one architecture, of those named calls that it has."""
    rows = [call.partition(":")[2].split("/") for call in calls.split()]
    numbers = [row[min(column, len(row) - 1)] for row in rows]
    return [int(number) for number in numbers if number != "-"]


def program(pid: int, machine: str, *, sharing: bool = False) -> bytes:
    """Return the filter for the process ``pid`` on x86_64 or aarch64: BPF instructions of 8 bytes.

    sharing: let it map memory that it could share, as CUDA does
    """
    column, architecture, _ = _MACHINES[machine]
    load_number = _instruction(_LOAD, _NUMBER)
    code = [
        _instruction(_LOAD, _ARCHITECTURE),
        _instruction(_JUMP_IF_EQUAL, architecture, if_true=1),
        _instruction(_RETURN, _KILL_PROCESS),
        load_number,
        _instruction(_JUMP_IF_AT_LEAST, _FIRST_UNKNOWN, if_false=1),  # x32 calls too: they have bit 30 set
        _instruction(_RETURN, _ERRNO | errno.ENOSYS),
    ]
    for calls, error in (
        (_REFUSED, errno.EPERM),
        (_NO_SOCKETS, errno.EACCES),
        (_NO_RESERVING, errno.EOPNOTSUPP),
        (_PRETENDED, 0),
        (_ABSENT, errno.ENOSYS),
    ):
        for number in _numbers(calls, column):
            code += [_instruction(_JUMP_IF_EQUAL, number, if_false=1), _instruction(_RETURN, _ERRNO | error)]
    for check in _checks(pid, sharing=sharing):
        for number in _numbers(check.call, column):
            to_end = len(check.values) + check.only  # from the first comparison, when it matches
            block = [
                _instruction(_LOAD, _ARGUMENTS + 8 * check.argument),
                _instruction(_AND, check.mask),
                *(_instruction(_JUMP_IF_EQUAL, v, if_true=to_end - i) for i, v in enumerate(check.values)),
                _instruction(_JUMP, 0 if check.only else 1),
                _instruction(_RETURN, _ERRNO | errno.EPERM),
                load_number,
            ]
            code += [_instruction(_JUMP_IF_EQUAL, number, if_false=len(block)), *block]
    return b"".join([*code, _instruction(_RETURN, _ALLOW)])


def install(pid: int, *, sharing: bool = False) -> None:
    """Restrict this process, whose own number is ``pid``, with all its threads, for good.

    sharing: as for the filter
    Raises kernel.Unavailable where there is no seccomp, or an architecture that the lists above do not cover.
    """
    machine = os.uname().machine if sys.platform == "linux" else sys.platform
    if machine not in _MACHINES or sys.maxsize < 2**32:
        raise kernel.Unavailable(f"seccomp: no filter for {machine}")
    _, _, seccomp = _MACHINES[machine]
    code = ctypes.create_string_buffer(program(pid, machine, sharing=sharing))
    # struct sock_fprog: how many instructions (one more byte, a zero, ends the buffer) and where.
    pointer = struct.pack("@HP", len(code) // 8, ctypes.addressof(code))
    kernel.forbid_new_privileges()
    try:
        kernel.call("seccomp", "syscall", seccomp, _GET_ACTION_AVAIL, 0, struct.pack("=I", _KILL_PROCESS))
    except OSError as error:
        raise kernel.Unavailable(f"seccomp: this kernel cannot filter ({error})") from None
    if thread := kernel.call("seccomp", "syscall", seccomp, _SET_MODE_FILTER, _FILTER_FLAG_TSYNC, pointer):
        raise RuntimeError(f"seccomp: thread {thread} has a filter of its own")
