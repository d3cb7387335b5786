"""What a worker gives up before it meets the student's code: layer upon layer, each where the host has it.

    process     a session of its own, no descriptor but the pipe to the grader and its output, a short environment
    user        (when started as root) a user id that nothing else has, or, failing that, no capabilities
    limits      address space, processes, open files, size of a file, CPU seconds
    landlock    reads Python and the system's libraries, writes its own folder, nothing else
    seccomp     no sockets, no other processes, no new processes

(And namespaces, which the nursery enters once for all its workers.) No layer depends on another, and one that is not
to be had is named in the result. Nothing here can be undone.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy.random
import torch

from autograder import kernel, landlock, seccomp
from autograder.namespaces import closed_folder, counted_apart

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

__all__ = ["LAYERS", "Plan", "become", "confine", "hide", "is_safe", "needed"]

LAYERS = ("process", "user", "limits", "landlock", "seccomp")

# What Python, torch, matplotlib and torchvision open, beside their own folders, and psutil of its own process.
READABLE = (
    *("/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/localtime", "/etc/fonts", "/dev/urandom"),
    *("/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/sys/devices/system/cpu"),
    *("/proc/self/stat", "/proc/self/statm", "/proc/self/status"),
)
# What Python needs of the folder that it is installed in, or of an environment's: other things may lie there too.
OF_PYTHON = ("bin", "include", "lib", "lib64", "share", "pyvenv.cfg")
LINUX = sys.platform == "linux"
ROOM = 1500 << 20  # bytes of memory that student code may use; the grader watches over them
KEPT_VARIABLES = ("LANG", "LC_ALL", "LC_CTYPE", "PATH", "SYSTEMROOT", "TZ")  # SYSTEMROOT: Windows needs it


@dataclass(frozen=True)
class Plan:
    """How one worker is to live."""

    folder: str  # its working directory: a copy of the submission, its own to write
    temporary: str  # its temporary folder
    uid: int | None = None  # the user id to take, where the grader is root
    layers: tuple[str, ...] = LAYERS
    address_space: int = 2500 << 20  # bytes, beyond what is mapped before (torch's ordinary build maps 3 GiB)
    file_size: int = 32 << 20  # bytes
    files: int = 128  # open ones; with file_size, it bounds what removed files can hold where we may not look
    processes: int = 64  # threads, of a user id that has no others
    cpu: int = 900  # seconds
    strict: bool = False  # whether it is to end before it meets the student's code when too few layers hold
    readable: tuple[str, ...] = ()  # what it may read beside Python and the system's libraries
    device: str = "cpu"  # or, for training alone, "cuda" or "mps"


def confine(plan: Plan, parent: int, socket: int, output: int) -> dict[str, Any]:
    """Close this process in.

    parent: the process that it must not outlive
    socket, output: the two descriptors it keeps
    Returns the layers in force, and for each other one the reason.
    """
    state: dict[str, Any] = {"layers": [], "missing": {}}
    rules = None
    if "process" in plan.layers:
        shut_process(plan, socket, output)
        state["layers"].append("process")
    if "landlock" in plan.layers:
        with noted(state, "landlock"):
            driver, gpus = nvidia() if plan.device == "cuda" else ((), ())
            rules = landlock.Ruleset.prepare(
                read=(*readable(), *plan.readable, *driver),
                write=(plan.folder, plan.temporary, os.devnull, *gpus),
            )
    if "limits" in plan.layers:
        with noted(state, "limits"):
            set_limits(plan)
    if "user" in plan.layers:
        with noted(state, "user"):
            drop_user(plan)
    if LINUX:
        kernel.die_with_parent(signal.SIGKILL)
        if os.getppid() not in (parent, 0):  # 0: it is in another process namespace
            raise SystemExit("the parent is gone")
        kernel.forbid_new_privileges()
        kernel.show_memory()  # or the grader, where it may not look at everybody's, could not see what this one holds
    if rules:
        with noted(state, "landlock"):
            rules.enforce()
    if "seccomp" in plan.layers:
        with noted(state, "seccomp"):
            seccomp.install(os.getpid(), sharing=plan.device == "cuda")
    return state


@contextlib.contextmanager
def noted(state: dict[str, Any], layer: str) -> Iterator[None]:
    """Note that a layer is in force, or why it is not."""
    try:
        yield
    except (kernel.Unavailable, OSError, ValueError, ImportError) as reason:  # Windows has no resource limits
        state["missing"][layer] = str(reason)
    else:
        if layer not in state["layers"]:
            state["layers"].append(layer)


def is_safe(layers: Collection[str]) -> bool:
    """Tell whether these layers are enough for code by somebody else than who grades."""
    return "user" in layers or {"landlock", "seccomp"} <= {*layers}


def shut_process(plan: Plan, socket: int, output: int) -> None:
    """Leave the grader's session, descriptors, environment and import path."""
    os.chdir(plan.folder)
    os.umask(0o077)
    if os.name == "posix":
        os.setsid()
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        shut_descriptors(socket)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    # A wrapper that nothing refers to any more would close its descriptor.
    sys.__stdin__, sys.__stdout__, sys.__stderr__ = sys.stdin, sys.stdout, sys.stderr  # type: ignore[misc]
    multiprocessing.set_start_method(None, force=True)  # it is the student's to set
    sys.argv[:] = ["vae.py"]  # not the grader's: what parses its arguments at import finds none
    faulthandler.enable(sys.stderr)  # a crash names the student's line
    clean_environment(plan)
    inside = (plan.folder, str(Path(__file__).parents[1]))
    sys.path[:] = [path for path in sys.path if path and str(Path(path).resolve()) not in inside]
    sys.dont_write_bytecode = True
    reset_warnings()
    random.seed()
    numpy.random.seed()  # noqa: NPY002 - a student may draw from this one
    torch.default_generator.seed()
    torch.set_num_threads(1)


