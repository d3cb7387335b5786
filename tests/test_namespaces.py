"""Process namespaces for the nursery's children, and the way to a Python in a closed home."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from places import USER, allowed

from autograder.namespaces import closed_folder

FORK = """
import ctypes, os, signal
from autograder import kernel, namespaces
namespaces.enter()
kernel.become_subreaper()
for _ in range(3):
    pid = namespaces.fork_apart()
    if pid == 0:
        first = ctypes.CDLL(None).shmget(0x51, 4096, 0o3600) >= 0  # IPC_CREAT | IPC_EXCL; it is left behind
        alone = os.getpid() == 1 and os.getppid() == 0 and first
        if os.fork() == 0:
            signal.pause()
        os._exit(7 if alone else 1)
    assert os.waitpid(pid, 0) == (pid, 7 << 8)
    try:
        os.waitpid(-1, 0)
    except ChildProcessError:
        print("nobody is left")
"""


@pytest.mark.parametrize("user", [0, USER])
def test_child_is_alone_and_takes_all_with_it(user: int) -> None:
    """For root and for a user, a child finds nobody else, and no memory of others, where the host has namespaces."""
    command = [sys.executable, "-c", FORK]
    if user:
        command = [sys.executable, "tests/places.py", "user", *command]
    done = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False)
    users = Path("/proc/sys/user/max_user_namespaces").read_text() != "0\n"
    if (
        "namespaces" not in allowed() if user == 0 else not users
    ):  # then the reason is given, and no child is made
        assert "Unavailable" in done.stderr
        assert not done.stdout
        return
    assert done.stdout == "nobody is left\n" * 3, done.stderr


def test_closed_folder_is_found(tmp_path: Path) -> None:
    """The first folder on the way that others may not enter is named."""
    (tmp_path / "a" / "b" / "c").mkdir(parents=True)
    (tmp_path / "a" / "b").chmod(0o700)
    found = closed_folder([str(tmp_path / "a" / "b" / "c")])
    assert found is not None
    assert found in [tmp_path / "a" / "b", *tmp_path.parents]  # pytest's own folders are closed, too
