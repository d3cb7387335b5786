"""A mistake of the student's: what shows it, what it is, where to look, and the numbers."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Cause", "Mistake", "disabling", "noting", "raise_all"]


class Cause(str):
    """A line that says what the mistake is, whatever it shows by: that is what a class's mistakes are counted by."""

    __slots__ = ()


class Mistake(AssertionError):  # noqa: N818 - the student's, not an error of ours
    """What the student's code does is not what the row asks for."""

    def __init__(self, *lines: str) -> None:
        """Word it: what is wrong, then what causes that, where to look and the numbers, a line each; "" is none."""
        self.lines = tuple(line for line in lines if line)
        super().__init__("\n".join(self.lines))

    @property
    def causes(self) -> list[Cause]:
        """What it is, where that is known; more than one where there are several, or any of them may be it."""
        return [line for line in self.lines if isinstance(line, Cause)]


@contextlib.contextmanager
def noting(mistakes: list[Mistake]) -> Iterator[None]:
    """Note a mistake and go on: a row may have several, and all are named."""
    try:
        yield
    except Mistake as mistake:
        mistakes.append(mistake)


def raise_all(mistakes: Sequence[Mistake]) -> None:
    """Raise the mistakes that were noted, as one."""
    if mistakes:
        raise Mistake(*(line for mistake in mistakes for line in mistake.lines))


def disabling(what: str) -> Mistake:
    """Word that something disables gradients, and leaves them so."""
    return Mistake(
        f"{what} leaves gradients disabled for all that comes after it: from then on no model could learn.",
        "Look for torch.set_grad_enabled(False); what `with torch.no_grad():` disables ends with its block.",
    )
