"""A notebook that itself defines the models becomes a vae.py: its definitions, and what they need.

The work is done in a process of its own, with limits on memory and time, since a hostile notebook can make
the readers of JSON, of IPython's tokens and of Python take any amount of either. Nothing of the notebook is
run or compiled there: Python stops at the syntax tree and its symbol tables, before constants are folded.
"""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any, Protocol

from autograder.files import MIB, Unreadable
from autograder.scope import DEFINITIONS, evaluated, given, read
from autograder.selection import Statement, select

__all__ = ["defines_a_model", "to_python"]

MODELS = {"VAE", "CVAE"}
MODEL = re.compile(rb"\bclass\s+C?VAE\b|\bC?VAE\s*(?:,\s*C?VAE\s*)?=(?!=)")
NEAR = 200  # bytes
MAX_SOURCE = MIB  # characters of all code cells together
MAX_MADE = 8 * MIB  # bytes of the vae.py that is made of it
MEMORY = 512 * MIB  # of address space; nbconvert alone takes a quarter
SECONDS = 240  # by the clock: a busy machine may give it a tenth of a processor
CPU_SECONDS = 20
# Exit statuses: of ours, and of what the system ends: the stack of the parser may overflow, too.
UNREADABLE, WITHOUT_NBCONVERT = 4, 3
TOO_SLOW, OVERFLOWN = -24, (-6, -11)  # SIGXCPU; SIGABRT, SIGSEGV
FUTURE = "from __future__ import annotations\n"  # Python allows it at the top only
# Cell magics with Python below them.
PYTHON_CELLS = ("time", "timeit", "capture", "prun", "writefile", "file")
WRITES = re.compile(r"\s*%%(?:writefile|file)\s+(?:-a\s+)?(?:\S*/)?(\w+)\.py\s*$", re.MULTILINE)


class Exporter(Protocol):
    """The part of nbconvert's PythonExporter that is used here."""

    def from_notebook_node(self, nb: Any) -> tuple[str, Any]:
        """Return a notebook as the text of a Python file."""


def defines_a_model(notebook: bytes) -> bool:
    """Say whether the bytes of a notebook look as if a cell of it held the class VAE or CVAE, or gave it this name."""
    text = notebook.replace(b"\\n", b"\n")
    begin = end = 0
    # Of megabytes of pictures only what is near such a name is looked through, and all of it once.
    for at in re.finditer(rb"VAE", text):
        if at.start() - NEAR > end:
            if MODEL.search(text, begin, end):
                return True
            begin = at.start() - NEAR
        end = at.end() + NEAR
    return bool(MODEL.search(text, begin, end))


def to_python(notebook: bytes, name: str) -> tuple[bytes, list[str]]:
    """Return a vae.py made from the bytes of a notebook, and notes on what was left out.

    Raises Unreadable, and RuntimeError where nbconvert is not installed, which is no fault of the student's.
    """
    temporary = tempfile.TemporaryFile
    with tempfile.TemporaryDirectory() as empty, temporary() as given, temporary() as made:
        given.write(notebook)
        given.seek(0)
        places = [str(Path(__file__).parents[1]), *filter(os.path.isabs, sys.path)]
        code = f"import sys; sys.path[:] = {places!r}; from autograder import notebook; notebook.main({CPU_SECONDS})"
        try:
            child = subprocess.run(
                [sys.executable, "-I", "-c", code],  # whatever the variables for Python say
                check=False,
                cwd=empty,  # nbconvert looks for templates, which are code, in its working directory
                env={**os.environ, "HOME": empty, "JUPYTER_PLATFORM_DIRS": "1"},
                stdin=given,
                stdout=made,
                stderr=subprocess.PIPE,
                timeout=SECONDS,
            )
        except subprocess.TimeoutExpired:  # of a processor it gets less: the machine did something else
            raise RuntimeError(
                f"{name} could not be read: this machine was too busy for {SECONDS} s"
            ) from None
        made.seek(0)
        answer = made.read()
    if child.returncode == WITHOUT_NBCONVERT:
        raise RuntimeError("a notebook was handed in, and nbconvert, which reads notebooks, is not installed")
    if child.returncode == TOO_SLOW and not lowered():
        raise Unreadable(f"there is no vae.py, and {name} takes too long to read")
    if child.returncode in (UNREADABLE, *OVERFLOWN):
        raise Unreadable(f"there is no vae.py, and {name} cannot be read: damaged, too large, or no notebook")
    if child.returncode != 0:
        said = child.stderr.decode(errors="replace").strip().rpartition("\n")[2][:200]
        raise RuntimeError(f"what reads notebooks ended with status {child.returncode}: {said}")
    source, notes = json.loads(answer)
    if not source:
        why = f" ({'; '.join(notes[:5])})" if notes else ""
        raise Unreadable(
            f"there is no vae.py, and {name} does not define VAE or CVAE outside of functions{why}"
        )
    return source.encode(), notes


