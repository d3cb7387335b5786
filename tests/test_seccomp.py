"""The seccomp layer: what a process can no longer do, and that torch does not miss it."""

from __future__ import annotations

import errno
import os
import platform
import re
import signal
import struct
import sys
from pathlib import Path

import pytest
from confined import LOAD_TORCH, TRAIN, USERS, attempt

from autograder import kernel, seccomp

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux only")


INSTALL = "seccomp.install(os.getpid())"
# What a process may have from before: descriptors, and a file of its own.
LOAD = """
x86 = os.uname().machine == "x86_64"
pair = socket.socketpair()
datagrams = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
read_end, write_end = os.pipe()
"""
ENTER = (
    """
name = str(folder / f"file of {os.getpid()}")
file = os.open(name, os.O_CREAT | os.O_RDONLY, 0o600)
state = lambda: (*os.stat(name)[:1], *os.stat(name)[7:], *(os.getpriority(0, p) for p in (0, os.getppid())))
"""
    + INSTALL
)

# Name, code, errno.
REFUSED = [
    ("fork", "os.fork()", "EPERM"),
    ("vfork", "subprocess.Popen(['true'])", "EPERM"),
    ("posix_spawn", "os.posix_spawn('/bin/true', ['true'], {})", "EPERM"),
    ("clone with new namespace", "syscall(56 if x86 else 220, 0x7E010000, 0, 0, 0, 0)", "EPERM"),
    ("clone3", "syscall(435, 0, 0)", "ENOSYS"),
    ("execve", "os.execv('/bin/true', ['true'])", "EPERM"),
    ("execveat", "syscall(322 if x86 else 281, -1, 0, 0, 0, 0)", "EPERM"),
    ("TCP", "socket.socket(socket.AF_INET, socket.SOCK_STREAM)", "EACCES"),
    ("UDP", "socket.socket(socket.AF_INET, socket.SOCK_DGRAM)", "EACCES"),
    ("UDP over IPv6", "socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)", "EACCES"),
    ("netlink", "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)", "EACCES"),
    ("packets", "socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM)", "EACCES"),
    ("kernel crypto", "socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET)", "EACCES"),
    ("virtual machine's host", "socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)", "EACCES"),
    ("unix socket", "socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)", "EACCES"),
    ("datagram pair", "socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)", "EPERM"),
    ("raw pair, a datagram one", "socket.socketpair(socket.AF_UNIX, socket.SOCK_RAW)", "EPERM"),
    ("TIPC pair", "socket.socketpair(socket.AF_TIPC, socket.SOCK_STREAM)", "EPERM"),
    ("naming an inherited socket", "pair[0].bind('\\0vae-test')", "EACCES"),
    ("connecting an inherited socket", "datagrams[0].connect('\\0vae-test')", "EACCES"),
    ("signal to the parent", "os.kill(os.getppid(), 0)", "EPERM"),
    ("signal to init", "os.kill(1, 0)", "EPERM"),
    ("signal to the own group", "os.kill(0, 0)", "EPERM"),
    ("signal to everybody", "os.kill(-1, 0)", "EPERM"),
    ("signal to a group", "os.killpg(os.getpgid(os.getppid()), 0)", "EPERM"),
    ("tkill", "syscall(200 if x86 else 130, os.getppid(), 0)", "EPERM"),
    ("tgkill", "syscall(234 if x86 else 131, os.getppid(), os.getppid(), 0)", "EPERM"),
    (
        "queued signal",
        "syscall(129 if x86 else 138, os.getppid(), 0, struct.pack('128i', 0, 0, -1, *bytes(125)))",
        "EPERM",
    ),
    ("descriptor's owner", "fcntl.fcntl(read_end, fcntl.F_SETOWN, os.getppid())", "EPERM"),
    ("descriptor's owner, long", "fcntl.fcntl(read_end, 15, struct.pack('ii', 1, os.getppid()))", "EPERM"),
    ("descriptor's signal", "fcntl.fcntl(read_end, fcntl.F_SETSIG, signal.SIGKILL)", "EPERM"),
    ("socket's owner", "fcntl.ioctl(pair[0], 0x8901, struct.pack('i', os.getppid()))", "EPERM"),
    ("lease", "fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)", "EPERM"),
    ("pidfd_open", "os.pidfd_open(os.getppid())", "EPERM"),
    ("pidfd_send_signal", "syscall(424, read_end, 0, 0, 0)", "EPERM"),
    ("pidfd_getfd", "syscall(438, read_end, 0, 0)", "EPERM"),
    ("ptrace", "syscall(101 if x86 else 117, 0, 0, 0, 0)", "EPERM"),
    ("process_vm_readv", "syscall(310 if x86 else 270, os.getppid(), 0, 0, 0, 0, 0)", "EPERM"),
    ("limits of the parent", "resource.prlimit(os.getppid(), resource.RLIMIT_CORE)", "EPERM"),
    ("cores of the parent", "os.sched_setaffinity(os.getppid(), os.sched_getaffinity(0))", "EPERM"),
    ("class of the parent", "os.sched_setscheduler(os.getppid(), 0, os.sched_param(0))", "EPERM"),
    ("session", "os.setsid()", "EPERM"),
    ("process group", "os.setpgid(0, 0)", "EPERM"),
    ("outliving the parent", "syscall(157 if x86 else 167, 1, 0, 0, 0, 0)", "EPERM"),
    ("hiding from the grader", "syscall(157 if x86 else 167, 4, 0, 0, 0, 0)", "EPERM"),
    ("io_uring", "syscall(425, 1, bytes(120))", "EPERM"),
    ("keys", "syscall(250 if x86 else 219, 0, -3, 1)", "EPERM"),
    ("bpf", "syscall(321 if x86 else 280, 1, 0, 0)", "EPERM"),
    ("performance counters", "syscall(298 if x86 else 241, bytes(128), 0, -1, -1, 0)", "EPERM"),
    ("page faults", "syscall(323 if x86 else 282, 1)", "EPERM"),
    ("namespace of one's own", "syscall(272 if x86 else 97, 0x10000000)", "EPERM"),
    ("other namespace", "syscall(308 if x86 else 268, read_end, 0)", "EPERM"),
    ("new root", "os.chroot('/')", "EPERM"),
    ("mount", "syscall(165 if x86 else 40, 0, 0, 0, 0, 0)", "EPERM"),
    ("mount, the new way", "syscall(430, b'tmpfs\\0', 0)", "EPERM"),
    ("System V shared memory", "syscall(29 if x86 else 194, 0, 4096, 0o1600)", "EPERM"),
    ("System V semaphore", "syscall(64 if x86 else 190, 0, 1, 0o1600)", "EPERM"),
    ("System V messages", "syscall(68 if x86 else 186, 0, 0o1600)", "EPERM"),
    ("POSIX messages", "syscall(240 if x86 else 180, b'vae-test\\0', 0, 0, 0)", "EPERM"),
    ("file in memory", "os.memfd_create('x')", "EPERM"),
    ("shared memory without a file", "mmap.mmap(-1, 4096)", "EPERM"),
    ("descriptors of a thread's own", "syscall(436, 3000, 3001, 2)", "EPERM"),
    ("pages in a pipe", "syscall(278 if x86 else 75, read_end, 0, 0, 0)", "EPERM"),
    ("a file's pages in a pipe", "os.sendfile(read_end, file, 0, 1)", "EPERM"),
    ("a pipe's pages in a pipe", "syscall(276 if x86 else 77, read_end, read_end, 1, 0)", "EPERM"),
    ("kernel's asynchronous reads", "syscall(206 if x86 else 0, 1, bytes(8))", "EPERM"),
    ("writing everybody's files out", "syscall(162 if x86 else 81)", "EPERM"),
    ("reserving disk space", "syscall(285 if x86 else 47, file, 0, 0, 1 << 20)", "ENOTSUP"),
    ("bytes out of band", "pair[0].send(b'x', socket.MSG_OOB)", "EPERM"),
    ("descriptors in flight", "pair[0].sendmsg([b'x'])", "EPERM"),
    ("personality", "syscall(135 if x86 else 92, 0xFFFFFFFF)", "EPERM"),
    ("kernel's log", "syscall(103 if x86 else 116, 10, 0, 0)", "EPERM"),
    ("clock", "time.clock_settime(time.CLOCK_MONOTONIC, 0)", "EPERM"),
    ("owner of a file", "os.chown(name, -1, -1)", "EPERM"),
    ("attribute of a file", "os.setxattr(name, 'user.x', b'')", "EPERM"),
    ("truncation by path", "os.truncate(name, 0)", "EPERM"),
    ("truncation by a reader", "os.open(name, os.O_RDONLY | os.O_TRUNC)", "EPERM"),
    ("truncation by neither", "os.open(name, os.O_ACCMODE | os.O_TRUNC)", "EPERM"),
    ("named pipe", "os.mkfifo(name + '.pipe')", "EPERM"),
    ("watching a folder", "syscall(254 if x86 else 27, read_end, b'/tmp\\0', 2)", "EPERM"),
    ("openat2", "syscall(437, -100, b'/\\0', bytes(24), 24)", "ENOSYS"),
    ("a call of a later kernel", "syscall(462, 0, 0, 0)", "ENOSYS"),
]

