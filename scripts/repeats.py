"""Grade submissions many times, each time with other random inputs, and count the verdicts that differ.

    .venv/bin/python scripts/repeats.py [--times N] [--hours H] [--record FILE] [SUBMISSION ...]
    .venv/bin/python scripts/repeats.py --corpus [--times N] [--hours H] [--record FILE] [WORD ...]

The second one takes the right variants of tests/corpus, or those whose names hold one of the words. Two verdicts are
equal when each row has the same points and the same ending; a right variant's must be twelve points, too. It goes
round by round, all submissions in each, until each has N gradings or H hours are over. FILE keeps the counts
(JSON), for each submission by its bytes: a later run goes on from there. Exits with 1 when any verdict differs from
its submission's most frequent one, or a right variant loses a point.

Some 200 variants 1,000 times each take eighteen hours of two processors.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import tempfile
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import msgspec  # noqa: E402

from autograder.lane import Graded, LaneError, Lanes, Task  # noqa: E402  # from this very folder

if TYPE_CHECKING:
    from autograder.results import Results

RIGHT = 12  # points
ROUND = 40  # gradings between two notes of what was counted, at least


@dataclass(frozen=True)
class Submission:
    """What is graded, under which name, and whether it is known to be right."""

    name: str
    path: Path
    right: bool

    def key(self) -> str:
        """Tell it from others, and from what it was before an edit."""
        path = self.path / "vae.py" if self.path.is_dir() else self.path
        return f"{self.name} {hashlib.sha256(path.read_bytes()).hexdigest()[:12]}"


def verdict(record: Results) -> str:
    """Write each row's number, points and, where it lost any, ending."""
    rows = [
        f"{row.number} {row.score:g}"
        + ("" if row.score == row.max_score else f" {row.extra_data.get('ending', row.status)}")
        for row in record.tests
        if row.score is not None
    ]
    return "; ".join(rows) + (" (fault)" if record.fault else "")


def points(text: str) -> float:
    """Add up a verdict's points."""
    return sum(float(row.split()[1]) for row in text.split("; ") if row[0].isdigit())


def corpus(words: list[str], folder: Path) -> list[Submission]:
    """Write the right variants whose names hold one of the words, or all of them, into a folder."""
    from corpus import named

    chosen = named(words or [""])
    for entry in chosen:
        (folder / f"{entry.name}.py").write_bytes(entry.source)
    return [Submission(entry.name, folder / f"{entry.name}.py", right=True) for entry in chosen]


def grade_all(
    submissions: list[Submission],
    counts: dict[str, Counter[str]],
    times: int,
    until: float,
    record: Path | None,
) -> None:
    """Grade round by round, and keep what was counted after each."""
    lanes = Lanes()

    def once(submission: Submission) -> tuple[str, str]:
        try:
            graded = lanes.perform(Task(submission.name, submission.path))
            text = verdict(msgspec.msgpack.decode(graded, type=Graded).record)
        except LaneError as error:
            text = f"no record: {error}"
        return submission.key(), text

    try:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            while time.monotonic() < until:
                due = [s for s in submissions if counts[s.key()].total() < times]
                if not due:
                    break
                often = min(-(-ROUND // len(due)), *(times - counts[s.key()].total() for s in due))
                for key, text in pool.map(once, due * often):
                    counts[key][text] += 1
                if record:
                    kept = record.with_name(f"{record.name}.new")
                    kept.write_text(json.dumps(counts, indent=1), encoding="utf-8")
                    kept.replace(record)
                low = min(counts[s.key()].total() for s in submissions)
                print(f"\r{low} of {times}", end="", file=sys.stderr, flush=True)
            print(file=sys.stderr)
    finally:
        lanes.close()


def main() -> int:
    """Grade, compare, print; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="*", metavar="SUBMISSION or WORD")
    parser.add_argument("--corpus", action="store_true", help="the right variants of the corpus")
    parser.add_argument("--times", type=int, default=200, metavar="N")
    parser.add_argument("--hours", type=float, default=float("inf"), metavar="H")
    parser.add_argument("--record", type=Path, metavar="FILE")
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    if options.record and options.record.exists():
        old = json.loads(options.record.read_text(encoding="utf-8"))
        counts |= {key: Counter(verdicts) for key, verdicts in old.items()}
    with tempfile.TemporaryDirectory(prefix="vae-repeats-") as folder:
        if options.corpus:
            submissions = corpus(options.what, Path(folder))
        else:
            paths = [Path(what).resolve() for what in options.what or [ROOT / "reference"]]
            submissions = [Submission(path.name, path, right=False) for path in paths]
        if not submissions:
            parser.error(f"no right variant's name holds {' or '.join(options.what)}")
        until = time.monotonic() + 3600 * options.hours
        grade_all(submissions, counts, options.times, until, options.record)
        results = [(submission, counts[submission.key()]) for submission in submissions]
    return report([(submission, counted) for submission, counted in results if counted])


def report(results: list[tuple[Submission, Counter[str]]]) -> int:
    """Print what differs; returns the exit code."""
    odd = 0
    for submission, counted in results:
        usual, times = counted.most_common(1)[0]
        if len(counted) > 1 or (submission.right and points(usual) != RIGHT) or not submission.right:
            print(
                f"{submission.name}: {times} of {counted.total()} verdicts are equal: {points(usual):g} points"
            )
        for text, number in counted.items():
            if text != usual or (submission.right and points(text) != RIGHT):
                print(f"  {number} times: {text}")
                odd += number
    total = sum(counted.total() for _, counted in results)
    fewest = min((counted.total() for _, counted in results), default=0)
    print(f"{len(results)} submissions, {total} gradings, {fewest} of each or more; {odd} verdicts differ")
    return int(odd > 0)


if __name__ == "__main__":
    sys.exit(main())
