"""The small calls to the kernel, each seen from outside where that is possible."""

from __future__ import annotations

import sys

import pytest
from confined import USERS, attempt

from autograder import kernel

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux only")

LOAD = """
def status(name):
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return line.partition(":")[2].strip()

def orphaned(adopter):
    # A child's child sleeps until its parent is gone, and says who its parent is then.
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        if os.fork() == 0:
            while os.getppid() != adopter and time.monotonic() < end:
                time.sleep(0.01)
            os.write(theirs, str(os.getppid()).encode())
        os._exit(0)
    os.waitpid(child, 0)
    return int(os.read(ours, 20))

end = time.monotonic() + 5
"""

CASES = {
    "no new privileges": "kernel.forbid_new_privileges(); assert status('NoNewPrivs') == '1'",
    "subreaper": "kernel.become_subreaper(); assert orphaned(os.getpid()) == os.getpid()",
    "hidden memory": """
kernel.hide_memory()
path = f"/proc/{os.getpid()}/environ"
reader = os.fork()
if reader == 0:
    try:
        if os.geteuid() == 0:
            kernel.drop_capabilities()
        open(path).read()
    except (PermissionError, FileNotFoundError):  # the latter where /proc shows one's own processes only
        os._exit(7)
    os._exit(0)
assert os.waitpid(reader, 0)[1] >> 8 == 7
""",
    "death with the parent": """
ours, theirs = os.pipe()
parent = os.fork()
if parent == 0:
    if os.fork() == 0:
        kernel.die_with_parent(signal.SIGKILL)
        os.write(theirs, b"ready")
        time.sleep(30)
        os.write(theirs, b"alive")
        os._exit(0)
    os.close(theirs)
    os.read(ours, 5)
    os._exit(0)
os.close(theirs)
os.waitpid(parent, 0)
assert os.read(ours, 5) == b"", "the child outlived its parent"
""",
    "no capabilities": "kernel.drop_capabilities(); assert int(status('CapPrm'), 16) == 0",
}


@pytest.mark.parametrize("user", USERS)
def test_calls(user: str) -> None:
    """Each call does what it says."""
    assert attempt(CASES, user=user, load=LOAD, enter="") == dict.fromkeys(CASES, "done")


@pytest.mark.skipif("root" not in USERS, reason="only root has capabilities to lock")
def test_locked_capabilities() -> None:
    """Root that gave up its capabilities can open no file of another, and no program gives them back."""
    enter = "kernel.lock_capabilities(); kernel.drop_capabilities()"
    cases = {
        "a file of another": "os.open(foreign, os.O_RDONLY)",
        "a user of another number": "os.setresuid(65534, 65534, 65534)",
        "bounding set": "assert int(status('CapBnd'), 16) == 0",
        "in a new program": "assert subprocess.run(['cat', foreign], stderr=-3).returncode == 1",
    }
    load = (
        LOAD
        + """
foreign = folder / "foreign"
foreign.touch(0o600)
os.chown(foreign, 65534, 65534)
"""
    )
    outcomes = attempt(cases, user="root", load=load, enter=enter)
    expected = ["EACCES", "EPERM", "done", "done"]
    assert outcomes == dict(zip(cases, expected, strict=True))


@pytest.mark.skipif("root" not in USERS, reason="as an ordinary user it is so for every test")
def test_locking_takes_root() -> None:
    """An ordinary user is told that there is nothing to lock."""
    outcomes = attempt({"lock": "kernel.lock_capabilities()"}, user="nobody", enter="")
    assert outcomes["lock"].startswith("Unavailable('secure bits: it is not permitted here")


def test_other_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    """On other systems every call says that it is Linux's."""
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(kernel.Unavailable, match="no new privileges: Linux only"):
        kernel.forbid_new_privileges()