KEPT = [
    ("signal 0 to itself", "os.kill(os.getpid(), 0)"),
    ("signal to itself", "signal.signal(signal.SIGUSR1, print); signal.raise_signal(signal.SIGUSR1)"),
    ("signal to a thread", "signal.pthread_kill(threading.get_ident(), 0)"),
    ("timer", "signal.signal(signal.SIGALRM, print); signal.setitimer(signal.ITIMER_REAL, 9)"),
    ("thread", "thread = threading.Thread(target=print, args=('',)); thread.start(); thread.join()"),
    ("limits of itself", "resource.setrlimit(resource.RLIMIT_CORE, (0, 0))"),
    ("cores of itself", "os.sched_setaffinity(0, os.sched_getaffinity(0))"),
    ("pair of streams", "a, b = socket.socketpair(); a.sendall(b'x'); assert b.recv(1) == b'x'"),
    ("pipe", "r, w = os.pipe(); os.write(w, b'x'); fcntl.fcntl(r, fcntl.F_SETFL, os.O_NONBLOCK)"),
    ("file", "Path(name).write_text('x'); os.rename(name, name + '2'); os.remove(name + '2')"),
    ("folder", "tempfile.TemporaryDirectory().cleanup()"),
    ("memory without a file", "mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE).close()"),
    ("shared file", "f = tempfile.TemporaryFile(); f.truncate(4096); mmap.mmap(f.fileno(), 4096).close()"),
    (
        "copy of a file",
        "Path(name).write_text('x'); shutil.copyfile(name, name + '2'); os.remove(name + '2')",
    ),
    ("copy with modes and times", "shutil.copy2(name, name + '2'); os.remove(name + '2')"),
    ("closing many descriptors", "os.closerange(3000, 4000)"),
    ("event loop", "asyncio.run(asyncio.sleep(0))"),
    ("pipe of multiprocessing", "a, b = multiprocessing.Pipe(); a.send(1); assert b.recv() == 1"),
    ("random numbers", "os.urandom(8)"),
]


