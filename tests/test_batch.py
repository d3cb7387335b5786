"""A class graded by real runs: whatever happens on the way, each submission gets its own verdict, once."""

from __future__ import annotations

import csv
import io
import json
import multiprocessing
import os
import pty
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import faulty
import msgspec
import psutil
import pytest
from apart import REFERENCE
from graded import record
from handed_in import make_folder, zipped
from rich.console import Console
from test_commands import call_main

from autograder import batch, identity, intake, lane, ledger, results, summary
from autograder.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from apart import Apart

    from autograder.results import Results

ROOT = Path(__file__).parents[1]
RIGHT = REFERENCE.encode()
NO_SIGMA = REFERENCE.replace("torch.exp(logvar / 2)", "logvar").encode()
NO_VAE = REFERENCE.replace("class VAE(", "class Vae(").encode()
assert len({RIGHT, NO_SIGMA, NO_VAE}) == 3
NOTEBOOK = {
    "cells": [
        {
            "cell_type": "code",
            "metadata": {},
            "execution_count": 1,
            "source": REFERENCE,
            "outputs": [{"output_type": "stream", "name": "stdout", "text": "printed long ago"}],
        }
    ],
    "metadata": {},
    "nbformat": 4,
    "nbformat_minor": 4,
}
METADATA = """\
submission_11:
  :submitters:
  - :name: Elena Example
    :sid: '00100'
    :email: e@example.edu
  - :name: "=1+1"
    :sid: '00200'
    :email: x@example.edu
submission_12:
  :submitters:
  - :name: Late Comer
    :sid: '00300'
    :email: l@example.edu
"""


def make_class(at: Path, **sources: bytes) -> Path:
    """Write a folder for each submission."""
    return make_folder({f"{name}/vae.py": source for name, source in sources.items()}, at)


def command(path: Path, out: Path, *more: str) -> list[str]:
    """Return the command that grades a class."""
    return [
        sys.executable,
        *("-m", "autograder", "batch", str(path), "--out", str(out), "--train", "never", *more),
    ]


def start(path: Path, out: Path, *more: str, **how: Any) -> subprocess.Popen[str]:
    """Start the command as a shell does: in a process group of its own."""
    environment = {**os.environ, "TMPDIR": str(how.pop("temporary", "/tmp")), "COLUMNS": "100"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **how}
    return subprocess.Popen(
        command(path, out, *more), cwd=ROOT, env=environment, text=True, start_new_session=True, **pipes
    )


def finish(running: subprocess.Popen[str], code: int = 0, errors: str = "") -> str:
    """Wait for the command; returns what it printed."""
    output, said = running.communicate(timeout=150)
    assert (running.returncode, said) == (code, errors), output
    return output


def scores(out: Path) -> dict[str, float]:
    """Read the scores of all records, each of which must be whole."""
    return {path.stem: results.read(path).score for path in (out / "results").glob("*.json")}


def family(pid: int) -> list[psutil.Process]:
    """List a process's descendants."""
    return psutil.Process(pid).children(recursive=True)


def left_of(processes: list[psutil.Process]) -> list[str]:
    """List those processes that have not ended after a while."""
    _, alive = psutil.wait_procs(processes, timeout=30)
    return [str(process) for process in alive]


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A folder for temporary files, which the users of workers can reach."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def run(apart: Apart, tmp_path: Path) -> Iterator[Callable[..., batch.Outcome]]:
    """Grades a folder into tmp_path / "out", without pages; its lanes are forks of the tests' warm server."""

    def graded(path: Path, **settings: Any) -> batch.Outcome:
        how = {"jobs": 2, "train": "never", "quiet": True, **settings}
        return batch.run(path, tmp_path / "out", batch.Settings(**how))

    with mock.patch.object(batch, "report"):
        yield graded


