"""A student's notebook, run from top to bottom in the sandbox, and shown as HTML that does nothing."""

from __future__ import annotations

import importlib.util
import os
import shutil
import stat
import tempfile
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from autograder import digits, files, intake, web
from autograder.dialogue import Dialogue
from autograder.endings import Ended
from autograder.outcome import Raised
from autograder.preview import Preview
from autograder.sandbox import Sandbox, open_starter
from autograder.watch import Limits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from autograder.digits import Digits

__all__ = ["Executed", "Settings", "execute", "page", "saved"]

MAX_CELLS = 1000
MAX_NOTEBOOK = 16 * files.MIB
NNDL2 = Path(__file__).parents[1] / "student_template" / "nndl2"


@dataclass(frozen=True)
class Settings:
    """How to run a notebook."""

    seconds: float = 600  # all cells together
    memory: int = 2000  # MiB, beyond what the worker shares with the grader
    epochs: int = 1  # of the assignment's own training cells
    data: Path | None = None  # where MNIST is; else it is looked for as for the training run
    strict: bool = True  # run nothing where the sandbox is too weak for files by others


@dataclass(frozen=True)
class Executed:
    """A notebook's bytes, as far as it was run, and what is to be said about the run."""

    notebook: bytes
    lines: tuple[str, ...]


def saved(submission: Path) -> bytes:
    """Return a submission's notebook as it was handed in. Raises Unreadable."""
    if submission.suffix.lower() == ".ipynb":
        return files.read((submission.name,), lambda: files.open_regular(submission), MAX_NOTEBOOK)
    found, content = intake.notebooks(submission)
    if not found:
        raise files.Unreadable("there is no notebook")
    if len(found) > 1 and found[0][-1] != "vae.ipynb":
        names = ", ".join(files.shown(parts) for parts in found[:5])
        raise files.Unreadable(f"it is not clear which notebook counts: {names}; none is called vae.ipynb")
    return content


def execute(submission: Path, settings: Settings | None = None) -> Executed:
    """Run a submission's notebook. Raises Unreadable, and NurseryError where no worker can be had."""
    settings = settings or Settings()
    if importlib.util.find_spec("IPython") is None:
        raise files.Unreadable("to run a notebook takes IPython, which ./setup.sh --dev installs")
    from autograder import cells  # before the worker is forked: it is warm then

    with ExitStack() as stack:
        starter = stack.enter_context(closing(open_starter()))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vae-notebook-")))
        folder.chmod(0o755)  # another user is to read the images
        place = folder / "place"
        notebook = saved(submission)
        staged = intake.stage(submission, place / "submission")
        (place / cells.GIVEN).write_bytes(notebook)
        shutil.copy(cells.__file__, place / "vae.py")
        images = digits.load(settings.data)
        write_mnist(images, folder / "MNIST" / "raw")
        (place / "submission" / "nndl2").mkdir(exist_ok=True)  # where the assignment's notebook looks, too
        (place / "submission" / "nndl2" / "MNIST").symlink_to(folder / "MNIST")
        seconds = settings.seconds
        limits = Limits(question=seconds, row=seconds, total=seconds + 60, memory=settings.memory << 20)
        readable = (str(folder / "MNIST"),)
        sandbox = Sandbox(starter, place, NNDL2, limits, readable=readable, strict=settings.strict)
        dialogue = stack.enter_context(closing(Dialogue(sandbox)))
        worker = dialogue.open()
        # From here on student code may put anything in the place of its folder.
        home = os.open(worker.scratch / "work", os.O_RDONLY)
        stack.callback(os.close, home)
        notebook = (place / cells.GIVEN).read_bytes()
        lines = [f"Run with {images.source}.", *(f"Note: {note}" for note in staged.notes)]
        try:
            count = ask(dialogue, "begin", str(folder), settings.epochs)
            failed = []
            for number in range(min(count, MAX_CELLS)):
                if ask(dialogue, "run", number):
                    failed.append(number + 1)
                notebook = read(cells.RUN, home) or notebook
            lines.append(said(count, failed))
        except (Ended, Raised) as ending:
            lines.append(f"Not run to the end: {ending} Cells without a number were not run.")
    return Executed(notebook, tuple(lines))


def ask(dialogue: Dialogue, name: str, *args: str | int) -> int:
    """Call a function of cells.py in the worker; what comes back is a liar's word."""
    answer = dialogue.ask("The notebook", "call", model=None, path=[name], args=args, seed=None)
    return answer if isinstance(answer, int) else 0


def said(count: int, failed: list[int]) -> str:
    """Say how it went."""
    if not failed:
        return f"All {count} cells of code were run without an error."
    shown = ", ".join(map(str, failed[:20]))
    return f"All {count} cells of code were run; these ended with an error: {shown}."


def read(name: str, home: int) -> bytes:
    """Read the notebook that the worker wrote into an open folder, if it is a regular file of a usual size."""
    try:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with os.fdopen(os.open(name, flags, dir_fd=home), "rb") as file:
            is_plain = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
            content = file.read(MAX_NOTEBOOK + 1) if is_plain else b""
    except OSError:
        return b""
    return content if len(content) <= MAX_NOTEBOOK else b""


def page(notebook: bytes, lines: tuple[str, ...] = ()) -> str:
    """Return a notebook as a page that holds all it shows and does nothing. Raises Unreadable."""
    with Preview() as preview:
        html = preview.notebook(notebook)
    if html is None:
        raise files.Unreadable("the notebook cannot be shown: it is damaged, or too large")
    head = Markup("").join(Markup("<p><strong>{}</strong></p>\n").format(escape(line)) for line in lines)
    return web.render("notebook.html.j2", html=head + Markup(html))  # noqa: S704 - sanitized by preview.py


def write_mnist(images: Digits, folder: Path) -> None:
    """Write images and labels as MNIST's own four files, where torchvision looks for them."""
    folder.mkdir(parents=True)
    for name, pixels, labels in (
        ("train", images.train_images, images.train_labels),
        ("t10k", images.test_images, images.test_labels),
    ):
        write_idx(folder / f"{name}-images-idx3-ubyte", pixels.view(-1, 28, 28))
        write_idx(folder / f"{name}-labels-idx1-ubyte", labels)
    for path in (folder, folder.parent, *folder.iterdir()):
        path.chmod(0o755 if path.is_dir() else 0o644)


def write_idx(path: Path, tensor: Tensor) -> None:
    """Write bytes in MNIST's format: 0x08 for bytes, the number of dimensions, each of them, the values."""
    with path.open("wb") as file:
        file.writelines(head(tensor))
        file.write(tensor.numpy().data)


def head(tensor: Tensor) -> Iterator[bytes]:
    """Write what comes before the values."""
    yield (0x0800 + tensor.dim()).to_bytes(4, "big")
    yield from (size.to_bytes(4, "big") for size in tensor.shape)
