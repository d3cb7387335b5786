"""The sandbox in poorer places than this one, what it refuses there, and how it cleans up."""

from __future__ import annotations

import mmap
import multiprocessing
import os
import subprocess
import sys
import tempfile
import threading
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from apart import grade_source
from places import USER, allowed

from autograder import doctor
from autograder.channel import Channel
from autograder.confine import LAYERS, is_safe
from autograder.endings import Starved, TooSlow
from autograder.leftovers import remove
from autograder.sandbox import Worker
from autograder.usage import Times, fits, removed_files, times_of
from autograder.watch import Limits, Watch

if TYPE_CHECKING:
    from apart import Apart

    from autograder.nursery import Starter
    from autograder.results import Results

ROOT = Path(__file__).parents[1]
ATTACKS = (
    *("is the reference", "writes results.json at once", "leaves a child that holds", "reads every file"),
    *("thread bomb", "may not be listed", "behind a folder's name"),
)
PLACES = {"container": {*LAYERS}, "user": {*LAYERS, "namespaces"} - {"user"}}


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("place", PLACES)
def test_poorer_places_hold(place: str) -> None:
    """Root with a container's capabilities and an ordinary user get all other layers, and nothing gets through."""
    assert os.geteuid() == 0, "only root can make poorer places: run this test as root"
    done = subprocess.run(
        [sys.executable, "tests/places.py", place, sys.executable, "scripts/hostile.py", *ATTACKS],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    force = [{*line.split(":")[1].split()} for line in done.stdout.splitlines() if "in force:" in line]
    assert force
    # The user who may make namespaces here may not everywhere.
    assert all(layers - {"namespaces"} == PLACES[place] & allowed() - {"namespaces"} for layers in force)


@pytest.mark.parametrize("place", ["powerless", "player", "unkilling", "unreading"])
def test_roots_that_may_not_change_users(place: str) -> None:
    """Root that may not do what a worker's user needs goes without the user layer, and leaves nothing behind.

    That is to give files away, to become another user, to end its processes, to look into its folders.
    """
    assert os.geteuid() == 0, "only root can make poorer places: run this test as root"
    with tempfile.TemporaryDirectory() as temporary:
        Path(temporary).chmod(0o1777)
        done = subprocess.run(
            [sys.executable, "tests/places.py", place, sys.executable, "-m", "autograder", "doctor"],
            cwd=ROOT,
            env={**os.environ, "TMPDIR": temporary},
            capture_output=True,
            text=True,
            check=False,
        )
        assert [*Path(temporary).iterdir()] == []
    if place == "player" and "unshare:" in done.stderr:
        pytest.skip("this host lets no user play root")
    assert done.returncode == 0, done.stdout + done.stderr
    held = {line.split()[1] for line in done.stdout.splitlines() if line.startswith("yes ")}
    assert held - {"namespaces"} == allowed() - {"user", "namespaces"}
    assert "no other user id is free, or may be taken here" in done.stdout


@pytest.mark.parametrize(
    ("layers", "safe"),
    [
        ((), False),
        (("process", "limits", "namespaces"), False),
        (("process", "landlock"), False),
        (("process", "seccomp"), False),
        (("process", "landlock", "seccomp"), True),
        (("process", "user"), True),
    ],
)
def test_who_may_grade_others(layers: tuple[str, ...], safe: bool) -> None:  # noqa: FBT001
    """Files by others need a user of their own, or Landlock and seccomp; the doctor says the same."""
    assert is_safe(layers) == safe
    text, advice = doctor.report([*layers], {"landlock": "this kernel does not have it"})
    assert advice == safe
    assert ("this kernel does not have it" in text) == ("landlock" not in layers)


def grade_weakly(path: str, **options: Any) -> Results:
    """Grade where only the process and its limits hold."""
    from autograder import grade, sandbox
    from autograder.nursery import Nursery

    make = partial(sandbox.Sandbox, layers=("process", "limits"))
    vars(grade).update(Sandbox=make, open_starter=lambda _: Nursery(namespaces=False))
    return grade.grade(Path(path), grade.Options(train="never", **options))


@pytest.mark.parametrize("accepted", [False, True])
def test_weak_place_refuses(apart: Apart, tmp_path: Path, accepted: bool) -> None:  # noqa: FBT001
    """Where too little holds, no line of a student's runs, unless that is accepted."""
    ran = tmp_path / "ran"
    (tmp_path / "vae.py").write_text(f"open({str(ran)!r}, 'w')")
    record = apart(partial(grade_weakly, str(tmp_path), accept_weak=accepted)).value
    assert ran.exists() == accepted
    assert record.fault != accepted
    assert [row.number for row in record.tests][-1] == "T"
    assert all("too weak" in row.extra_data["fault"] for row in record.tests if row.fault)


def test_doctor_finds_what_the_host_allows(apart: Apart) -> None:
    """The doctor's worker has each layer that this host allows."""
    held, missing = apart(doctor.examine).value
    assert {*held} == allowed(), missing


def test_deep_tree_is_removed(tmp_path: Path) -> None:
    """A chain of 3000 folders does not fit, and is removed in time that grows with their number."""
    top = tmp_path / "top"
    top.mkdir()
    here = Path.cwd()
    os.chdir(top)
    try:
        for number in range(3000):
            Path("d").mkdir()
            os.chdir("d")
            if number == 10:
                Path("../file").touch()
    finally:
        os.chdir(here)
    assert not fits(top, 1 << 40, 1 << 20)
    begin = time.process_time()
    remove(top)
    assert time.process_time() - begin < 4  # of computing: a busy disk takes its own time
    assert [*tmp_path.iterdir()] == []


def test_what_is_moved_about_does_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is never where it was listed is not left out of the count; what is gone once is counted anew."""
    (tmp_path / "file").write_bytes(b"x" * 10_000)
    moves, listed = [3], os.scandir

    def scandir(path: str) -> Any:
        moves[0] -= 1
        if moves[0] > 0:
            raise FileNotFoundError(path)
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert fits(tmp_path, 1 << 20, 10)
    moves[0] = 1000
    assert not fits(tmp_path, 1 << 20, 10)


@pytest.mark.parametrize("mode", [0o300, 0o400])
def test_closed_folder_does_not_fit(mode: int) -> None:
    """A folder that may not be listed or entered does not fit, whatever is in it."""
    with tempfile.TemporaryDirectory() as top:
        closed = Path(top, "closed")
        closed.mkdir()
        (closed / "file").touch()
        assert fits(Path(top), 1 << 20, 10)
        closed.chmod(mode)
        Path(top).chmod(0o755)
        if os.geteuid() == 0:
            os.seteuid(USER)
        try:
            assert not fits(Path(top), 1 << 20, 10)
        finally:
            os.seteuid(os.getuid())


def test_removed_file_is_measured(tmp_path: Path) -> None:
    """What a process holds open counts when its name is gone."""
    with (tmp_path / "file").open("wb") as file:
        file.write(bytes(1 << 20))
        file.flush()
        assert (removed_files(os.getpid()) or 0) < 1 << 20
        (tmp_path / "file").unlink()
        assert (removed_files(os.getpid()) or 0) >= 1 << 20


def test_removed_file_is_measured_where_it_is_mapped(tmp_path: Path) -> None:
    """What a process has mapped counts when its name is gone and its descriptor closed."""
    (tmp_path / "file").write_bytes(bytes(1 << 20))
    with (tmp_path / "file").open("r+b") as file:
        mapped = mmap.mmap(file.fileno(), 1 << 20)
    before = removed_files(os.getpid()) or 0
    (tmp_path / "file").unlink()
    assert (removed_files(os.getpid()) or 0) >= before + (1 << 20)
    mapped.close()
    assert removed_files(os.getpid()) == before


SPENT = {
    "slept": (Times(20), False),
    "computed": (Times(20, computing=19, waiting=1), False),
    "waited for a processor": (Times(20, computing=1, waiting=15), True),
    "had half of a processor": (Times(20, computing=9, waiting=10), True),
    "waited for its own threads": (Times(20, computing=30, waiting=15), False),
    "waited for its memory to come back from disk": (Times(20, computing=1, pages=5000, pressed=19), True),
    "read its own file from disk again and again": (Times(20, computing=1, pages=5000), False),
    "slept while others ran out of memory": (Times(20, pressed=19), False),
}


@pytest.mark.parametrize(("spent", "starved"), SPENT.values(), ids=SPENT)
def test_starved(spent: Times, starved: bool) -> None:  # noqa: FBT001
    """A process is starved when the machine, and not what it does, kept it from computing."""
    assert spent.starved_since(Times(0)) == starved


def test_granted_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What is granted is counted over a whole answer, its tensors included, and nothing is granted after the end."""
    starter = cast("Starter", None)
    worker = Worker(starter, tmp_path, None, Watch(os.getpid(), tmp_path, Limits(), starter))
    monkeypatch.setattr(worker, "stop", lambda: 0)
    monkeypatch.setattr(worker.watch, "starved", lambda _: True)
    ours, theirs = multiprocessing.Pipe()
    reader, writer = os.pipe()
    worker.channel = Channel(ours, reader, lambda: None, worker.grant)

    def answer() -> None:
        theirs.send_bytes(b"header")
        theirs.send_bytes(b"tensors")

    later = threading.Timer(0.25, answer)
    later.start()
    assert worker.hear(100, 0.1) == b"header"
    assert worker.hear_more(100) == b"tensors"
    assert worker.kept == pytest.approx(0.2)
    worker.end = time.monotonic() + 0.15
    begin = time.monotonic()
    with pytest.raises(Starved):
        worker.hear(100, 0.1)
    assert time.monotonic() - begin < 0.2
    monkeypatch.setattr(worker.watch, "starved", lambda _: False)
    with pytest.raises(TooSlow) as slow:
        worker.hear(100, 0.1)
    assert type(slow.value) is TooSlow
    later.join()
    worker.channel.close()
    theirs.close()
    os.close(writer)


# A process cannot kill itself where it is the first one of its namespace; the machine could.
FULL = (
    "import itertools; from autograder import watch; "
    "watch.killed_for_memory = itertools.count().__next__; watch.is_kill = bool"
)


@pytest.mark.parametrize("patch", ["", FULL], ids=["by itself", "by a machine without memory"])
def test_why_a_process_ended(apart: Apart, patch: str) -> None:
    """Where the machine has ended a process for want of memory meanwhile, a killed one is told that it was that."""
    record: Results = apart(partial(grade_source, "import os\nos._exit(3)\n", patch=patch)).value
    said = record.tests[0].output
    assert said.startswith("Your code ended its process with exit code 3.")
    assert ("its memory, or that of the container, was used up" in said) == bool(patch)


def test_times(tmp_path: Path) -> None:
    """Computing shows in a process's times, and sleeping does not."""
    before = times_of(os.getpid())
    while time.process_time() < before.computing + 0.2:
        pass
    between = times_of(os.getpid())
    time.sleep(0.2)
    after = times_of(os.getpid())
    assert between.computing - before.computing >= 0.1
    assert after.computing - between.computing < 0.1
    assert after.clock - between.clock >= 0.2
