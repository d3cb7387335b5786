"""The record of one grading, in the form that Gradescope reads; read and written whole or not at all."""

from __future__ import annotations

import errno
import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "CONSEQUENCE",
    "OUT_OF_MEMORY",
    "RECIPE",
    "ROWS",
    "STARVED",
    "Results",
    "Row",
    "clean",
    "gist",
    "put",
    "read",
    "write",
]

# Those of the assignment, of one point each.
ROWS = ("1.1", "1.2", "1.3", "1.4", "2.1", "3.1", "3.2", "4.1", "5.1", "6.1", "6.2", "6.3")
MAX_OUTPUT = 8_000  # characters of a row's output
# Marks above and below letters, of which several stacked up hide other lines.
ACCENTS = (
    "\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u0610-\u061a\u064b-\u065f\u0e31\u0e34-\u0e3a\u0e47-\u0e4e"
    "\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"
)
# Control characters but newline and tab, ANSI sequences first; lone surrogates; characters that turn the text round, or
# that nobody sees, but a program reads; and accents on accents.
UNWANTED = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|[\x00-\x08\x0b-\x1f\x7f-\x9f]|[\ud800-\udfff]"
    "|[\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff]"
    "|[\u00ad\u115f\u1160\u180e\u200b\u2060-\u2064\u3164\ufe00-\ufe0e\uffa0\ufff9-\ufffb]"
    "|[\U0001d173-\U0001d17a\U000e0000-\U000e01ef]"
    f"|(?<=[{ACCENTS}]{{4}})[{ACCENTS}]+"
)
CONSEQUENCE = " cannot be judged, because of "  # stands where another row names the mistake
OUT_OF_MEMORY = "out of memory"  # how a row ends whose process the machine ended for that
STARVED = "starved"  # whose process the machine gave too little of its time
RECIPE = "To see it"  # how the lines begin that are the same for all who lose the row


class Row(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One row of the rubric, one test of results.json. Without points it only informs."""

    number: str
    name: str
    status: str  # "passed" or "failed"
    output: str = ""
    score: float | None = None
    max_score: float | None = None
    output_format: str | None = None
    tags: list[str] = []
    visibility: str | None = None
    extra_data: dict[str, Any] = {}

    @property
    def causes(self) -> list[str]:
        """What the student's mistakes are, as far as that is known."""
        return [str(cause) for cause in self.extra_data.get("causes", [])]

    @property
    def fault(self) -> bool:
        """Whether the grader itself failed at this row."""
        return self.extra_data.get("ending") == "grader fault"


class Results(msgspec.Struct, kw_only=True, omit_defaults=True):
    """results.json."""

    score: float
    output: str
    output_format: str
    tests: list[Row]
    execution_time: float = 0.0
    visibility: str | None = None
    extra_data: dict[str, Any] = {}

    @property
    def max_score(self) -> float:
        """The points that there are."""
        return sum(row.max_score or 0 for row in self.tests)

    @property
    def fingerprint(self) -> str:
        """What tells the vae.py that was graded from others; "" where there was none."""
        return str(self.extra_data.get("fingerprint", ""))

    @property
    def fault(self) -> bool:
        """Whether the grader itself failed, at some row or altogether."""
        return bool(self.extra_data.get("grader_fault")) or any(row.fault for row in self.tests)


def clean(text: str, limit: int = MAX_OUTPUT) -> str:
    """Make text safe to show: no control characters, no lone surrogates, not endless."""
    size = len(text)
    text = text[: 4 * limit].replace("\r\n", "\n").replace("\r", "\n")
    text = UNWANTED.sub("\N{REPLACEMENT CHARACTER}", text)
    if len(text) > limit or size > 4 * limit:
        text = f"{text[:limit]}\n... (the first of {size:,} characters)"
    return text


def gist(output: str, causes: Sequence[str] = ()) -> str:
    """Say in a line what a row's output says: what the mistake is, or what was found, and where in vae.py it lies.

    causes: what the mistake is, as far as that is known
    """
    if causes:
        return " ".join(causes[:2])
    first, *rest = output.partition(f"\n{RECIPE}")[0].splitlines() or [""]
    places = [f"({' '.join(line.split())})" for line in rest if line.startswith("  vae.py, line ")]
    announced = rest[:1] if first.endswith(":") else []
    return " ".join([first, *(announced or places[-1:])])


def write(path: Path, results: Results) -> None:
    """Write results.json: all of it or nothing. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    put(path, msgspec.json.format(msgspec.json.encode(results), indent=2) + b"\n")


def put(path: Path, data: bytes) -> None:
    """Write a file, all of it or nothing, in the place of a link and never through one. Raises OSError."""
    if path.parent.resolve() == Path("/dev"):
        raise PermissionError(errno.EPERM, "what is a device stays one", str(path))
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            if hasattr(os, "fchmod"):
                os.fchmod(file.fileno(), 0o644)
        Path(name).replace(path)
    except BaseException as error:
        Path(name).unlink(missing_ok=True)
        if isinstance(error, OSError) and not error.filename:  # writing alone says no name
            raise OSError(error.errno, error.strerror, str(path)) from None
        raise


def read(path: Path) -> Results:
    """Read results.json. Raises OSError, or msgspec.MsgspecError when it is none of ours."""
    return msgspec.json.decode(path.read_bytes(), type=Results)
