"""A student's notebook, run in the sandbox and shown as a page that does nothing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import pytest
import torch
from torchvision.datasets import MNIST

from autograder import execution
from autograder.digits import Digits
from autograder.files import Unreadable

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOK = ROOT / "student_template" / "vae.ipynb"
SOURCE = ROOT / "reference" / "vae.py"


def run(*arguments: str | Path, at: Path) -> subprocess.CompletedProcess[str]:
    """Run the command; without a network, so that no test waits for one, and on drawn digits, which are few."""
    return subprocess.run(
        [sys.executable, "-m", "autograder", "notebook", *map(str, arguments)],
        cwd=at,
        env={
            **{name: value for name, value in os.environ.items() if name != "VAE_AUTOGRADER_DATA"},
            "PYTHONPATH": str(ROOT),
            "https_proxy": "http://127.0.0.1:9",
            "http_proxy": "http://127.0.0.1:9",
        },
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )


def write(folder: Path, *cells: str, vae: str = "") -> Path:
    """Write a submission with these cells in its notebook."""
    folder.mkdir()
    (folder / "vae.py").write_text(vae)
    code = [nbformat.v4.new_code_cell(cell) for cell in cells]
    nbformat.write(nbformat.v4.new_notebook(cells=code), folder / "vae.ipynb")
    return folder


@pytest.mark.slow
def test_reference(tmp_path: Path) -> None:
    """The assignment's notebook runs with the reference's vae.py: every cell, each picture, no error."""
    folder = tmp_path / "done"
    folder.mkdir()
    shutil.copy(SOURCE, folder)
    shutil.copy(NOTEBOOK, folder)
    done = run(folder, "--execute", "--out", "out/page.html", at=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"^All \d\d cells of code were run without an error.$", done.stdout, re.MULTILINE)
    page = (tmp_path / "out" / "page.html").read_text("utf-8")
    assert page.count("<img") == 6
    assert len(re.findall(r"Train Epoch: 1 Loss: \d+\.\d{6}", page)) == 2
    assert not re.findall(r"^WRONG |^\w*Error:", re.sub(r"<[^>]*>", "", page), re.MULTILINE)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["done", "out"]


HOSTILE = (
    "import socket; socket.socket()",
    "import subprocess; subprocess.run(['id'])",
    f"open({str(SOURCE)!r}).read()",
    "print('x' * 5_000_000)",
    "from IPython.display import HTML, display; display(HTML('<script>alert(1)</script><b>kept</b>'))",
    "import sys; print('to stdout'); print('to stderr', file=sys.stderr); 6 * 7",
    "raise ValueError('<img src=x>')",
    "import vae; vae.answer",
    "while True: pass",
    "print('never')",
)


@pytest.mark.slow
def test_hostile_cells(tmp_path: Path) -> None:
    """No cell reaches the network, other processes or other files; one that never ends loses none before it."""
    write(tmp_path / "bad", *HOSTILE, vae="answer = 'from vae.py'\n")
    done = run("bad", "--execute", "--seconds", "12", at=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Not run to the end: Your code did not answer within" in done.stdout
    page = (tmp_path / "notebook.html").read_text("utf-8")
    assert page.count("PermissionError") >= 3
    assert "solution begins" not in page
    assert "<script" not in page
    for words in (
        "<b>kept</b>",
        "to stdout",
        "to stderr",
        "42",
        "from vae.py",
        "characters more",
        "ValueError",
    ):
        assert words in page
    assert "never" not in re.sub(r"print\(.*?\)", "", re.sub(r"<[^>]*>", "", page))
    assert "<img src=x>" not in page
    assert len(page) < 400_000


@pytest.mark.slow
def test_memory(tmp_path: Path) -> None:
    """A cell that takes too much memory ends the run, and the page says so."""
    write(tmp_path / "big", "x = 1", "y = b'x' * 900_000_000; import time; time.sleep(5)", "z = 1")
    done = run("big", "--execute", "--memory", "300", at=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Not run to the end: Your code used more than 300 MB of memory." in done.stdout


def test_as_handed_in(tmp_path: Path) -> None:
    """Without --execute the saved outputs are shown, and nothing is run."""
    folder = write(tmp_path / "it", "raise SystemExit")
    notebook = nbformat.read(folder / "vae.ipynb", as_version=4)
    notebook.cells[0].outputs = [nbformat.v4.new_output("stream", text="saved words")]
    nbformat.write(notebook, folder / "vae.ipynb")
    for source in (folder, folder / "vae.ipynb"):
        assert b"saved words" in execution.saved(source)
    page = execution.page(execution.saved(folder), ("A line with <b>.",))
    assert "saved words" in page
    assert "A line with &lt;b&gt;." in page


def test_the_page_goes_through_no_link(tmp_path: Path) -> None:
    """In a student's folder, a link of the page's name is replaced, and what it leads to stays."""
    folder = write(tmp_path / "it", "1 + 1")
    (tmp_path / "mine").write_text("mine")
    (folder / "notebook.html").symlink_to(tmp_path / "mine")
    done = run(".", at=folder)
    assert done.returncode == 0, done.stderr
    assert "<html" in (folder / "notebook.html").read_text("utf-8")
    assert not (folder / "notebook.html").is_symlink()
    assert (tmp_path / "mine").read_text() == "mine"


def test_nothing_to_show(tmp_path: Path) -> None:
    """Where there is no notebook, or none that can be read, that is said."""
    (tmp_path / "vae.py").write_text("")
    with pytest.raises(Unreadable, match="there is no notebook"):
        execution.saved(tmp_path)
    with pytest.raises(Unreadable, match="cannot be shown"):
        execution.page(b"{")


FOUND: dict[str, tuple[list[str], str | None]] = {
    "the only one": (["mine.ipynb"], "mine.ipynb"),
    "the one of that name": (["a.ipynb", "vae.ipynb"], "vae.ipynb"),
    "the nearest of that name": (["a/vae.ipynb", "vae.ipynb"], "vae.ipynb"),
    "below": (["a/vae.ipynb"], "a/vae.ipynb"),
    "two others": (["a.ipynb", "b.ipynb"], None),
    "in capitals": (["MINE.IPYNB"], "MINE.IPYNB"),
    "none": ([], None),
}


@pytest.mark.parametrize(("names", "expected"), FOUND.values(), ids=FOUND)
def test_which_notebook(tmp_path: Path, names: list[str], expected: str | None) -> None:
    """The notebook called vae.ipynb counts, or the only one; otherwise none is guessed."""
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    if expected is None:
        with pytest.raises(Unreadable):
            execution.saved(tmp_path)
    else:
        assert execution.saved(tmp_path) == expected.encode()


def make_link(path: Path) -> None:
    """Link to a file of somebody else's."""
    path.symlink_to(SOURCE)


