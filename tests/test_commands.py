"""The commands as a person runs them: exit codes, files, and what is printed."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from apart import REFERENCE, ROWS
from click.testing import CliRunner
from valid import problems

from autograder.__main__ import main as commands

if TYPE_CHECKING:
    from apart import Apart, Outcome

ROOT = Path(__file__).parents[1]
SCRIPT = [str(ROOT / "run_autograder")]
MODULE = [sys.executable, "-m", "autograder", "grade"]
needs_setup = pytest.mark.skipif(
    not (ROOT / ".venv" / "stamp").exists(), reason="run_autograder needs the environment that setup.sh makes"
)
WAYS = [
    pytest.param(SCRIPT, id="run_autograder", marks=needs_setup),
    pytest.param(MODULE, id="python -m autograder"),
]


def run(
    command: list[str], *arguments: str | Path, at: Path, **more: Any
) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **more.pop("env", {})}
    return subprocess.run(
        [*command, *map(str, arguments)],
        cwd=at,
        env=environment,
        stdout=more.pop("stdout", subprocess.PIPE),
        stderr=subprocess.PIPE,
        text=True,
        timeout=250,
        check=False,
        **more,
    )


def check(path: Path, score: float = 12) -> dict[str, Any]:
    """Read a results.json, which must be valid and complete."""
    data = path.read_bytes()
    assert problems(data) == []
    record: dict[str, Any] = json.loads(data)
    assert [test["number"] for test in record["tests"]] == [*ROWS, "T"]
    assert record["score"] == score
    return record


def call_main(arguments: list[str], folder: str, patch: str = "") -> None:
    """Run the command in this process, from another folder; ends with its exit code."""
    from autograder import __main__ as commands
    from autograder.commands import common

    os.chdir(folder)
    exec(patch, {})  # noqa: S102 - the tests' own

    def leave(code: int) -> None:
        raise SystemExit(code)

    common.leave = leave  # the code and the output are still wanted
    commands.main(arguments, prog_name="autograder")


def main(apart: Apart, at: Path, *arguments: str | Path, patch: str = "") -> Outcome:
    """Run the command in a fork of the warm process."""
    return apart(call_main, ["grade", *map(str, arguments)], str(at), patch)


@pytest.fixture
def submission(tmp_path: Path) -> Path:
    """A folder with the reference solution, in a folder to work in."""
    folder = tmp_path / "my homework (final) é"
    folder.mkdir()
    (folder / "vae.py").write_text(REFERENCE, encoding="utf-8")
    return folder


@pytest.mark.parametrize("command", WAYS)
def test_grades(command: list[str], submission: Path) -> None:
    """The command grades a folder, writes results.json where it is run, prints the table and succeeds."""
    done = run(command, submission, "--train", "never", at=submission.parent)
    assert (done.returncode, done.stderr) == (0, "")
    check(submission.parent / "results.json")
    for words in (*ROWS, "12 of 12 points", "Everything is right", "Written to results.json"):
        assert words in done.stdout
    assert sorted(path.name for path in submission.parent.iterdir()) == [submission.name, "results.json"]
    assert [path.name for path in submission.iterdir()] == ["vae.py"]


def as_folder(submission: Path) -> Path:
    """Hand in the folder."""
    return submission


def as_file(submission: Path) -> Path:
    """Hand in the file."""
    return submission / "vae.py"


def as_renamed_file(submission: Path) -> Path:
    """Hand in the file under another name."""
    return (submission / "vae.py").rename(submission / "my solution.py")


def as_zip(submission: Path) -> Path:
    """Hand in a zip with a folder in it."""
    path = submission / "upload.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(submission / "vae.py", "homework/vae.py")
    return path


def as_notebook(submission: Path) -> Path:
    """Hand in a notebook, without a vae.py beside it."""
    import nbformat

    path = submission / "vae.ipynb"
    cells = [nbformat.v4.new_markdown_cell("# VAE"), nbformat.v4.new_code_cell(REFERENCE)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    (submission / "vae.py").unlink()
    return path


@pytest.mark.parametrize("make", [as_folder, as_file, as_renamed_file, as_zip, as_notebook])
def test_forms(apart: Apart, submission: Path, make: Any) -> None:
    """A folder, a file, a zip and a notebook are graded alike."""
    done = main(apart, submission.parent, make(submission), "--train=never", "--results", "out/here.json")
    assert done.code == 0, done.printed
    check(submission.parent / "out" / "here.json")


def test_low_score(apart: Apart, tmp_path: Path) -> None:
    """The exit code is 0 whatever the score, and the table says what to look at first."""
    (tmp_path / "vae.py").write_text("VAE = None\n")
    done = main(apart, tmp_path, "vae.py", "--train", "never")
    assert done.code == 0
    check(tmp_path / "results.json", 0)
    assert "`VAE` is still None" in done.printed
    assert "Look first at" in done.printed


@pytest.mark.parametrize("make", ["empty folder", "broken zip"])
def test_nothing_to_grade(apart: Apart, tmp_path: Path, make: str) -> None:
    """Where there is nothing to grade, that is a verdict too, with its reason."""
    path = tmp_path / {"empty folder": "folder", "broken zip": "a.zip"}[make]
    if make == "empty folder":
        path.mkdir()
    else:
        path.write_bytes(b"PK\x03\x04 my homework")
    done = main(apart, tmp_path, path, "--train", "never")
    assert done.code == 0
    record = check(tmp_path / "results.json", 0)
    assert "Nothing could be graded" in record["output"]
    assert {row["status"] for row in record["tests"]} == {"failed"}
    assert "✓" not in done.printed
    assert "- T " in " ".join(done.printed.split())


UNUSABLE = {
    "no such path": ["nowhere"],
    "a device": ["/dev/null"],
    "a file of another kind": [__file__.replace("test_commands.py", "container.sh")],
    "two submissions": [".", "."],
    "an unknown option": [".", "--fast"],
    "an unknown way to train": [".", "--train", "sometimes"],
    "an unknown start": [".", "--start-method", "forkserver"],
    "a seed of words": [".", "--seed", "x"],
    "a seed too large": [".", "--seed", "9" * 23],
    "a negative seed": [".", "--seed", "-1"],
    "data that is nowhere": [".", "--data", "nowhere"],
    "data without MNIST": [".", "--data", "."],
    "results in a folder": [".", "--results", "."],
    "an option without its value": [".", "--results"],
    "nothing at all": [],
}


@pytest.mark.parametrize("arguments", UNUSABLE.values(), ids=UNUSABLE)
def test_unusable_arguments(apart: Apart, tmp_path: Path, arguments: list[str]) -> None:
    """Unusable arguments are refused with 2 and a word about which; nothing is written."""
    done = main(apart, tmp_path, *arguments)
    assert done.code == 2
    assert "Error:" in done.printed
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("command", WAYS)
def test_unusable_arguments_from_outside(command: list[str], tmp_path: Path) -> None:
    """So they are from outside."""
    done = run(command, "nowhere", at=tmp_path)
    assert done.returncode == 2
    assert "nowhere" in done.stderr
    assert [*tmp_path.iterdir()] == []


@needs_setup
def test_usage_names_the_script(tmp_path: Path) -> None:
    """The script's usage is its own."""
    assert run(SCRIPT, "--help", at=tmp_path).stdout.startswith("Usage: ./run_autograder [OPTIONS]")


