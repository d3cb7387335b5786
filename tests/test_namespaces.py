"""Process namespaces for the nursery's children, and the way to a Python in a closed home."""

from __future__ import annotations

import os
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


HALF = """
import os, sys
from pathlib import Path
from autograder import kernel, namespaces
folder = Path(sys.argv[1])
namespaces.enter()
mount = namespaces.mount
def half(source, *rest):
    if source.startswith("/proc/"):
        raise OSError("no such thing here")
    mount(source, *rest)
namespaces.mount = half
try:
    namespaces.open_way([str(folder / "closed" / "python")])
except OSError as error:
    print(error, os.listdir(folder / "closed"))
"""


def test_way_that_cannot_be_opened_is_left_as_it_was(tmp_path: Path) -> None:
    """Where the second of two mounts fails, the first one does not go on hiding what lies there."""
    if "namespaces" not in allowed() or os.geteuid():
        pytest.skip("this host allows no mounts of one's own")
    tmp_path.chmod(0o755)
    for folder in tmp_path.parents:  # pytest's own are closed
        if folder.owner() == "root" and not folder.stat().st_mode & 1:
            folder.chmod(0o755)
    (tmp_path / "closed" / "python").mkdir(parents=True)
    (tmp_path / "closed").chmod(0o700)
    done = subprocess.run(
        [sys.executable, "-c", HALF, str(tmp_path)],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "no such thing here ['python']\n", done.stderr
