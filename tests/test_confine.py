"""What a worker gives up before it meets the student's code, each tried in a process of its own."""

from __future__ import annotations

import errno
import os
import resource
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from autograder import kernel
from autograder.confine import (
    KEPT_VARIABLES,
    Plan,
    clean_environment,
    drop_user,
    noted,
    readable,
    set_limits,
    shut_process,
)

if TYPE_CHECKING:
    from apart import Apart

OWN = {
    "HOME",
    "TMPDIR",
    "USER",
    "MPLBACKEND",
    "MPLCONFIGDIR",
    "OMP_NUM_THREADS",
    "TORCHDYNAMO_DISABLE",
    "CUDA_VISIBLE_DEVICES",
}


def look_around(folder: str) -> tuple[set[str], bool, str]:
    """Clean the environment; returns its names, whether a secret is still in memory, and the temporary folder."""
    before = tempfile.gettempdir()
    # What the process was started with is what a child of it can read in /proc.
    pid = os.fork()
    if pid == 0:
        environment = {
            "SECRET_TOKEN": "hunter2",
            "LANG": "C",
            "PATH": os.defpath,
            "PYTHONPATH": str(Path.cwd()),
        }
        code = (
            "import tempfile; tempfile.gettempdir()\n"
            "from autograder.confine import Plan, clean_environment\n"
            f"clean_environment(Plan({folder!r}, {folder!r}))\n"
            "import os, pathlib\n"
            "found = b'hunter2' in pathlib.Path('/proc/self/environ').read_bytes()\n"
            f"pathlib.Path({folder!r}, 'found').write_text(f'{{found}} {{tempfile.gettempdir()}}')\n"
        )
        os.execve(sys.executable, [sys.executable, "-c", code], environment)  # noqa: S606
    os.waitpid(pid, 0)
    found, _, temporary = (Path(folder) / "found").read_text().partition(" ")
    clean_environment(Plan(folder, folder))
    assert before != folder
    return {*os.environ}, found == "True", temporary


def test_environment(apart: Apart, tmp_path: Path) -> None:
    """A worker has a short environment, no secret in its memory, and a temporary folder of its own."""
    names, secret, temporary = apart(look_around, str(tmp_path)).value
    assert names <= OWN | {*KEPT_VARIABLES}
    assert names >= OWN
    assert not secret
    assert temporary == str(tmp_path)


def run_into(folder: str, name: str) -> str:
    """Set the limits and run into one of them; returns what the system said."""
    set_limits(Plan(folder, folder))
    path = Path(folder) / "file"
    try:
        if name == "files":
            opened = [path.open("w") for _ in range(200)]
            return f"{len(opened)} files are open"
        if name == "file_size":
            with path.open("wb") as file:
                for _ in range(40):
                    file.write(bytes(1 << 20))
        if name == "address_space":
            return f"{len(bytearray(6 << 30))} bytes"
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    except MemoryError:
        return "ENOMEM"
    return str(resource.getrlimit(getattr(resource, name)))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("files", "EMFILE"),
        ("file_size", "EFBIG"),
        ("address_space", "ENOMEM"),
        ("RLIMIT_CORE", "(0, 0)"),
        ("RLIMIT_CPU", "(900, 900)"),
    ],
)
def test_limits(apart: Apart, tmp_path: Path, name: str, said: str) -> None:
    """Open files, the size of a file, memory, core dumps and processor time are bounded, for good."""
    assert apart(run_into, str(tmp_path), name).value == said


def limit_lower(folder: str) -> str:
    """Set the limits of an account that has less of its own; returns what is said of it."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    with pytest.raises(kernel.Unavailable) as said:
        set_limits(Plan(folder, folder))
    return f"{said.value} {resource.getrlimit(resource.RLIMIT_CORE)}"


def test_lower_limits_are_named(apart: Apart, tmp_path: Path) -> None:
    """Where the account has lower limits than a worker needs, that is said, and all others are in force."""
    said = apart(limit_lower, str(tmp_path)).value
    assert said.startswith("in force, but this account has lower ones")
    assert said.endswith("ulimit -n, of open files (0, 0)")


def break_off(error: Exception) -> None:
    """Raise it."""
    raise error


@pytest.mark.parametrize(
    ("error", "missing"),
    [(kernel.Unavailable("not here"), {"layer": "not here"}), (OSError("refused"), {"layer": "refused"})],
)
def test_what_is_not_to_be_had(error: Exception, missing: dict[str, str]) -> None:
    """A layer that a host does not have is named with its reason, and the others go on."""
    state: dict[str, Any] = {"layers": [], "missing": {}}
    with noted(state, "layer"):
        break_off(error)
    with noted(state, "other"):
        pass
    assert state == {"layers": ["other"], "missing": missing}


def test_own_mistakes_are_not_noted() -> None:
    """A mistake of ours is no layer that the host lacks."""
    with pytest.raises(KeyError), noted({"layers": [], "missing": {}}, "layer"):
        raise KeyError


def stay_oneself(folder: str, uid: int | None) -> str:
    """Drop the user; returns why that could not be."""
    if os.geteuid() == 0 and uid is not None:
        os.setuid(65534)
    try:
        drop_user(Plan(folder, folder, uid))
    except kernel.Unavailable as reason:
        return str(reason)
    return "dropped"


@pytest.mark.parametrize("uid", [None, 54321])
def test_no_user_to_drop_to(apart: Apart, tmp_path: Path, uid: int | None) -> None:
    """Whoever is not root keeps the user; root without an id for the worker loses its powers. Both say so."""
    said = apart(stay_oneself, str(tmp_path / "work"), uid).value
    assert "capabilities" in said if uid is None and os.geteuid() == 0 else said == "not started as root"


@pytest.mark.parametrize("kind", ["prefix", "base_prefix"])
def test_beside_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """Where Python or its environment was made in the folder of a class, a worker may read of it Python alone."""
    monkeypatch.setattr(sys, kind, str(tmp_path))
    opened = [Path(path) for path in readable()]
    theirs = [
        "pyvenv.cfg",
        "bin/python",
        "lib/python3.13/os.py",
        "ben/vae.py",
        "out/results/ben.json",
        "grades.csv",
    ]
    assert [
        name for name in theirs if any((tmp_path / name).is_relative_to(path) for path in opened)
    ] == theirs[:3]


def descriptors(folder: str) -> str:
    """Have a child open some descriptors and shut itself in; returns which of them are still open then."""
    pid = os.fork()
    if pid == 0:
        try:
            found = Path(folder, "found").open("w", encoding="utf-8")  # noqa: SIM115 - its descriptor is the one to keep
            hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            numbers = [os.dup2(found.fileno(), n) for n in (100, 101, min(5000, hard - 1))]
            shut_process(Plan(folder, folder), found.fileno(), numbers[0])
            found.write(" ".join(str(is_open(n)) for n in (found.fileno(), *numbers)))
            found.close()
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    return Path(folder, "found").read_text("utf-8")


def is_open(number: int) -> bool:
    """Tell whether a descriptor is open."""
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def test_descriptors(apart: Apart, tmp_path: Path) -> None:
    """No descriptor but those given is left open, however high its number is."""
    assert apart(descriptors, str(tmp_path)).value == "True False False False"
