"""The Landlock layer: what a process can still reach, by each version of Landlock, and that torch trains."""

from __future__ import annotations

import importlib.util
import platform
import re
import sys
from pathlib import Path

import pytest
from confined import LOAD_TORCH, PYTHON, TRAIN, USERS, attempt

from autograder import kernel, landlock

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux only")

# Folders that the file system lets everybody write, so that nothing but Landlock stands in the way.
LOAD = """
for name in ("work", "lent", "other"):
    (folder / name).mkdir()
    (folder / name).chmod(0o777)
    for file in ("file", "file to cut", "file to move"):
        (folder / name / file).write_text("x")
        (folder / name / file).chmod(0o666)
work, lent, other = folder / "work", folder / "lent", folder / "other"
(work / "way out").symlink_to(other / "file")
(work / "folder").mkdir()
(work / "folder").chmod(0o777)
listener = socket.create_server(("127.0.0.1", 0))
abstract = socket.socket(socket.AF_UNIX)
abstract.bind(f"\\0vae-test-{os.getpid()}")
abstract.listen()
open_file = os.open(other / "file", os.O_RDONLY)
def tcp(): socket.create_connection(listener.getsockname())
def unix(): socket.socket(socket.AF_UNIX).connect(abstract.getsockname())
"""
PREPARE = f"""
rules = landlock.Ruleset.prepare(
    read=[*{PYTHON}, lent, other / "file to move", folder / "missing"], write=[work, "/dev/null"]
)
"""
# Prepared first, as by a grader that is root; then the user is dropped; then enforced.
ENTER = "rules.enforce()"

REFUSED = [
    ("read a file", "(other / 'file').read_text()", "EACCES"),
    ("read through a link", "(work / 'way out').read_text()", "EACCES"),
    ("read through ..", "(work / '..' / 'other' / 'file').read_text()", "EACCES"),
    ("read beside a lent file", "(other / 'file to cut').read_text()", "EACCES"),
    ("list the root", "os.listdir('/')", "EACCES"),
    ("list a home folder", "os.listdir('/root' if os.path.exists('/root') else '/home')", "EACCES"),
    ("list shared memory", "os.listdir('/dev/shm')", "EACCES"),
    ("write shared memory", "open('/dev/shm/vae-test', 'w')", "EACCES"),
    ("write below /tmp", "open('/tmp/vae-test', 'w')", "EACCES"),
    ("read the list of users", "open('/etc/passwd').read()", "EACCES"),
    ("environment of the parent", "open(f'/proc/{os.getppid()}/environ').read()", "EACCES"),
    ("memory of the parent", "open(f'/proc/{os.getppid()}/mem').read()", "EACCES"),
    ("list of processes", "os.listdir('/proc')", "EACCES"),
    ("write a file", "(other / 'file').open('a')", "EACCES"),
    ("write a lent file", "(lent / 'file').open('a')", "EACCES"),
    ("truncate a file", "os.truncate(other / 'file to cut', 0)", "EACCES"),
    ("truncate a lent file", "os.open(lent / 'file to cut', os.O_RDONLY | os.O_TRUNC)", "EACCES"),
    ("create in a lent folder", "(lent / 'new').touch()", "EACCES"),
    ("remove a lent file", "(lent / 'file').unlink()", "EACCES"),
    ("make a folder", "(other / 'new').mkdir()", "EACCES"),
    ("remove a folder", "work.rmdir()", "EACCES"),
    ("move a file out", "(work / 'file').rename(other / 'new')", "EACCES"),
    ("move a file in", "(other / 'file to move').rename(work / 'new')", "EACCES"),
    ("link a lent file in, to change it", "os.link(lent / 'file', work / 'linked')", "EXDEV"),
    ("make a named pipe", "os.mkfifo(work / 'pipe')", "EACCES"),
    ("make a socket", "socket.socket(socket.AF_UNIX).bind(str(work / 'socket'))", "EACCES"),
    ("make a device", "os.mknod(work / 'device', 0o20600, os.makedev(1, 5))", "EACCES"),
    ("run a program of one's own", "os.execv(script, [script])", "EACCES"),
    ("connect by TCP", "tcp()", "EACCES"),
    ("listen by TCP", "socket.create_server(('127.0.0.1', 0))", "EACCES"),
    ("connect to an abstract socket", "unix()", "EPERM"),
    ("signal the parent", "os.kill(os.getppid(), 0)", "EPERM"),
    (
        "trace the parent",
        "syscall(101 if os.uname().machine == 'x86_64' else 117, 16, os.getppid(), 0, 0)",
        "EPERM",
    ),
    ("read in a new thread", "threads_met(lambda: (other / 'file').read_text())", "EACCES"),
    ("read in a new process", "children_met(lambda: (other / 'file').read_text())", "EACCES"),
]