def test_mixture(run: Callable[..., batch.Outcome], tmp_path: Path) -> None:
    """Folders, zips, files and notebooks are graded side by side; what cannot be read gets 0 points and the reason."""
    path = make_folder(
        {
            "anna/src/vae.py": RIGHT,
            "ben.zip": zipped({"work/vae.py": NO_SIGMA, "__MACOSX/._vae.py": b"?"}),
            "chen.py": RIGHT,
            "dora.ipynb": json.dumps(NOTEBOOK).encode(),
            "emil.zip": b"PK\x03\x04 damaged",
            "fatima/a/vae.py": RIGHT,
            "fatima/b/vae.py": NO_SIGMA,
            "gus/readme.txt": b"",
            ".DS_Store": b"",
            "__MACOSX/anna": b"",
        },
        tmp_path / "class",
    )
    outcome = run(path)
    assert [s.name for s in outcome.submissions] == ["anna", "ben", "chen", "dora", "emil", "fatima", "gus"]
    found = {name: (record.score, record.fault) for name, record in outcome.records.items()}
    assert found == {
        **dict.fromkeys(("anna", "chen", "dora"), (12, False)),
        "ben": (10, False),
        **dict.fromkeys(("emil", "fatima", "gus"), (0, False)),
    }
    assert scores(tmp_path / "out") == {name: score for name, (score, _) in found.items()}
    reasons = {name: outcome.records[name].extra_data["unreadable"] for name in ("emil", "fatima", "gus")}
    assert "a/vae.py, b/vae.py" in reasons["fatima"]
    assert "there is no vae.py" in reasons["gus"]
    assert all(f"Nothing could be graded: {why}" in outcome.records[n].output for n, why in reasons.items())
    assert "vae.py was made from dora.ipynb" in outcome.records["dora"].extra_data["notes"][0]


def test_resume(run: Callable[..., batch.Outcome], tmp_path: Path) -> None:
    """Only what has changed is graded again: the submission, the grader, or the wish."""
    path = make_class(tmp_path / "class", anna=RIGHT, ben=NO_SIGMA, chen=NO_VAE)
    first = run(path)
    assert (first.graded, first.faults) == (3, [])
    assert run(path).graded == 0
    with pytest.raises(
        batch.ArgumentError, match="--only nobody fits none of 3 submissions: anna, ben, chen"
    ):
        run(path, only="nobody")
    one = run(path, only="a*", redo=True)
    assert (one.graded, len(one.records)) == (1, 3)  # what is not asked for stays as it is
    (path / "ben" / "vae.py").write_bytes(RIGHT)
    (path / "dora").mkdir()
    again = run(path)
    assert again.graded == 2
    assert {name: record.score for name, record in again.records.items()} == scores(tmp_path / "out")
    assert scores(tmp_path / "out") == {"anna": 12, "ben": 12, "chen": 6, "dora": 0}
    (path / "anna" / "data.txt").write_text("new")
    (tmp_path / "out" / "results" / "chen.json").write_text("{damaged")
    with mock.patch.object(identity, "hash_of_grader", return_value="another"):
        assert run(path, only="ben").graded == 1
    assert sorted(run(path).records) == ["anna", "ben", "chen", "dora"]


def test_folders_without_end(run: Callable[..., batch.Outcome], tmp_path: Path) -> None:
    """Folders nested as deep as the system can name cost their submission a note, and the others nothing."""
    path = make_class(tmp_path / "class", anna=RIGHT, ben=NO_SIGMA)
    nested = [path / "ben"]
    for _ in range(1500):
        nested.append(nested[-1] / "d")
        nested[-1].mkdir()
    try:
        outcome = run(path)
    finally:
        for folder in reversed(nested[1:]):  # shutil.rmtree would call itself for each
            folder.rmdir()
    assert {name: record.score for name, record in outcome.records.items()} == {"anna": 12, "ben": 10}
    assert "more than 12 deep" in outcome.records["ben"].extra_data["notes"][0]


