"""How a question to the student's code can end, and one wording for each way.

answered
Raised             the student's code raised an exception: its type, message and their own lines
+-- Unfinished     a NotImplementedError, or a part that is still None
+-- Missing        a name that the assignment asks for is not there
WrongKind          an answer, but not of the kind asked for
endings.Ended      no answer: too slow, too big, the process died, bytes that are no answer
NurseryError       our own fault
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import msgspec

from autograder.elsewhere import NOWHERE
from autograder.endings import Ended
from autograder.hints import hint
from autograder.wording import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "PARTS",
    "UNANSWERED",
    "Failure",
    "Line",
    "Missing",
    "Raised",
    "Unfinished",
    "WrongKind",
]

PARTS = ("encoder", "mu_layer", "logvar_layer", "decoder")  # of a model, by the assignment


# A liar's texts are no longer than those that our worker sends (failure.py): they are searched for what they mean.
MAX_NAME, MAX_LINE = 100, 200
Name = Annotated[str, msgspec.Meta(max_length=MAX_NAME)]
Names = Annotated[list[Name], msgspec.Meta(max_length=10)]
Text = Annotated[str, msgspec.Meta(max_length=3000)]


class Line(msgspec.Struct, array_like=True, frozen=True):
    """A line of vae.py on the way to where it raised."""

    number: int
    function: Name
    text: Annotated[str, msgspec.Meta(max_length=MAX_LINE)]

    def __post_init__(self) -> None:
        """Keep it a line."""
        for name in ("function", "text"):
            msgspec.structs.force_setattr(self, name, one_line(getattr(self, name), MAX_LINE))


class Failure(msgspec.Struct, frozen=True):
    """What the student's code raised."""

    kind: Name
    type: Name
    message: Text
    lines: Annotated[list[Line], msgspec.Meta(max_length=5)]
    # Where a name that was asked for is not there:
    others: Names = []  # the layers of the model, or names in vae.py that are much alike
    inside: Names = []  # where it is instead: in a class, in a layer, or nowhere any more

    def __post_init__(self) -> None:
        """Keep names on one line, and mark the further lines of a message as the student's."""
        set_to = msgspec.structs.force_setattr
        set_to(self, "message", "\n  | ".join(self.message.splitlines()))
        for field in ("others", "inside"):
            set_to(self, field, [one_line(name, MAX_NAME) for name in getattr(self, field)])


class Raised(Exception):  # noqa: N818 - it is the student's error, named as an outcome
    """The student's code raised an exception."""

    def __init__(self, what: str, failure: Failure) -> None:
        super().__init__(what)
        self.what = what
        self.failure = failure

    def __str__(self) -> str:
        """Say it in the student's terms, with their own lines only."""
        failure = self.failure
        # Nobody is to take the student's words for the grader's: further lines are marked, and a type's name is one.
        kind, said = re.sub(r"\W", "_", failure.type), failure.message
        message = f"{self.what} raised {kind}" + (f": {said}" if said else ".")
        for line in failure.lines:
            where = f" in {line.function}" if line.function not in ("", "<module>") else ""
            message += f"\n  vae.py, line {line.number}{where}:  {line.text}"
        last = failure.lines[-1].text if failure.lines else None
        more = hint(self.what, failure.type, failure.message, last)
        return message + (f"\n{more}" if more else "")

    def named_otherwise(self) -> str:
        """Say under which other names, or at which other places, there is something that may be meant."""
        for slip in self.failure.inside[:1]:
            if slip in NOWHERE:
                return f" {NOWHERE[slip]}"
        owner, whole = (
            ("Your model", "the model itself") if self.model else ("Your vae.py", "the left margin")
        )
        if places := shown(self.failure.inside):
            other = "another layer" if self.model else "a class or another function"
            return f" {owner} has {places}, inside of {other}: it belongs to {whole}."
        names = shown([name for name in self.failure.others if name not in PARTS])
        return f" {owner} has {names}: is that it?" if names else ""

    @property
    def model(self) -> str:
        """The model that lacks a part, where it is one that does: VAE of VAE.encoder(...)."""
        owner, dot, part = self.what.partition(".")
        return owner if dot and part[:1].isalpha() else ""


def shown(names: Sequence[str]) -> str:
    """Show the first few names that came from the student's process, cut short."""
    return ", ".join(f"`{name[:40]}`" for name in names[:8])


class Unfinished(Raised):
    """A part that is still to be written."""

    def __str__(self) -> str:
        """Say which part, and where to look in case that it is written."""
        failure = self.failure
        if failure.kind == "none":
            otherwise = self.named_otherwise()
            if self.model and not otherwise:
                otherwise = (
                    f" If you have written it: is it assigned to `self.{failure.message[:40]}`, in __init__, and not "
                    "set to None again after that?"
                )
            name = f"{self.model}.{failure.message}" if self.model else failure.message
            unwritten = "" if otherwise.strip() in NOWHERE.values() else ": this part is not written yet"
            return f"`{name}` is still None{unwritten}.{otherwise}"
        text = f"{self.what} is not written yet: {failure.message or 'it raises NotImplementedError'}."
        if failure.lines:
            line = failure.lines[-1].number
            text += (
                f" If you have written it: line {line} of vae.py still raises NotImplementedError; delete it."
            )
        return text


class Missing(Raised):
    """A name that is not there."""

    def __str__(self) -> str:
        """Say which name."""
        name = self.failure.message
        if self.model:
            return f"Your {self.model} has no `{name}`.{self.named_otherwise()}"
        needed = "" if self.what.startswith(f"{name}(") else f" {self.what} needs it."
        return f"There is no `{name}` in your vae.py.{needed}{self.named_otherwise()}"


class WrongKind(Exception):  # noqa: N818 - as above
    """An answer, but not of the kind asked for."""


UNANSWERED = (Raised, WrongKind, Ended)
