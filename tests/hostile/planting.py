"""Planting: files beside vae.py, or in its place, that somebody might run, follow, open or wait for."""

from __future__ import annotations

import importlib.util
import os
import socket
import stat
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .case import ALL, NONE, Hostile
from .solutions import REFERENCE, WRONG

if TYPE_CHECKING:
    from collections.abc import Callable

    from .case import Fill

__all__ = ["CASES"]

RIGHT, FALSE = REFERENCE.encode(), WRONG.encode()

# Says that it was run, to whoever started it and in folders that anybody may write.
RAN = b"""
import os, sys, tempfile
for folder in (tempfile.gettempdir(), "/tmp", "/var/tmp", "/dev/shm", os.getcwd(), os.path.dirname(__file__)):
    try:
        open(os.path.join(folder, "planted-@MARK@"), "w").close()
    except OSError:
        pass
print("BREA" + "CHED[@MARK@] " + __file__ + " was run", file=sys.stderr)
raise SystemExit("BREA" + "CHED[@MARK@] " + __file__ + " was run")
"""
PASSED = b"""
import pytest

@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    report.outcome = "passed"

def pytest_collection_modifyitems(items):
    for item in items:
        item.obj = lambda *a, **k: None

def pytest_sessionfinish(session):
    session.exitstatus = 0
"""
INI = b"[%s]\naddopts = --collect-only -p planted\npython_files = none*.py\nrequired_plugins = none\n"
VERDICT = b'{"score": 12, "tests": [{"number": "1.1", "score": 12, "max_score": 12, "status": "passed"}]}'

PLANTED = {
    "conftest.py": RAN,
    "tests/conftest.py": RAN,
    "conftest/__init__.py": RAN,
    "pytest.ini": INI % b"pytest",
    ".pytest.ini": INI % b"pytest",
    "tox.ini": INI % b"pytest",
    "setup.cfg": INI % b"tool:pytest",
    "pyproject.toml": b'[tool.pytest.ini_options]\naddopts = "-p planted"\n',
    "planted.py": RAN,
    "sitecustomize.py": RAN,
    "usercustomize.py": RAN,
    "torch.py": RAN,
    "torch/__init__.py": RAN,
    "torch/nn.py": RAN,
    "numpy.py": RAN,
    "json.py": RAN,
    "os.py": RAN,
    "typing.py": RAN,
    "random.py": RAN,
    "encodings/__init__.py": RAN,
    "encodings/utf_8.py": RAN,
    "safetensors/torch.py": RAN,
    "matplotlib/__init__.py": RAN,
    "nndl2/__init__.py": RAN,
    "nndl2/helper.py": RAN,
    "nndl2/utils.py": RAN,
    "autograder/__init__.py": RAN,
    "autograder/worker.py": RAN,
    "autograder/rubric/conftest.py": RAN,
    "gradescope_utils/__init__.py": RAN,
    "reference/vae.py": FALSE,
    "vae/__init__.py": RAN,
    "vae.pyw": RAN,
    "vae.so": b"\x7fELF" + bytes(100),
    f"vae{importlib.machinery.EXTENSION_SUFFIXES[0]}": b"\x7fELF" + bytes(100),
    "__main__.py": RAN,
    "__init__.py": RAN,
    "check.py": RAN,
    "planted.pth": b"import os; print('BREA' + 'CHED[@MARK@] a path file was run')\n",
    "python311._pth": b".\nimport site\n",
    "pyvenv.cfg": b"home = /nonexistent\ninclude-system-site-packages = true\n",
    "setup.py": RAN,
    "setup.sh": b"#!/bin/sh\necho 'BREACHED''[@MARK@] set-up'\n",
    "run_autograder": b"#!/bin/sh\necho 'BREACHED''[@MARK@] run'\n",
    "Makefile": b"all:\n\ttouch /tmp/planted-@MARK@\n",
    "results.json": VERDICT,
    "results/results.json": VERDICT,
    "submission_metadata.json": b'{"id": 1e999, "users": {"name": [[[["x"]]]]}, "assignment": null}',
    "submission_metadata.yml": b"a: &a [x]\nb: &b [*a,*a,*a,*a]\nc: !!python/object/apply:os._exit [0]\n",
    "matplotlibrc": b"backend: module://planted\n",
    "ipython_config.py": RAN,
    "jupyter_nbconvert_config.py": RAN,
    "conf.json": b'{"base_template": "planted"}',
    ".git/config": b"[core]\n\tfsmonitor = touch /tmp/planted-@MARK@; false\n",
    ".git/HEAD": b"ref: refs/heads/main\n",
    ".env": b"PYTHONPATH=.\nPYTHONINSPECT=1\n",
    ".coveragerc": b"[run]\nplugins = planted\n",
    "LD_PRELOAD.so": b"\x7fELF" + bytes(100),
    ".pytest_cache/v/cache/lastfailed": b"{}",
    ".hypothesis/x": b"x",
    ".bashrc": b"touch /tmp/planted-@MARK@\n",
    "__pycache__/torch.cpython-311.pyc": b"\0" * 100,
}


