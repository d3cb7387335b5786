"""Throw damaged zips, notebooks and metadata at intake for as long as you like.

    python scripts/fuzz_intake.py [zip] [class] [metadata] [notebook] [--cases N] [--minutes N] [--seed N]

The checks are those of tests/test_intake_fuzz.py. A case that fails, hangs or needs more than 1 GiB of memory
is kept in tests/fuzz_cases/, where the tests try it again ever after. Ten of them end the run.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import resource
import signal
import sys
import time
import traceback
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
import test_intake_fuzz as fuzz
from handed_in import VAE

from autograder import intake
from autograder.files import Unreadable

if TYPE_CHECKING:
    from types import FrameType

MEMORY = 1 << 30  # bytes of address space for all of it
SECONDS = 10  # for one case
TOKENS = {
    "zip": [
        b"PK\x01\x02",
        b"PK\x03\x04",
        b"PK\x05\x06",
        b"PK\x06\x06",
        b"PK\x06\x07",
        b"\x01\x00",
        b"../",
        b"\xff" * 4,
    ],
    "metadata": [token.encode() for token in fuzz.YAML],
    "notebook": [token.encode("unicode_escape") for token in fuzz.PYTHON]
    + [b'"', b"[", b"{", b"}", b"]", b",", b"null"],
}
TOKENS["class"] = TOKENS["zip"]


def seed_zip(rng: random.Random) -> bytes:
    """Return a sound zip with a few odd members."""
    parts = ["vae.py", "a", "b.ipynb", "..", "nndl2", "x.zip", "__MACOSX", "C:", "\0", "é", "submission_1"]
    members = [
        (
            "/".join(rng.choices(parts, weights=[5, 5, *[1] * 9], k=rng.randint(1, 4))),
            rng.choice([VAE, b"", bytes(9999), rng.randbytes(30), b'{"cells": []}']),
            rng.choice([0, 8, 8, 12, 14]),
            rng.choice([0, 0, 0o120777 << 16, 0o010666 << 16, 0o100644 << 16, 16]),
        )
        for _ in range(rng.randint(0, 6))
    ]
    return fuzz.build_zip(members, [], 0)


def seed_metadata(rng: random.Random) -> bytes:
    """Return some metadata, mostly sound."""
    people = "".join(f"  - :name: N{i}\n    :sid: '0{i}'\n    :email: ~\n" for i in range(rng.randint(0, 3)))
    entry = f"  :submitters:\n{people}  :created_at: 2025-04-20\n  :results: {{a: [1, &a x]}}\n"
    return "".join(f"submission_{i}:\n{entry}" for i in range(rng.randint(0, 3))).encode()


def seed_notebook(rng: random.Random) -> bytes:
    """Return a notebook of random pieces of Python."""
    cells = [
        {"cell_type": "code", "source": "".join(rng.choices(fuzz.PYTHON, k=rng.randint(0, 15)))}
        for _ in range(rng.randint(0, 4))
    ]
    return json.dumps({"cells": [*cells, {"cell_type": "code", "source": "class VAE: pass"}]}).encode()


SEEDS = {"zip": seed_zip, "class": seed_zip, "metadata": seed_metadata, "notebook": seed_notebook}


def damaged(data: bytes, tokens: list[bytes], rng: random.Random) -> bytes:
    """Change, insert, remove and repeat a few pieces."""
    result = bytearray(data)
    for _ in range(rng.choice([0, 1, 1, 2, 4, 8])):
        here, there = sorted(rng.randint(0, len(result)) for _ in range(2))
        there = min(there, here + rng.choice([1, 2, 4, 64]))
        change = rng.randrange(5)
        if change == 0 and here < len(result):
            result[here] = rng.choice([0, 1, 8, 0x7F, 0x80, 0xFF, rng.randrange(256)])
        elif change == 1:
            result[here:there] = b""
        elif change == 2:
            result[here:here] = rng.choice(tokens)
        elif change == 3:
            result[here : here + 4] = rng.choice(tokens)
        else:
            result[here:here] = bytes(result[here:there]) * rng.choice([1, 2, 50])
    return bytes(result)


def too_slow(_number: int, _frame: FrameType | None) -> None:
    """End a case that hangs."""
    raise TimeoutError(f"more than {SECONDS} seconds")


def no_process(*_: object) -> NoReturn:
    """Stand for the process that reads a notebook: it takes a second, and what it does is a target too."""
    raise Unreadable("a notebook")


def main() -> None:
    """Run cases until they are done, and say how many failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("targets", nargs="*", metavar="target", help=f"{', '.join(SEEDS)}; none means all")
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--minutes", type=float, default=60.0, help="at most, for each target")
    parser.add_argument("--seed", type=int, default=time.time_ns())
    arguments = parser.parse_args()
    if unknown := [target for target in arguments.targets if target not in SEEDS]:
        parser.error(f"there is no target {unknown[0]!r}; there are {', '.join(SEEDS)}")
    arguments.targets = arguments.targets or [*SEEDS]
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    signal.signal(signal.SIGALRM, too_slow)
    warnings.simplefilter("ignore")
    setattr(intake, "to_python", no_process)  # noqa: B010  mypy would have it exported
    failed = 0
    for target in arguments.targets:
        rng, start, slowest = random.Random(arguments.seed), time.monotonic(), 0.0
        done = 0
        while done < arguments.cases and time.monotonic() < start + 60 * arguments.minutes:
            done += 1
            case = damaged(SEEDS[target](rng), TOKENS[target], rng)
            begin = time.monotonic()
            signal.alarm(SECONDS)
            try:
                fuzz.CHECKS[target](case)
            except BaseException as error:
                if isinstance(error, KeyboardInterrupt):
                    raise
                failed += 1
                path = fuzz.CASES / f"{target}-{hashlib.sha256(case).hexdigest()[:12]}"
                path.write_bytes(case)
                traceback.print_exc()
                print(f"kept as {path}")
            signal.alarm(0)
            if failed == 10:
                sys.exit("ten failures are enough")
            slowest = max(slowest, time.monotonic() - begin)
        rate = done / (time.monotonic() - start)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
        print(
            f"{target}: {done} cases from seed {arguments.seed}, {rate:.0f} a second, "
            f"the slowest {slowest:.2f} s, peak {peak} MiB; {failed} failures so far"
        )
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