def code_cells(notebook: bytes) -> list[str]:
    """Return the source of each code cell; the format before 4 kept the cells in worksheets."""
    content = json.loads(notebook)
    sheets = content.get("worksheets", [content])
    cells = [cell for sheet in sheets for cell in sheet["cells"] if cell["cell_type"] == "code"]
    sources = ["".join(cell.get("source", cell.get("input"))) for cell in cells]
    if sum(map(len, sources)) > MAX_SOURCE:
        raise ValueError("too much code")
    return sources


def parse(source: str, exporter: Exporter) -> tuple[str, ast.Module]:
    """Return a cell as plain Python, with its tree. Raises SyntaxError or ValueError."""
    from nbformat import v4

    source = re.sub(r"\r\n?", "\n", source)  # lines as the parser counts them
    while magic := re.match(r"\s*%%(\w+).*\n?", source):  # one may stand above another
        source = source[magic.end() :] if magic[1] in PYTHON_CELLS else ""
    text, _ = exporter.from_notebook_node(v4.new_notebook(cells=[v4.new_code_cell(source)]))
    try:
        return text, ast.parse(text)
    except SyntaxError:  # without IPython, nbconvert leaves the magics in
        text = re.sub(r"(?m)^\s*([\w, ]+=\s*)?[%!?].*$", "", text)
        return text, ast.parse(text)


def convert(notebook: bytes, exporter: Exporter) -> tuple[str, list[str]]:
    """Return the text of a vae.py, empty where no model is defined, and notes on what was left out."""
    statements: list[Statement] = []
    notes = []
    cells = code_cells(notebook)
    files = {found[1] for cell in cells if (found := WRITES.match(cell))}
    for number, cell in enumerate(cells, 1):
        try:
            text, tree = parse(cell, exporter)
            body = [part for node in tree.body for part in without_files(node, files)]
            statements += [Statement(number, written(text, node), node, read(node)[1]) for node in body]
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            notes.append(f"code cell {number} was left out: it is not Python")
    outer = [part for statement in statements for part in evaluated(statement.node)]
    if not any(isinstance(part, (*DEFINITIONS, ast.Assign)) and MODELS & given(part) for part in outer):
        return "", notes
    imports = [part for part in outer if isinstance(part, ast.ImportFrom)]
    future = [FUTURE for part in imports if part.module == "__future__"]
    kept, left_out = select(statements)
    return "\n".join([*future[:1], *kept]), notes + left_out


def without_files(node: ast.stmt, files: set[str]) -> list[ast.stmt]:
    """Return a statement, but in the place of an import from a file that a cell writes what gives its new names."""
    if not isinstance(node, ast.ImportFrom) or node.module not in files:
        return [node]
    renamed = [(alias.asname, alias.name) for alias in node.names if alias.asname not in (None, alias.name)]
    return [statement for new, old in renamed for statement in ast.parse(f"{new} = {old}").body]


def written(text: str, node: ast.stmt) -> str:
    """Return a definition's lines as they are in its cell, with its comments and decorators."""
    if not isinstance(node, DEFINITIONS):
        return ""
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    return "\n".join(text.split("\n")[first - 1 : node.end_lineno])


def lowered() -> bool:
    """Tell whether this account may compute for less time than a notebook is given."""
    if sys.platform == "win32":
        return False
    import resource

    return 0 <= resource.getrlimit(resource.RLIMIT_CPU)[1] < CPU_SECONDS


def main(seconds: int) -> None:
    """Read a notebook from stdin and write what became of it to stdout, as JSON, within limits."""
    warnings.simplefilter("ignore")
    if sys.platform != "win32":
        import resource

        for limit, value in (
            (resource.RLIMIT_AS, MEMORY),
            (resource.RLIMIT_CPU, seconds),
            (resource.RLIMIT_FSIZE, 2 * MAX_MADE),
            (resource.RLIMIT_CORE, 0),
        ):
            hard = resource.getrlimit(limit)[1]
            resource.setrlimit(limit, (value if hard < 0 else min(value, hard), hard))
    try:
        from nbconvert import PythonExporter
    except ImportError:
        sys.exit(WITHOUT_NBCONVERT)
    content = sys.stdin.buffer.read()
    try:
        made = json.dumps(convert(content, PythonExporter()), ensure_ascii=False).encode(
            errors="surrogatepass"
        )
        if len(made) > MAX_MADE:  # many short statements of a deep block are long when they are written out
            sys.exit(UNREADABLE)
    except Exception:  # noqa: BLE001 - whatever is wrong with the notebook, the answer is the same
        sys.exit(UNREADABLE)
    sys.stdout.buffer.write(made)
    sys.stdout.buffer.flush()
