"""The documentation: complete, current, and each command in it works."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest
from test_commands import call_main

from autograder import check, verdict
from autograder.__main__ import main
from autograder.release import release

if TYPE_CHECKING:
    from collections.abc import Iterator

    from apart import Apart

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "student_template" / "README.md",
]
TEXTS = {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in PAGES}
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
SHELL = re.compile(r"^( *)```sh\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


def anchors(text: str) -> set[str]:
    """List the anchors of a page's headings, as Git hosts make them."""
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("name", TEXTS)
def test_links(name: str) -> None:
    """Each link leads to a file that is there, and to a heading in it; outside, to an address that can be one."""
    for link in LINK.findall(TEXTS[name]):
        if link.startswith(("https://", "http://")):
            assert re.fullmatch(r"https://[\w.-]+\.\w+(/\S*)?", link), link
            continue
        path, _, anchor = link.partition("#")
        target = (ROOT / name).parent / path if path else ROOT / name
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target.read_text("utf-8")), link


def test_design_names_each_module() -> None:
    """The table of where things are names each module of the grader, and none that is not there."""
    table = TEXTS["docs/design.md"].partition("## Where things are")[2].partition("\n## ")[0]
    there = {path.name for path in (ROOT / "autograder").glob("*.py")} - {"__init__.py"}
    assert sorted(set(re.findall(r"`(\w+\.py)`", table)) - {"vae.py"}) == sorted(there)


def test_readme_is_short() -> None:
    """The README fits on a few screens, and every page of the documentation is linked from it."""
    assert len(TEXTS["README.md"].splitlines()) <= 150
    linked = {link for link in LINK.findall(TEXTS["README.md"]) if not link.startswith("http")}
    assert {name for name in TEXTS if name.startswith("docs/")} <= linked


def test_rubric_page_is_current() -> None:
    """docs/rubric.md is what the rubric's docstrings give (else: python scripts/rubric.py)."""
    spec = importlib.util.spec_from_file_location("rubric_page", ROOT / "scripts" / "rubric.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    page = module.page()
    assert len(re.findall(r"^### \d\.\d \(1 point\)$", page, re.MULTILINE)) == 12
    assert page == TEXTS["docs/rubric.md"]


PROGRAMS = [*sorted((ROOT / "scripts").glob("*.py")), *sorted((ROOT / "benchmarks").glob("*.py"))]


@pytest.mark.slow
@pytest.mark.parametrize("path", PROGRAMS, ids=[path.stem for path in PROGRAMS])
def test_help_of_a_program(path: Path) -> None:
    """Each script and benchmark tells its use where that is asked for, and does nothing; or what it lacks."""
    page = ROOT / "docs" / "rubric.md"
    before = page.stat().st_mtime_ns
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, path, "--help"], env=environment, capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr
    assert done.stdout.startswith("usage: ") or "pip install cosmic-ray" in done.stderr
    assert page.stat().st_mtime_ns == before


# Commands and options


def options() -> Iterator[tuple[str, str]]:
    """List each command with each of its options."""
    for name, command in main.commands.items():
        yield name, ""
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                yield name, next(option for option in parameter.opts if option.startswith("--"))


@pytest.mark.parametrize(("command", "option"), [*options()])
def test_documented(command: str, option: str) -> None:
    """Each command, and each of its options, is in a page of the documentation."""
    pages = [text for name, text in TEXTS.items() if name.startswith("docs/")]
    about = [
        text
        for text in pages
        if re.search(rf"\b(autograder|`){' ' * (command != 'template')}?{command}\b", text)
    ]
    assert about, command
    assert (
        any(f"{option} " in text or f"{option}`" in text or f"{option}\n" in text for text in about)
        or not option
    )


def test_options_of_the_check() -> None:
    """Each option of the students' check is in their page, and no other is."""
    source = Path(check.__file__).read_text("utf-8")
    known = set(re.findall(r'add_argument\(\s*"(--[\w-]+)"', source))
    assert known >= {"--watch", "--submit"}
    table = TEXTS["docs/student.md"].partition("## What a row can say")[0]
    assert set(re.findall(r"`(--[\w-]+)", table)) == known
    for section in verdict.SECTIONS:
        assert f"`{section}`" in table


# Documented commands. Those that are not run here are run by other tests.
ELSEWHERE = {
    "./setup.sh && ./run_autograder reference": "test_container.py",
    "./setup.sh --dev && .venv/bin/pytest": ".ci/run",
    "python -m pip install -r requirements.txt": "test_check.py, without the network",
    "jupyter lab vae.ipynb": "test_template.py, without a browser",
    "python check.py encoder --watch": "test_check.py",
    "python check.py --submit": "test_check.py",
    ".venv/bin/python scripts/rubric.py": "above",
}
# To be quick: nothing is trained, and little is run.
MORE = {"grade": ["--train", "never"], "batch": ["--train", "never"], "audit": ["--jobs", "1"]}


def commands() -> Iterator[str]:
    """List the lines of all shell blocks."""
    found = (
        line.strip()
        for text in TEXTS.values()
        for _, block in SHELL.findall(text)
        for line in block.splitlines()
    )
    return iter(sorted({line for line in found if line}))


def test_every_exception_is_documented() -> None:
    """The list of commands that other tests run holds no command that is gone."""
    assert {*ELSEWHERE} <= {*commands()}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all that the documented commands name."""
    folder = tmp_path_factory.mktemp("docs") / "place"
    (folder / "SUBMISSION").mkdir(parents=True)
    shutil.copy(ROOT / "reference" / "vae.py", folder / "SUBMISSION")
    (folder / "SUBMISSION" / "vae.ipynb").write_text(
        '{"cells": [{"cell_type": "code", "source": "1 + 1", "metadata": {}, "outputs": [], "execution_count": null}],'
        ' "metadata": {}, "nbformat": 4, "nbformat_minor": 4}'
    )
    with zipfile.ZipFile(folder / "export.zip", "w") as archive:
        archive.write(folder / "SUBMISSION" / "vae.py", "ada/vae.py")
    with zipfile.ZipFile(release(ROOT, folder / "zips")[1]) as archive:
        archive.extractall(folder / "homework")
    return folder


@pytest.mark.parametrize("line", [line for line in commands() if line not in ELSEWHERE])
def test_command_runs(line: str, place: Path, apart: Apart) -> None:
    """Each documented command does what it should: its exit status is 0."""
    words = shlex.split(line)
    if words[:2] == ["python", "check.py"]:
        done = subprocess.run(
            [sys.executable, *words[1:]], cwd=place / "homework", capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return
    name = "grade" if words[0] == "./run_autograder" else words[1]
    assert words[0] in ("./run_autograder", ".venv/bin/autograder"), line
    arguments = words[1:] if name == "grade" else words[2:]
    if name == "template":
        arguments = ["--out", "template"]  # not into this repository
    outcome = apart(call_main, [name, *arguments, *MORE.get(name, [])], str(place), seconds=250)
    assert outcome.code in (0, None), outcome.printed


def test_help_is_complete() -> None:
    """Each command and each option says what it does."""
    for name, command in main.commands.items():
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, (name, parameter.name)
        assert command.help, name