KEPT = [
    ("read a lent file", "assert (lent / 'file').read_text() == 'x'"),
    ("read a lone lent file", "assert (other / 'file to move').read_text() == 'x'"),
    ("read what was open before", "assert os.read(open_file, 1) == b'x'"),
    ("list a lent folder", "os.listdir(lent)"),
    ("list and read", "os.listdir(work); (work / 'file').read_text()"),
    ("write and truncate", "(work / 'file').write_text('y'); os.truncate(work / 'file', 0)"),
    ("create and remove", "(work / 'new').touch(); (work / 'new').unlink()"),
    ("make and remove a folder", "(work / 'new').mkdir(); (work / 'new').rmdir()"),
    ("move between folders", "(work / 'file to move').rename(work / 'folder' / 'file')"),
    ("make a symbolic link", "(work / 'link').symlink_to('file')"),
    ("write to /dev/null", "open('/dev/null', 'w').write('x')"),
    ("random numbers", "open('/dev/urandom', 'rb').read(1)"),
    ("signal itself", "os.kill(os.getpid(), 0)"),
    ("signal its child", "children_met(time.sleep, 9)"),
]
HELPERS = """
script = str(work / f"script of {os.getpid()}")
with open(script, "w") as file:
    file.write("#!/bin/sh")
os.chmod(script, 0o755)

def threads_met(function):
    met = []
    def wrapped():
        try:
            function()
        except OSError as error:
            met.append(error)
    thread = threading.Thread(target=wrapped)
    thread.start()
    thread.join()
    for error in met:
        raise error

def children_met(function, *arguments):
    pid = os.fork()
    if pid == 0:
        code = 0
        try:
            function(*arguments)
        except OSError as error:
            code = error.errno
        os._exit(code)
    if arguments:
        os.kill(pid, signal.SIGKILL)
    status = os.waitpid(pid, 0)[1]
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise OSError(os.WEXITSTATUS(status), "met by the child")
"""


def test_available() -> None:
    """A kernel that has Landlock has it here: the other tests try the layer, and fail where it is missing."""
    modules = Path("/sys/kernel/security/lsm")
    version = tuple(map(int, re.findall(r"\d+", platform.release())[:2]))
    without = version < (5, 13) or (modules.exists() and "landlock" not in modules.read_text().split(","))
    if without:
        with pytest.raises(kernel.Unavailable, match="Landlock: this kernel"):
            kernel.landlock_abi()
        pytest.skip("this kernel has no Landlock")
    assert kernel.landlock_abi() >= 1


@pytest.fixture(scope="module", params=USERS)
def outcomes(request: pytest.FixtureRequest) -> dict[str, str]:
    """What came of each case, in a process that is restricted, by one of the users."""
    cases = {name: HELPERS + code for name, code, *_ in [*REFUSED, *KEPT]}
    return attempt(cases, user=request.param, load=LOAD + PREPARE, enter=ENTER)


@pytest.mark.parametrize(("name", "expected"), [(name, expected) for name, _, expected in REFUSED])
def test_refused(outcomes: dict[str, str], name: str, expected: str) -> None:
    """What no rule opens stays closed, to root too."""
    # Where /proc shows one's own processes only (hidepid), others' are not even there.
    unseen = "of the parent" in name and outcomes[name] == "ENOENT"
    assert outcomes[name] == expected or unseen


@pytest.mark.parametrize("name", [name for name, _ in KEPT])
def test_kept(outcomes: dict[str, str], name: str) -> None:
    """What a rule opens stays open."""
    assert outcomes[name] == "done"


# Name, code, the first ABI that decides about it, what comes of it before, and from then on.
GROWTH = [
    ("read", "(other / 'file').read_text()", 1, "", "EACCES"),
    ("write", "(other / 'file').open('r+')", 1, "", "EACCES"),
    ("move inside", "(work / 'file').rename(work / 'folder' / f'{os.getpid()}')", 2, "EXDEV", "done"),
    ("truncate", "os.truncate(other / 'file to cut', 0)", 3, "done", "EACCES"),
    ("truncate by a reader", "os.open(lent / 'file', os.O_RDONLY | os.O_TRUNC)", 3, "done", "EACCES"),
    ("truncate by neither", "os.open(other / 'file', os.O_ACCMODE | os.O_TRUNC)", 3, "done", "EACCES"),
    ("TCP", "tcp()", 4, "done", "EACCES"),
    ("device", "fcntl.ioctl(open('/dev/urandom', 'rb'), 0x80045200, bytes(4))", 5, "done", "EACCES"),
    ("abstract socket", "unix()", 6, "done", "EPERM"),
    ("signal", "os.kill(os.getppid(), 0)", 6, "done", "EPERM"),
]


@pytest.mark.parametrize("abi", range(1, 7))
def test_every_version(abi: int) -> None:
    """An older kernel's Landlock is used for as much as it knows."""
    if kernel.landlock_abi() < abi:
        pytest.skip(f"this kernel has ABI {kernel.landlock_abi()}")
    load = f"{LOAD}\nkernel.landlock_abi = lambda: {abi}\n{PREPARE}"
    cases = {name: code for name, code, *_ in GROWTH}
    outcomes = attempt(cases, user=USERS[0], load=load, enter=ENTER)
    assert outcomes == {name: before if abi < since else after for name, _, since, before, after in GROWTH}