def test_overview() -> None:
    """The list of commands says in whole sentences what each does; the version can be asked for."""
    said = CliRunner().invoke(commands, ["--help"], terminal_width=80).output
    assert all(f"  {name} " in said for name in commands.commands)
    assert "..." not in said.partition("Commands:")[2]
    assert re.fullmatch(r"vae-autograder \d+\.\d+\.\d+\n", CliRunner().invoke(commands, ["--version"]).output)


@pytest.mark.parametrize("command", ["batch", "notebook"])
def test_unusable_file(tmp_path: Path, command: str) -> None:
    """A file that is no submission is refused with 2 and a sentence."""
    (tmp_path / "bad.zip").write_bytes(b"PK")
    done = CliRunner().invoke(commands, [command, str(tmp_path / "bad.zip"), "--out", str(tmp_path / "out")])
    assert done.exit_code == 2
    assert done.output.startswith("Error: ")
    assert "Errno" not in done.output


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help(apart: Apart, tmp_path: Path, option: str) -> None:
    """Help names the argument, the options and the exit status."""
    done = main(apart, tmp_path, option)
    assert done.code == 0
    for words in ("SUBMISSION", "--results", "--train", "--start-method", "--seed", "exit status"):
        assert words in done.printed


FULL = """
from autograder import results
def full(*_): raise OSError(28, "No space left on device")
results.write = full
"""