# Each of these leaves the file `name`, and all priorities, as they are.
PRETENDED = [
    ("mode of a file", "os.chmod(name, 0o777)"),
    ("mode of an open file", "os.fchmod(file, 0o777)"),
    ("mode of a file in a folder", "os.chmod(os.path.basename(name), 0o777, dir_fd=os.open(folder, 0))"),
    ("time of a file", "os.utime(name, (1, 1))"),
    ("priority", "assert os.nice(1) == os.getpriority(0, 0)"),
    ("priority of the parent", "os.setpriority(os.PRIO_PROCESS, os.getppid(), 1)"),
    ("time of an open file", "os.utime(file, (1, 1))"),
]


@pytest.fixture(scope="module", params=USERS)
def outcomes(request: pytest.FixtureRequest) -> dict[str, str]:
    """What came of each case, in a process with the filter, by one of the users."""
    cases = {name: code for name, code, *_ in [*REFUSED, *KEPT]}
    cases |= {name: f"was = state()\n{code}\nassert state() == was, state()" for name, code in PRETENDED}
    return attempt(cases, user=request.param, load=LOAD, enter=ENTER)


@pytest.mark.parametrize(("name", "expected"), [(name, expected) for name, _, expected in REFUSED])
def test_refused(outcomes: dict[str, str], name: str, expected: str) -> None:
    """What reaches beyond the process is refused, to root too."""
    assert outcomes[name] == expected


@pytest.mark.parametrize("name", [name for name, _ in PRETENDED])
def test_pretended(outcomes: dict[str, str], name: str) -> None:
    """What sets a file's mode or times, or a priority, goes on as if it had, and all stay as they were."""
    assert outcomes[name] == "done"


@pytest.mark.parametrize("name", [name for name, _ in KEPT])
def test_kept(outcomes: dict[str, str], name: str) -> None:
    """What a process does to itself goes on as before."""
    assert outcomes[name] == "done"


def test_torch_trains() -> None:
    """Training with two threads, random numbers and saving go on as before."""
    code = TRAIN + 'assert len(os.listdir("/proc/self/task")) > 1'
    outcomes = attempt({"torch": code}, user=USERS[-1], load=LOAD_TORCH, enter=INSTALL)
    assert outcomes == {"torch": "done"}