def test_first_version_with_seccomp() -> None:
    """What the first Landlock leaves open, seccomp closes."""
    cases = {name: code for name, code, since, before, _ in GROWTH if since > 1 and before == "done"}
    del cases["device"]  # opened for reading only, and no device but the random one can be
    load = f"{LOAD}\nkernel.landlock_abi = lambda: 1\n{PREPARE}"
    outcomes = attempt(cases, user=USERS[0], load=load, enter=f"{ENTER}\nseccomp.install(os.getpid())")
    assert set(outcomes.values()) <= {"EPERM", "EACCES"}, outcomes
    assert len(outcomes) == 6


@pytest.mark.parametrize("user", USERS)
def test_torch_trains(user: str) -> None:
    """Training, random numbers and saving need only Python and one folder, with seccomp and without."""
    rules = f"landlock.Ruleset.prepare(read={PYTHON}, write=[folder]).enforce()\n"
    cases = {"alone": rules + TRAIN, "with seccomp": f"{rules}seccomp.install(os.getpid())\n{TRAIN}"}
    outcomes = attempt(cases, user=user, load=LOAD_TORCH, enter="")
    assert outcomes == {"alone": "done", "with seccomp": "done"}


def test_torch_without_random_device() -> None:
    """The random device is in the list of what torch reads because torch cannot seed itself without it."""
    read = [path for path in PYTHON if path != "/dev/urandom"]
    enter = f"landlock.Ruleset.prepare(read={read}, write=[folder]).enforce()"
    outcomes = attempt({"torch": "torch.seed()"}, user=USERS[0], load=LOAD_TORCH, enter=enter)
    assert "urandom" in outcomes["torch"]


LATE = ["matplotlib.pyplot", "torch._dynamo", "torch.distributions", "torchvision.transforms"]


@pytest.fixture(scope="module")
def imports() -> dict[str, str]:
    """What came of each import behind both layers, in a process that has torch already."""
    load = "os.environ.update(TMPDIR=str(folder), MPLCONFIGDIR=str(folder))\nimport torch"
    enter = f"landlock.Ruleset.prepare(read={PYTHON}, write=[folder]).enforce()\nseccomp.install(os.getpid())"
    return attempt({module: f"import {module}" for module in LATE}, user=USERS[0], load=load, enter=enter)


@pytest.mark.parametrize("module", LATE)
def test_late_imports(imports: dict[str, str], module: str) -> None:
    """A package that a submission is the first to import works, given a temporary folder."""
    if not importlib.util.find_spec(module.partition(".")[0]):
        pytest.skip(f"{module} is not installed")
    assert imports[module] == "done"


@pytest.mark.parametrize("error", ["ENOSYS", "EPERM", "EOPNOTSUPP"])
def test_kernel_without_landlock(error: str) -> None:
    """Where Landlock is not to be had, this is told apart from a mistake, in words."""
    code = f"""
try:
    landlock.Ruleset.prepare(read=["/"])
except kernel.Unavailable as reason:
    assert str(reason).startswith("Landlock: ") and os.strerror(errno.{error}) in str(reason), reason
else:
    raise AssertionError("prepared")
"""
    outcomes = attempt({"prepare": code}, user=USERS[0], enter=f"lose(444, errno.{error})")
    assert outcomes == {"prepare": "done"}


def test_other_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    """On any system but Linux there is no Landlock."""
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(kernel.Unavailable, match="Landlock: Linux only"):
        landlock.Ruleset.prepare()


def test_mistake_of_ours() -> None:
    """Any other answer of the kernel is an error, never taken for a missing layer."""
    outcomes = attempt(
        {"prepare": "landlock.Ruleset.prepare()"}, user=USERS[0], enter="lose(444, errno.EINVAL)"
    )
    assert outcomes == {"prepare": "EINVAL"}


def test_threads_that_run_already() -> None:
    """A process with threads is not restricted in part: that is an error."""
    enter = "threading.Thread(target=time.sleep, args=(9,), daemon=True).start()"
    outcomes = attempt({"enforce": "landlock.Ruleset.prepare().enforce()"}, user=USERS[0], enter=enter)
    assert outcomes["enforce"].startswith("RuntimeError('Landlock binds only the calling thread, and 2 run")


def test_no_descriptor_is_left() -> None:
    """Neither preparing nor enforcing nor giving up leaves a descriptor open."""
    code = """
def numbers(): return sorted(os.listdir("/proc/self/fd"))
before = numbers()
landlock.Ruleset.prepare(read=["/"], write=[folder]).close()
assert numbers() == before
landlock.Ruleset.prepare(read=["/"], write=[folder]).enforce()
assert numbers() == before
"""
    assert attempt({"descriptors": code}, user=USERS[0], enter="") == {"descriptors": "done"}
