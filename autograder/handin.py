"""What a student hands in: the zip, and a notebook whose saved outputs belong to the vae.py beside it."""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["DIGITS", "NAME", "fingerprint", "names_of", "pack", "warnings_of"]

NAME = "submission.zip"
FILES = ("vae.py", "vae.ipynb")
CODE = re.compile(r"\.(py|pyw|ipynb|py\.txt)$", re.IGNORECASE)
DIGITS = 8  # of a fingerprint, as a check prints it behind "vae.py "
MADE_FROM = re.compile(rf"vae\.py ([0-9a-f]{{{DIGITS}}})\b")
MTIME_SLACK = 2  # seconds; some file systems count in such steps


def names_of(here: Path) -> list[str]:
    """List the files to hand in: vae.py and its notebook, or what there is in its place, from which it may be made."""
    if (here / FILES[0]).is_file():
        return [name for name in FILES if (here / name).is_file()]
    found = (path for path in here.iterdir() if CODE.search(path.name) and path.is_file())
    return sorted(path.name for path in found if path.name != "check.py")


def pack(here: Path, path: Path) -> list[str]:
    """Write the zip to hand in; returns the names of the files in it. Raises OSError."""
    files = {name: (here / name).read_bytes() for name in names_of(here)}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return [*files]


def fingerprint(vae: Path) -> str:
    """Return what is shown behind the name of a vae.py that was graded: the beginning of its SHA-256."""
    return hashlib.sha256(vae.read_bytes()).hexdigest()[:DIGITS]


def warnings_of(here: Path) -> list[str]:
    """Say what is wrong with the saved outputs of here/vae.ipynb, a sentence each."""
    path = here / "vae.ipynb"
    if not (here / FILES[0]).is_file():
        return []
    if not path.is_file():
        return ["there is no vae.ipynb beside vae.py; hand it in too."]
    try:
        cells = list(code_cells(json.loads(path.read_text("utf-8"))))
        return list(problems(cells, fingerprint(here / "vae.py"), older=is_older(path, here / "vae.py")))
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        return [f"vae.ipynb cannot be read ({type(error).__name__}): save it again."]


def code_cells(notebook: dict[str, Any]) -> Iterator[tuple[int, dict[str, Any]]]:
    """List the code cells that are not empty, with their numbers among all code cells."""
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    return ((i, cell) for i, cell in enumerate(code, 1) if "".join(cell["source"]).strip())


def problems(cells: list[tuple[int, dict[str, Any]]], current: str, *, older: bool) -> Iterator[str]:
    """Say what is wrong with these cells.

    current: the fingerprint of vae.py as it is now; older: whether the notebook was saved before vae.py was
    """
    remedy = "restart the kernel, run all cells, and save the notebook."
    counts = [cell["execution_count"] for _, cell in cells if cell["execution_count"]]
    without = [number for number, cell in cells if not cell["execution_count"]]
    if not counts:
        yield f"the notebook was saved without outputs: {remedy}"
        return
    if without:
        yield f"{listed(without)} of the notebook {'was' if len(without) == 1 else 'were'} not run: {remedy}"
    if any(after <= before for before, after in pairwise(counts)):
        yield f"the notebook's cells were not run from top to bottom: {remedy}"
    if raised := [
        number for number, cell in cells if any(o["output_type"] == "error" for o in cell["outputs"])
    ]:
        yield f"{listed(raised)} of the notebook ended with an error: mend it, {remedy}"
    found = {number: set(MADE_FROM.findall(json.dumps(cell["outputs"]))) for number, cell in cells}
    stale = [number for number, prints in found.items() if prints - {current}]
    if stale:
        yield f"the outputs of {listed(stale)} were made with another vae.py than this one: {remedy}"
    elif older and not any(found.values()):
        yield f"vae.py was changed after the notebook was saved: {remedy}"


def listed(numbers: list[int]) -> str:
    """Name cells."""
    shown = ", ".join(map(str, numbers[:8])) + (", ..." if numbers[8:] else "")
    return f"code cell{'s' * (len(numbers) > 1)} {shown}"


def is_older(notebook: Path, vae: Path) -> bool:
    """Say whether the notebook was saved before vae.py was changed."""
    return notebook.stat().st_mtime + MTIME_SLACK < vae.stat().st_mtime
