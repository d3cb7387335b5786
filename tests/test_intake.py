"""What a student handed in becomes a folder with vae.py in it, or a reason why not."""

from __future__ import annotations

import errno
import os
import re
import socket
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from handed_in import MIB, VAE, Tree, below, make_folder, make_zip, zipped

from autograder import files
from autograder.files import printable
from autograder.intake import Unreadable, stage

if TYPE_CHECKING:
    from collections.abc import Callable

DEEP = "a/b/c/d/e/f/g/h/i/j/k/l"


@pytest.fixture(params=[make_folder, make_zip], ids=["folder", "zip"])
def make(request: pytest.FixtureRequest) -> Callable[[Tree, Path], Path]:
    """Make a submission as a folder and as a zip: both must be judged alike."""
    maker: Callable[[Tree, Path], Path] = request.param
    return maker


MODEL = b'{"cells": [{"cell_type": "code", "source": "class VAE: pass"}]}'
TAKEN: dict[str, tuple[Tree, set[str], list[str]]] = {
    # what is handed in, what is staged beside vae.py, what the notes say
    "vae.py alone": ({"vae.py": VAE}, set(), []),
    "a folder that was zipped": ({"project/vae.py": VAE, "project/a.txt": b"a"}, {"a.txt"}, []),
    "twelve folders deep": ({f"{DEEP}/vae.py": VAE}, set(), []),
    "the shallowest counts": ({"src/vae.py": VAE, "src/old/vae.py": b"old"}, set(), ["src/old/vae.py"]),
    "data beside and below it": (
        {"p/vae.py": VAE, "p/w.pt": b"\x80", "p/data/x.npy": b"x", "other/y.npy": b"y"},
        {"w.pt", "data/x.npy"},
        [],
    ),
    "what systems leave behind": (
        {
            "vae.py": VAE,
            "__MACOSX/._vae.py": b"junk",
            "__MACOSX/vae.py": b"junk",
            ".DS_Store": b"junk",
            ".git/objects/ab/cd": b"junk",
            ".ipynb_checkpoints/vae-checkpoint.py": b"junk",
            "Thumbs.db": b"junk",
            "__pycache__/vae.cpython-311.pyc": b"junk",
            "vae.pyc": b"junk",
        },
        set(),
        [],
    ),
    "a copy of nndl2": ({"vae.py": VAE, "nndl2/helper.py": b"", "nndl2/MNIST/t": b"x"}, set(), ["nndl2"]),
    "vae.py put into nndl2": ({"nndl2/vae.py": VAE, "nndl2/x.txt": b""}, {"x.txt"}, []),
    "code that would be planted": (
        {"vae.py": b"import json as j\nfrom os import path, _x\n# import conftest\n", "pytest.ini": b""}
        | dict.fromkeys(
            ["conftest.py", "torch.py", "json.py", "sitecustomize.py", "_x.so"], b"raise SystemExit"
        ),
        set(),
        ["other code was left out: _x.so, json.py"],
    ),
    "code that takes no part": (
        {"vae.py": VAE, "notebook.py": b"from vae import VAE\nmodel = VAE(784)\n"},
        set(),
        [],
    ),
    "a part in another file": (
        {"vae.py": VAE, "loss.py": b"import torch\n\ndef loss_function(x):\n    pass\n", "plots.py": b""},
        set(),
        ["other code was left out: loss.py"],
    ),
    "a notebook that defines a model, too": (
        {"vae.py": VAE, "vae.ipynb": MODEL},
        {"vae.ipynb"},
        ["vae.ipynb defines VAE or CVAE, too, and was not looked at: vae.py counts"],
    ),
    "a module in a folder": (
        {"vae.py": b"from parts.encoder import f\n", "parts/encoder.py": b"", "old/x.py": b""},
        set(),
        ["other code was left out: parts/encoder.py"],
    ),
    "the only zip within": (
        {"hand-in/p.zip": zipped({"vae.py": VAE, "x": b""})},
        {"x"},
        ["p.zip was unpacked"],
    ),
    "bytes that are no UTF-8": ({"vae.py": b"# \xe9\r\n"}, set(), []),
    "an empty vae.py": ({"vae.py": b""}, set(), []),
    "exactly a mebibyte": ({"vae.py": b"#" * MIB}, set(), []),
    "odd names": (
        {"vae.py": VAE, "a\nb": b"", "é" * 100: b"", "x" * 255: b""},
        {"a\nb", "é" * 100, "x" * 255},
        [],
    ),
    # too much beside it: vae.py itself is still graded
    "501 files": ({"vae.py": VAE} | {f"{i}.png": b"" for i in range(501)}, set(), ["more than 500"]),
    "33 MiB": (
        {"vae.py": VAE} | {f"{i}.bin": os.urandom(11 * MIB) for i in range(3)},
        set(),
        ["more than 32 MiB"],
    ),
    "thirteen folders deep": ({"vae.py": VAE, f"{DEEP}/m/x": b""}, set(), ["more than 12 deep"]),
}


