"""Grade hostile submissions and say what came of them that must not: all, or those whose names hold a word.

    python scripts/hostile.py [WORD ...] [--brief] [--alone LAYER] [--jobs N] [--names]

As root, unshare --fork --pid --mount-proc around it bounds what an attack that gets through could do.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
os.environ["PYTHONPATH"] = os.pathsep.join(sys.path[:2])  # for the processes that are started afresh

from apart import Apart  # noqa: E402  # from this very folder
from hostile import LAYERS, Hostile, runner, submissions  # noqa: E402


def main() -> None:
    """Grade them and count."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("words", nargs="*", help="parts of names or families")
    parser.add_argument("--brief", action="store_true", help="only the short run that the tests make")
    parser.add_argument("--alone", choices=LAYERS, help="one layer alone, on those that it stops alone")
    parser.add_argument("--without", nargs="*", default=[], choices=LAYERS, help="switch layers off")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--names", action="store_true", help="only list them")
    arguments = parser.parse_args()
    place = runner.alone(arguments.alone) if arguments.alone else runner.without(*arguments.without)
    cases = [
        case
        for case in submissions(brief=arguments.brief)
        if any(word in f"{case.family} {case.name}" for word in arguments.words or [""])
        and (not arguments.alone or arguments.alone in case.layers)
    ]
    if arguments.names:
        print(*(f"{case.family}: {case.name}" for case in cases), sep="\n")
        return
    apart, begin, bad = Apart(), time.monotonic(), 0

    def one(case: Hostile) -> runner.Grading:
        try:
            return runner.judge(case, apart, place)
        except Exception:  # noqa: BLE001 - the others are to be tried all the same
            return runner.Grading(wrong=[traceback.format_exc()])

    with ThreadPoolExecutor(arguments.jobs) as pool:
        for case, grading in zip(cases, pool.map(one, cases), strict=True):
            bad += bool(grading.wrong)
            sign = "WRONG" if grading.wrong else "right"
            print(
                f"{sign} {grading.seconds:5.1f} s, {len(grading.passed):2} rows, {case.family}: {case.name}"
            )
            for line in grading.wrong:
                print("    ", line[:3000].replace("\n", "\n      "), flush=True)
            if len(arguments.words) and grading.layers:
                print("     in force:", *sorted(grading.layers), flush=True)
    print(f"{len(cases)} submissions, {bad} of them wrong, {time.monotonic() - begin:.0f} s")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
