"""An answer to come: asked for now, heard when it is wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from autograder.wire import MAX_ITEMS

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Promise", "Slot", "as_it_is"]

T = TypeVar("T")


class Slot(msgspec.Struct, frozen=True, rename={"number": "slot"}):
    """Where the worker will hold a tensor of an answer that is still to come; in a question {"slot": number}."""

    number: int


class Promise(Generic[T]):
    """The answer to a question, which get() returns."""

    def __init__(
        self,
        hear: Callable[[], None],
        read: Callable[[Any], T],
        number: int,
        what: str,
        *,
        wanted: bool,
        tensors: int = 0,
    ) -> None:
        """Promise the answer to a question of this number.

        hear: settles all promises that are due
        read: makes of the value that comes over what get() returns
        what: the name of what is asked for, for messages
        wanted: whether somebody will ask for it, and learn so how the question failed
        tensors: how many of them it may have
        """
        self.hear, self.read, self.number, self.what, self.wanted = hear, read, number, what, wanted
        self.tensors = tensors
        self.value: Any = None
        self.failure: Exception | None = None
        self.due = True

    def settle(self, value: Any = None, failure: Exception | None = None) -> None:
        """Note the answer, or how there came none."""
        self.value, self.failure, self.due = value, failure, False

    def get(self) -> T:
        """Return the answer, or raise how there came none."""
        if self.due:
            self.hear()
        if self.failure:
            raise self.failure
        return self.read(self.value)

    def slot(self, place: int) -> Slot:
        """Tell where the answer's tensor of this place will be, if there are so many."""
        return Slot(self.number * MAX_ITEMS + place)


def as_it_is(value: Any) -> Any:
    """Read an answer as any value."""
    return value
