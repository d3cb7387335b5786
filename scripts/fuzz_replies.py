"""Throw damaged answers at the decoder of replies for as long as you like.

    python scripts/fuzz_replies.py [--cases N] [--seed N]

The check is that of tests/test_replies_fuzz.py. A case that fails, takes more than ten seconds or needs more than
1 GiB beyond what torch maps is kept in tests/fuzz_cases/, where the tests try it again. Ten of them end the run.
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
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
import test_replies_fuzz as fuzz
from fuzz_intake import damaged, too_slow

TOKENS = [json.dumps(odd).encode() for odd in fuzz.ODD] + [
    *(
        b'"tensor"',
        b'"slot"',
        b'"error"',
        b'"value"',
        b'"id"',
        b'"lines"',
        b'"tensors"',
        b'"dtype"',
        b'"F32"',
    ),
    *(
        b"[" * 50,
        b"{",
        b"}",
        b"]",
        b",",
        b":",
        b"\0",
        b"\\ud800",
        b"1e999",
        b"NaN",
        b"-0",
        b"\xff\xfe",
        b"9" * 400,
    ),
    *(b'"shape"', b'"data_offsets"', b'"000000"', b'"000001"', b'"__metadata__"', bytes(8)),
]


def value(rng: random.Random, depth: int = 0) -> Any:
    """Return a random part of an answer."""
    kind = rng.randrange(5 if depth < 4 else 3)
    if kind == 0:
        return rng.choice(fuzz.ODD)
    if kind == 1:
        return {
            "tensor": rng.choice([0, 0, 1, *fuzz.ODD]),
            "slot": rng.choice([0, 1, *fuzz.ODD]),
            "grad": True,
        }
    if kind == 2:
        return {rng.choice(["float", "other", "model", "slot"]): rng.choice(["nan", *fuzz.ODD])}
    return [value(rng, depth + 1) for _ in range(rng.randrange(4))]


def answer(rng: random.Random) -> bytes:
    """Return a mostly sound answer."""
    number = rng.choice([0, 0, 1, 2])
    entries, at = {}, 0
    for i in range(number):
        kind, size = rng.choice([("F32", 4), ("F64", 8), ("I64", 8), ("BOOL", 1)])
        shape = rng.choice([[], [1], [2, 3], [0], [0, 2**40]])
        length = size
        for dimension in shape:
            length *= dimension
        entries[f"{i:06}"] = {"dtype": kind, "shape": shape, "data_offsets": [at, at + length]}
        at += length
    header = {"id": 1, "value": value(rng), "tensors": number}
    if rng.random() < 0.2:
        lines = [[rng.randrange(99), "f", "x = 1"]] * rng.randrange(3)
        header["error"] = {"kind": "raised", "type": "E", "message": "m", "lines": lines}
    return json.dumps(header).encode() + b"\0" + (fuzz.pack(entries, rng.randbytes(at)) if number else b"")


def main() -> None:
    """Run cases until they are done, and say how many failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=time.time_ns())
    arguments = parser.parse_args()
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (mapped + (1 << 30), mapped + (1 << 30)))
    signal.signal(signal.SIGALRM, too_slow)
    rng, begin, slowest, failed = random.Random(arguments.seed), time.monotonic(), 0.0, 0
    for _ in range(arguments.cases):
        case = damaged(answer(rng), TOKENS, rng)
        start = time.monotonic()
        signal.alarm(10)
        try:
            fuzz.check(case)
        except Exception:  # noqa: BLE001 - each is a case to keep
            failed += 1
            path = fuzz.CASES / f"reply-{hashlib.sha256(case).hexdigest()[:12]}"
            path.write_bytes(case)
            traceback.print_exc()
            print(f"kept as {path}")
        signal.alarm(0)
        if failed == 10:
            sys.exit("ten failures are enough")
        slowest = max(slowest, time.monotonic() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    rate = arguments.cases / (time.monotonic() - begin)
    print(
        f"{arguments.cases} answers from seed {arguments.seed}, {rate:.0f} a second, the slowest {slowest:.2f} s, "
        f"peak {peak} MiB; {failed} failures"
    )
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
