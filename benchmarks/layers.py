"""Measure what each layer of the sandbox costs: the reference is graded with all of them, and with each left out.

    python benchmarks/layers.py [ROUNDS]

The places take turns, so that a machine that is busy for a while does not favour one. In milliseconds; on a busy
machine, look at the best of each.
"""

from __future__ import annotations

import argparse
import os
import time
from functools import partial
from pathlib import Path
from statistics import median

os.environ["OMP_NUM_THREADS"] = "1"

from autograder import grade, sandbox
from autograder.confine import LAYERS
from autograder.nursery import Nursery

REFERENCE = Path(__file__).parents[1] / "reference"
PLACES: dict[str, tuple[tuple[str, ...], bool]] = {
    "all": (LAYERS, True),
    **{
        f"without {left}": (tuple(layer for layer in LAYERS if layer != left), True)
        for left in LAYERS
        if left != "process"
    },
    "without namespaces": (LAYERS, False),
    "process alone": (("process",), False),
}


def start_and_stop(layers: tuple[str, ...], *, namespaces: bool) -> float:
    """Start a worker on the reference, its vae.py loaded, and end it; returns milliseconds, the nursery's included."""
    begin = time.perf_counter()
    starter = Nursery(namespaces=namespaces)
    worker = sandbox.Sandbox(starter, REFERENCE, grade.Options().nndl2, sandbox.Limits(), layers).start()
    worker.hear(1 << 20, 60)
    worker.stop()
    starter.close()
    return 1000 * (time.perf_counter() - begin)


def whole(layers: tuple[str, ...], *, namespaces: bool) -> float:
    """Grade the reference; returns milliseconds."""
    vars(grade).update(
        Sandbox=partial(sandbox.Sandbox, layers=layers), open_starter=lambda _: Nursery(namespaces=namespaces)
    )
    begin = time.perf_counter()
    record = grade.grade(REFERENCE / "vae.py", grade.Options(train="never", accept_weak=True))
    if record.score != record.max_score:
        raise SystemExit(record.output)
    return 1000 * (time.perf_counter() - begin)


def main() -> None:
    """Measure in turn, and print medians."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rounds", type=int, nargs="?", default=15)
    rounds = parser.parse_args().rounds
    starts: dict[str, list[float]] = {name: [] for name in PLACES}
    wholes: dict[str, list[float]] = {name: [] for name in PLACES}
    for turn in range(rounds):
        for name, (layers, namespaces) in PLACES.items():
            starts[name].append(start_and_stop(layers, namespaces=namespaces))
            if not turn % 5:
                wholes[name].append(whole(layers, namespaces=namespaces))
    print(f"{'':20} {'start and stop':>15} {'at best':>10} {'less than all':>15} {'a grading at best':>20}")
    for name in PLACES:
        best = min(starts[name])
        less = min(starts["all"]) - best
        print(f"{name:20} {median(starts[name]):15.1f} {best:10.1f} {less:15.1f} {min(wholes[name]):20.0f}")


if __name__ == "__main__":
    main()
