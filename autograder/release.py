"""The two zips of the assignment: autograder.zip for Gradescope, student.zip for students.

What is in a zip depends on the project's files alone: names in order, one date, two modes, nothing compressed (two
versions of zlib may compress the same bytes differently). So the same project gives the same bytes everywhere.
"""

from __future__ import annotations

import ast
import io
import zipfile
from typing import TYPE_CHECKING

from autograder.results import put
from autograder.template import is_current
from autograder.visibility import SETTINGS, Visibility

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

__all__ = ["autograder_files", "release", "student_files"]

DATE = (1980, 1, 1, 0, 0, 0)  # the first that a zip can hold
SCRIPTS = ("setup.sh", "run_autograder")
BUILT_FROM = ("LICENSE", "constraints.txt", "pyproject.toml")  # what setup.sh installs
CHECK = "check"  # the module that the students' check.py calls
WORKED_WITH = ("vae.py", "vae.ipynb", "check.py", "README.md", "requirements.txt")

Files = dict[str, bytes]  # by their names in the zip


def release(project: Path, out: Path, visibility: Visibility | None = None) -> list[Path]:
    """Write both zips into the folder `out` and return their paths.

    Raises ValueError where the students' files are not what the reference gives now: they could hold a solution.
    """
    reference = project / "reference"
    if not (reference / "vae.py").is_file():
        raise ValueError("there is no reference/vae.py, from which the students' files are made")
    if not is_current(reference, project / "student_template"):
        raise ValueError(
            "student_template/ is not made from the present reference/: run `autograder template`"
        )
    out.mkdir(parents=True, exist_ok=True)
    zips = {
        "autograder.zip": autograder_files(project, visibility or Visibility()),
        "student.zip": student_files(project),
    }
    for name, files in zips.items():
        write(out / name, files)
    return [out / name for name in zips]


def autograder_files(project: Path, visibility: Visibility) -> Files:
    """List what Gradescope gets: the grader, what it is built from, the helper package. No solution, no tests."""
    files = read(project, [*SCRIPTS, *BUILT_FROM, "student_template/nndl2/*.py"])
    files |= read(project, ["autograder/**/*"])
    if visibility != Visibility():
        files[SETTINGS] = visibility.encode()
    return files


def student_files(project: Path) -> Files:
    """List what students get: what they work with, and below autograder/ those modules that their check needs."""
    files = read(project / "student_template", [*WORKED_WITH, "nndl2/*.py"])
    # A second copy of the helper package, which the check takes: in the first one, MNIST may lie, or a change.
    files |= {f"autograder/{name}": content for name, content in files.items() if name.startswith("nndl2/")}
    package = project / "autograder"
    names = [f"{module.replace('.', '/')}.py" for module in modules(package, CHECK)]
    names += ["__init__.py", "*.json", "rubric/*.py", "rubric/pytest.ini"]
    files |= {f"autograder/{name}": content for name, content in read(package, names).items()}
    return files | {f"autograder/{name}": content for name, content in read(project, ["LICENSE"]).items()}


def modules(package: Path, *roots: str) -> set[str]:
    """List the modules of the package that these need, themselves included: what they import, and so on."""
    found: set[str] = set()
    left = list(roots)
    while left:
        module = left.pop()
        path = package / f"{module.replace('.', '/')}.py"
        if module in found or not path.is_file():
            continue
        found.add(module)
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "autograder":
                inside = (node.module or "").partition(".")[2]
                left += [inside] if inside else [alias.name for alias in node.names]
    return found


def read(folder: Path, patterns: Iterable[str]) -> Files:
    """Read the files that fit the patterns, leaving out what Python and systems leave behind.

    Raises FileNotFoundError for a pattern that fits nothing.
    """
    files: Files = {}
    for pattern in patterns:
        paths = [path for path in folder.glob(pattern) if path.is_file() and not is_left_behind(path, folder)]
        if not paths:
            raise FileNotFoundError(folder / pattern)
        files |= {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
    return files


def is_left_behind(path: Path, folder: Path) -> bool:
    """Say whether a file is none of the project's."""
    parts = path.relative_to(folder).parts
    return "__pycache__" in parts or any(part.startswith(".") for part in parts)


def write(path: Path, files: Mapping[str, bytes]) -> None:
    """Write a zip whose bytes depend on the files alone; where there is no room for it, the one before stays."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, DATE)
            entry.create_system = 3  # Unix, whose modes follow
            entry.external_attr = (0o100755 if name in SCRIPTS else 0o100644) << 16
            archive.writestr(entry, files[name])
    put(path, content.getvalue())
