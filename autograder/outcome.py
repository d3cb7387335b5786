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

import re
from typing import TYPE_CHECKING

import msgspec

from autograder.sandbox import Ended
from autograder.wire import NO_FORWARD

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["PARTS", "UNANSWERED", "Failure", "Line", "Missing", "Raised", "Unfinished", "WrongKind"]

AMBIGUOUS = "Boolean value of Tensor"  # says torch where tensors are given as settings of a loss
NOT_POSITIVE = "GreaterThan(lower_bound=0"  # says a distribution
LOSS_MADE, LOSS_NOT_CALLED = re.compile(r"\b\w+Loss\("), re.compile(r"'\w+Loss'")
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
        return "\n".join([message, *hints(failure)])

    def named_otherwise(self) -> str:
        """Say which layers of other names there are, where one was asked for that is not."""
        names = [name[:40] for name in self.failure.others if name not in PARTS][:5]
        return f" Your model has {', '.join(f'`{name}`' for name in names)}: is that it?" if names else ""


def hints(failure: Failure) -> Iterator[str]:
    """Say where to look, for errors whose message does not."""
    line = failure.lines[-1].text if failure.lines else ""
    if failure.type == "PermissionError":
        yield (
            "The autograder lets your code start no other program, open no connection, share no memory, "
            "and write only into its own folder."
        )
    if NO_FORWARD in failure.message and "ModuleList" in failure.message:
        yield "nn.ModuleList only holds layers: it cannot be called, as nn.Sequential can."
    elif NO_FORWARD in failure.message:
        yield "Is its forward() misspelt, or written outside of the class?"
    if LOSS_NOT_CALLED.search(failure.message) or (AMBIGUOUS in failure.message and LOSS_MADE.search(line)):
        yield "nn.BCELoss and its like are made with settings only; what is made is called, with x_hat and x."
    if NOT_POSITIVE in failure.message:
        yield "A scale is a standard deviation, which is above 0; logvar may be below: is logvar given for it?"
    if ".backward(" in line:
        yield "backward() belongs to the training; what is asked for here is only computed and returned."


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
