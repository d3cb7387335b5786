"""The reply decoder under fire: random and damaged answers, and the cases that such runs have found before.

`scripts/fuzz_replies.py` runs the same check for as long as one likes.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autograder.dialogue import Dialogue
from autograder.endings import Malformed
from autograder.outcome import Raised, WrongKind
from autograder.promise import Promise, as_it_is
from autograder.watch import Limits
from autograder.wire import DTYPES, MAX_ITEMS

CASES = Path(__file__).parent / "fuzz_cases"
MODERATE = settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))
TYPES = ["F32", "F64", "I64", "F16", "BOOL", "U8", "C64", "x", 7, None]
ODD: list[Any] = [
    0,
    1,
    -1,
    2,
    7,
    2**31,
    2**62,
    2**64 - 1,
    10**30,
    1.5,
    True,
    None,
    "0",
    "tensor",
    "slot",
    "float",
    [],
    {},
]


class Forger:
    """Stands in the place of a worker: says what it is told to say."""

    def __init__(self, *messages: bytes) -> None:
        self.messages = list(messages)

    def hear(self, limit: int, _seconds: float) -> bytes:
        """Return the next message, which the channel has found to be short enough."""
        return self.hear_more(limit)

    def hear_more(self, limit: int) -> bytes:
        """Return the one behind it."""
        return (self.messages.pop(0) if self.messages else b"")[:limit]


def check(data: bytes) -> None:
    """An answer, header and tensors with a NUL between, is decoded to plain values or is Malformed."""
    header, _, packed = data.partition(b"\0")
    dialogue = Dialogue(SimpleNamespace(limits=Limits()))  # type: ignore[arg-type]
    dialogue.asked = 1
    try:
        promise = Promise(dialogue.hear, as_it_is, 1, "f(...)", wanted=True, tensors=MAX_ITEMS)
        value = dialogue.listen(Forger(header, packed), promise, 1)  # type: ignore[arg-type]
    except (Raised, WrongKind, Malformed) as error:
        value = str(error)  # which must not fail either
    check_value(value)


def check_value(value: Any, depth: int = 0) -> None:
    """A value is a plain one, a tensor of a known type, a WrongKind, or a list of these; a dict only of numbers."""
    assert depth < 20
    if isinstance(value, list):
        assert len(value) <= MAX_ITEMS
        for item in value:
            check_value(item, depth + 1)
    elif isinstance(value, dict):
        assert all(isinstance(key, str) and isinstance(item, int) for key, item in value.items())
    elif isinstance(value, torch.Tensor):
        assert value.dtype in DTYPES
        assert value.numel() * value.element_size() <= Limits().answer
    else:
        assert value is None or isinstance(value, (bool, int, float, str, WrongKind))


def pack(entries: dict[str, Any], data: bytes, size: int | None = None) -> bytes:
    """Pack tensors' entries and their data as safetensors does."""
    header = json.dumps(entries).encode()
    return struct.pack("<Q", (len(header) if size is None else size) & 0xFFFF_FFFF_FFFF_FFFF) + header + data


NUMBERS = st.sampled_from(ODD) | st.integers() | st.floats() | st.text(max_size=5)
LEAVES = NUMBERS | st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("tensor", "slot", "grad", "float", "other", "model"), NUMBERS)
)
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=4), max_leaves=12)
ENTRIES = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(TYPES),
        "shape": st.lists(st.sampled_from(ODD) | st.integers(0, 4), max_size=4) | st.none(),
        "data_offsets": st.lists(st.sampled_from([0, 4, 8, 16, -4, 2**40, 2**64 - 1]), max_size=3),
    }
)
TENSORS = st.builds(
    pack,
    st.dictionaries(st.sampled_from(["000000", "000001", "1", "__metadata__"]), ENTRIES, max_size=3),
    st.binary(max_size=32),
    st.none() | st.sampled_from([0, 7, 2**31, 2**64 - 1]),
)
ERRORS = st.none() | st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["raised", "missing", "none", "unfinished", "fault", ""]) | NUMBERS,
        "type": st.text(max_size=5) | NUMBERS,
        "message": st.text(max_size=50) | NUMBERS,
        "lines": st.lists(st.tuples(NUMBERS, NUMBERS, st.text(max_size=5)).map(list), max_size=3) | NUMBERS,
    }
)


@MODERATE
@given(
    st.sampled_from([1, 1, 1, 0, True, "1", 2]),
    VALUES,
    ERRORS,
    st.sampled_from([0, 1, 2, -1, 10**9]),
    TENSORS,
)
def test_answers_are_decoded_or_malformed(
    number: object, value: object, error: object, tensors: int, packed: bytes
) -> None:
    """Whatever the parts of an answer, it gives plain values or one of the ways in which a question ends."""
    answer = {"id": number, "value": value, "error": error, "tensors": tensors}
    check(json.dumps(answer).encode() + b"\0" + packed)


@MODERATE
@given(st.binary(max_size=200), st.binary(max_size=200))
def test_bytes_are_malformed(header: bytes, packed: bytes) -> None:
    """Bytes that nobody has thought about end the question, too."""
    check(header + b"\0" + packed)


@pytest.mark.parametrize("path", sorted(CASES.glob("reply-*")), ids=lambda path: path.name)
def test_found_case_stays_mended(path: Path) -> None:
    """A case that a longer run has found is decoded or malformed ever after."""
    check(path.read_bytes())