# The short run has these by themselves, and all of them at once.
BRIEF = {
    "conftest.py",
    "pytest.ini",
    "torch.py",
    "nndl2/__init__.py",
    "vae/__init__.py",
    "planted.pth",
    "results.json",
}


# And these it leaves out.
LONG = {
    *(
        "vae.py is a link to the password file",
        "vae.py is a link to the neighbour's",
        "vae.py is a link to nothing",
    ),
    *(
        "vae.py is a link to /dev/stdin",
        "vae.py is a link to its reader's memory",
        "vae.py is a link to a folder",
    ),
    *("vae.py is the terminal", "vae.py is a disk", "20000 files lie above vae.py", "nobody may read vae.py"),
    "only files of odd names, none of them vae.py",
}


def beside(name: str, contents: bytes) -> Hostile:
    """Make a case of the reference solution with a file beside it that must mean nothing."""
    files = {"vae.py": RIGHT, name: contents}
    return Hostile(
        f"plants {name}", "planting", files, ALL, earns=ALL, harm=("sources",), brief=name in BRIEF
    )


def built(
    name: str,
    keeps: frozenset[str] = NONE,
    earns: frozenset[str] = NONE,
    harm: tuple[str, ...] = (),
) -> Callable[[Callable[[Path, Fill], None]], Callable[[Path, Fill], None]]:
    """Make a case of a function that puts files into an empty folder."""

    def register(make: Callable[[Path, Fill], None]) -> Callable[[Path, Fill], None]:
        def build(folder: Path, fill: Fill) -> Path:
            submission = folder / "submission"
            submission.mkdir()
            make(submission, fill)
            return submission

        brief = name not in LONG
        CASES.append(Hostile(name, "planting", build, keeps, earns=earns, harm=("time", *harm), brief=brief))
        return make

    return register


CASES = [
    *(beside(name, contents) for name, contents in PLANTED.items()),
    Hostile("plants all of these at once", "planting", {**PLANTED, "vae.py": RIGHT}, ALL, ALL, ("sources",)),
    Hostile(
        "plants conftest.py that passes every row", "planting", {"vae.py": FALSE, "conftest.py": PASSED}, NONE
    ),
    Hostile(
        "plants conftest.py without any vae.py",
        "planting",
        {"conftest.py": PASSED, "pytest.ini": INI % b"pytest", "results.json": VERDICT},
        NONE,
    ),
    Hostile(
        "plants the right solution in another place",
        "planting",
        {
            "vae.py": FALSE,
            "reference/vae.py": RIGHT,
            "nndl2/vae.py": RIGHT,
            "vae/__init__.py": RIGHT,
            "VAE.py": RIGHT,
        },
        NONE,
    ),
    Hostile("plants two solutions at one depth", "planting", {"a/vae.py": FALSE, "b/vae.py": RIGHT}, ALL),
    Hostile("hands nothing in", "planting", {}, NONE),
    Hostile("hands an empty file in", "planting", {"vae.py": b""}, NONE),
    Hostile(
        "hides the solution under a name that looks like vae.py",
        "planting",
        {"vae.py ": RIGHT, "v\u0430e.py": RIGHT, "vae.py.": RIGHT, "VAE.PY": RIGHT, "vae.py\u200b": RIGHT},
        NONE,
        harm=("display",),
    ),
]

LINKS = {
    "the password file": "/etc/passwd",
    "the reference": "@ROOT@/reference/vae.py",
    "the canary": "@CANARY@",
    "the neighbour's": "@NEIGHBOUR@/vae.py",
    "itself": "vae.py",
    "nothing": "nowhere",
    "/dev/zero": "/dev/zero",
    "/dev/stdin": "/dev/stdin",
    "its reader's environment": "/proc/self/environ",
    "its reader's memory": "/proc/self/mem",
    "a folder": "/",
}


def link(target: str) -> Callable[[Path, Fill], None]:
    """Return a maker of a vae.py that is a symbolic link."""
    return lambda folder, fill: (folder / "vae.py").symlink_to(fill(target.encode()).decode())


for what, target in LINKS.items():
    built(f"vae.py is a link to {what}", harm=("canary", "neighbour"))(link(target))


@built("folders are links to the reference and to the root", harm=("sources",))
def _folders(folder: Path, fill: Fill) -> None:
    (folder / "solution").symlink_to(fill(b"@ROOT@/reference").decode())
    (folder / "root").symlink_to("/")
    (folder / "self").symlink_to(".")


