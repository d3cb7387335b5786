"""What the student's code raised, as the worker tells it."""

from __future__ import annotations

import re
import traceback
from typing import TYPE_CHECKING, Any

from autograder.wire import NO_FORWARD

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["MAX_TEXT", "MissingError", "describe"]

# So torch says where a module has no forward, or an operation does not know a type, such as integers, or a device.
TORCHS = re.compile(f"{re.escape(NO_FORWARD)}|^.{{1,80}} not implemented for |^Could not run ")
MAX_TEXT = 4000  # characters of a string in an answer
MAX_LINE, MAX_LINES = 400, 6  # of a message


class MissingError(Exception):
    """A name that the assignment asks for is not there, or still None.

    args: the name; "missing" or "none"; other names that may be meant; places inside of something else that have it
    """


def describe(error: BaseException, path: Path) -> dict[str, Any]:
    """Describe what the student's file, at this path, raised: its type, its message and their own lines."""
    if isinstance(error, MissingError):
        name, kind, others, inside = error.args
        others, inside = ([text[:100] for text in texts] for texts in (others, inside))
        return {"kind": kind, "type": "", "message": name, "lines": [], "others": others, "inside": inside}
    syntax = error if isinstance(error, SyntaxError) and error.filename == str(path) else None
    try:
        message = shorten(str(syntax.msg if syntax else error))
    except BaseException as worse:  # noqa: BLE001 - a student's __str__ may raise anything
        message = f"(its message cannot be shown: {type(worse).__name__})"
    unfinished = isinstance(error, NotImplementedError) and not TORCHS.search(message)
    try:
        frames = traceback.extract_tb(error.__traceback__)
        stack = [f for f in frames if f.filename == str(path)]
        unfinished = unfinished and frames[-1].filename == str(path)  # a library raises it, too
        lines = [[f.lineno or 0, f.name[:100], (f.line or "")[:200]] for f in stack[-5:]]
        if syntax:
            lines = [[int(syntax.lineno or 0), "", str(syntax.text or "").strip()[:200]]]
    except BaseException:  # noqa: BLE001 - as may the lines that their module claims to have
        lines = []
    kind = "unfinished" if unfinished else "raised"
    return {"kind": kind, "type": type(error).__name__[:100], "message": message, "lines": lines}


def shorten(message: str) -> str:
    """Cut a long message in the middle, where the numbers of a tensor are: what is wrong stands at its ends."""
    half = MAX_TEXT // 2
    if len(message) > MAX_TEXT:
        message = f"{message[:half]}\n[...]\n{message[-half:]}"
    lines = message.splitlines()
    if len(lines) > MAX_LINES:
        lines = [*lines[:3], "[...]", lines[-1]]
    return "\n".join(
        line if len(line) <= MAX_LINE else f"{line[: MAX_LINE // 2]} [...] {line[-MAX_LINE // 3 :]}"
        for line in lines
    )