@pytest.mark.parametrize(("tree", "beside", "notes"), TAKEN.values(), ids=TAKEN)
def test_taken(
    tree: Tree, beside: set[str], notes: list[str], make: Callable[[Tree, Path], Path], tmp_path: Path
) -> None:
    """The shallowest vae.py is staged, with the data beside it, from a folder and from a zip alike."""
    staged = stage(make(tree, tmp_path / "handed in"), tmp_path / "staged")

    names = {"vae.py", *beside}
    assert below(tmp_path / "staged") == names
    expected = min(
        (name for name in tree if name.endswith("vae.py") and "__" not in name), key=len, default=None
    )
    assert (tmp_path / "staged/vae.py").read_bytes() == (tree[expected] if expected else VAE)
    said = "\n".join(staged.notes)
    assert all(note in said for note in notes)
    assert notes or not said


REFUSED: dict[str, tuple[Tree, str]] = {
    "nothing": ({}, "there is no vae.py: the submission is empty"),
    "only junk": ({".DS_Store": b"", "__MACOSX/vae.py": VAE}, "the submission is empty"),
    "another case": ({"VAE.py": VAE}, "there is no vae.py; found VAE.py: rename VAE.py to vae.py"),
    "a second download": ({"p/vae (1).py": VAE}, "found p/vae (1).py: rename p/vae (1).py to vae.py"),
    "several candidates": ({"a.py": VAE, "b.py": VAE}, "there is no vae.py; found a.py, b.py"),
    "a text file": ({"vae.py.txt": VAE}, "found vae.py.txt: rename vae.py.txt to vae.py"),
    "several at the same depth": (
        {"b/vae.py": VAE, "a/vae.py": VAE},
        "clear which file counts: a/vae.py, b/vae.py",
    ),
    "a class": (
        {f"{name}/vae.py": VAE for name in "abc"},
        "this looks like a class, and `autograder batch` grades one: a/vae.py, b/vae.py, c/vae.py; if it is one",
    ),
    "an export": (
        {"a/vae.py": VAE, "b/vae.py": VAE, "submission_metadata.yml": b"{}"},
        "this looks like a class, and `autograder batch` grades one: a/vae.py, b/vae.py",
    ),
    "a class of zips": ({f"{name}.zip": b"" for name in "abc"}, "c.zip: this looks like a class"),
    "a large vae.py": ({"vae.py": b"#" * (MIB + 1)}, "vae.py has more than 1 MiB"),
    "a notebook that imports it": (
        {"vae.ipynb": b'{"cells": []}'},
        "only where it defines the class VAE or CVAE",
    ),
    "a notebook that is cut off": (
        {"a/vae.ipynb": b'{"cells": [{"cell_type": "code", "source": "import'},
        "there is no vae.py, and a/vae.ipynb is damaged: it is cut off, or no notebook",
    ),
    "a notebook without end": ({"vae.ipynb": b"[" * 100_000}, "vae.ipynb is damaged"),
    "two zips": ({"a.zip": zipped({"vae.py": VAE}), "b.zip": zipped({"vae.py": VAE})}, "found a.zip, b.zip"),
    "a zip in a zip in a zip": ({"a.zip": zipped({"b.zip": zipped({"c.zip": b""})})}, "found b.zip"),
    "vae.py thirteen folders deep": ({f"{DEEP}/m/vae.py": VAE}, "more than 12 deep"),
    "the template without vae.py": (
        {"check.py": b"", "nndl2/helper.py": b""},
        "there is no vae.py; found check.py, nndl2/helper.py",
    ),
    "one candidate beside the template's files": (
        {"check.py": b"", "nndl2/helper.py": b"", "model.py": VAE},
        "found model.py, check.py, nndl2/helper.py: rename model.py to vae.py",
    ),
    "control characters": ({"\x1b[31m\u202e.py": VAE}, r"found \x1b[31m\u202e.py"),
}