def shut_descriptors(socket: int) -> None:
    """Close all descriptors but the first three and this one, however high."""
    try:
        opened = [int(path.name) for path in Path("/dev/fd").iterdir()]  # /proc/self/fd on Linux
    except OSError:
        opened = []
        os.closerange(3, socket)
        os.closerange(socket + 1, 1 << 16)
    for number in opened:
        if number > 2 and number != socket:
            with contextlib.suppress(OSError):  # that of the list itself
                os.close(number)


def reset_warnings() -> None:
    """Warn as Python does by itself, whatever -W or PYTHONWARNINGS says to the grader: it might be to raise them."""
    warnings.resetwarnings()
    for kind in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
        warnings.simplefilter("ignore", kind)


def clean_environment(plan: Plan) -> None:
    """Keep a short environment, and overwrite the rest of it in memory, where a process can always look."""
    if os.name == "posix":
        getenv = ctypes.CDLL(None).getenv
        getenv.restype = ctypes.c_void_p
        for name in os.environ:
            address = getenv(os.fsencode(name))
            if name not in KEPT_VARIABLES and address:
                ctypes.memset(address, 0, len(ctypes.string_at(address)))
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    os.environ.clear()
    os.environ.update(
        kept,
        HOME=plan.temporary,
        TMPDIR=plan.temporary,
        USER="student",  # torch asks for it, and no such user is known here
        MPLBACKEND="Agg",
        MPLCONFIGDIR=plan.temporary,
        OMP_NUM_THREADS="1",
        TORCHDYNAMO_DISABLE="1",  # torch.compile would start a C compiler; without it, it changes nothing
    )
    tempfile.tempdir = None  # as it was found out for the grader
    if plan.device != "cuda":  # the twelve rows are judged on the CPU
        os.environ["CUDA_VISIBLE_DEVICES"] = ""


