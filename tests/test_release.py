"""The two zips: what is in them, what is not, and that the same project gives the same bytes."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result
from graded import ROWS, record
from test_commands import call_main
from valid import problems

from autograder.__main__ import main
from autograder.identity import hash_of
from autograder.release import modules, release
from autograder.template import write_template
from autograder.visibility import SETTINGS, Visibility, read

if TYPE_CHECKING:
    from apart import Apart

ROOT = Path(__file__).resolve().parents[1]
SOLUTION = re.compile(r" *# solution begins.*\n((?:.*\n)*?) *# solution ends\n")


@pytest.fixture(scope="module")
def zips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, zipfile.ZipFile]:
    """Both zips of this project, by name."""
    return {path.name: zipfile.ZipFile(path) for path in release(ROOT, tmp_path_factory.mktemp("release"))}


def copy_of_project(at: Path) -> Path:
    """Copy what a release reads."""
    for name in ("setup.sh", "run_autograder", "LICENSE", "constraints.txt", "pyproject.toml"):
        at.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, at)
    for name in ("autograder", "student_template", "reference"):
        shutil.copytree(ROOT / name, at / name)
    return at


def test_same_project_same_bytes(tmp_path: Path) -> None:
    """Dates, modes, owners and what Python leaves behind make no difference to the zips' bytes."""
    project = copy_of_project(tmp_path / "project")
    first = [path.read_bytes() for path in release(project, tmp_path / "first")]
    (project / "autograder" / "__pycache__").mkdir(exist_ok=True)
    (project / "autograder" / "__pycache__" / "x.pyc").write_bytes(b"x")
    (project / "student_template" / "nndl2" / "MNIST").mkdir()
    (project / "student_template" / "nndl2" / "MNIST" / "raw").write_bytes(b"x")
    (project / "autograder" / ".hidden").write_bytes(b"x")
    for path in project.rglob("*.py"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
        path.chmod(0o600)
    assert [path.read_bytes() for path in release(project, tmp_path / "second")] == first


def test_gradescopes_zip(zips: dict[str, zipfile.ZipFile]) -> None:
    """autograder.zip has both scripts, executable, at its root, and the grader: no solution, no test."""
    archive = zips["autograder.zip"]
    modes = {entry.filename: entry.external_attr >> 16 for entry in archive.infolist()}
    assert {name for name, mode in modes.items() if mode == 0o100755} == {"setup.sh", "run_autograder"}
    assert set(modes.values()) == {0o100755, 0o100644}
    tops = {name.split("/")[0] for name in modes}
    assert tops == {
        *("setup.sh", "run_autograder", "autograder", "student_template"),
        *("LICENSE", "constraints.txt", "pyproject.toml"),
    }
    assert not [name for name in modes if "reference" in name or name.endswith((".ipynb", ".pyc"))]
    grader = {
        path
        for path in (ROOT / "autograder").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in modes if name.startswith("autograder/")} == {
        path.relative_to(ROOT).as_posix() for path in grader
    }


def test_students_zip(zips: dict[str, zipfile.ZipFile]) -> None:
    """student.zip has what students work with at its root, and below autograder/ what their check needs."""
    names = zips["student.zip"].namelist()
    tops = {name for name in names if not name.startswith("autograder/")}
    assert tops == {
        *("vae.py", "vae.ipynb", "check.py", "README.md", "requirements.txt"),
        *(f"nndl2/{name}.py" for name in ("__init__", "grad", "helper", "utils")),
    }
    assert not {f"autograder/{name}.py" for name in ("__main__", "batch", "release", "template")} & {*names}
    assert not [name for name in names if name.startswith("autograder/commands/")]
    assert len([name for name in names if "rubric/test_" in name]) == 6
    package = ROOT / "autograder"
    files = [path.relative_to(package) for path in package.rglob("*") if path.is_file()]
    data = {f"autograder/{path.as_posix()}" for path in files if path.suffix not in (".py", ".pyc")}
    needless = {name for name in data if name.startswith("autograder/templates/")}  # of the class's pages
    assert data - needless == {name for name in names if name in data}
    for name in names:
        if not name.startswith("autograder/"):
            assert zips["student.zip"].read(name) == (ROOT / "student_template" / name).read_bytes()


def test_one_rubric(zips: dict[str, zipfile.ZipFile], tmp_path: Path) -> None:
    """Students and Gradescope have one rubric, and records say so by its hash; the graders' hashes differ."""
    packages = []
    for name, archive in zips.items():
        archive.extractall(tmp_path / name)
        packages.append(tmp_path / name / "autograder")
    assert len({hash_of(package / "rubric") for package in packages}) == 1
    assert len({hash_of(package) for package in packages}) == len(packages)


@pytest.mark.parametrize("name", ["student.zip", "autograder.zip"])
def test_no_solution(zips: dict[str, zipfile.ZipFile], name: str) -> None:
    """No line of a solution stands in a zip."""
    blocks = SOLUTION.findall((ROOT / "reference" / "vae.py").read_text("utf-8"))
    code = {line.partition("  #")[0].strip() for block in blocks for line in block.split("\n")} - {"", ")"}
    assert len(code) > 20
    texts = {entry: zips[name].read(entry).decode() for entry in zips[name].namelist()}
    assert [(line, entry) for line in code for entry, text in texts.items() if line in text] == []


# Edits of the project, after which the students' files are not made from the reference: file, old text, new text.
STALE = {
    "vae.py for students": ("student_template/vae.py", "import torch", "import torch  # more"),
    "vae.py": ("reference/vae.py", "import torch", "import torch  # more"),
    "a text of the notebook": ("reference/notebook.py", "you build two models", "you build 2 models"),
    "code of the notebook": ("reference/notebook.py", "import os\n", "import os as os\n"),
    "a cell of the notebook": ("reference/notebook.py", "import os\n", "import os\n\n# %%\n"),
    "a cell's kind": ("reference/notebook.py", "# %% [markdown]\n# ## Set-up", "# %%\n# ## Set-up"),
    "a damaged notebook": ("student_template/vae.ipynb", '"cells"', "cells"),
}


@pytest.mark.parametrize("jupytext", [True, False], ids=["with jupytext", "without"])
@pytest.mark.parametrize(("name", "old", "new"), STALE.values(), ids=STALE)
def test_stale_template_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, old: str, new: str, *, jupytext: bool
) -> None:
    """Where the students' files are not made from the present reference, nothing is released."""
    if not jupytext:
        monkeypatch.setitem(sys.modules, "jupytext", None)
    project = copy_of_project(tmp_path / "project")
    text = (project / name).read_text("utf-8")
    assert old in text
    (project / name).write_text(text.replace(old, new, 1), "utf-8")
    with pytest.raises(ValueError, match="autograder template"):
        release(project, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_no_broken_template(tmp_path: Path) -> None:
    """From a reference that Python cannot read, with its solutions or without them, no template is made."""
    for name in ("vae.py", "notebook.py"):
        shutil.copy(ROOT / "reference" / name, tmp_path / name)
    source = (tmp_path / "vae.py").read_text("utf-8")
    (tmp_path / "vae.py").write_text(f"{source}  bad syntax(\n", "utf-8")
    with pytest.raises(ValueError, match=r"reference/vae\.py, line \d+: "):
        write_template(tmp_path, tmp_path / "out")


def test_release_without_jupytext(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is current is released where there is no jupytext, too."""
    monkeypatch.setitem(sys.modules, "jupytext", None)
    assert [path.name for path in release(ROOT, tmp_path)] == ["autograder.zip", "student.zip"]


def test_modules(tmp_path: Path) -> None:
    """The modules that one needs are found through all of their imports, in whichever way these are written."""
    for name, text in {
        "a": "from autograder import b, c as d",
        "b": "def f():\n    from autograder.sub.e import g",
        "c": "import os",
        "sub/e": "from autograder import a",
        "sub/__init__": "",
        "left": "from autograder import a",
    }.items():
        path = tmp_path / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert modules(tmp_path, "a") == {"a", "b", "c", "sub.e"}


# Which rows students see


def call(tmp_path: Path, *options: str) -> Result:
    """Run the command."""
    return CliRunner().invoke(main, ["release", "--out", str(tmp_path / "out"), *options])


CHOICES: dict[str, tuple[list[str], dict[str, Any] | None]] = {
    "everything is visible": ([], None),
    "all rows after the due date": (["--due"], {"rows": "after_due_date", "hide": [], "hidden": "hidden"}),
    "the same by its own word": (
        ["--visibility", "after_due_date"],
        {"rows": "after_due_date", "hide": [], "hidden": "hidden"},
    ),
    "a row is never shown": (["--hide", "6.3"], {"rows": "visible", "hide": ["6.3"], "hidden": "hidden"}),
    "two rows after the due date": (
        ["--hide", "6.3", "--hide", "T", "--due"],
        {"rows": "visible", "hide": ["6.3", "T"], "hidden": "after_due_date"},
    ),
    "some when published, one never": (
        ["--visibility", "after_published", "--hide", "1.1"],
        {"rows": "after_published", "hide": ["1.1"], "hidden": "hidden"},
    ),
}


@pytest.mark.parametrize(("options", "expected"), CHOICES.values(), ids=CHOICES)
def test_choice_is_in_the_zip(tmp_path: Path, options: list[str], expected: dict[str, Any] | None) -> None:
    """What is chosen is carried by autograder.zip alone; without a choice there is no file."""
    done = call(tmp_path, *options)
    assert done.exit_code == 0, done.output
    with zipfile.ZipFile(tmp_path / "out" / "autograder.zip") as archive:
        found = json.loads(archive.read(SETTINGS)) if SETTINGS in archive.namelist() else None
        archive.extractall(tmp_path / "source")
    assert found == expected
    assert read(tmp_path / "source") == (
        Visibility(**{**expected, "hide": (*expected["hide"],)}) if expected else Visibility()
    )
    with zipfile.ZipFile(tmp_path / "out" / "student.zip") as archive:
        assert SETTINGS not in archive.namelist()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--hide", "7.1"], "there is no row 7.1"),
        (["--visibility", "never"], "'never' is not one of"),
        (["--due", "--visibility", "after_published"], "say different things"),
    ],
)
def test_unusable_choice(tmp_path: Path, options: list[str], words: str) -> None:
    """A choice that means nothing is refused in words."""
    done = call(tmp_path, *options)
    assert done.exit_code == 2
    assert words in done.output
    assert not (tmp_path / "out").exists()


def test_unusable_folder(tmp_path: Path) -> None:
    """A folder that cannot be made is refused in words, without an error's number."""
    (tmp_path / "file").touch()
    done = CliRunner().invoke(main, ["release", "--out", str(tmp_path / "file" / "out")])
    assert done.exit_code == 2
    assert done.output == f"Error: {tmp_path / 'file' / 'out'}: Not a directory\n"


def test_hidden_rows(tmp_path: Path) -> None:
    """Each row is marked, and the text about the whole names no row that is not shown yet, nor the total with it."""
    results = record({"1.2": "A slip in 1.2.", "6.3": "A slip in 6.3."})
    Visibility(hide=("6.3", "6.2"), hidden="after_due_date").apply(results)
    assert problems(results) == []
    shown = {row.number: row.visibility for row in results.tests}
    assert shown == {
        **dict.fromkeys((*ROWS, "T"), "visible"),
        "6.2": "after_due_date",
        "6.3": "after_due_date",
    }
    assert results.score == 10
    assert "9 of 10 points" in results.output
    assert "A slip in 1.2." in results.output
    assert "A slip in 6.3." not in results.output
    assert results.output.endswith("Shown after the due date: 6.2, 6.3.")


def test_nothing_shown_yet() -> None:
    """Where all rows wait, students are told that their work arrived, and no more."""
    results = record({"1.2": "A slip in 1.2."})
    Visibility(rows="after_published", hide=("1.1",)).apply(results)
    assert problems(results) == []
    assert results.output.startswith("Your work was received and graded.\nShown to course staff only: 1.1.")
    assert "A slip" not in results.output


def test_all_right_so_far() -> None:
    """A wrong row that is hidden is not called right."""
    results = record({"6.3": "A slip in 6.3."})
    Visibility(hide=("6.3",)).apply(results)
    assert "Every row that is shown now is right." in results.output
    assert "Everything is right" not in results.output


def test_everything_visible_changes_nothing() -> None:
    """Without a choice a record stays as it is."""
    results, same = record({"6.3": "A slip."}), record({"6.3": "A slip."})
    Visibility().apply(results)
    assert results == same


ON_GRADESCOPE = """
from pathlib import Path
from autograder.commands import common, grade
grade.GRADESCOPE = Path.cwd()
common.PROJECT = Path.cwd() / "source"
"""


def test_grading_on_gradescope(tmp_path: Path, apart: Apart) -> None:
    """Inside Gradescope's container, what the release chose is applied; elsewhere everything is shown."""
    for folder in ("submission", "source"):
        (tmp_path / folder).mkdir()
    shutil.copy(ROOT / "student_template" / "vae.py", tmp_path / "submission")
    (tmp_path / "source" / SETTINGS).write_bytes(Visibility(hide=("1.1",)).encode())
    for arguments, shown in (["--train", "never"], "hidden"), (["submission", "--train", "never"], None):
        done = apart(call_main, ["grade", *arguments], str(tmp_path), ON_GRADESCOPE)
        assert done.code == 0, done.printed
        path = tmp_path / ("results.json" if shown is None else "results/results.json")
        content = path.read_bytes()
        assert problems(content) == []
        assert json.loads(content)["tests"][0].get("visibility") == shown


ENDED = """
from autograder import training
def run(*_):
    raise KeyboardInterrupt
training.run = run
"""


def test_gradescope_ends_the_training_run(tmp_path: Path, apart: Apart) -> None:
    """Where the container is ended in the middle of the training run, the twelve rows are written already."""
    (tmp_path / "submission").mkdir()
    shutil.copy(ROOT / "student_template" / "vae.py", tmp_path / "submission")
    done = apart(call_main, ["grade"], str(tmp_path), ON_GRADESCOPE + ENDED)
    assert done.code != 0
    content = (tmp_path / "results" / "results.json").read_bytes()
    assert problems(content) == []
    rows = json.loads(content)["tests"]
    assert [row["number"] for row in rows] == [*ROWS, "T"]
    assert rows[-1]["output"] == "Not run: the grading was ended in the middle of it."


def test_dockerfile(zips: dict[str, zipfile.ZipFile]) -> None:
    """The image of one's own is built from what is in the zip, and keeps the base image's start."""
    lines = (ROOT / "docs" / "Dockerfile").read_text("utf-8").replace("\\\n", " ").splitlines()
    steps = [line for line in lines if line and not line.startswith("#")]
    assert [step.split()[0] for step in steps] == ["FROM", "COPY", "RUN"]
    named = {name.rstrip("&; ") for name in re.findall(r"/autograder/source/(\S+)", steps[2])}
    assert named == {"run_autograder", "setup.sh"}
    assert named <= {*zips["autograder.zip"].namelist()}
    assert "chmod +x /autograder/run_autograder" in steps[2]
    assert "||" not in steps[2]  # a step that fails ends the build
