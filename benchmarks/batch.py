"""What a submission costs in `autograder batch`, beside one process per submission and beside otter-grader.

    .venv/bin/python benchmarks/batch.py [--count N] [--sample N] [--rounds N] [--jobs N] [--no-otter] [--growth [N...]]

(a) `autograder batch --train never`, each submission kept apart from the others and the grader, pages included;
(b) one process per submission, as Gradescope's samples do it: unittest, with gradescope-utils' JSONTestRunner, imports
    vae.py into its own process and runs the same rows, written simply (twelve_rows.py);
(c) `otter run` on the same rows, in an environment of its own that is made here;
(d) the floor: the same simple rows once more, each submission in a fork of a warm process. No isolation, no time limit,
    no results: what no grader that runs each submission in a process of its own can go below, with such rows.

The submissions are different ones from tests/corpus, known mistakes and correct variants. Each way grades --jobs of
them at a time; all are run in turn, so that a noisy machine disturbs them alike, and medians of the rounds are printed.
(b) and (c) get the first --sample of them, since one costs them as much as any other. Processor time is that of all
processes: this one becomes the parent of those that lose theirs, and waits for them. Memory is measured in runs of its
own, of a few submissions, one at a time: the highest sum of PSS (each shared page counted once) over all processes.

--growth instead: (a) alone, for 10, 100 and 1,000 submissions (or others), and again when nothing is left to do.
"""

import argparse
import contextlib
import itertools
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "benchmarks")]

from corpus import entries  # noqa: E402
from startup import pss  # noqa: E402
from twelve_rows import ROWS  # noqa: E402

from autograder import kernel  # noqa: E402
from autograder.cores import cores  # noqa: E402

ALONE = ROOT / "benchmarks" / "twelve_rows.py"
FORKED = ROOT / "benchmarks" / "forked_rows.py"
ENVIRONMENT = {
    **os.environ,
    "OMP_NUM_THREADS": "1",
    "PYTHONPATH": os.pathsep.join([str(ROOT / "student_template"), str(ALONE.parent)]),
}
OTTER_TEST = """\
OK_FORMAT = False

from types import SimpleNamespace

from otter.test_files import test_case
from twelve_rows import ROWS

name = "{0}"
points = 1


@test_case(points=1)
def check(env):
    ROWS["{0}"](SimpleNamespace(**env))
"""
Way = Callable[[list[Path], int, Path], None]  # folders, how many at a time, where to write
FEW = 4  # submissions, to measure memory


def make_class(folder: Path, count: int) -> list[Path]:
    """Write so many different submissions; returns their folders."""
    wanted = [entry for entry in entries() if entry.family in ("mistake", "variant")]
    apart = max(1, len(wanted) // count)  # some of each kind
    for i, entry in enumerate(itertools.islice(itertools.cycle([*wanted[::apart], *wanted]), count)):
        place = folder / f"{i:04}-{entry.name}"
        place.mkdir(parents=True)
        (place / "vae.py").write_bytes(entry.source + f"\n# {i}\n".encode())
    return sorted(folder.iterdir())


def quietly(command: list[str], **more: Any) -> None:
    """Run a command; what it prints is shown where it fails."""
    done = subprocess.run(
        command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, **more
    )
    if done.returncode:
        raise SystemExit(f"{command} failed:\n{done.stdout.decode(errors='replace')}")


def each(work: Callable[[Path], None], folders: list[Path], jobs: int) -> None:
    """Do the work for each folder, several at a time."""
    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(work, folders))


def with_batch(folders: list[Path], jobs: int, out: Path) -> None:
    """(a)."""
    command = [sys.executable, "-m", "autograder", "batch", str(folders[0].parent), "--out", str(out)]
    quietly([*command, "--train", "never", "--jobs", str(jobs), "--quiet"], cwd=ROOT)


def with_unittest(folders: list[Path], jobs: int, out: Path) -> None:
    """(b)."""
    each(lambda f: quietly([sys.executable, str(ALONE), str(f), str(out / f"{f.name}.json")]), folders, jobs)


def with_otter(otter: str, archive: str, folders: list[Path], jobs: int, out: Path) -> None:
    """(c)."""

    def grade(folder: Path) -> None:
        (out / folder.name).mkdir()
        quietly(
            [otter, "run", "-a", archive, "-o", str(out / folder.name), "--no-logo", "vae.py"], cwd=folder
        )
        rows = json.loads((out / folder.name / "results.json").read_text())["tests"]
        if len([row for row in rows if "score" in row]) != len(ROWS):
            raise SystemExit(f"otter-grader did not grade all rows of {folder}: {rows}")

    each(grade, folders, jobs)


def with_forks(folders: list[Path], jobs: int, out: Path) -> None:
    """(d): a warm process for each job."""
    shares = [[str(folder) for folder in folders[i::jobs]] for i in range(jobs)]
    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(lambda share: quietly([sys.executable, str(FORKED), *share], cwd=out), shares))


