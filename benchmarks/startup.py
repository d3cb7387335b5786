"""How long a whole grading takes beside a plain `import torch`, and how much memory all its processes hold at most.

    .venv/bin/python benchmarks/startup.py [--rounds N]

Both are run in turn, so that a noisy machine disturbs them alike; medians are printed. Wall and processor time are
those of the process and all that it waited for. Memory is the sum of PSS (each shared page counted once) over the
process and its descendants, from /proc/*/smaps_rollup (Linux), looked at in runs of its own: the look takes time.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]
COMMANDS = {
    "import torch": [sys.executable, "-c", "import torch"],
    "a grading": [str(ROOT / "run_autograder"), str(ROOT / "reference"), "--train", "never"],
}
PAUSE = 0.01  # seconds between two looks at the memory


def measure(command: list[str], folder: str) -> tuple[float, float]:
    """Run a command; returns seconds of wall and processor time."""
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    wall, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def peak(command: list[str], folder: str) -> int:
    """Run a command; returns the bytes that it and its descendants held together at most."""
    highest = 0
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL) as process:
        top = psutil.Process(process.pid)
        while process.poll() is None:
            try:
                highest = max(
                    highest, sum(map(pss, [process.pid, *(p.pid for p in top.children(recursive=True))]))
                )
            except psutil.NoSuchProcess:
                break
            time.sleep(PAUSE)
    return highest


def pss(pid: int) -> int:
    """Measure one process, 0 where it is gone."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith("Pss:"))


def main() -> None:
    """Measure both in turn and print medians."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    rounds = parser.parse_args().rounds
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in COMMANDS}
    memory: dict[str, list[int]] = {name: [] for name in COMMANDS}
    with tempfile.TemporaryDirectory() as folder:
        for command in COMMANDS.values():  # what the disk has not given yet is read here
            measure(command, folder)
        for _ in range(rounds):
            for name, command in COMMANDS.items():
                times[name].append(measure(command, folder))
        for _ in range(min(rounds, 3)):
            for name, command in COMMANDS.items():
                memory[name].append(peak(command, folder))
    print(f"medians of {rounds}; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    for name in COMMANDS:
        wall, cpu = (statistics.median(column) for column in zip(*times[name], strict=True))
        print(
            f"{name:14} {wall:6.2f} s wall {cpu:6.2f} s processor {statistics.median(memory[name]) / 1e6:6.0f} MB"
        )


if __name__ == "__main__":
    main()