def make_large(path: Path) -> None:
    """Make a file that is larger than any notebook may be."""
    with path.open("wb") as file:
        file.truncate(execution.MAX_NOTEBOOK + 1)


@pytest.mark.parametrize("make", [make_link, make_large, Path.mkdir, os.mkfifo, lambda _path: None])
def test_what_the_worker_left(tmp_path: Path, make: Callable[[Path], Any]) -> None:
    """Of what a worker puts in the notebook's place, only a regular file of a usual size is read."""
    make(tmp_path / "executed.ipynb")
    home = os.open(tmp_path, os.O_RDONLY)
    try:
        assert execution.read("executed.ipynb", home) == b""
    finally:
        os.close(home)


def test_images_as_torchvision_reads_them(tmp_path: Path) -> None:
    """What is written for the notebook is what torchvision reads."""
    images, labels = torch.randint(256, (9, 1, 28, 28), dtype=torch.uint8), torch.arange(9).byte()
    execution.write_mnist(
        Digits("", "", images, labels, images.flip(0)[:5], labels.flip(0)[:5], {}, 1),
        tmp_path / "MNIST" / "raw",
    )
    for train, count in ((True, 9), (False, 5)):
        found = MNIST(str(tmp_path), train=train)
        right = images if train else images.flip(0)
        assert torch.equal(found.data, right[:count, 0])
        assert found.targets.tolist() == (labels if train else labels.flip(0))[:count].tolist()