def make_otter(folder: Path) -> Way:
    """Install otter-grader into its own environment, but for torch, which is this one's; returns how to run it."""
    quietly([sys.executable, "-m", "venv", str(folder)])
    quietly([str(folder / "bin" / "pip"), "install", "-q", "otter-grader"])
    site = next(folder.glob("lib/python*/site-packages"))
    (site / "zz_torch.pth").write_text(str(Path(torch.__file__).parents[1]))
    tests = folder / "tests"
    tests.mkdir()
    for number in ROWS:
        (tests / f"q{number.replace('.', '_')}.py").write_text(OTTER_TEST.format(number))
    otter, archive = str(folder / "bin" / "otter"), str(folder / "autograder.zip")
    words = ["-t", str(tests), "-o", archive, "--no-config", "--no-requirements", "--no-environment"]
    quietly([otter, "generate", *words], cwd=folder)
    return partial(with_otter, otter, archive)


def collect() -> float:
    """Wait for all children, those that were left to us too; returns the processor time of all that have ended."""
    with contextlib.suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(way: Way, folders: list[Path], jobs: int) -> tuple[float, float]:
    """Grade; returns seconds of wall and processor time."""
    with tempfile.TemporaryDirectory() as out:
        before, begin = collect(), time.perf_counter()
        way(folders, jobs, Path(out))
        wall = time.perf_counter() - begin
        return wall, collect() - before


def peak(way: Way, folders: list[Path]) -> int:
    """Grade one after the other; returns the bytes that all processes held together at most."""
    highest = 0
    with tempfile.TemporaryDirectory() as out, ThreadPoolExecutor(1) as pool:
        graded = pool.submit(way, folders, 1, Path(out))
        while not graded.done():
            found = psutil.Process().children(recursive=True)
            highest = max(highest, sum(pss(process.pid) for process in found))
            time.sleep(0.02)
        graded.result()
    collect()
    return highest


def compare(options: argparse.Namespace, work: Path) -> None:
    """Run all ways in turn, and print what a submission costs."""
    folders = make_class(work / "class", options.count)
    few = make_class(work / "few", FEW)
    ways = {"(a) autograder batch": with_batch, "(b) unittest": with_unittest}
    if options.otter:
        ways["(c) otter run"] = make_otter(work / "otter")
    ways["(d) forks"] = with_forks
    names = ["import torch", *ways]
    seconds: dict[str, list[list[float]]] = {name: [] for name in names}
    for _ in range(options.rounds):
        for name in names:
            graded = folders[: options.sample] if name[:3] in ("(b)", "(c)") else folders
            if name == names[0]:
                before, begin = collect(), time.perf_counter()
                quietly([sys.executable, "-c", "import torch"])
                found, graded = (time.perf_counter() - begin, collect() - before), [None]
            else:
                found = measure(ways[name], graded, options.jobs)
            seconds[name].append([value / len(graded) for value in found])
            print(f"  {name}: {found[0]:.1f} s wall, {found[1]:.1f} s CPU for {len(graded)}", flush=True)
    memory = {name: peak(way, few) for name, way in ways.items()}
    cost = {
        name: [statistics.median(values) for values in zip(*seconds[name], strict=True)] for name in names
    }
    print(f"\n{'per submission':22} {'wall':>10} {'CPU':>10} {'CPU / import torch':>20} {'peak memory':>12}")
    for name in names:
        wall, cpu = cost[name]
        held = f"{memory[name] / 2**20:.0f} MB" if name in memory else ""
        print(f"{name:22} {wall:8.3f} s {cpu:8.3f} s {cpu / cost['import torch'][1]:18.1%} {held:>14}")
    ours, *others, floor = ways
    for one, other in itertools.product((ours, floor), others):
        wall, cpu = (there / here for there, here in zip(cost[other], cost[one], strict=True))
        print(f"{one} grades {wall:.1f} x as many per second as {other}, with 1/{cpu:.1f} of the CPU")


def grow(options: argparse.Namespace, work: Path) -> None:
    """Print how the cost grows with the class."""
    print(f"{'submissions':>11} {'wall':>9} {'CPU':>9} {'CPU each':>9} {'gone on: wall':>14}")
    for count in options.growth or (10, 100, 1000):
        folders = make_class(work / str(count), count)
        out = work / f"out-{count}"
        before, begin = collect(), time.perf_counter()
        with_batch(folders, options.jobs, out)
        wall, cpu = time.perf_counter() - begin, collect() - before
        begin = time.perf_counter()
        with_batch(folders, options.jobs, out)
        again = time.perf_counter() - begin
        print(f"{count:11} {wall:7.1f} s {cpu:7.1f} s {cpu / count:7.3f} s {again:12.1f} s", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--sample", type=int, default=100, help="how many of them (b) and (c) get")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=cores())
    parser.add_argument("--no-otter", dest="otter", action="store_false")
    parser.add_argument("--growth", type=int, nargs="*", metavar="N")
    options = parser.parse_args()
    kernel.become_subreaper()
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        Path(folder).chmod(0o755)
        print(
            f"{os.cpu_count()} cores, {options.jobs} at a time, "
            f"Python {sys.version.split()[0]}, torch {torch.__version__}"
        )
        (compare if options.growth is None else grow)(options, Path(folder))


if __name__ == "__main__":
    main()
