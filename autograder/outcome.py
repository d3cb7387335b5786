"""How a question to the student's code can end, and one wording for each way.

answered
Raised             the student's code raised an exception: its type, message and their own lines
+-- Unfinished     a NotImplementedError, or a part that is still None
+-- Missing        a name that the assignment asks for is not there
WrongKind          an answer, but not of the kind asked for
sandbox.Ended      no answer: too slow, too big, the process died, bytes that are no answer
NurseryError       our own fault
"""

from __future__ import annotations

import msgspec

from autograder.sandbox import Ended
from autograder.wire import NO_FORWARD

__all__ = ["PARTS", "UNANSWERED", "Failure", "Line", "Missing", "Raised", "Unfinished", "WrongKind"]

PARTS = ("encoder", "mu_layer", "logvar_layer", "decoder")  # of a model, by the assignment


class Line(msgspec.Struct, array_like=True, frozen=True):
    """A line of vae.py on the way to where it raised."""

    number: int
    function: str
    text: str


class Failure(msgspec.Struct, frozen=True):
    """What the student's code raised."""

    kind: str
    type: str
    message: str
    lines: list[Line]
    others: list[str] = []  # the layers of a model without one that was asked for


class Raised(Exception):  # noqa: N818 - it is the student's error, named as an outcome
    """The student's code raised an exception."""

    def __init__(self, what: str, failure: Failure) -> None:
        super().__init__(what)
        self.what = what
        self.failure = failure

    def __str__(self) -> str:
        """Say it in the student's terms, with their own lines only."""
        failure = self.failure
        message = f"{self.what} raised {failure.type}" + (f": {failure.message}" if failure.message else ".")
        for line in failure.lines:
            where = f" in {line.function}" if line.function not in ("", "<module>") else ""
            message += f"\n  vae.py, line {line.number}{where}:  {line.text}"
        if failure.type == "PermissionError":
            message += (
                "\nThe autograder lets your code start no other program, open no connection, share no memory, "
                "and write only into its own folder."
            )
        if NO_FORWARD in failure.message:
            message += (
                "\nnn.ModuleList only holds layers: it cannot be called, as nn.Sequential can."
                if "ModuleList" in failure.message
                else "\nIs its forward() misspelt, or written outside of the class?"
            )
        return message

    def named_otherwise(self) -> str:
        """Say which layers of other names there are, where one was asked for that is not."""
        names = [name[:40] for name in self.failure.others if name not in PARTS][:5]
        return f" Your model has {', '.join(f'`{name}`' for name in names)}: is that it?" if names else ""


class Unfinished(Raised):
    """A part that is still to be written."""

    def __str__(self) -> str:
        """Say which part."""
        if self.failure.kind == "none":
            return f"`{self.failure.message}` is still None: this part is not written yet.{self.named_otherwise()}"
        return f"{self.what} is not written yet: {self.failure.message or 'it raises NotImplementedError'}."


class Missing(Raised):
    """A name that is not there."""

    def __str__(self) -> str:
        """Say which name."""
        return f"There is no `{self.failure.message}` in your vae.py: {self.what} needs it.{self.named_otherwise()}"


class WrongKind(Exception):  # noqa: N818 - as above
    """An answer, but not of the kind asked for."""


UNANSWERED = (Raised, WrongKind, Ended)
