"""The student's check: the verdict of Gradescope, from the unpacked student.zip, shown so that one knows what to do."""

from __future__ import annotations

import html
import json
import os
import re
import signal
import subprocess
import sys
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import nbformat
import pytest
from apart import REFERENCE, faults
from corpus import entries
from graded import record
from valid import problems

from autograder import confine, handin
from autograder.check import NEEDED, check
from autograder.nursery import Spawner
from autograder.release import release
from autograder.sandbox import Sandbox
from autograder.verdict import Verdict
from autograder.watch import Limits

if TYPE_CHECKING:
    from collections.abc import Callable

    from autograder.results import Results

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE = (ROOT / "student_template" / "vae.py").read_text("utf-8")
SEED = 2024

# Each row once, in ways that make it say different things; two right ones; an unfinished one.
SPREAD = (
    "encoder-leaky-relu-0.001",
    "logvar-layer-clamped",
    "decoder-tied-layers",
    "reparametrize-repeated-after-32",
    "forward-second-call-differs",
    "loss-kl-off-by-1-percent",
    "cvae-forward-class-ignored-by-decoder",
    "right-reparametrize-transposed-noise",
    "right-file-matrix-school",
    "unfinished-with-1-3-4",
)

# Warms one process up, as a grading's, with what lies in the unpacked zip, and checks each file in a fork of it.
EACH = """
import json, os, sys
import check
import autograder.grade, msgspec, psutil, pytest, pytest_timeout, gradescope_utils
assert autograder.__path__ == [os.path.join(os.getcwd(), "autograder")], autograder.__path__
for name in json.loads(sys.argv.pop()):
    if (pid := os.fork()) == 0:
        os.replace(name + ".py", "vae.py")
        sys.argv = ["check.py", "--quiet", "--seed", SEED, "--results", name + ".json"]
        os._exit(check.checking.main(check.HERE))
    assert os.waitpid(pid, 0)[1] == 0
""".replace("SEED", repr(str(SEED)))