def test_threads_that_run_already() -> None:
    """The filter binds the threads that run when it comes, and those that start afterwards."""
    code = """
def fork():
    come.wait()
    try:
        os.fork()
    except OSError as error:
        met.append(error.errno)

come, met = threading.Event(), []
early, late = threading.Thread(target=fork), threading.Thread(target=fork)
early.start()
seccomp.install(os.getpid())
late.start()
come.set()
early.join()
late.join()
assert met == [errno.EPERM] * 2, met
"""
    assert attempt({"threads": code}, user=USERS[0], enter="") == {"threads": "done"}


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the entry for 32-bit programs is x86-64's")
def test_foreign_architecture() -> None:
    """A call by the entry for 32-bit programs, whose numbers mean other calls, ends the process."""
    getpid = bytes.fromhex("b814000000 cd80 c3")  # mov eax, 20; int 0x80; ret
    code = f"""
page = mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page.write({getpid!r})
ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
"""
    outcomes = attempt({"int 0x80": code}, user=USERS[0], enter=INSTALL)
    assert outcomes == {"int 0x80": f"ended by signal {int(signal.SIGSYS)}"}


@pytest.mark.parametrize("error", ["ENOSYS", "EPERM", "EINVAL"])
def test_kernel_without_seccomp(error: str) -> None:
    """Where seccomp is not to be had, install says so in words and does nothing."""
    enter = f"lose(seccomp._MACHINES[os.uname().machine][2], errno.{error})"
    code = f"""
try:
    seccomp.install(os.getpid())
except kernel.Unavailable as reason:
    assert os.strerror(errno.{error}) in str(reason), reason
    os.setpgid(0, 0)
else:
    raise AssertionError("installed")
"""
    assert attempt({"install": code}, user=USERS[0], enter=enter) == {"install": "done"}


def test_machine_without_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    """On an architecture whose numbers nobody wrote down there is no filter, rather than a wrong one."""
    monkeypatch.setattr(os, "uname", lambda: os.uname_result(("Linux", "", "6.1", "", "riscv64")))
    with pytest.raises(kernel.Unavailable, match="no filter for riscv64"):
        seccomp.install(os.getpid())


# Machine, call's name for the reader, number, first arguments, verdict: an errno, or what stands below.
ALLOWED, KILLED = -1, -2
PID = 4711
VERDICTS = [
    *((machine, "getpid of another architecture", 0, (), KILLED) for machine in ("i386", "arm")),
    ("x86_64", "read", 0, (), ALLOWED),
    ("x86_64", "the same for x32", 0x4000_0000, (), errno.ENOSYS),
    ("x86_64", "mmap", 9, (), ALLOWED),
    ("x86_64", "futex", 202, (), ALLOWED),
    ("x86_64", "fork", 57, (), errno.EPERM),
    ("x86_64", "ptrace", 101, (), errno.EPERM),
    ("x86_64", "socket", 41, (2, 1, 0), errno.EACCES),
    ("x86_64", "open to truncate", 2, (0, os.O_TRUNC), errno.EPERM),
    ("x86_64", "open to write", 2, (0, os.O_TRUNC | os.O_WRONLY | os.O_CREAT), ALLOWED),
    ("x86_64", "thread", 56, (0x3D0F00,), ALLOWED),
    ("x86_64", "thread with descriptors of its own", 56, (0x3D0B00,), errno.EPERM),
    ("x86_64", "process", 56, (0x1200011,), errno.EPERM),
    ("x86_64", "memory of its own", 9, (0, 4096, 3, 0x22), ALLOWED),
    ("x86_64", "shared file", 9, (0, 4096, 3, 0x01, 3), ALLOWED),
    ("x86_64", "shared memory", 9, (0, 4096, 3, 0x4023), errno.EPERM),
    ("x86_64", "kill itself", 62, (PID, 9), ALLOWED),
    ("x86_64", "kill itself, upper half set", 62, (PID | 1 << 32, 9), ALLOWED),
    ("x86_64", "kill all", 62, (2**64 - 1, 9), errno.EPERM),
    ("aarch64", "read", 63, (), ALLOWED),
    ("aarch64", "mmap", 222, (), ALLOWED),
    ("aarch64", "shared memory", 222, (0, 4096, 3, 0x21), errno.EPERM),
    ("aarch64", "futex", 98, (), ALLOWED),
    ("aarch64", "exit_group", 94, (), ALLOWED),
    ("aarch64", "rt_sigaction", 134, (), ALLOWED),
    ("aarch64", "ptrace", 117, (), errno.EPERM),
    ("aarch64", "execve", 221, (), errno.EPERM),
    ("aarch64", "socket", 198, (2, 1, 0), errno.EACCES),
    ("aarch64", "pair of streams", 199, (1, 1 | os.O_CLOEXEC, 0), ALLOWED),
    ("aarch64", "pair of datagrams", 199, (1, 2 | os.O_CLOEXEC, 0), errno.EPERM),
    ("aarch64", "pair of another family", 199, (30, 1, 0), errno.EPERM),
    ("aarch64", "openat to read", 56, (2**64 - 100, 0, os.O_CLOEXEC), ALLOWED),
    ("aarch64", "openat to truncate", 56, (2**64 - 100, 0, os.O_TRUNC), errno.EPERM),
    ("aarch64", "thread", 220, (0x3D0F00,), ALLOWED),
    ("aarch64", "thread with descriptors of its own", 220, (0x3D0B00,), errno.EPERM),
    ("aarch64", "thread in a new namespace", 220, (0x403D0F00,), errno.EPERM),
    ("aarch64", "process", 220, (0x1200011,), errno.EPERM),
    ("aarch64", "clone3", 435, (), errno.ENOSYS),
    ("aarch64", "kill itself", 129, (PID, 9), ALLOWED),
    ("aarch64", "kill the parent", 129, (PID - 1, 9), errno.EPERM),
    ("aarch64", "own limits", 261, (0, 7), ALLOWED),
    ("aarch64", "limits of another", 261, (1, 7), errno.EPERM),
    ("aarch64", "F_GETFL", 25, (3, 3), ALLOWED),
    ("aarch64", "F_SETOWN", 25, (3, 8, 1), errno.EPERM),
    ("aarch64", "a call of a later kernel", 470, (), errno.ENOSYS),
]
ARCHITECTURES = {"i386": 0x4000_0003, "x86_64": 0xC000_003E, "arm": 0x4000_0028, "aarch64": 0xC000_00B7}


