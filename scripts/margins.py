"""How far right work stays from failing: the largest error among many gradings, as a share of what is allowed.

    python scripts/margins.py [--count N] [WORD ...]

Grades the reference, and the right variants of tests/corpus whose names hold one of the words, N times each, and
notes each comparison (expect.close) that holds. A share far below 1 says that the tolerance is no matter of luck:
rounding errors are sums of many small ones, and twice the largest of thousands is not met by chance.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import os
import pkgutil
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"
gc.disable()

HOME = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(HOME), str(HOME / "tests")]

from autograder.sandbox import Sandbox, open_starter  # noqa: E402  # from this very folder
from autograder.watch import Limits  # noqa: E402  # from this very folder

STARTER = open_starter()  # before anything else is imported, as in a grading

import torch  # noqa: E402
from corpus import named  # noqa: E402

from autograder import plugin, rubric  # noqa: E402
from autograder.rubric import expect  # noqa: E402
from autograder.student import Student  # noqa: E402

if TYPE_CHECKING:
    from torch import Tensor

SHARES: dict[tuple[str, str], list[float]] = defaultdict(list)  # test, tolerance: shares


def noting(found: Tensor, expected: Tensor, tolerance: float = expect.TOLERANCE) -> bool:
    """Compare as expect.close does, and note how near to the limit it was where it holds."""
    right = CLOSE(found, expected, tolerance)
    if right and found.numel():
        limit = tolerance * expected.double().abs().max().clamp(min=1)
        test = os.environ["PYTEST_CURRENT_TEST"].rpartition("::")[2].partition(" ")[0]
        share = (found.detach().double() - expected.detach().double()).abs().max() / limit.detach()
        SHARES[test, f"{tolerance:g}"].append(float(share))
    return right


CLOSE = expect.close


def main() -> None:
    """Grade and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("words", nargs="*")
    parser.add_argument("--count", type=int, default=50)
    arguments = parser.parse_args()
    sources = {"reference": (HOME / "reference" / "vae.py").read_bytes()}
    sources |= {entry.name: entry.source for entry in named(arguments.words)}
    torch.set_num_threads(1)
    torch.seed()
    failed: list[str] = []

    def work(session: plugin.Session) -> None:
        for module in pkgutil.iter_modules(rubric.__path__):
            loaded: Any = sys.modules.get(f"autograder.rubric.{module.name}")
            if loaded and getattr(loaded, "close", None) is CLOSE:
                loaded.close = noting
        for name, source in sources.items():
            for _ in range(arguments.count):
                failed.extend(f"{name}: {row}" for row in grade(session, source))

    importlib.import_module("autograder.rubric.expect")
    plugin.session(work)
    STARTER.close()
    print(
        f"{len(sources)} right submissions, {arguments.count} gradings each; {len(failed)} rows lost", *failed
    )
    print(f"{'':28} tolerance  comparisons  largest share")
    for (test, tolerance), shares in sorted(SHARES.items()):
        print(f"{test:28} {tolerance:>9}  {len(shares):11}  {max(shares):13.4f}")


def grade(session: plugin.Session, source: bytes) -> list[str]:
    """Grade once; returns the rows lost."""
    with tempfile.TemporaryDirectory(prefix="margins-") as folder:
        Path(folder).chmod(0o711)
        (Path(folder) / "vae.py").write_bytes(source)
        nndl2 = HOME / "student_template" / "nndl2"
        student = Student(Sandbox(STARTER, Path(folder), nndl2, Limits()))
        try:
            return [row.number for row in session.run(student) if not row.score]
        finally:
            student.dialogue.close()


if __name__ == "__main__":
    main()
