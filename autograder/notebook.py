"""A notebook that itself defines the models becomes a vae.py: its definitions, and the imports they need.

The work is done in a process of its own, with limits on memory and time, since a hostile notebook can make the
readers of JSON, of IPython's tokens and of Python take any amount of either. Nothing of the notebook is run or
compiled there: the parser stops at the syntax tree, before constants are folded.
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

from autograder.files import MIB, Unreadable, printable

__all__ = ["defines_a_model", "to_python"]

MODELS = {"VAE", "CVAE"}
MAX_SOURCE = MIB  # characters of all code cells together
MEMORY = 1 << 30  # bytes of address space; nbconvert alone takes a quarter
SECONDS = 60  # for half a processor, as on Gradescope; two are usual
WITHOUT_NBCONVERT = 3  # exit status
ABSENT = {"vae", "google"}  # what no worker can import: the file that is made here, and Colab's drive
PYTHON_CELLS = ("time", "timeit", "capture", "prun", "writefile")  # cell magics with Python below them
CALLS = {"torch.device", "torch.cuda.is_available", "torch.backends.mps.is_available"}
OPERATIONS = (ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Tuple, ast.List, ast.Dict)
OPERATORS = (ast.expr_context, ast.operator, ast.unaryop, ast.boolop, ast.cmpop)
PLAIN = (ast.Constant, ast.Name, ast.Attribute, *OPERATIONS, *OPERATORS)


class Exporter(Protocol):
    """The part of nbconvert's PythonExporter that is used here."""

    def from_notebook_node(self, nb: Any) -> tuple[str, Any]:  # noqa: ANN401  nbformat carries no types
        """Return a notebook as the text of a Python file."""


def defines_a_model(notebook: bytes) -> bool:
    """Say whether the bytes of a notebook look as if a cell of it held the class VAE or CVAE."""
    return re.search(rb"\bclass\s+C?VAE\b", notebook.replace(b"\\n", b"\n")) is not None


def to_python(notebook: bytes, name: str) -> tuple[bytes, list[str]]:
    """Return a vae.py made from the bytes of a notebook, and notes on what was left out.

    Raises Unreadable, and RuntimeError where nbconvert is not installed, which is no fault of the student's.
    """
    temporary = tempfile.TemporaryFile
    with tempfile.TemporaryDirectory() as empty, temporary() as given, temporary() as made:
        given.write(notebook)
        given.seek(0)
        # nbconvert looks for templates, which are code, in the working directory: here is nothing to find
        here = {"PYTHONPATH": str(Path(__file__).parent.parent), "HOME": empty, "JUPYTER_PLATFORM_DIRS": "1"}
        command = [sys.executable, "-m", "autograder.notebook"]
        try:
            child = subprocess.run(
                command,
                check=False,
                cwd=empty,
                env=os.environ | here,
                stdin=given,
                stdout=made,
                stderr=subprocess.DEVNULL,
                timeout=SECONDS,
            )
        except subprocess.TimeoutExpired:
            raise Unreadable(f"{name} takes too long to read as a notebook") from None
        made.seek(0)
        answer = made.read()
    if child.returncode == WITHOUT_NBCONVERT:
        raise RuntimeError("a notebook was handed in, and nbconvert, which reads notebooks, is not installed")
    if child.returncode != 0:
        raise Unreadable(f"{name} is damaged or not a notebook")
    result = json.loads(answer)
    if result["error"]:
        raise Unreadable(f"{name}: {result['error']}")
    return result["source"].encode(), result["notes"]


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
    from nbformat.v4 import new_code_cell, new_notebook

    if magic := re.match(r"\s*%%(\w+).*\n?", source):
        source = source[magic.end() :] if magic[1] in PYTHON_CELLS else ""
    text, _ = exporter.from_notebook_node(new_notebook(cells=[new_code_cell(source)]))
    try:
        return text, ast.parse(text)
    except SyntaxError:  # without IPython, nbconvert leaves the magics in
        text = re.sub(r"(?m)^\s*([\w, ]+=\s*)?[%!?].*$", "", text)
        return text, ast.parse(text)


def names(node: ast.AST) -> set[str]:
    """Return the names that occur in a statement."""
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}


def bound(node: ast.stmt) -> set[str]:
    """Return the names that an import or an assignment gives a value to; "*" for all."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        module = getattr(node, "module", None) or node.names[0].name
        if module.split(".")[0] in ABSENT:
            return set()
        return {(alias.asname or alias.name).split(".")[0] for alias in node.names}
    if isinstance(node, ast.Assign):
        return {name for target in node.targets for name in names(target)}
    if isinstance(node, ast.AnnAssign):
        return names(node.target)
    return set()


def is_plain(node: ast.expr | None) -> bool:
    """Say whether an expression is made of constants and names only, or asks torch for a device."""
    return node is not None and all(
        isinstance(part, PLAIN) or (isinstance(part, ast.Call) and ast.unparse(part.func) in CALLS)
        for part in ast.walk(node)
    )


def convert(notebook: bytes, exporter: Exporter) -> dict[str, Any]:
    """Return the `source` of a vae.py and `notes`, or an `error`.

    Kept are all definitions at the outer level, and of the imports and the plain assignments those that a
    definition uses: a library that only draws pictures need not be there for grading.
    """
    statements: list[tuple[int, str, ast.stmt]] = []
    notes = []
    for number, cell in enumerate(code_cells(notebook), 1):
        try:
            text, tree = parse(cell, exporter)
        except (SyntaxError, ValueError):
            notes.append(f"code cell {number} was left out: it is not Python")
        else:
            statements += [(number, text, node) for node in tree.body]
    definitions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    defined = [node for _, _, node in statements if isinstance(node, definitions)]
    if not MODELS & {node.name for node in defined}:
        return {"error": "it does not define VAE or CVAE at the outer level of a cell"}

    needed = set().union(*map(names, defined), "*")
    kept: list[str] = []
    for number, text, node in reversed(statements):  # what is needed is known before what gives it
        if isinstance(node, definitions):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            source = "\n".join(text.split("\n")[first - 1 : node.end_lineno])
        elif not needed & bound(node):
            continue
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            if not is_plain(node.value):
                what = printable(ast.unparse(node).split("\n")[0], 60)
                notes.append(f"code cell {number}: {what!r} was left out: it is no plain constant")
                continue
            needed |= names(node)
            source = ast.unparse(node)
        else:
            source = ast.unparse(node)
        kept.append(f"# code cell {number}\n{source}\n")
    return {"error": "", "source": "\n".join(reversed(kept)), "notes": notes}


def main() -> None:
    """Read a notebook from stdin and write what became of it to stdout, as JSON, within limits."""
    warnings.simplefilter("ignore")
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        resource.setrlimit(resource.RLIMIT_FSIZE, (16 * MIB, 16 * MIB))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        from nbconvert import PythonExporter
    except ImportError:
        sys.exit(WITHOUT_NBCONVERT)
    json.dump(convert(sys.stdin.buffer.read(), PythonExporter()), sys.stdout)


if __name__ == "__main__":
    main()