@pytest.mark.parametrize(("path", "patch"), [("file/results.json", ""), ("results.json", FULL)])
def test_unwritable_results(apart: Apart, submission: Path, path: str, patch: str) -> None:
    """Results that cannot be written are told: with 2 before anything is graded, with another code afterwards."""
    (submission / "file").write_text("")
    done = main(apart, submission, ".", "--train", "never", "--results", path, patch=patch)
    assert done.code == (1 if patch else 2)
    assert f"{path} could not be written" in done.printed


FAULT = """
from autograder import grade
grade.intake.stage = lambda *args: 1 / 0
"""


def test_grader_fault(apart: Apart, submission: Path) -> None:
    """A fault of the grader's gives 3 and a results.json that says so."""
    done = main(apart, submission.parent, submission, "--train", "never", patch=FAULT)
    assert done.code == 3
    assert "The grader itself failed: ZeroDivisionError: division by zero" in done.printed
    record = check(submission.parent / "results.json", 0)
    assert "no fault of yours" in record["output"]
    assert "ZeroDivisionError" in record["extra_data"]["grader_fault"]


def test_seed(apart: Apart, submission: Path) -> None:
    """A seed that is given stands in the record."""
    done = main(apart, submission.parent, submission, "--train", "never", "--seed", "77")
    assert done.code == 0
    assert check(submission.parent / "results.json")["extra_data"]["seed"] == 77


def test_old_results_are_replaced(apart: Apart, submission: Path) -> None:
    """Results of an earlier grading are replaced."""
    results = submission.parent / "results.json"
    results.write_text("old")
    assert main(apart, submission.parent, submission, "--train", "never").code == 0
    check(results)


@pytest.mark.slow
@pytest.mark.parametrize("sink", ["/dev/full", "a closed pipe"])
def test_nobody_reads(submission: Path, sink: str) -> None:
    """Where nothing can be printed, results.json is written all the same, and the code is that of the verdict."""
    if sink == "/dev/full":
        with open(sink, "w") as full:  # noqa: PTH123
            done = run(MODULE, submission, "--train", "never", at=submission.parent, stdout=full)
    else:
        reader, writer = os.pipe()
        os.close(reader)
        done = run(MODULE, submission, "--train", "never", at=submission.parent, stdout=writer)
        os.close(writer)
    assert done.returncode == 0
    check(submission.parent / "results.json")


