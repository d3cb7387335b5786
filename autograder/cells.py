"""Runs a notebook's cells in the worker, where it takes the place of vae.py; it imports nothing else of ours.

There is no kernel, since a kernel needs sockets: IPython's own shell runs the cells in this process, and what they
print, show and raise is kept as a kernel's client would keep it. After each cell the notebook, as far as it was run,
is written to a file, so that nothing is lost when the next cell takes too long.
"""

from __future__ import annotations

import base64
import io
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import nbformat
from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.profiledir import ProfileDir
from traitlets.config import Config

__all__ = ["begin", "run"]

MAX_PRINTED = 1 << 20  # characters of one cell's output
GIVEN, RUN = "notebook.ipynb", "executed.ipynb"  # beside this file
TAPE: list[Any] = []  # outputs of the cell that is running


class Stream(io.TextIOBase):
    """Keeps what is printed."""

    def __init__(self, name: str) -> None:
        self.name = name

    def writable(self) -> bool:
        """Say yes."""
        return True

    def write(self, text: str) -> int:
        """Put text behind the last, up to a limit."""
        last: Any = TAPE[-1] if TAPE else {}
        if last.get("name") != self.name:
            last = nbformat.v4.new_output("stream", name=self.name, text="")
            TAPE.append(last)
        if len(last.text) < MAX_PRINTED:
            last.text += text[:MAX_PRINTED]
        return len(text)


class Publisher(DisplayPublisher):
    """Keeps what is shown."""

    def publish(self, data: dict[str, Any], metadata: Any = None, **more: Any) -> None:  # type: ignore[override]
        """Keep it, or put it in the place of what was shown under the same name."""
        name = (more.get("transient") or {}).get("display_id")
        shown = nbformat.v4.new_output("display_data", data=encoded(data), metadata=metadata or {})
        if more.get("update"):
            for i, output in enumerate(TAPE):
                if name and output.get("display_id") == name:
                    TAPE[i] = {**shown, "display_id": name}
        else:
            TAPE.append({**shown, "display_id": name} if name else shown)

    def clear_output(self, wait: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 - IPython's own signature
        """Forget what this cell has given so far."""
        TAPE.clear()


class Results(DisplayHook):
    """Keeps the value of a cell's last line."""

    def write_output_prompt(self) -> None:
        """Print no prompt."""

    def write_format_data(self, format_dict: dict[str, Any], md_dict: Any = None) -> None:
        """Keep the value."""
        shell: Any = self.shell
        count = shell.execution_count
        new: Any = nbformat.v4.new_output
        TAPE.append(
            new("execute_result", data=encoded(format_dict), metadata=md_dict or {}, execution_count=count)
        )

    def finish_displayhook(self) -> None:
        """Print no line behind it."""


class Shell(InteractiveShell):
    """Keeps what is raised, too."""

    displayhook_class = Results
    display_pub_class = Publisher

    def _showtraceback(self, etype: Any, evalue: Any, stb: list[str]) -> None:
        name = getattr(etype, "__name__", str(etype))
        TAPE.append(nbformat.v4.new_output("error", ename=name, evalue=str(evalue), traceback=stb))


class Book(NamedTuple):
    """A notebook on its way."""

    path: Path  # where it is written
    shell: Any
    notebook: Any
    cells: list[Any]  # those with code


BOOKS: list[Book] = []


def begin(data: str, epochs: int) -> int:
    """Open the notebook; returns how many cells of code it has.

    data: the folder that holds MNIST/raw; epochs: how long the assignment's notebook is to train
    """
    home = Path.cwd()
    notebook = nbformat.reads((home / GIVEN).read_text("utf-8"), as_version=4)
    os.chdir(home / "submission")
    sys.path.insert(0, str(Path.cwd()))
    for name in [
        *sys.modules
    ]:  # autoreload would look for their files, which it cannot read; `vae` is this one
        if name in ("vae", "__main__", "__mp_main__") or name.partition(".")[0] == "autograder":
            del sys.modules[name]
    sys.modules["check"] = unchecked()
    os.environ.update(
        VAE_AUTOGRADER_DATA=data,
        VAE_EPOCHS=str(epochs),
        MPLBACKEND="module://matplotlib_inline.backend_inline",
    )
    sys.stdout, sys.stderr = Stream("stdout"), Stream("stderr")
    config = Config()
    config.HistoryManager.enabled = False
    shell: Any = Shell.instance(config=config, profile_dir=ProfileDir())  # one without a place makes no files
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    book = Book(home / RUN, shell, notebook, [cell for cell in notebook.cells if cell.cell_type == "code"])
    BOOKS.append(book)
    return len(book.cells)


def run(number: int) -> bool:
    """Run a cell of code, counted from 0; returns whether it ended with an error."""
    book = BOOKS[0]
    cell = book.cells[number]
    TAPE.clear()
    if not cell.source.strip():
        return False
    cell.execution_count = book.shell.execution_count
    result = book.shell.run_cell(cell.source, store_history=True)
    plain = [{key: value for key, value in output.items() if key != "display_id"} for output in TAPE]
    cell.outputs = nbformat.from_dict(plain)
    book.path.write_text(nbformat.writes(book.notebook), "utf-8", errors="replace")
    return not result.success


def unchecked() -> ModuleType:
    """Make a module `check` for the notebook: no grader can be started from here."""
    module = ModuleType("check")
    vars(module)["check"] = lambda *_sections: print("check() is not run here: see the grading.")  # noqa: T201
    return module


def encoded(data: dict[str, Any]) -> dict[str, Any]:
    """Write pictures as text."""
    return {
        kind: base64.b64encode(value).decode() if isinstance(value, bytes) else value
        for kind, value in data.items()
    }
