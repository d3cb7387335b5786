"""autograder.zip in Gradescope's container, or what comes nearest: a minimal Debian, root with Docker's powers."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import urllib.request
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from apart import ROWS
from packaging.requirements import Requirement
from places import allowed
from valid import problems

from autograder.release import release

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
SUITE = "bookworm"
PYTHON = "3.11.2"  # of that Debian
MEMORY, CPU = 768 << 20, 0.5  # Gradescope's smallest container
SECONDS = 600  # Gradescope's limit for one run
HOSTILE = """
import os, signal
for path in ("/autograder/results/results.json", "/autograder/source/planted", "/autograder/planted"):
    try:
        open(path, "w").write('{"score": 100}')
    except OSError:
        pass
os.kill(os.getppid(), signal.SIGKILL)
os._exit(0)
"""


def lacking() -> str:
    """Say what this host lacks to make a container; nothing where all is there."""
    if os.name != "posix" or os.geteuid() != 0:
        return "only root can make a container"
    if missing := [
        tool
        for tool in ("apt-get", "debootstrap", "dos2unix", "setpriv", "unshare")
        if not shutil.which(tool)
    ]:
        return f"there is no {missing[0]}: apt-get install debootstrap dos2unix util-linux"
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode:
        return "nothing can be mounted here"
    if platform.python_version_tuple()[:2] != ("3", "11"):
        return f"Debian {SUITE} has Python 3.11, and its packages come from this environment"
    try:
        urllib.request.urlopen(f"{mirror()}/dists/{SUITE}/Release", timeout=10).close()  # noqa: S310 - apt's own source
    except (OSError, ValueError) as error:  # no URL where apt's sources name no archive of that Debian
        return f"no archive of Debian {SUITE} answers among apt's sources: {error}"
    return ""


def mirror() -> str:
    """Return the address of Debian's archive that apt takes packages from, as apt tells it."""
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(SITE)", f"Codename: {SUITE}", "Component: main"],
        capture_output=True,
        text=True,
        check=False,
    )
    return next(iter(listed.stdout.split()), "")


@contextlib.contextmanager
def limits(name: str) -> Iterator[tuple[list[Path], list[str]]]:
    """Make control groups of 768 MB and half a CPU, of the first version or the second.

    Gives the files that a process joins them by, and what could be limited.
    """
    top = Path("/sys/fs/cgroup")
    wanted = {  # by folder: what is limited, and how
        top / "memory" / name: ("memory", {"memory.limit_in_bytes": str(MEMORY)}),
        top / "cpu" / name: ("cpu", {"cpu.cfs_quota_us": str(int(100_000 * CPU))}),
        top / name: (
            "memory and cpu",
            {"memory.max": str(MEMORY), "cpu.max": f"{int(100_000 * CPU)} 100000"},
        ),
    }
    groups, held = [], []
    for folder, (what, values) in wanted.items():
        is_second = folder.parent == top
        if is_second != (top / "cgroup.controllers").exists() or not folder.parent.is_dir():
            continue
        with contextlib.suppress(OSError):
            folder.mkdir()
            groups.append(folder)
            for file, value in values.items():
                (folder / file).write_text(value)
            held.append(what)
    try:
        yield [folder / "cgroup.procs" for folder in groups], held
    finally:
        for folder in groups:
            folder.rmdir()


def wheels(folder: Path) -> None:
    """Fetch what pip needs in there beside the packages of this environment.

    That is what builds the grader, and what constraints.txt asks of that Debian's Python but not of this one.
    """
    wanted = ["flit_core>=3.11,<4"]
    here = {"extra": ""}
    there = here | {"python_full_version": PYTHON, "python_version": PYTHON.rpartition(".")[0]}
    for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines():
        requirement = Requirement(line) if line and not line.startswith("#") else None
        if requirement and requirement.marker and requirement.marker.evaluate(there):
            with contextlib.suppress(metadata.PackageNotFoundError):
                if not requirement.specifier.contains(metadata.version(requirement.name)):
                    wanted.append(f"{requirement.name}{requirement.specifier}")
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--dest",
        str(folder),
        *wanted,
    ]
    subprocess.run(command, check=True)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_container(tmp_path: Path) -> None:
    """Built from the zip, the container grades right, empty and hostile work in time, and only results/ changes.

    torch is not fetched: the packages of this environment lie under the container's own, and pip finds them there.
    """
    if why := lacking():
        pytest.skip(why)
    packages = Path(str(metadata.distribution("torch").locate_file("")))
    root, given = tmp_path / "root", tmp_path / "given"
    submissions = {
        "reference": (ROOT / "reference" / "vae.py").read_text("utf-8"),
        "template": (ROOT / "student_template" / "vae.py").read_text("utf-8"),
        "hostile": HOSTILE,
    }
    for name, source in submissions.items():
        (given / name).mkdir(parents=True)
        (given / name / "vae.py").write_text(source, "utf-8")
    zip_path = release(ROOT, tmp_path / "release")[0]
    wheels(tmp_path / "wheels")
    script = Path(__file__).with_name("container.sh")
    places = (root, zip_path, packages, tmp_path / "wheels", given)
    subprocess.run(
        [
            "debootstrap",
            "--variant=minbase",
            "--include=python3",
            SUITE,
            str(root),
            mirror(),
        ],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    with limits(f"vae-autograder-{os.getpid()}") as (files, held):
        done = subprocess.run(
            ["unshare", "--mount", str(script), *map(str, places)],
            env={**os.environ, "LIMITS": " ".join(map(str, files))},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    print(done.stdout, f"limited: {held or 'nothing; this host allows no control groups'}")  # noqa: T201
    assert done.returncode == 0
    assert "setup.sh: training will use" in done.stdout

    for name, score in {"reference": 12, "template": 0, "hostile": 0}.items():
        content = (given / name / "results" / "results.json").read_bytes()
        assert problems(content) == []
        record = json.loads(content)
        assert [row["number"] for row in record["tests"]] == [*ROWS, "T"]
        assert (name, record["score"]) == (name, score)
        assert "grader_fault" not in record["extra_data"]
        assert not [
            row for row in record["tests"] if row.get("extra_data", {}).get("ending") == "grader fault"
        ]
        assert (given / name / "changed").read_text() == ""
        seconds = int((given / name / "milliseconds").read_text()) / 1000
        print(f"{name}: {seconds:.0f} s")  # noqa: T201
        assert seconds < SECONDS
        assert record["execution_time"] <= seconds
        # Docker's root may not make namespaces; all else that this host allows is to be in force.
        assert {*record["extra_data"]["layers"]} == allowed() - {"namespaces"}
        output = (given / name / "stdout").read_text("utf-8")
        assert re.search(rf"^{score} of 12 points", output, re.MULTILINE)
        assert "exit code" not in output.rpartition("Written to")[2]
    shutil.rmtree(root)  # hundreds of megabytes