def set_limits(plan: Plan) -> None:
    """Set the resource limits. The grader watches the resident memory itself: no limit here bounds it."""
    import resource  # not on Windows

    mapped, data = 8 << 30, 4 << 30  # where nothing tells how much it is
    with contextlib.suppress(OSError):
        mapped, *_, data, _ = (
            int(n) * resource.getpagesize() for n in Path("/proc/self/statm").read_text().split()
        )
    limits = {
        # CUDA maps more than there is: the memory of all GPUs and of the host.
        resource.RLIMIT_AS: resource.RLIM_INFINITY if plan.device == "cuda" else mapped + plan.address_space,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_CPU: plan.cpu,
        resource.RLIMIT_FSIZE: plan.file_size,
        resource.RLIMIT_NOFILE: 1024 if plan.device == "cuda" else plan.files,
    }
    # It counts all processes of a user; an ordinary one has others, but not in namespaces of its own.
    apart = plan.uid is not None and "user" in plan.layers
    with contextlib.suppress(OSError):  # where there is no /proc, it is not known
        apart = apart or counted_apart()
    if apart:
        limits[resource.RLIMIT_NPROC] = plan.processes
    for limit, value in limits.items():
        hard = resource.getrlimit(limit)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)  # noqa: PLW2901
        resource.setrlimit(limit, (value, value))
    expect_room(plan, mapped, data)


def expect_room(plan: Plan, mapped: int, data: int) -> None:
    """Expect what right code may need of this account, whose own limits may be lower. Raises kernel.Unavailable.

    mapped: bytes that were before the student's code; data: those of them that can be written
    """
    import resource  # not on Windows

    allowed = {
        "v, of memory": (resource.RLIMIT_AS, mapped + ROOM),
        "d, of data": (resource.RLIMIT_DATA, data + ROOM),
        "t, of processor time": (resource.RLIMIT_CPU, plan.cpu),
        "f, of a file's size": (resource.RLIMIT_FSIZE, plan.file_size),
        "n, of open files": (resource.RLIMIT_NOFILE, plan.files),
        "u, of processes": (resource.RLIMIT_NPROC, plan.processes),
    }
    short = [name for name, (limit, value) in allowed.items() if 0 <= resource.getrlimit(limit)[0] < value]
    if short:
        raise kernel.Unavailable(
            f"in force, but this account has lower ones, which may end right code: ulimit -{'; -'.join(short)}"
        )


def drop_user(plan: Plan) -> None:
    """Become the user planned, or as root without one: keep the name and lose its powers."""
    uid = plan.uid
    if os.name != "posix" or os.geteuid() != 0:
        drop_powers()  # an ordinary user has all of them in a user namespace of its own
        raise kernel.Unavailable("not started as root")
    if uid is None:
        drop_powers()
        why = "no other user id is free, or may be taken here"
        for what, paths in (
            ("Python", needed()),
            ("the temporary folder", [str(Path(plan.folder).parents[1])]),
        ):
            if folder := closed_folder(paths):
                why = f"{folder} is closed to other users, and {what} lies in it"
        raise kernel.Unavailable(f"{why}; it has no capabilities instead")
    become(uid)


def drop_powers() -> None:
    """Lose all capabilities, as far as that is possible, for good."""
    for step in (kernel.lock_capabilities, kernel.drop_capabilities):
        with contextlib.suppress(kernel.Unavailable):
            step()


def become(uid: int) -> None:
    """Become a user, for good. Raises OSError."""
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def readable() -> list[str]:
    """List what a worker may read: Python, its packages, the system's libraries."""
    python = [f"{prefix}/{name}" for prefix in (sys.prefix, sys.base_prefix) for name in OF_PYTHON]
    packages = [path for path in sys.path if path.endswith("-packages")]
    return [*python, str(Path(torch.__file__).parents[1]), *packages, *READABLE]


def nvidia() -> tuple[list[str], list[str]]:
    """List what NVIDIA's driver reads beside its libraries, and its devices."""
    driver = ("/proc/driver/nvidia", "/proc/self", "/proc/devices", "/proc/modules", "/proc/meminfo", "/sys")
    return list(driver), [str(path) for path in Path("/dev").glob("nvidia*")]


def needed() -> list[str]:
    """List the folders without which a worker can import nothing more: Python's and its packages'."""
    return [sys.prefix, sys.base_prefix, str(Path(torch.__file__).parents[1])]


def hide() -> None:
    """Keep other processes of the same user out of this one's memory, and inherit its orphans (Linux)."""
    if LINUX:
        with contextlib.suppress(kernel.Unavailable):
            kernel.hide_memory()
        kernel.become_subreaper()