@pytest.mark.slow
@pytest.mark.parametrize("sink", ["/dev/full", "a closed pipe", "ascii"])
def test_nobody_reads_of_a_class(submission: Path, sink: str) -> None:
    """Where lines of a class cannot be printed, or not all letters, it is graded on, and the pages are written."""
    reader, writer = os.pipe()
    os.close(reader)
    if sink == "/dev/full":
        os.dup2(os.open(sink, os.O_WRONLY), writer)
    out = submission.parent / "out"
    done = subprocess.run(
        [sys.executable, "-m", "autograder", "batch", submission.parent, "--out", out],
        cwd=submission.parent,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii"},
        stdout=subprocess.PIPE if sink == "ascii" else writer,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")
    assert sink != "ascii" or b"????" in done.stdout
    assert (out / "index.html").is_file()


@pytest.mark.slow
def test_closed_streams(submission: Path) -> None:
    """Where not even a standard stream is open, submissions are graded all the same, alone and in a class."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    out = submission.parent / "out"
    for words in (
        ["grade", str(submission), "--train", "never"],
        ["batch", str(submission.parent), "--out", str(out)],
    ):
        command = shlex.join([sys.executable, "-m", "autograder", *words])
        done = subprocess.run(
            ["sh", "-c", f"{command} <&- >&- 2>&-"], cwd=submission.parent, env=environment, check=False
        )
        assert done.returncode == 0
    check(submission.parent / "results.json")
    check(next((out / "results").iterdir()))


def test_no_current_folder(submission: Path) -> None:
    """Where the current folder is gone, or may not be entered, that is said, and nothing is begun."""
    gone = submission.parent / "gone"
    gone.mkdir()
    script = f"rmdir {shlex.quote(str(gone))}; exec {shlex.join([*MODULE, str(submission)])}"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["sh", "-c", script], cwd=gone, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr.splitlines()[-1]) == (
        2,
        "Error: the current folder is gone: change to another one first",
    )


SETTINGS = {
    "PYTHONOPTIMIZE": ("2", "    assert loss_function.__doc__ and False\n"),
    "PYTHONWARNINGS": ("error", "    import warnings\n    warnings.warn('as old names do', stacklevel=2)\n"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SETTINGS)
def test_settings_of_python_take_no_part(submission: Path, name: str) -> None:
    """Settings that people make for their own Python do not reach the student's code."""
    value, line = SETTINGS[name]
    path = submission / "vae.py"
    before = "    reconstruction = F.binary"
    path.write_text(path.read_text("utf-8").replace(before, line + before))
    done = run(MODULE, submission, "--train", "never", at=submission.parent, env={name: value})
    assert done.returncode == 0, done.stderr
    record = json.loads((submission.parent / "results.json").read_text("utf-8"))
    assert record["score"] == (11 if name == "PYTHONOPTIMIZE" else 12)


@pytest.mark.slow
@needs_setup
@pytest.mark.parametrize(
    "sabotage", ["torch.py", "autograder.py", "json.py", "sitecustomize.py", "conftest.py"]
)
def test_current_folder_takes_no_part(submission: Path, sabotage: str) -> None:
    """The grader imports nothing from the folder that it is run in, a student's most likely."""
    (submission / sabotage).write_text("raise SystemExit(66)\n")
    done = run(SCRIPT, ".", "--train", "never", at=submission)
    assert done.returncode == 0, done.stderr
    check(submission / "results.json")


@pytest.mark.slow
@needs_setup
@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["batch", ".", "--out", "../out"], id="batch"),
        pytest.param(["batch", ".", "--out", "../out", "--cluster", "local:1"], id="cluster"),
        pytest.param(["grade", "anna", "--train=never", "--start-method=spawn"], id="spawn"),
    ],
)
def test_nor_does_it_in_what_the_grader_starts(submission: Path, arguments: list[str]) -> None:
    """Nor do the interpreters that the grader starts import anything from the folder that it is run in."""
    folder = submission.parent / "class"
    shutil.copytree(submission, folder / "anna")
    names = ("autograder", "json", "pickle", "random", "selectors", "sitecustomize", "socket", "torch")
    for name in names:
        (folder / f"{name}.py").write_text(f"open({str(submission / 'ran')!r}, 'w')\nraise SystemExit(66)\n")
    command = [str(ROOT / ".venv" / "bin" / "autograder"), *arguments]
    done = run(command, at=folder)
    assert not (submission / "ran").exists()
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@needs_setup
def test_script_where_the_grader_dies(submission: Path) -> None:
    """Where the grader itself does not live to the end, the script leaves a results.json that says so."""
    limited = ["bash", "-c", 'ulimit -v 600000; exec "$@"', "bash", *SCRIPT]
    done = run(limited, submission, "--train", "never", at=submission.parent)
    assert done.returncode not in (0, 2)
    record = check(submission.parent / "results.json", 0)
    assert "autograder itself failed" in record["output"]


@pytest.mark.slow
def test_spawn(submission: Path) -> None:
    """The other way to start a worker can be asked for."""
    done = run(MODULE, submission, "--train", "never", "--start-method", "spawn", at=submission.parent)
    assert done.returncode == 0, done.stderr
    assert check(submission.parent / "results.json")["extra_data"]["method"] == "spawn"


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupt(submission: Path, tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C, which reaches the processes that the grader started too, ends it with one word and leaves nothing.

    So do the signals of timeout, and of a terminal that is closed, which may reach the grader alone.
    """
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    temporary.chmod(0o1777)
    (submission / "vae.py").write_text("import time\ntime.sleep(60)\n")
    before = signal.signal(
        number, signal.SIG_DFL
    )  # nohup, which the grader heeds, may have started the tests
    running = subprocess.Popen(
        [*MODULE, submission],
        cwd=submission.parent,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(temporary)},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    signal.signal(number, before)
    end = time.monotonic() + 60
    while len(processes := psutil.Process(running.pid).children(recursive=True)) < 3:
        assert time.monotonic() < end
        time.sleep(0.1)
    (os.killpg if number == signal.SIGINT else os.kill)(running.pid, number)
    assert running.communicate(timeout=60)[1] == "\nAborted!\n"
    # Python ends as by Ctrl-C, too, where that came in the middle of an exec(), such as a dataclass's.
    assert running.returncode in (1, -signal.SIGINT)
    assert psutil.wait_procs(processes, timeout=30)[1] == []
    assert [*temporary.iterdir()] == []


@pytest.mark.slow
def test_leaves_nothing(submission: Path, tmp_path: Path) -> None:
    """No temporary file is left behind."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    temporary.chmod(0o777)
    try:
        done = run(
            MODULE, submission, "--train", "never", at=submission.parent, env={"TMPDIR": str(temporary)}
        )
        assert done.returncode == 0, done.stderr
        assert [*temporary.iterdir()] == []
    finally:
        shutil.rmtree(temporary)