def test_hash_costs_no_more_than_grading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each submission at most 32 MiB are read to see whether it has changed, and what is not graded is not."""
    path = make_class(tmp_path / "class", anna=RIGHT)
    for number in range(20):
        (path / "anna" / f"{number}.bin").touch()
        os.truncate(path / "anna" / f"{number}.bin", 10 << 20)
    deep = path / "anna" / "/".join("d" * 14)
    deep.mkdir(parents=True)
    (deep / "x").write_bytes(b"x")
    read, read_bytes = [], Path.read_bytes

    def count(path: Path) -> bytes:
        read.append(path.stat().st_size)
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", count)
    names = [name for name, _ in ledger.contents(path / "anna")]
    assert {"vae.py", "0.bin", "19.bin"} < {*names}
    assert not any("d/d" in name for name in names)
    assert sum(read) <= 32 << 20
    assert len(RIGHT) in read


def test_what_cannot_be_hashed(
    run: Callable[..., batch.Outcome], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A submission that cannot be hashed, whatever the reason, is graded each time; the others are not held up."""
    real = ledger.contents

    def fail_at_ben(source: Path) -> Iterator[tuple[str, bytes]]:
        if source.name == "ben":
            raise RecursionError
        return real(source)

    monkeypatch.setattr(ledger, "contents", fail_at_ben)
    path = make_class(tmp_path / "class", anna=RIGHT, ben=NO_SIGMA)
    assert [run(path).graded for _ in range(2)] == [2, 1]
    assert scores(tmp_path / "out") == {"anna": 12, "ben": 10}


@pytest.mark.parametrize(
    ("recorded", "asked", "enough"),
    [
        ("never", "never", True),
        ("never", "auto", False),
        ("auto", "always", False),
        ("always", "auto", True),
        ("always", "never", True),
    ],
)
def test_training(recorded: str, asked: str, enough: bool) -> None:  # noqa: FBT001 - a column of the table
    """A record that was made with less training than is asked for is made anew, one with more is kept."""
    assert ledger.suffices(record(train=recorded), asked) is enough


@pytest.mark.parametrize(
    ("pattern", "fits"),
    [
        ("", True),
        ("submission_1*", True),
        ("submission_2*", False),
        ("17", True),
        ("Elena*", True),
        ("*@example.edu", True),
        ("00100", True),
        ("elena", True),
        ("elen", False),
        ("*example", True),
        ("*ďURČO", True),
        ("e@EXAMPLE.edu", True),
        ("1+1 a*", True),
    ],
)
def test_only(pattern: str, fits: bool) -> None:  # noqa: FBT001 - a column of the table
    """A pattern fits the name, the folder's own, the number, and any submitter's name, e-mail address or SID."""
    submitters = (
        intake.Submitter("Ján Ďurčo"),
        intake.Submitter("Elena Example", "00100", "e@example.edu"),
    )
    submission = intake.Submission("submission_17", Path("1+1 a.zip"), submitters, "17")
    assert batch.matches(submission, pattern) is fits


