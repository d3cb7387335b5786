"""The student's template: what is left of the reference when the solutions between its marks are taken out.

    # solution begins: raise NotImplementedError("...")         # TODO: write this part, ...
    answer = 6 * 7                                       ->     raise NotImplementedError("...")
    # solution ends

The line after the colon is what stands in the solution's place; it may be missing.
"""

from __future__ import annotations

import ast
import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["is_current", "stale", "student_notebook", "student_version", "write_template"]

MARK = re.compile(r"(?P<indent> *)# solution (?:(?P<begins>begins)(?:: (?P<instead>\S.*))?|ends)")
ALMOST_A_MARK = re.compile(r"\s*#\W*solution\b", re.IGNORECASE)
TODO = "# TODO: write this part here"
TODO_INSTEAD = "# TODO: write this part, in place of the next line"


def student_version(source: str, name: str = "vae.py") -> str:
    """Return the source with a TODO, and the line given for it if there is one, for each marked solution.

    Raises ValueError, naming the line, for a mark without its partner and for a comment that is almost a
    mark: either could hand out a solution.
    """
    kept: list[str] = []
    begun = 0  # the line on which the open solution begins; 0: none is open
    for number, line in enumerate(source.splitlines(), start=1):
        mark = MARK.fullmatch(line)
        if not mark:
            if ALMOST_A_MARK.match(line):
                raise ValueError(f"{name}, line {number}: not quite a solution mark: {line.strip()}")
            if not begun:
                kept.append(line)
        elif mark["begins"]:
            if begun:
                raise ValueError(f"{name}, line {number}: the solution begun on line {begun} has not ended")
            begun = number
            hint = [TODO_INSTEAD, mark["instead"]] if mark["instead"] else [TODO]
            kept += [mark["indent"] + text for text in hint]
        else:
            if not begun:
                raise ValueError(f"{name}, line {number}: a solution ends that has not begun")
            begun = 0
    if begun:
        raise ValueError(f"{name}, line {begun}: the solution that begins here does not end")
    return "\n".join(kept) + "\n"


def expect_python(source: str, name: str) -> None:
    """Expect what Python can read. Raises ValueError, which names the line."""
    try:
        ast.parse(source)
    except SyntaxError as error:
        raise ValueError(f"{name}, line {error.lineno}: {error.msg}") from None


def student_notebook(source: str) -> str:
    """Return the notebook (format 4.5, JSON) that a jupytext percent script describes, without outputs."""
    import jupytext  # only those who make the template have it

    # Written out here rather than by nbformat, whose cell ids are random and whose layout may change.
    cells: list[dict[str, object]] = []
    for number, cell in enumerate(jupytext.reads(source, fmt="py:percent").cells):
        entry: dict[str, object] = {"cell_type": cell.cell_type, "id": f"cell-{number:02d}", "metadata": {}}
        entry["source"] = cell.source.splitlines(keepends=True)
        if cell.cell_type == "code":
            entry |= {"execution_count": None, "outputs": []}
        cells.append(entry)
    metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    notebook = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def is_current(reference: Path, out: Path) -> bool:
    """Say whether the template's files in the folder out are what the reference gives now.

    Without jupytext, the notebook is written as a script, and compared but for empty lines. Raises ValueError as
    student_version does, and OSError for a file that is missing.
    """
    try:
        return not stale(reference, out)
    except ModuleNotFoundError:
        script, source = ((reference / name).read_text("utf-8") for name in ("notebook.py", "vae.py"))
    try:
        cells = json.loads((out / "vae.ipynb").read_bytes())["cells"]
        lines = [line for cell in cells for line in _percent_script(cell)]
    except (ValueError, LookupError, TypeError):
        return False  # damaged
    same_notebook = [*filter(None, lines)] == [*filter(None, script.splitlines())]
    return same_notebook and student_version(source) == (out / "vae.py").read_text("utf-8")


def _percent_script(cell: dict[str, Any]) -> list[str]:
    """Write a cell as jupytext does: magics are comments."""
    lines = "".join(cell["source"]).splitlines()
    if cell["cell_type"] == "code":
        return ["# %%", *(f"# {line}" if line.startswith(("%", "!")) else line for line in lines)]
    return ["# %% [markdown]", *(f"# {line}".rstrip() for line in lines)]


def stale(reference: Path, out: Path) -> list[Path]:
    """List the template's files in the folder out that are missing or not what the reference gives now."""
    return list(_outdated(reference, out))


def write_template(reference: Path, out: Path) -> list[Path]:
    """Write the template's files into the folder out and return those that had to change."""
    out.mkdir(parents=True, exist_ok=True)
    changed = _outdated(reference, out)
    for path, content in changed.items():
        path.write_bytes(content)  # not write_text, which changes the line ends on Windows
    return list(changed)


def _outdated(reference: Path, out: Path) -> dict[Path, bytes]:
    """Make the template; return the files that are not there yet: where each belongs, and its content."""
    source = (reference / "vae.py").read_text("utf-8")
    version = student_version(source)
    for text, what in ((source, "reference/vae.py"), (version, "reference/vae.py without its solutions")):
        expect_python(text, what)
    template = {
        out / "vae.py": version,
        out / "vae.ipynb": student_notebook((reference / "notebook.py").read_text("utf-8")),
    }
    content = {path: text.encode() for path, text in template.items()}
    return {path: new for path, new in content.items() if not path.is_file() or path.read_bytes() != new}
