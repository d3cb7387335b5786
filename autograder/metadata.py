"""Who handed in which folder: the `submission_metadata.yml` of Gradescope's export of a class."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from autograder.files import MIB, Unreadable, open_regular, printable, reason

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["MAX_METADATA", "METADATA", "Entry", "Submitter", "read_metadata"]

METADATA = "submission_metadata.yml"
AGAIN = "; export the class again, or take that file away: then folders are named, and not students"
MAX_METADATA = 512 * MIB  # it holds every result of every earlier submission
MOMENT = re.compile(r"^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d):\d\d(?:\.\d+)? *(\S*)$")  # people need no seconds
KEPT = {"submitters", "created_at", "name", "sid", "email"}  # the bulk is results, of earlier submissions too
MAX_NESTING = 200  # in what is skipped
LEVELS = 4  # table of folders, table of its keys, list of submitters, table of one
Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C one is ten times as fast


@dataclass(frozen=True)
class Submitter:
    """One student; what is not known is empty. `sid` is text: it may begin with zeros."""

    name: str = ""
    sid: str = ""
    email: str = ""


@dataclass(frozen=True)
class Entry:
    """What the export says of one folder."""

    submitters: tuple[Submitter, ...] = ()
    created_at: str = ""


def read_metadata(path: Path) -> dict[str, Entry]:
    """Return an entry for each folder (or file) that the metadata names, tolerant of whatever is missing.

    The file is read as a stream of events, never as a whole: it can be hundreds of MiB, aliases in it cannot
    multiply, and each value stays the text that it is ('00100' keeps its zeros). Raises Unreadable.
    """
    try:
        with open_regular(path) as file:
            if path.stat().st_size > MAX_METADATA:
                raise Unreadable(f"{METADATA} has more than {MAX_METADATA // MIB} MiB")
            content = _Reader(yaml.parse(file, Loader=Loader)).document()
    except yaml.MarkedYAMLError as error:
        line = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise Unreadable(
            f"{METADATA} cannot be read: {printable(str(error.problem))}{line}{AGAIN}"
        ) from error
    except (yaml.YAMLError, UnicodeError, OSError) as error:
        raise Unreadable(f"{METADATA} cannot be read: {reason(error)}{AGAIN}") from error
    if not isinstance(content, dict):
        raise Unreadable(f"{METADATA} is not a table of submissions{AGAIN}")
    return {folder: _entry(value) for folder, value in content.items()}


def _entry(value: Any) -> Entry:
    table = value if isinstance(value, dict) else {}
    people = table.get("submitters")
    submitters = [
        Submitter(*(_text(person.get(key)) for key in ("name", "sid", "email")))
        for person in (people if isinstance(people, list) else [])
        if isinstance(person, dict)
    ]
    return Entry(tuple(submitters), MOMENT.sub(r"\1 \2 \3", _text(table.get("created_at"))))


def _text(value: Any) -> str:
    return printable(value.strip(), 200) if isinstance(value, str) else ""


class _Reader:
    """YAML events into dicts, lists, text and None, as deep as matters; the rest is passed over."""

    def __init__(self, events: Iterator[yaml.Event]) -> None:
        self.events = events
        self.anchors: dict[str | None, Any] = {}  # Ruby writes a value that it meets twice as an alias

    def document(self) -> Any:
        """Return the first document of the stream."""
        for event in self.events:
            if isinstance(event, yaml.NodeEvent):
                return self.value(event, LEVELS)
        return None

    def value(self, event: yaml.Event, levels: int) -> Any:
        """Return the value that begins with `event`, down to so many levels; None for what lies deeper."""
        value: Any = None
        if isinstance(event, yaml.AliasEvent):
            return self.anchors.get(event.anchor)
        if isinstance(event, yaml.ScalarEvent):
            is_null = event.implicit[0] and event.value in ("", "~", "null", "Null", "NULL")
            value = None if is_null else event.value
        elif levels == 0:
            self.skip(event)
        elif isinstance(event, yaml.SequenceStartEvent):
            value = [self.value(item, levels - 1) for item in self.items()]
        else:
            value = {}
            for key_event in self.items():
                key = self.value(key_event, 0)
                inner = next(self.events)
                # Ruby's symbols begin with a colon
                name = key.removeprefix(":") if isinstance(key, str) else None
                if name is None or (name not in KEPT and levels < LEVELS):
                    self.skip(inner)
                else:
                    value[name] = self.value(inner, levels - 1)
        if isinstance(event, yaml.NodeEvent):
            self.anchors[event.anchor] = value
        return value

    def items(self) -> Iterator[yaml.Event]:
        """Yield the first event of each item of a collection, up to its end."""
        for event in self.events:
            if isinstance(event, yaml.CollectionEndEvent):
                return
            yield event

    def skip(self, event: yaml.Event) -> None:
        """Pass over a value, remembering the texts in it that an alias may name."""
        depth = 0
        while True:
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > MAX_NESTING:
                    raise Unreadable(f"{METADATA} is nested too deep")
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            elif isinstance(event, yaml.ScalarEvent) and event.anchor:
                self.anchors[event.anchor] = event.value
            if depth == 0:
                return
            event = next(self.events)