def decide(code: bytes, data: bytes) -> int:
    """Run a filter on a struct seccomp_data as the kernel would; return what it returns."""
    instructions = list(struct.iter_unpack("=HBBI", code))
    accumulator = at = 0
    while True:
        operation, if_true, if_false, value = instructions[at]
        at += 1
        if operation == 0x20:
            (accumulator,) = struct.unpack_from("=I", data, value)
        elif operation == 0x54:
            accumulator &= value
        elif operation == 0x05:
            at += value
        elif operation in (0x15, 0x35):
            at += (
                if_true if (accumulator == value if operation == 0x15 else accumulator >= value) else if_false
            )
        else:
            assert operation == 0x06
            return int(value)


@pytest.mark.parametrize(
    ("machine", "number", "arguments", "verdict"),
    [pytest.param(m, n, a, v, id=f"{m} {name}") for m, name, n, a, v in VERDICTS],
)
def test_program(machine: str, number: int, arguments: tuple[int, ...], verdict: int) -> None:
    """The filter of each architecture decides as it should, worked out here without that machine."""
    ours = {"i386": "x86_64", "arm": "aarch64"}.get(machine, machine)
    data = struct.pack("=iIQ6Q", number, ARCHITECTURES[machine], 0, *(*arguments, *bytes(6))[:6])
    expected = {ALLOWED: 0x7FFF_0000, KILLED: 0x8000_0000}.get(verdict, 0x0005_0000 | verdict)
    assert decide(seccomp.program(PID, ours), data) == expected


def test_sharing() -> None:
    """A process that is to compute on a GPU may map shared memory, as CUDA does, and nothing else more."""
    data = struct.pack("=iIQ6Q", 9, ARCHITECTURES["x86_64"], 0, 0, 4096, 3, 0x21, 0, 0)
    assert decide(seccomp.program(PID, "x86_64", sharing=True), data) == 0x7FFF_0000


HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}


@pytest.mark.parametrize("machine", HEADERS)
def test_numbers(machine: str) -> None:
    """The numbers in the lists are those of the kernel's own headers."""
    if not HEADERS[machine].exists():
        pytest.skip(f"{HEADERS[machine]} is not installed")
    defined = re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", HEADERS[machine].read_text())
    numbers = {name: int(number) for name, number in defined}
    source = Path(seccomp.__file__).read_text()
    column = list(HEADERS).index(machine)
    compared = 0
    for name, both in re.findall(r"\b([a-z]\w+):(\d+(?:/(?:\d+|-))?)", source):
        number = both.split("/")[column if "/" in both else 0]
        if name in numbers:  # older headers lack the newest calls
            assert number == str(numbers[name]), name
            compared += 1
        else:
            assert number == "-" or int(number) > 440, name
    assert compared > 100