@built("data beside vae.py are links outside", ALL, ALL, ("canary", "neighbour", "results"))
def _data(folder: Path, fill: Fill) -> None:
    (folder / "vae.py").write_bytes(RIGHT)
    for number, name in enumerate((b"@CANARY@", b"@VICTIM@", b"@NEIGHBOUR@", b"@ROOT@", b"/")):
        (folder / f"data-{number}").symlink_to(fill(name).decode())
    (folder / "results.json").symlink_to(fill(b"@VICTIM@").decode())
    (folder / "nndl2").symlink_to(fill(b"@NEIGHBOUR@").decode())
    (folder / "__pycache__").symlink_to(fill(b"@NEIGHBOUR@").decode())


@built("reads the canary through data that it handed in as a link", harm=("canary",))
def _carried(folder: Path, fill: Fill) -> None:
    (folder / "data.txt").symlink_to(fill(b"@CANARY@").decode())
    (folder / "vae.py").write_text("raise RuntimeError(open('data.txt').read())\n")


@built("data beside vae.py are hard links outside", ALL, ALL, ("canary",))
def _hard(folder: Path, fill: Fill) -> None:
    (folder / "vae.py").write_bytes(RIGHT)
    os.link(fill(b"@VICTIM@"), os.fsencode(folder / "data.bin"))


@built("vae.py is a FIFO")
def _fifo(folder: Path, fill: Fill) -> None:
    os.mkfifo(folder / "vae.py")


@built("a FIFO lies beside vae.py", ALL, ALL)
def _fifo_beside(folder: Path, fill: Fill) -> None:
    (folder / "vae.py").write_bytes(RIGHT)
    for name in ("data", "nndl2", "results.json", "conftest.py", "data.ipynb", "data.zip"):
        os.mkfifo(folder / name)


@built("vae.py is a socket")
def _socket(folder: Path, fill: Fill) -> None:
    here = os.open(".", os.O_RDONLY)
    os.chdir(folder)  # a socket's path may be 107 bytes long
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind("vae.py")
    finally:
        os.fchdir(here)
        os.close(here)


def device(kind: int, major: int, minor: int) -> Callable[[Path, Fill], None]:
    """Return a maker of a vae.py that is a device, or where that takes root, a FIFO."""

    def make(folder: Path, fill: Fill) -> None:
        try:
            os.mknod(folder / "vae.py", kind | 0o666, os.makedev(major, minor))
        except PermissionError:
            os.mkfifo(folder / "vae.py")

    return make


built("vae.py is /dev/zero")(device(stat.S_IFCHR, 1, 5))
built("vae.py is the terminal")(device(stat.S_IFCHR, 5, 0))
built("vae.py is a disk")(device(stat.S_IFBLK, 7, 0))


@built("vae.py is a folder")
def _folder(folder: Path, fill: Fill) -> None:
    (folder / "vae.py").mkdir()
    (folder / "vae.py" / "__init__.py").write_bytes(fill(RAN))


@built("vae.py is a file of 10 GB with nothing in it", harm=("memory", "disk"))
def _sparse(folder: Path, fill: Fill) -> None:
    with (folder / "vae.py").open("wb") as file:
        file.truncate(10 << 30)


@built("a file of 10 GB with nothing in it lies beside vae.py", ALL, ALL, ("memory", "disk"))
def _sparse_beside(folder: Path, fill: Fill) -> None:
    (folder / "vae.py").write_bytes(RIGHT)
    with (folder / "data.bin").open("wb") as file:
        file.truncate(10 << 30)


@built("20000 files lie beside vae.py", ALL, ALL, ("disk",))
def _many(folder: Path, fill: Fill) -> None:
    (folder / "vae.py").write_bytes(RIGHT)
    (folder / "many").mkdir()
    for number in range(20_000):
        os.close(os.open(folder / "many" / f"{number:05}.txt", os.O_CREAT))


@built("20000 files lie above vae.py", ALL)
def _above(folder: Path, fill: Fill) -> None:
    (folder / "deep").mkdir()
    (folder / "deep" / "vae.py").write_bytes(RIGHT)
    for number in range(20_000):
        os.close(os.open(folder / f"{number:05}.txt", os.O_CREAT))


@built("folders 200 deep lie beside vae.py", ALL, ALL)
def _deep(folder: Path, fill: Fill) -> None:
    (folder / "vae.py").write_bytes(RIGHT)
    folder.joinpath(*["d"] * 200).mkdir(parents=True)
    folder.joinpath(*["d"] * 200, "vae.py").write_bytes(FALSE)