@pytest.mark.parametrize(("tree", "reason"), REFUSED.values(), ids=REFUSED)
def test_refused(tree: Tree, reason: str, make: Callable[[Tree, Path], Path], tmp_path: Path) -> None:
    """What cannot be graded is refused with the reason, alike from a folder and from a zip."""
    with pytest.raises(Unreadable, match=re.escape(reason)):
        stage(make(tree, tmp_path / "handed in"), tmp_path / "staged")
    assert below(tmp_path / "staged") == set()


def test_hash_is_of_what_counts(tmp_path: Path) -> None:
    """A file, a folder and a zip with one vae.py have one hash; a byte or a data file more gives another."""
    tree = {"b.txt": b"b", "vae.py": VAE, "a/x.txt": b"a"}
    alone = {"vae.py": VAE, "nndl2/x.py": b"", ".DS_Store": b"x"}
    sources = {
        "file": make_folder({"alice.py": VAE}, tmp_path / "1") / "alice.py",
        "folder": make_folder(alone, tmp_path / "2"),
        "zip": make_zip(dict(reversed(alone.items())), tmp_path / "3"),
        "data": make_folder(tree, tmp_path / "4"),
        "data in another order": make_zip(dict(reversed(tree.items())), tmp_path / "5"),
        "a byte more": make_folder({"vae.py": VAE + b" "}, tmp_path / "6"),
    }
    hashes = {name: stage(source, tmp_path / "staged" / name).sha256 for name, source in sources.items()}

    assert hashes["file"] == hashes["folder"] == hashes["zip"]
    assert hashes["data"] == hashes["data in another order"]
    assert len({*hashes.values()}) == 3


def test_copy_of_the_notebook(tmp_path: Path) -> None:
    """Of several notebooks in a folder vae.ipynb counts; one of other submissions' is not guessed to be it."""
    folder = make_folder({"vae.ipynb": MODEL, "vae-Copy1.ipynb": MODEL}, tmp_path / "one")
    assert stage(folder, tmp_path / "staged").notes[0].startswith("vae.py was made from vae.ipynb")
    folder = make_folder({"anna/vae.ipynb": MODEL, "ben/my.ipynb": MODEL}, tmp_path / "two")
    with pytest.raises(Unreadable, match="it is not clear which file counts"):
        stage(folder, tmp_path / "not-staged")


def test_single_file_brings_no_neighbours(tmp_path: Path) -> None:
    """A .py file given by its path is taken whatever its name, and what lies beside it is another's."""
    folder = make_folder({"alice.py": VAE, "bob.py": b"", "notes.txt": b""}, tmp_path / "class")
    stage(folder / "alice.py", tmp_path / "staged")
    assert below(tmp_path / "staged") == {"vae.py"}