@pytest.mark.slow
def test_faults(run: Callable[..., batch.Outcome], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the grader dies, hangs or fails it tries once more, then gives no grade; the others' verdicts stand."""
    monkeypatch.setattr(lane, "live", faulty.live)
    monkeypatch.setitem(lane.SECONDS, "never", 8)
    names = ("anna", "ben", "breaks", "chen", "hangs", "killed", "once", "raises", "zoe")
    path = make_class(tmp_path / "class", **dict.fromkeys(names, RIGHT) | {"ben": NO_SIGMA})
    outcome = run(path)
    assert outcome.faults == ["breaks", "hangs", "killed", "raises"]
    right = {"anna": 12, "ben": 10, "chen": 12, "once": 12, "zoe": 12}
    assert {name: r.score for name, r in outcome.records.items() if not r.fault} == right
    assert scores(tmp_path / "out") == right
    assert sorted(file.stem for file in (tmp_path / "out" / "faults").iterdir()) == outcome.faults
    words = {name: str(outcome.records[name].extra_data.get("grader_fault")) for name in outcome.faults}
    assert "within 8 seconds" in words["hangs"]
    assert "exit code -9" in words["killed"]
    assert "TypeError" in words["breaks"]
    assert "BrokenPipe" not in words["raises"]
    # A later run tries these again, and only these; what was at fault once is shown until it is graded.
    monkeypatch.setattr(lane, "live", faulty.real_live)
    later = run(path, only="k*")
    assert (later.graded, later.faults) == (1, ["breaks", "hangs", "raises"])
    assert scores(tmp_path / "out") == {**right, "killed": 12}
    assert not (tmp_path / "out" / "faults" / "killed.json").exists()


def test_refused_rubric(
    run: Callable[..., batch.Outcome], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the rubric is refused, each record says why: that is no grade."""
    monkeypatch.setattr(lane, "live", faulty.refusing)
    outcome = run(make_class(tmp_path / "class", anna=RIGHT, ben=RIGHT))
    assert outcome.faults == ["anna", "ben"]
    words = {found.extra_data["grader_fault"] for found in outcome.records.values()}
    assert len(words) == 1
    assert words.pop().startswith(
        "LaneError: the rubric is refused: test_extra in test_1_encoder.py has no @number"
    )


def test_hostile(run: Callable[..., batch.Outcome], tmp_path: Path) -> None:
    """Submissions that end their process, signal all others or ask for too much memory change nobody's verdict."""
    end, kill, eat = (
        REFERENCE + line
        for line in (
            "\nimport os; os._exit(0)\n",
            "\nimport os, signal\nfor pid in (-1, os.getppid()):\n    os.kill(pid, signal.SIGKILL)\n",
            "\nmemory = bytearray(64 << 30)\n",
        )
    )
    sources = {
        "anna": RIGHT,
        "eat": eat.encode(),
        "end": end.encode(),
        "kill": kill.encode(),
        "zoe": NO_SIGMA,
    }
    outcome = run(make_class(tmp_path / "class", **sources))
    assert outcome.faults == []
    assert {name: r.score for name, r in outcome.records.items()} == {
        "anna": 12,
        "zoe": 10,
        **dict.fromkeys(("eat", "end", "kill"), 0),
    }


def test_pictures(run: Callable[..., batch.Outcome], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pictures of a training run are kept beside the record, and shown on the page."""
    monkeypatch.setattr(lane, "live", faulty.live)
    outcome = run(make_class(tmp_path / "class", draws=RIGHT))
    assert (tmp_path / "out" / "results" / "draws-training" / "curve.png").read_bytes() == faulty.PNG
    shown = ledger.pictures_of(tmp_path / "out", outcome.records["draws"])
    assert shown == {"The loss of each step.": faulty.PNG}


def test_data(run: Callable[..., batch.Outcome], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder with MNIST that a batch is given is that of each grading."""
    monkeypatch.setattr(lane, "live", faulty.live)
    make_folder({"train-images-idx3-ubyte": b""}, tmp_path / "mnist")
    outcome = run(make_class(tmp_path / "class", anna=RIGHT), data=tmp_path / "mnist")
    assert outcome.records["anna"].extra_data["data"] == str(tmp_path / "mnist")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's workers have a user of their own")
def test_closed_folder(grade: Callable[..., Results], tmp_path: Path) -> None:
    """Where temporary files lie in a folder that another user may not enter, the worker keeps its user, and says so."""
    (tmp_path / "closed").mkdir(mode=0o700)
    patch = f"import tempfile; tempfile.tempdir = {str(tmp_path / 'closed')!r}"
    record = grade(REFERENCE, patch=patch)
    assert record.score == 12
    assert "closed" in record.extra_data["layers_missing"]["user"]


def test_busy(tmp_path: Path) -> None:
    """Two runs cannot write to one folder; what a killed run left in it is removed."""
    left = tmp_path / ".work-left" / "deep"
    left.mkdir(parents=True)
    path = make_class(tmp_path / "class", anna=RIGHT)
    with ledger.claimed(tmp_path):
        assert not left.parent.exists()
        with pytest.raises(BlockingIOError, match="another run is writing to"):
            batch.run(path, tmp_path, batch.Settings())


@pytest.mark.parametrize(
    ("path", "out", "more", "words"),
    [
        ("class", "out", ["--only", "zzz*"], "--only zzz* fits none of 2 submissions: Anna Ö, ben"),
        ("empty", "out", [], "holds no submissions"),
        ("empty", "empty-out/deeper", [], "holds no submissions"),
        ("class", "class", [], "lies among what is to be graded"),
        ("class", "class/ben/out", [], "lies among what is to be graded"),
        ("class/ben", "class/ben/out", [], "lies among what is to be graded"),
        ("class", "out", ["--data", "empty"], "--data: there is no MNIST in"),
    ],
    ids=[
        "nobody",
        "nothing",
        "nothing, elsewhere",
        "the same folder",
        "in a submission",
        "in the only submission",
        "no MNIST",
    ],
)
def test_nothing_to_do(
    apart: Apart, tmp_path: Path, path: str, out: str, more: list[str], words: str
) -> None:
    """Where nothing can be graded, or results would be taken for submissions: a message, status 2, nothing made."""
    make_class(tmp_path / "class", **{"Anna Ö": RIGHT, "ben": RIGHT})
    (tmp_path / "empty").mkdir()
    done = apart(call_main, ["batch", path, "--out", out, *more], str(tmp_path))
    assert done.code == 2
    assert words in " ".join(done.printed.split())
    assert [file.name for file in (tmp_path / "class" / "ben").iterdir()] == ["vae.py"]
    assert out == "class" or not (tmp_path / out).exists()


def test_what_is_of_no_submission_is_named(run: Callable[..., batch.Outcome], tmp_path: Path) -> None:
    """Files that are no submissions, and records of another class in the same place, are named."""
    path = make_class(tmp_path / "class", anna=NO_VAE)
    (path / "ben.pdf").write_bytes(b"%PDF")
    assert run(path).left_out == ["ben.pdf"]
    other = run(make_class(tmp_path / "other", chen=NO_VAE))
    assert (other.left_out, other.strangers) == ([], ["anna"])
    assert [s.name for s in other.submissions] == ["chen"]


@pytest.mark.skipif(os.name != "posix" or not os.geteuid(), reason="root may enter every folder")
def test_closed_folder_behind_a_link(run: Callable[..., batch.Outcome], tmp_path: Path) -> None:
    """A link into a folder that is closed costs its own submission only."""
    path = make_class(tmp_path / "class", anna=NO_VAE)
    (tmp_path / "closed").mkdir()
    (path / "ben.py").symlink_to(tmp_path / "closed" / "vae.py")
    (tmp_path / "closed").chmod(0)
    assert sorted(run(path).records) == ["anna", "ben"]


def test_lane_of_a_batch_that_is_gone() -> None:
    """A lane whose parent has ended removes the batch's files only where the batch itself has hung up."""
    mine, theirs = multiprocessing.Pipe()
    mine.send("a task")
    assert not lane.hung_up(theirs)
    mine.close()
    assert lane.hung_up(theirs)


def test_beside_the_submissions(run: Callable[..., batch.Outcome], tmp_path: Path) -> None:
    """A folder for the results right in that of the class is none of its submissions."""
    (tmp_path / "anna.py").write_bytes(RIGHT)
    assert [run(tmp_path).graded for _ in range(2)] == [1, 0]


@pytest.mark.slow
def test_torch_is_left_to_the_lanes(tmp_path: Path) -> None:
    """The command itself does without torch: loading it would take seconds before the first lane starts."""
    path = make_class(tmp_path / "class", anna=NO_VAE)
    without = "import sys; sys.modules['torch'] = None; from autograder.__main__ import main; main()"
    arguments = ["batch", str(path), "--out", str(tmp_path / "out"), "--quiet"]
    done = subprocess.run(
        [sys.executable, "-c", without, *arguments], cwd=ROOT, text=True, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert scores(tmp_path / "out") == {"anna": 6}


@pytest.mark.slow
def test_export(tmp_path: Path, temporary: Path) -> None:
    """Gradescope's export becomes lines, a summary, a table that runs no formula, and pages; then quietly again."""
    export = zipped(
        {
            "submission_metadata.yml": METADATA.encode(),
            "submission_11/vae.py": NO_SIGMA,
            "submission_11/vae.ipynb": json.dumps(NOTEBOOK).encode(),
        }
    )
    path, out = tmp_path / "export.zip", tmp_path / "out"
    path.write_bytes(export)
    output = finish(start(path, out, temporary=temporary), code=3)
    assert "[1/1] submission_11 (Elena Example, =1+1): 10 of 12\n" in output
    assert "\r" not in output
    for words in (
        "1 graded, mean 10.0",
        "Commonest mistakes",
        f"1 of 2 submissions have a grade, 1 of them from this run. Written to {out}",
        "Listed without files, and not graded (is the export whole?): submission_12.",
    ):
        assert words in output
    lines = list(csv.DictReader(io.StringIO((out / "grades.csv").read_text("utf-8-sig"))))
    assert [(line["Name"], line["SID"], line["Total Score"], line["Row 3.2"]) for line in lines] == [
        ("Elena Example", "00100", "10", "0"),
        ("'=1+1", "00200", "10", "0"),
        ("Late Comer", "00300", "", ""),
    ]
    assert "the export holds no files of it" in lines[2]["Note"]
    page = (out / "submissions" / "submission_11.html").read_text("utf-8")
    assert "printed long ago" in page
    assert "reparametrize" in page
    assert finish(start(path, out, "--quiet", temporary=temporary), code=3) == ""
    assert list(temporary.iterdir()) == []


def test_files_that_are_gone(run: Callable[..., batch.Outcome], tmp_path: Path) -> None:
    """Who is listed and has no files any more keeps the grade from before, and is named."""
    tree = {"submission_metadata.yml": METADATA.encode(), "submission_11/vae.py": REFERENCE.encode()}
    path = make_folder({**tree, "submission_12/vae.py": NO_SIGMA}, tmp_path / "class")
    first = run(path)
    assert (first.missing, scores(tmp_path / "out")) == ([], {"submission_11": 12, "submission_12": 10})
    shutil.rmtree(path / "submission_12")
    then = run(path, redo=True)
    assert (then.missing, then.graded) == (["submission_12"], 1)
    assert then.records["submission_12"].score == 10
    assert scores(tmp_path / "out") == {"submission_11": 12, "submission_12": 10}


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt(tmp_path: Path, temporary: Path, number: signal.Signals) -> None:
    """Ctrl-C leaves whole records, no process and no temporary file, a page and a table, and says how to go on.

    So does SIGTERM, which timeout and Slurm send to all processes too.
    """
    path, out = make_class(tmp_path / "class", **{f"s{i}": RIGHT for i in range(7)}), tmp_path / "out"
    running = start(path, out, "--jobs", "2", temporary=temporary)
    assert running.stdout
    assert running.stdout.readline().startswith("[1/7] s")
    processes = family(running.pid)
    assert len(processes) > 4
    os.killpg(running.pid, number)  # as a terminal does
    output = finish(running, 130)
    done = scores(out)
    assert f"Stopped: {len(done)} of 7 are graded; the same command goes on from there." in output
    assert 0 < len(done) < 7
    notes = [
        line["Note"] for line in csv.DictReader(io.StringIO((out / "grades.csv").read_text("utf-8-sig")))
    ]
    assert notes == [""] * len(done) + ["Not graded yet"] * (7 - len(done))
    assert f"{7 - len(done)} not graded yet" in (out / "index.html").read_text("utf-8")
    assert len([*(out / "submissions").iterdir()]) == len(done)
    assert left_of(processes) == []
    assert list(temporary.iterdir()) == []
    assert not list(out.glob(".work-*"))
    assert f"[{7 - len(done)}/{7 - len(done)}]" in finish(start(path, out))
    assert scores(out) == {f"s{i}": 12 for i in range(7)}
    assert "not graded yet" not in (out / "index.html").read_text("utf-8")


@pytest.mark.slow
def test_kill(tmp_path: Path, temporary: Path) -> None:
    """A run that is killed at any moment loses at most what was in flight, ends, and the next goes on."""
    path, out = make_class(tmp_path / "class", **{f"s{i}": RIGHT for i in range(7)}), tmp_path / "out"
    written: dict[str, int] = {}
    for lines, wait in ((0, 1.0), (2, 0.05)):
        running = start(path, out, "--jobs", "2", temporary=temporary)
        assert running.stdout
        seen = [running.stdout.readline() for _ in range(lines)]
        time.sleep(wait)
        processes = family(running.pid)
        running.kill()
        seen += running.stdout.readlines()
        running.communicate(timeout=60)
        assert left_of(processes) == []
        assert list(temporary.glob("vae-batch-*/*")) == []
        done = scores(out)
        assert len(done) >= len(written) + len(seen)
        written |= {name: (out / "results" / f"{name}.json").stat().st_mtime_ns for name in done}
    assert f"[{7 - len(written)}/{7 - len(written)}]" in finish(start(path, out))
    assert scores(out) == {f"s{i}": 12 for i in range(7)}
    assert written == {n: (out / "results" / f"{n}.json").stat().st_mtime_ns for n in written}
    assert not list(out.glob(".work-*"))


@pytest.mark.slow
def test_terminal(tmp_path: Path) -> None:
    """On a terminal a bar is drawn over and over, and in the end there is the summary alone."""
    path, out = make_class(tmp_path / "class", anna=RIGHT, ben=NO_VAE), tmp_path / "out"
    ours, theirs = pty.openpty()
    running = start(path, out, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    output = b""
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        while True:
            try:
                output += terminal.read(4096)
            except OSError:  # the other side is closed
                break
    assert running.wait(timeout=60) == 0
    text = output.decode()
    assert "Grading" in text
    assert "0/2" in text
    assert text.count("\x1b[2K") > 3
    assert "[1/2]" not in text
    assert "2 graded, mean 9.0" in text


def test_progress() -> None:
    """Where there is no terminal each submission is a line, quietly none; a terminal sees faults and the rate."""
    cases = [(False, False), (False, True), (True, False)]
    said = {}
    for terminal, quiet in cases:
        file = io.StringIO()
        console = Console(file=file, force_terminal=terminal, width=100, highlight=False)
        with Progress(3, quiet=quiet, console=console) as progress:
            progress.advance("[b]anna", record({"1.1": "No."}))
            progress.advance("ben", record(faults=("2.1",)))
            progress.bar.refresh()
        said[terminal, quiet] = file.getvalue()
    assert said[False, False] == "[1/3] [b]anna: 11 of 12\n[2/3] ben: grader fault\n"
    assert said[False, True] == ""
    assert "2/3" in said[True, False]
    assert "1 grader faults" in said[True, False]


def test_notebook_that_this_machine_could_not_read(tmp_path: Path) -> None:
    """Where the reader of notebooks fails, the page of its submission has the notebook all the same."""
    notebook = json.dumps({"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}).encode()
    (tmp_path / "vae.ipynb").write_bytes(notebook)
    submission = intake.Submission("anna", tmp_path / "vae.ipynb")
    with mock.patch.object(intake, "to_python", side_effect=RuntimeError):
        assert batch.files_of(submission) == (None, notebook)


def test_no_record(tmp_path: Path) -> None:
    """A pipe, a folder or a damaged file in the place of a record is none, and nobody waits for it."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "damaged").write_text("{")
    assert [ledger.read_if_there(tmp_path / name) for name in ("pipe", "", "damaged", "none")] == [None] * 4


@pytest.mark.parametrize("ending", [results.OUT_OF_MEMORY, results.STARVED])
def test_short_of(run: Callable[..., batch.Outcome], tmp_path: Path, ending: str) -> None:
    """Where others may have taken the memory or the time that a submission needed, it is graded once more, alone."""
    path = make_class(tmp_path / "class", anna=RIGHT, ben=RIGHT)
    asked: list[tuple[int, str]] = []

    @contextmanager
    def crew(jobs: int) -> Iterator[tuple[Callable[[lane.Task], Future[bytes]], int]]:
        def submit(task: lane.Task) -> Future[bytes]:
            asked.append((jobs, task.name))
            graded = lane.Graded(record())
            if (jobs, task.name) != (1, "ben") and task.name == "ben":
                graded.record.tests[0].extra_data = {"ending": ending}
            future: Future[bytes] = Future()
            future.set_result(msgspec.msgpack.encode(graded))
            return future

        yield submit, jobs

    with mock.patch.object(batch, "crew", crew):
        assert run(path, jobs=2).graded == 2
    assert asked == [(2, "anna"), (2, "ben"), (1, "ben")]
    kept = results.read(tmp_path / "out" / "results" / "ben.json")
    assert "ending" not in kept.tests[0].extra_data


def test_changes(run: Callable[..., batch.Outcome], tmp_path: Path) -> None:
    """What is graded anew and goes otherwise is told: by another grader, or with other files; the rest is not."""
    path = make_class(tmp_path / "class", anna=RIGHT, ben=NO_SIGMA, chen=RIGHT)
    assert run(path).earlier == {}
    kept = results.read(tmp_path / "out" / "results" / "anna.json")
    kept.tests[0].score, kept.tests[0].status, kept.score = 0.0, "failed", 11.0
    results.write(tmp_path / "out" / "results" / "anna.json", kept)
    (path / "ben" / "vae.py").write_bytes(RIGHT)
    again = run(path, redo=True)
    file = io.StringIO()
    summary.show_changes(again.earlier, again.records, Console(file=file, width=60, highlight=False))
    _, head, *lines = file.getvalue().splitlines()
    assert head == "Other than in the grading before: 2 of 3"
    assert lines[0] == "  anna: 11 → 12 (1.1 won)"
    assert lines[1:] == ["  ben: 10 → 12 (3.1 won, 3.2 won; it has been handed in anew)"]


def test_summary() -> None:
    """The summary has the scores, each row, the ten commonest mistakes, and apart from them the grader's faults."""
    file = io.StringIO()
    records = {
        "anna": record(),
        "ben": record({"5.1": "Your loss [b]is[/b] 17."}),
        "chen": record({"5.1": "Your loss [b]is[/b] 19.", "1.1": "No."}),
        "fault": record(grader_fault="Traceback\nOSError: no space"),
        "torn": record(faults=("3.1",)),
        **{f"s{i}": record({"6.3": f"Mistake {chr(97 + i)}"}) for i in range(12)},
    }
    summary.show(records, Console(file=file, width=120, highlight=False))
    lines = [" ".join(line.split()) for line in file.getvalue().splitlines()]
    assert "15 graded, mean 11.0" in lines
    assert [line.rstrip("█ ") for line in lines[2:6]] == ["Score Submissions", "12 1", "11 13", "10 1"]
    assert "5.1 13/15 What row 5.1 asks for" in lines
    assert "5.1 2 Your loss [b]is[/b] …." in lines
    assert sum("Mistake" in line for line in lines) == 8
    assert lines[-2:] == ["fault: OSError: no space", "torn: KeyError: 17"]
    assert "2 without a grade" in lines[-3]