@built("folders so deep that their path is too long for the system", ALL, ALL)
def _too_deep(folder: Path, fill: Fill) -> None:
    (folder / "vae.py").write_bytes(RIGHT)
    here = os.open(".", os.O_RDONLY)
    os.chdir(folder)
    try:
        for _ in range(30):
            Path("d" * 200).mkdir()
            os.chdir("d" * 200)
    finally:
        os.fchdir(here)
        os.close(here)


ODD_NAMES = (
    b"line\nbreak.txt", b"\x1b[31mred\x1b[0m.txt", b"\x1b]0;title\x07.txt", b"\xff\xfe.txt", b"x" * 255,
    b"-rf", b"--help", b"* ?.txt", b"$(touch planted-@MARK@).txt", b"`id`.txt", b"'\".txt", b"\\..\\x.txt",
    b"...", b" ", b"~", b"CON", b"a:b", b"\xe2\x80\xae\x79\x70.txt", b"<img src=x onerror=alert(1)>.txt",
    b"[red].txt", b"=cmd()|x.csv", b"%s%n.txt", b"{0}.txt", b"\x7f\x08\x08.txt", b"\xed\xa0\x80.txt",
)  # fmt: skip


@built("files of odd names lie beside vae.py", ALL, ALL, ("display",))
def _odd(folder: Path, fill: Fill) -> None:
    (folder / "vae.py").write_bytes(RIGHT)
    for name in ODD_NAMES:
        with open(os.path.join(os.fsencode(folder), fill(name)), "wb") as file:  # noqa: PTH118, PTH123 - not UTF-8
            file.write(b"x")


@built("only files of odd names, none of them vae.py", harm=("display",))
def _only_odd(folder: Path, fill: Fill) -> None:
    for name in ODD_NAMES:
        with open(os.path.join(os.fsencode(folder), fill(name)), "wb") as file:  # noqa: PTH118, PTH123 - not UTF-8
            file.write(b"x")


def in_folder(name: bytes) -> Callable[[Path, Fill], Path]:
    """Return a builder of a right submission in a folder of an odd name."""

    def build(folder: Path, fill: Fill) -> Path:
        submission = Path(os.fsdecode(os.path.join(os.fsencode(folder), name)))  # noqa: PTH118 - not UTF-8
        submission.mkdir()
        (submission / "vae.py").write_bytes(RIGHT)
        return submission

    return build


CASES += [
    Hostile(
        f"lies in a folder named {name!r}",
        "planting",
        in_folder(name),
        ALL,
        earns=ALL,
        harm=("display",),
        brief=name == b"\x1b[2J\x1b]0;x\x07",
    )
    for name in (
        b"two\nlines",
        b"\x1b[2J\x1b]0;x\x07",
        b"\xff\xfe",
        b"[red][link=x]",
        b"a b'\"$(id);*",
        b"<b>x",
    )
]


def as_link(folder: Path, fill: Fill) -> Path:
    """Hand in a link to the reference in place of a folder."""
    (folder / "submission").symlink_to(fill(b"@ROOT@/reference").decode())
    return folder / "submission"


CASES.append(Hostile("is itself a link to the reference", "planting", as_link, NONE, harm=("sources",)))


@built("vae.py is set-user-ID, executable and read-only", ALL, ALL)
def _setuid(folder: Path, fill: Fill) -> None:
    (folder / "vae.py").write_bytes(RIGHT)
    (folder / "vae.py").chmod(0o6555)


@built("nobody may read vae.py", ALL)
def _unreadable(folder: Path, fill: Fill) -> None:
    (folder / "vae.py").write_bytes(RIGHT)
    (folder / "vae.py").chmod(0)


@built("a folder beside vae.py may not be entered", ALL, ALL)
def _closed(folder: Path, fill: Fill) -> None:
    (folder / "vae.py").write_bytes(RIGHT)
    (folder / "closed").mkdir(mode=0)


def stale(*, checked: bool) -> Callable[[Path, Fill], None]:
    """Return a maker of a wrong vae.py with a right one in its bytecode cache; nothing is run here."""

    def make(folder: Path, fill: Fill) -> None:
        import marshal

        path = folder / "vae.py"
        path.write_bytes(FALSE)
        status = path.stat()
        code = marshal.dumps(compile(RIGHT, str(path), "exec"))
        stamp = struct.pack("<III", 0, int(status.st_mtime) & 0xFFFFFFFF, status.st_size)
        header = importlib.util.MAGIC_NUMBER + (stamp if checked else struct.pack("<IQ", 0b01, 0))
        (folder / "__pycache__").mkdir()
        for name in (f"__pycache__/vae.{sys.implementation.cache_tag}.pyc", "vae.pyc"):
            (folder / name).write_bytes(header + code)

    return make


built("the right solution lies in the bytecode cache, with a fitting date")(stale(checked=True))
built("the right solution lies in the bytecode cache, not to be checked")(stale(checked=False))