@dataclass
class Homework:
    """An unpacked student.zip."""

    folder: Path

    def run(self, *arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
        """Run check.py there, on its own: nothing of this repository is importable."""
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        return subprocess.run(
            [
                sys.executable,
                "-X",
                "utf8",
                *more.pop("options", ()),
                *more.pop("script", ("check.py",)),
                *arguments,
            ],
            cwd=more.pop("cwd", self.folder),
            env=environment | {"PYTHONIOENCODING": "utf-8"},
            capture_output=True,
            encoding="utf-8",
            check=False,
            timeout=more.pop("timeout", 250),
            **more,
        )

    def write(self, source: str) -> None:
        """Write vae.py."""
        (self.folder / "vae.py").write_text(source, "utf-8")


@pytest.fixture(scope="module")
def student_zip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The zip that students get."""
    return release(ROOT, tmp_path_factory.mktemp("release"))[1]


@pytest.fixture
def homework(student_zip: Path, tmp_path: Path) -> Homework:
    """The zip, unpacked into a folder with spaces and letters beyond ASCII."""
    folder = tmp_path / "mein Übungsblatt 作业 (1)"
    with zipfile.ZipFile(student_zip) as archive:
        archive.extractall(folder)
    return Homework(folder)


def rows(results: Any) -> list[Any]:
    """List what a student sees of a record, and how each row ended."""
    tests = results["tests"] if isinstance(results, dict) else msgspec.to_builtins(results.tests)
    keys = ("number", "name", "status", "score", "max_score", "output")
    return [[row.get(key) for key in keys] + [row["extra_data"].get("ending")] for row in tests]


@pytest.mark.timeout(3600)
def test_verdict_equals_gradescopes(homework: Homework, grade: Callable[..., Results]) -> None:
    """The unpacked zip gives each submission the grader's rows, points and words, the same seed given.

    For the whole corpus, half an hour's work, set WHOLE_CORPUS=1.
    """
    corpus = {entry.name: entry for entry in entries()}
    names = [*corpus] if os.environ.get("WHOLE_CORPUS") else SPREAD
    for name in names:
        (homework.folder / f"{name}.py").write_bytes(corpus[name].source)
    done = homework.run(json.dumps(names), script=("-c", EACH), timeout=3600)
    assert done.returncode == 0, done.stderr
    for name in names:
        found = json.loads((homework.folder / f"{name}.json").read_bytes())
        results = grade(corpus[name].source, seed=SEED)
        assert faults(results) == []
        assert rows(found) == rows(results), name
        assert {row[0] for row in rows(found) if row[3] == 0 and row[4]} == corpus[name].lost, name


def test_everything_right(homework: Homework) -> None:
    """In a terminal all rows are listed with their points; what only instructors and TAs have is not needed."""
    homework.write(REFERENCE)
    absent = "rich click jinja2 bleach dask distributed jupytext nbclient IPython"
    code = f"import sys; sys.modules.update(dict.fromkeys('{absent}'.split())); {AS_SCRIPT}"
    done = homework.run(script=("-c", code))
    assert (done.returncode, done.stderr) == (0, "")
    assert len(re.findall(r"^✓ \d\.\d +1/1  \S", done.stdout, re.MULTILINE)) == 12
    assert f"12 of 12 points for vae.py {handin.fingerprint(homework.folder / 'vae.py')}." in done.stdout
    assert "Everything is right." in done.stdout
    assert "\x1b" not in done.stdout


AS_SCRIPT = "import runpy; runpy.run_path('check.py', None, '__main__')"
WITHOUT_MSGSPEC = f"""
import importlib.util
find = importlib.util.find_spec
importlib.util.find_spec = lambda name: None if name == "msgspec" else find(name)
{AS_SCRIPT}
"""


def test_missing_package(homework: Homework) -> None:
    """A package that is missing is named, with the remedy; those that are needed are in the list."""
    done = homework.run(script=("-c", WITHOUT_MSGSPEC))
    assert done.returncode == 1
    assert "Missing: msgspec" in done.stderr
    assert "pip install -r requirements.txt" in done.stderr
    done = homework.run(
        script=("-c", WITHOUT_MSGSPEC.replace("'check.py'", repr(str(homework.folder / "check.py")))), cwd="/"
    )
    assert f'pip install -r "{homework.folder / "requirements.txt"}"' in done.stderr
    listed = (homework.folder / "requirements.txt").read_text("utf-8").split()
    names = {name.replace("-", "_").replace("pyyaml", "yaml") for name in listed}
    assert {*NEEDED} <= names


@pytest.mark.slow
def test_spawn(homework: Homework) -> None:
    """Where there is no fork, the file's code is started afresh, and the verdict is the same."""
    homework.write(TEMPLATE)
    found = []
    for method in ("spawn", "fork"):
        done = homework.run("--quiet", "--seed", "7", "--start-method", method, "--results", f"{method}.json")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        content = (homework.folder / f"{method}.json").read_bytes()
        assert problems(content) == []
        found.append(rows(json.loads(content)))
    assert found[0] == found[1]


WITHOUT_POLL = """
import sys
from autograder import channel, sandbox
sandbox.Channel = channel.ThreadedChannel
"""


@pytest.mark.slow
def test_without_poll(grade: Callable[..., Results]) -> None:
    """Where pipes cannot be polled either, the verdict is the same."""
    results = grade(REFERENCE, method="spawn", patch=WITHOUT_POLL)
    assert results.score == 12


def test_without_resource_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that has no resource limits goes without, and says so."""
    monkeypatch.setitem(sys.modules, "resource", None)
    state: dict[str, Any] = {"layers": [], "missing": {}}
    with confine.noted(state, "limits"):
        confine.set_limits(confine.Plan("", ""))
    assert state["layers"] == []
    assert "resource" in state["missing"]["limits"]


def test_data_is_not_copied(tmp_path: Path) -> None:
    """What the notebook has downloaded into nndl2 is not copied for each worker."""
    for path in ("submission/vae.py", "nndl2/helper.py", "nndl2/MNIST/raw/images"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    sandbox = Sandbox(Spawner(), tmp_path / "submission", tmp_path / "nndl2", Limits())
    (tmp_path / "scratch").mkdir()
    sandbox.furnish(tmp_path / "scratch", None)
    assert [path.name for path in (tmp_path / "scratch" / "work" / "nndl2").iterdir()] == ["helper.py"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--w"], "unrecognized arguments: --w"),  # watch runs the command without the whole word only
        (["encodr"], "there is no section 'encodr'; there are encoder, decoder,"),
        (["--submit", "encoder"], "--submit checks everything"),
        (["--submit", "--watch"], "--submit checks everything"),
        (["--results", "."], "--results: . is a folder"),
        (["loss", "--results", "vae.py/x.json"], "x.json could not be written"),
        (["--seed", "9" * 23], "--seed: 99999"),
        (["--seed", "-1"], "--seed: -1 is not between"),
    ],
)
def test_unusable_arguments(homework: Homework, arguments: list[str], words: str) -> None:
    """Unusable arguments are refused in words."""
    done = homework.run(*arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_watch(homework: Homework) -> None:
    """With --watch a section is checked at once and again whenever vae.py is saved, until Ctrl-C."""
    command = [sys.executable, "-X", "utf8", "check.py", "loss", "--watch"]
    with subprocess.Popen(
        command, cwd=homework.folder, stdout=subprocess.PIPE, encoding="utf-8", start_new_session=True
    ) as process:
        assert process.stdout

        def read_on() -> str:
            text = ""
            while "Ctrl-C" not in text and (line := process.stdout.readline()):  # type: ignore[union-attr]
                text += line
            return text

        assert "0 of 1 points" in read_on()
        homework.write(REFERENCE)
        assert "1 of 1 points" in read_on()
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(timeout=20) == 0


# Handing in


def test_submit(homework: Homework) -> None:
    """--submit writes a zip with vae.py and the notebook, grades just that, and warns of the notebook."""
    homework.write(REFERENCE)
    begin = time.monotonic()
    done = homework.run("--submit", "--results", "mine.json", options=("-c", QUICK), script=())
    assert done.returncode == 0, done.stderr
    assert f"12 of 12 points for vae.py {handin.fingerprint(homework.folder / 'vae.py')}." in done.stdout
    assert "Warning: the notebook was saved without outputs: restart the kernel" in done.stdout
    assert done.stdout.endswith(
        "Written: submission.zip, with vae.py and vae.ipynb: the file to hand in on Gradescope.\n"
    )
    with zipfile.ZipFile(homework.folder / "submission.zip") as archive:
        assert archive.namelist() == ["vae.py", "vae.ipynb"]
        assert archive.read("vae.py").decode() == REFERENCE
    found = json.loads((homework.folder / "mine.json").read_bytes())
    assert [row["number"] for row in found["tests"]][-1] == "T"
    assert "models" in found["tests"][-1]["extra_data"], found["tests"][-1]  # training has begun
    assert time.monotonic() - begin < 120


# As `python check.py`, but that hardly any time is left to train.
QUICK = """
import sys, runpy
sys.path.insert(0, "")
sys.argv[0] = "check.py"
from autograder import schedule
plain = schedule.Settings
schedule.Settings = lambda **more: plain(**more, download=False, schedule=schedule.Schedule(budget=5))
runpy.run_path("check.py", None, "__main__")
"""


@pytest.mark.parametrize("arguments", [["--submit"], ["encoder"]])
def test_no_vae(homework: Homework, arguments: list[str]) -> None:
    """Without a vae.py, and anything to make it of, nothing is checked or written, and one sentence says so."""
    (homework.folder / "vae.py").unlink()
    (homework.folder / "vae.ipynb").unlink(missing_ok=True)
    done = homework.run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"There is no vae.py in {homework.folder}.\n"
    (homework.folder / "hw").mkdir()
    (homework.folder / "hw" / "vae.py").write_text(REFERENCE, "utf-8")
    done = homework.run(*arguments)
    assert done.stderr == f"There is no vae.py in {homework.folder}. Move {Path('hw', 'vae.py')} there.\n"
    assert not (homework.folder / "submission.zip").exists()
    with pytest.raises(FileNotFoundError, match=r"there is no vae\.py"):
        check(homework.folder)


def test_earlier_zip_stays(homework: Homework) -> None:
    """Where there is nothing to grade any more, --submit leaves an earlier zip as it is."""
    (homework.folder / "submission.zip").write_bytes(b"earlier")
    (homework.folder / "vae.py").rename(homework.folder / "my_vae.py")
    (homework.folder / "vae.ipynb").unlink(missing_ok=True)
    done = homework.run("--submit")
    assert done.returncode == 2
    assert "rename my_vae.py to vae.py" in " ".join(done.stdout.split())
    assert (homework.folder / "submission.zip").read_bytes() == b"earlier"


def test_notebook_alone(homework: Homework) -> None:
    """A notebook that defines the models is checked where there is no vae.py, and handed in as it is."""
    (homework.folder / "vae.py").unlink()
    done = homework.run("loss")
    assert done.returncode == 2
    assert "Nothing could be checked: there is no vae.py; found vae.ipynb" in " ".join(done.stdout.split())
    cell: dict[str, Any] = {
        "cell_type": "code",
        "source": REFERENCE,
        "metadata": {},
        "outputs": [],
        "execution_count": None,
    }
    text = json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 4})
    (homework.folder / "mine.ipynb").write_text(text)
    done = homework.run("loss")
    assert done.returncode == 0
    assert "Note: vae.py was made from mine.ipynb" in done.stdout
    assert "What was checked is right: loss." in done.stdout


def notebook(*cells: tuple[int | None, str]) -> Any:
    """Make a notebook: of each code cell how many were run before it, and what it printed."""
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Title")])
    for count, text in cells:
        outputs = [nbformat.v4.new_output("stream", text=text)] if text else []
        made.cells.append(nbformat.v4.new_code_cell("x = 1", execution_count=count, outputs=outputs))
    made.cells.append(nbformat.v4.new_code_cell("  \n"))  # empty: nothing to run
    return made


CURRENT = "b0e1ec1c"
STATES: dict[str, tuple[list[tuple[int | None, str]], bool, list[str]]] = {
    "as it should be": ([(1, ""), (2, f"3 of 4 points for vae.py {CURRENT}.")], True, []),
    "begun in the middle of a session": ([(4, ""), (7, "")], False, []),
    "without outputs": ([(None, ""), (None, "")], False, ["saved without outputs"]),
    "one cell not run": ([(1, ""), (None, ""), (2, "")], False, ["code cell 2 of the notebook was not run"]),
    "two cells not run": (
        [(None, ""), (None, ""), (2, "")],
        False,
        ["code cells 1, 2 of the notebook were not"],
    ),
    "out of order": ([(2, ""), (1, "")], False, ["not run from top to bottom"]),
    "made with another vae.py": (
        [(1, "for vae.py 00000000."), (2, f"for vae.py {CURRENT}.")],
        False,
        ["the outputs of code cell 1 were made with another vae.py"],
    ),
    "older, and no check in it": ([(1, "hello")], True, ["vae.py was changed after the notebook was saved"]),
    "younger, and no check in it": ([(1, "hello")], False, []),
    "all at once": (
        [(3, "vae.py 00000000"), (2, ""), (None, "")],
        True,
        ["code cell 3 of", "not run from top", "another vae.py"],
    ),
}


@pytest.mark.parametrize(("cells", "older", "words"), STATES.values(), ids=STATES)
def test_state_of_the_notebook(cells: list[Any], older: bool, words: list[str]) -> None:  # noqa: FBT001
    """Outputs that are missing, out of order or stale are told, with the cells; others are not."""
    found = [*handin.problems([*handin.code_cells(notebook(*cells))], CURRENT, older=older)]
    assert len(found) == len(words), found
    for sentence, expected in zip(found, words, strict=True):
        assert expected in sentence


def test_error_in_the_notebook() -> None:
    """A cell that ended with an error is named."""
    made = notebook((1, ""), (2, ""))
    made.cells[2].outputs = [nbformat.v4.new_output("error", ename="E", evalue="", traceback=[])]
    found = [*handin.problems([*handin.code_cells(made)], CURRENT, older=False)]
    assert [sentence.partition(":")[0] for sentence in found] == [
        "code cell 2 of the notebook ended with an error"
    ]


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", '{"cells": [1]}', '{"cells": [{"cell_type": "code"}]}', None]
)
def test_damaged_notebook(tmp_path: Path, content: str | None) -> None:
    """A notebook that is damaged or missing is a warning, and no more."""
    (tmp_path / "vae.py").write_text("")
    if content is not None:
        (tmp_path / "vae.ipynb").write_text(content)
    (sentence,) = handin.warnings_of(tmp_path)
    assert ("cannot be read" if content is not None else "there is no vae.ipynb") in sentence


def test_stale_by_time(tmp_path: Path) -> None:
    """Where no check was saved, the files' times tell that vae.py was changed later."""
    (tmp_path / "vae.py").write_text("")
    nbformat.write(notebook((1, "hello")), tmp_path / "vae.ipynb")
    assert handin.warnings_of(tmp_path) == []
    os.utime(tmp_path / "vae.ipynb", (0, 0))
    assert "was changed after" in handin.warnings_of(tmp_path)[0]


# What it looks like


def shown(lost: dict[str, str] | None = None, **extra: Any) -> Verdict:
    """Make a record by hand, as check.py reads one."""
    results = record(lost, fingerprint="5eed", **extra)
    for row in results.tests:
        row.tags = ["encoder" if row.number < "2" else "cvae"]
    return Verdict(msgspec.to_builtins(results))


def test_text() -> None:
    """The text has a line for each row, what was found below it, and at the end what comes next."""
    text = shown({"1.2": "A slip.\n  vae.py, line 3:  x = 1", "6.1": "Another."}).as_text(80)
    lines = text.splitlines()
    assert lines[0] == "ENCODER"
    assert lines[1] == "✓ 1.1    1/1  What row 1.1 asks for"
    assert lines[2:5] == [
        "✗ 1.2    0/1  What row 1.2 asks for",
        f"{'':13}A slip.",
        f"{'':13}  vae.py, line 3:  x = 1",
    ]
    assert text.endswith(
        "10 of 12 points for vae.py 5eed.\nNext: encoder, row 1.2. A slip. (vae.py, line 3: x = 1)"
    )
    assert "Training" not in text  # it was not run
    assert repr(shown()) == shown().as_text(100)


def test_next_names_the_mistake() -> None:
    """What comes next is the mistake where it is known, and else what was found."""
    lost = {"1.2": "A slip.\nIt looks as if 2 is 1.\nLargest difference: 3."}
    assert shown(lost).as_text(80).endswith("Next: encoder, row 1.2. A slip.")
    text = shown(lost, causes={"1.2": ["It looks as if 2 is 1."]}).as_text(80)
    assert text.endswith("Next: encoder, row 1.2. It looks as if 2 is 1.")


def test_narrow_text() -> None:
    """On a narrow terminal words are broken between lines, lines of code are not."""
    text = shown({"1.2": "word " * 30 + "\n  vae.py, line 3:  " + "x" * 50}).as_text(40)
    assert max(len(line) for line in text.splitlines() if "word" in line and "Next" not in line) <= 40
    assert "x" * 50 in text


def test_colours() -> None:
    """Colours are switched off by themselves at the end of what they colour."""
    text = shown({"1.2": "A slip."}).as_text(80, colours=True)
    assert re.sub(r"\x1b\[\d*m", "", text) == shown({"1.2": "A slip."}).as_text(80)
    assert text.count("\x1b[0m") == text.count("\x1b[") / 2


def test_html() -> None:
    """The notebook's table holds the same rows, and all text in it is escaped."""
    evil = "<script>alert(1)</script> & 'x'"
    made = shown({"1.2": evil}, notes=[evil])._repr_html_()
    assert "<script" not in made
    assert made.count(html.escape(evil)) == 3  # the row, what comes next, the note
    assert made.count("&#10003;") == 11
    assert made.count("&#10007;") == 1


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ({"unreadable": "there is no vae.py"}, "Nothing could be checked: there is no vae.py"),
        ({"grader_fault": "KeyError: 17"}, "please show this to your course staff:"),
        ({"notes": ["something was left out"]}, "Note: something was left out"),
    ],
)
def test_summary(extra: dict[str, Any], words: str) -> None:
    """What kept the check from its work, or changed it, is told."""
    assert words in shown(**extra).as_text(80)


def test_unknown_section_in_a_notebook() -> None:
    """A section that there is not is named with those that there are."""
    with pytest.raises(ValueError, match="there is no section 'kl'; there are encoder, "):
        check(ROOT, "kl")


def test_as_function(homework: Homework) -> None:
    """Without a notebook, check() prints text; it runs what is on disk now, whatever was imported before."""
    code = f"""
import check, vae
open("vae.py", "w", encoding="utf-8").write({REFERENCE!r})
check.check("loss")
"""
    done = homework.run(script=("-c", code))
    assert (done.returncode, done.stderr) == (0, "")
    assert "1 of 1 points" in done.stdout


def test_broken_check_is_told(tmp_path: Path) -> None:
    """Where the check itself does not come to a result, its output is shown."""
    (tmp_path / "check.py").write_text("raise SystemExit('no luck')")
    (tmp_path / "vae.py").touch()
    with pytest.raises(RuntimeError, match="no luck"):
        check(tmp_path)
