"""A class graded by a dask cluster of separate processes, some of which are killed on the way."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from apart import REFERENCE
from distributed import Security
from handed_in import make_folder, zipped

from autograder import cluster, results
from autograder.lane import Task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[1]
RIGHT = REFERENCE.encode()
NO_SIGMA = REFERENCE.replace("torch.exp(logvar / 2)", "logvar").encode()


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of processes that share a new certificate."""
    security = Security.temporary()
    folder = tmp_path_factory.mktemp("certificate")
    (folder / "ca.pem").write_text(security.tls_ca_file)
    (folder / "key.pem").write_text(security.tls_client_key)
    (folder / "cert.pem").write_text(security.tls_client_cert)
    tls = "DASK_DISTRIBUTED__COMM__TLS__"
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        f"{tls}CA_FILE": str(folder / "ca.pem"),
        "DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION": "True",
    }
    for role in ("SCHEDULER", "WORKER", "CLIENT"):
        environment |= {
            f"{tls}{role}__{kind.upper()}": str(folder / f"{kind}.pem") for kind in ("key", "cert")
        }
    return environment


class Processes:
    """A scheduler and its workers, each started as its command line does."""

    def __init__(self, environment: dict[str, str], stack: ExitStack) -> None:
        self.environment, self.stack = environment, stack
        scheduler = self.start(
            *("dask_scheduler", "--protocol", "tls", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
        )
        self.address = self.wait_for(scheduler, r"Scheduler at: +(tls://\S+)")

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start one process."""
        process = subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.{words[0]}", *words[1:]],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment,
        )
        self.stack.callback(self.end, process)
        return process

    def worker(self, *more: str) -> subprocess.Popen[str]:
        """Start a worker for one submission at a time."""
        process = self.start("dask_worker", self.address, "--nthreads", "1", "--no-dashboard", *more)
        self.wait_for(process, r"(Registered) to")
        return process

    def wait_for(self, process: subprocess.Popen[str], pattern: str) -> str:
        """Read what a process says until it says this."""
        assert process.stderr
        for line in process.stderr:
            if found := re.search(pattern, line):
                return found[1]
        raise AssertionError(f"it ended without saying {pattern}")

    def end(self, process: subprocess.Popen[str]) -> None:
        """End a process and its children at once."""
        if process.poll() is None:
            for one in [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]:
                one.kill()
        process.communicate()


@pytest.fixture
def processes(secured: dict[str, str]) -> Iterator[Processes]:
    """A cluster without workers."""
    with ExitStack() as stack:
        yield Processes(secured, stack)


def batch(path: Path, out: Path, address: str, environment: dict[str, str]) -> subprocess.Popen[str]:
    """Start to grade a class on a cluster."""
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "autograder", "batch", str(path), "--out", str(out)),
            *("--train", "never", "--cluster", address),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment,
    )


@pytest.mark.slow
def test_killed_worker(processes: Processes, secured: dict[str, str], tmp_path: Path) -> None:
    """A worker that is killed in the middle costs nothing: what it was at is graded by the other one."""
    tree = {f"s{i}/vae.py": RIGHT for i in range(5)} | {"wrong/vae.py": NO_SIGMA, "empty/notes.txt": b""}
    tree["zipped.zip"] = zipped({"homework/vae.py": RIGHT, "homework/data.bin": b"\0"})
    out = tmp_path / "out"
    first, _ = processes.worker("--no-nanny"), processes.worker("--nanny")
    running = batch(make_folder(tree, tmp_path / "class"), out, processes.address, secured)
    assert running.stdout
    for number in (1, 2):  # one of them may be the empty one, which is not sent
        assert running.stdout.readline().startswith(f"[{number}/8] ")
    family = psutil.Process(first.pid).children(recursive=True)
    assert family
    first.kill()
    output, errors = running.communicate(timeout=200)
    assert (running.returncode, errors) == (0, ""), output
    records = {path.stem: results.read(path) for path in (out / "results").glob("*.json")}
    assert {name: record.score for name, record in records.items()} == {
        **{f"s{i}": 12 for i in range(5)},
        "wrong": 10,
        "empty": 0,
        "zipped": 12,
    }
    assert "there is no vae.py" in records["empty"].output
    assert psutil.wait_procs(family, timeout=30)[1] == []


@pytest.mark.slow
def test_encrypted(secured: dict[str, str], tmp_path: Path) -> None:
    """A scheduler's address that is not encrypted, and one where nobody is, are refused in one line."""
    path = make_folder({"anna/vae.py": RIGHT}, tmp_path / "class")
    for address, words in (
        ("tcp://127.0.0.1:8786", "is not encrypted"),
        ("local:", "needs a number of processes"),
    ):
        output, errors = batch(path, tmp_path / "out", address, secured).communicate(timeout=60)
        assert words in errors
        assert (output, errors.count("\n")) == ("", 1)


def test_quiet() -> None:
    """Dask's own warnings, such as of a worker that was lost on the way, are not for the TA: no work is lost."""
    with pytest.raises(cluster.ClusterError), cluster.connect("tcp://127.0.0.1:1"):
        pass
    for name, logger in logging.root.manager.loggerDict.items():
        if name.split(".")[0] == "distributed" and isinstance(logger, logging.Logger):
            assert not logger.isEnabledFor(logging.WARNING), name


@pytest.fixture
def parcel(tmp_path: Path) -> Callable[..., cluster.Parcel]:
    """Packs a submission."""

    def packed(tree: dict[str, bytes], **more: Any) -> cluster.Parcel:
        return cluster.pack(Task("anna", make_folder(tree, tmp_path / "anna"), **more))

    return packed


def test_no_certificate(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where dask's configuration names no certificate, that is said, and where to read of it."""
    monkeypatch.setattr("dask.config.config", {})
    words = "no certificate to reach tls://127.0.0.1:99.*docs/cluster.md"
    with pytest.raises(cluster.ClusterError, match=words), cluster.connect("tls://127.0.0.1:99"):
        pass


def test_parcel(parcel: Callable[..., cluster.Parcel]) -> None:
    """What travels is the submission as it is graded, with the notes of its staging behind earlier ones."""
    packed = parcel(
        {"a/vae.py": RIGHT, "a/b/d.bin": b"\0", "a/other.py": b"class VAE: pass", "c.txt": b""},
        notes=("late",),
    )
    assert packed.files == {"vae.py": RIGHT, "b/d.bin": b"\0"}
    assert packed.task.notes[0] == "late"
    assert "a/other.py" in packed.task.notes[1]


def test_other_version(parcel: Callable[..., cluster.Parcel]) -> None:
    """A worker with another version of the grader gives no verdict."""
    packed = parcel({"vae.py": RIGHT})
    other = cluster.Parcel(packed.task, packed.files, "another")
    with pytest.raises(cluster.ClusterError, match="another version"):
        cluster.perform(other)
