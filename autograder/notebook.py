"""A notebook that itself defines the models becomes a vae.py: its definitions, and the imports they need.

The work is done in a process of its own, with limits on memory and time, since a hostile notebook can make
the readers of JSON, of IPython's tokens and of Python take any amount of either. Nothing of the notebook is
run or compiled there: the parser stops at the syntax tree, before constants are folded.
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
MEMORY = 512 * MIB  # of address space; nbconvert alone takes a quarter
SECONDS = 60  # in all; half a processor, as on Gradescope, needs four
CPU_SECONDS = 20
WITHOUT_NBCONVERT = 3  # exit status
FUTURE = "from __future__ import annotations\n"  # Python allows it at the top only
ABSENT = {
    "vae",
    "google",
    "__future__",
}  # what no worker can import: the file that is made here, Colab's drive
PYTHON_CELLS = ("time", "timeit", "capture", "prun", "writefile")  # cell magics with Python below them
CALLS = {"torch.device", "torch.cuda.is_available", "torch.backends.mps.is_available"}
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
OPERATIONS = (ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Tuple, ast.List, ast.Dict)
OPERATORS = (ast.expr_context, ast.operator, ast.unaryop, ast.boolop, ast.cmpop)
PLAIN = (ast.Constant, ast.Name, ast.Attribute, *OPERATIONS, *OPERATORS)


class Exporter(Protocol):
    """The part of nbconvert's PythonExporter that is used here."""

    def from_notebook_node(self, nb: Any) -> tuple[str, Any]:
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
        path = os.pathsep.join(
            filter(None, [str(Path(__file__).parent.parent), os.environ.get("PYTHONPATH")])
        )
        environment = {**os.environ, "PYTHONPATH": path, "HOME": empty, "JUPYTER_PLATFORM_DIRS": "1"}
        try:
            child = subprocess.run(
                [sys.executable, "-m", "autograder.notebook"],
                check=False,
                cwd=empty,  # nbconvert looks for templates, which are code, in its working directory
                env=environment,
                stdin=given,
                stdout=made,
                stderr=subprocess.DEVNULL,
                timeout=SECONDS,
            )
        except subprocess.TimeoutExpired:
            raise Unreadable(f"there is no vae.py, and {name} takes too long to read") from None
        made.seek(0)
        answer = made.read()
    if child.returncode == WITHOUT_NBCONVERT:
        raise RuntimeError("a notebook was handed in, and nbconvert, which reads notebooks, is not installed")
    if child.returncode != 0:
        raise Unreadable(f"there is no vae.py, and {name} cannot be read: damaged, too large, or no notebook")
    source, notes = json.loads(answer)
    if not source:
        raise Unreadable(
            f"there is no vae.py, and {name} does not define VAE or CVAE outside of other blocks"
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
    if magic := re.match(r"\s*%%(\w+).*\n?", source):
        source = source[magic.end() :] if magic[1] in PYTHON_CELLS else ""
    text, _ = exporter.from_notebook_node(v4.new_notebook(cells=[v4.new_code_cell(source)]))
    try:
        return text, ast.parse(text)
    except SyntaxError:  # without IPython, nbconvert leaves the magics in
        text = re.sub(r"(?m)^\s*([\w, ]+=\s*)?[%!?].*$", "", text)
        return text, ast.parse(text)


def names(node: ast.AST) -> set[str]:
    """Return the names that occur in a statement."""
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}


def alias_name(alias: ast.alias) -> str:
    """Return the name under which an import makes something known."""
    return (alias.asname or alias.name).split(".")[0]


def bound(node: ast.stmt) -> set[str]:
    """Return the names that an import or an assignment gives a value to; "*" for all."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        module = getattr(node, "module", None) or node.names[0].name
        return {alias_name(alias) for alias in node.names} if module.split(".")[0] not in ABSENT else set()
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


def convert(notebook: bytes, exporter: Exporter) -> tuple[str, list[str]]:
    """Return the text of a vae.py, empty where no model is defined, and notes on what was left out.

    Kept are all definitions at the outer level, and of the imports and the plain assignments those that a
    definition uses: a library that only draws pictures need not be there for grading.
    """
    statements: list[tuple[int, str, ast.stmt]] = []
    notes = []
    for number, cell in enumerate(code_cells(notebook), 1):
        try:
            text, tree = parse(cell, exporter)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            notes.append(f"code cell {number} was left out: it is not Python")
        else:
            statements += [(number, text, node) for node in tree.body]
    defined = [node for _, _, node in statements if isinstance(node, DEFINITIONS)]
    future = [
        FUTURE
        for _, _, node in statements
        if isinstance(node, ast.ImportFrom) and node.module == "__future__"
    ]
    if not MODELS & {node.name for node in defined}:
        return "", notes

    needed = set().union(*map(names, defined), "*")
    kept: list[str] = []
    for number, text, node in reversed(statements):  # what is needed is known before what gives it
        if isinstance(node, DEFINITIONS):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            source = "\n".join(text.split("\n")[first - 1 : node.end_lineno])  # with its comments
        elif not needed & bound(node):
            continue
        elif isinstance(node, ast.Import | ast.ImportFrom):
            node.names = [alias for alias in node.names if alias_name(alias) in needed]
            source = ast.unparse(node)
        else:
            source = ast.unparse(node)
            if not isinstance(node, ast.Assign | ast.AnnAssign) or not is_plain(node.value):
                notes.append(
                    f"code cell {number}: {printable(source, 60)} was left out: it is no plain constant"
                )
                continue
            needed |= names(node)
        kept.append(f"# code cell {number}\n{source}\n")
    return "\n".join([*future[:1], *reversed(kept)]), notes


def main() -> None:
    """Read a notebook from stdin and write what became of it to stdout, as JSON, within limits."""
    warnings.simplefilter("ignore")
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
        resource.setrlimit(resource.RLIMIT_FSIZE, (16 * MIB, 16 * MIB))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        from nbconvert import PythonExporter
    except ImportError:
        sys.exit(WITHOUT_NBCONVERT)
    json.dump(convert(sys.stdin.buffer.read(), PythonExporter()), sys.stdout)


if __name__ == "__main__":
    main()