@pytest.mark.parametrize("name", ["vae.tar.gz", "vae", "vae.txt", "vae.rar"])
def test_other_files(name: str, tmp_path: Path) -> None:
    """A file of another kind is refused by its name."""
    (tmp_path / name).write_bytes(VAE)
    with pytest.raises(Unreadable, match=re.escape(f"{name} is not a folder, a zip, a .py file")):
        stage(tmp_path / name, tmp_path / "staged")


def test_missing(tmp_path: Path) -> None:
    """A source that is not there is told without the paths of this machine."""
    with pytest.raises(Unreadable) as refused:
        stage(tmp_path / "x.zip", tmp_path / "staged")
    assert str(refused.value) == "its files are not there"


def test_staging_needs_an_empty_folder(tmp_path: Path) -> None:
    """A folder that holds something already is the caller's mistake, not the student's."""
    source = make_folder({"vae.py": VAE}, tmp_path / "s")
    stage(source, tmp_path / "staged")
    with pytest.raises(FileExistsError):
        stage(source, tmp_path / "staged")


def plant(kind: str, at: Path, secret: Path) -> None:
    """Put something at a path that is no regular file."""
    if kind == "link to a file":
        at.symlink_to(secret)
    elif kind == "link to a folder":
        at.symlink_to(secret.parent, target_is_directory=True)
    elif kind == "loop":
        at.symlink_to(at.parent, target_is_directory=True)
    elif kind == "fifo":
        os.mkfifo(at)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(os.path.relpath(at))  # such names are short
    else:
        os.mknod(at, stat.S_IFCHR | 0o666, os.makedev(1, 5))  # /dev/zero


KINDS = ["link to a file", "link to a folder", "loop", "fifo", "socket"]
KINDS += ["device"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []  # only root can make one


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file outside of the submission that must stay there."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/vae.py").write_text("the neighbour's")
    return tmp_path / "outside/vae.py"


@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", KINDS)
def test_special_file_beside(kind: str, secret: Path, tmp_path: Path) -> None:
    """Links, FIFOs, sockets and devices beside vae.py are left out, and the notes say so."""
    source = make_folder({"vae.py": VAE}, tmp_path / "s")
    plant(kind, source / "x", secret)
    staged = stage(source, tmp_path / "staged")
    assert below(tmp_path / "staged") == {"vae.py"}
    what = "symbolic link" if "l" in kind[:2] else "special file"
    assert staged.notes == (f"{what} x was ignored",)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", KINDS)
def test_special_file_as_vae_py(kind: str, secret: Path, tmp_path: Path) -> None:
    """Where vae.py itself is a link, FIFO, socket or device, it is neither followed nor opened."""
    source = make_folder({}, tmp_path / "s")
    plant(kind, source / "vae.py", secret)
    with pytest.raises(
        Unreadable, match=r"there is no vae.py; (symbolic link|special file) vae.py was ignored"
    ):
        stage(source, tmp_path / "staged")
    reason = "is a symbolic link, which is not followed" if "l" in kind[:2] else "is not a folder, a zip"
    with pytest.raises(Unreadable, match=f"vae.py {reason}"):
        stage(source / "vae.py", tmp_path / "staged")


@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", ["link to a file", "fifo"])
def test_swapped_after_listing(
    kind: str, tmp_path: Path, secret: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that becomes a link or a FIFO after it was listed is not followed, and not waited for."""
    source = make_folder({"vae.py": VAE}, tmp_path / "s")
    real = os.open

    def swap(path: Path, flags: int) -> int:
        path.unlink()
        plant(kind, path, secret)
        return real(path, flags)

    monkeypatch.setattr(os, "open", swap)
    with pytest.raises(Unreadable, match=r"Too many levels of symbolic links|is not a regular file"):
        stage(source, tmp_path / "staged")


def test_nothing_is_written_over(tmp_path: Path) -> None:
    """Where a file system takes two names for one, the second file does not replace the first."""
    files.write([VAE], tmp_path, ("vae.py",))
    with pytest.raises(Unreadable, match=r"vae.py is there twice"):
        files.write([b"other"], tmp_path, ("vae.py",))
    assert (tmp_path / "vae.py").read_bytes() == VAE


def test_name_that_is_no_text(tmp_path: Path) -> None:
    """A file name of bytes that are no UTF-8 is copied as it is, and is escaped in notes."""
    source = make_folder({"vae.py": VAE}, tmp_path / "s")
    odd = os.fsdecode(b"\xff\xfe")
    (source / odd).write_bytes(b"x")
    (source / f"{odd}.py").symlink_to("nowhere")
    staged = stage(source, tmp_path / "staged")
    assert below(tmp_path / "staged") == {"vae.py", odd}
    assert staged.notes == (r"symbolic link \udcff\udcfe.py was ignored",)


def test_folder_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A vae.py near the top is found however many files lie below, and found missing in bounded time."""
    monkeypatch.setattr(files, "MAX_LISTED", 50)
    source = make_folder({"vae.py": VAE} | {f"x/{number}": b"" for number in range(50)}, tmp_path / "s")
    staged = stage(source, tmp_path / "staged")
    assert staged.notes == (
        "only vae.py was taken, not the files beside it: there are more than 50 files and folders",
    )
    (source / "vae.py").unlink()
    with pytest.raises(
        Unreadable, match=r"no vae.py was found near the top, and there are more than 50 files"
    ):
        stage(source, tmp_path / "another")


def test_notes_are_few(tmp_path: Path) -> None:
    """Notes beyond twenty are counted."""
    source = make_folder({"vae.py": VAE}, tmp_path / "s")
    for number in range(30):
        (source / str(number)).symlink_to("nowhere")
    notes = stage(source, tmp_path / "staged").notes
    assert (len(notes), notes[-1]) == (21, "and 10 more such notes")


def test_full_disk_is_no_fault_of_the_student(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error in writing our own copy is not taken for an unreadable submission."""
    source = make_folder({"vae.py": VAE}, tmp_path / "s")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(OSError, match="No space left"):
        stage(source, tmp_path / "staged")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain é 漢字", "plain é 漢字"),
        ("a\nb\x1b[2J\x7f", r"a\nb\x1b[2J\x7f"),
        ("right \u202e to left", r"right \u202e to left"),
        ("lone \ud800", r"lone \ud800"),
        ("\U000e0001", r"\U000e0001"),
        ("a joiner \u200d between", "a joiner \u200d between"),
        ("a" * 130, "a" * 60 + "…" + "a" * 59),
    ],
)
def test_printable(text: str, expected: str) -> None:
    """Text from students is shown on one line, with every control character spelled out."""
    assert printable(text) == expected


def test_what_this_account_may_not_read_is_its_own_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file or a folder that is closed to the grader is no verdict on the submission; one that is gone is."""
    source = make_folder({"vae.py": VAE}, tmp_path / "given")
    wrong: OSError = PermissionError(errno.EACCES, "Permission denied")

    def fail(*_: object) -> None:
        raise wrong

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", fail)
        with pytest.raises(PermissionError):
            stage(source, tmp_path / "staged")
        wrong = FileNotFoundError(errno.ENOENT, "No such file")
        with pytest.raises(Unreadable, match="No such file"):
            stage(source, tmp_path / "gone")
    # A closed folder matters where there is no vae.py elsewhere.
    (source / "closed").mkdir()
    scan = os.scandir

    def scan_open(path: Path) -> Any:
        if path == source / "closed":
            raise PermissionError(errno.EACCES, "Permission denied")
        return scan(path)

    monkeypatch.setattr(os, "scandir", scan_open)
    assert "folder closed cannot be read: Permission denied" in stage(source, tmp_path / "open").notes
    (source / "vae.py").unlink()
    with pytest.raises(PermissionError):
        stage(source, tmp_path / "nothing")
