"""The form of questions and answers between grader and worker.

A question is a JSON object, and so is an answer; where an object has "tensors", a message of that many numbered
tensors in safetensors form follows. A tensor inside a question or an answer is {"tensor": its number}; a tensor
that the worker still holds is {"slot": its number}, so that gradients can be asked for later and across calls.
Slots are numbered by the question in whose answer the tensor came, so that a question can name one before that.
A question with "more" has another one behind it: its answer may wait for that one's.
"""

from __future__ import annotations

import io
import json
import os
import struct
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load as load_tensors
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence
    from multiprocessing.connection import Connection

__all__ = ["DTYPES", "MAX_ITEMS", "NO_FORWARD", "Inbox", "messages", "pack", "send"]

MAX_ITEMS = 1000  # of a list in an answer, and slots for each answer

NO_FORWARD = 'is missing the required "forward" function'  # says torch where one calls a module that has none
AT_ONCE = 1 << 20  # bytes at most
AT_HAND = 1 << 16  # bytes of messages that are read ahead
DTYPES = {torch.float32: "F32", torch.float64: "F64", torch.int64: "I64"}


def messages(header: dict[str, Any], tensors: Sequence[Tensor] = ()) -> list[bytes]:
    """Write an answer, and its tensors behind it."""
    if tensors:
        header["tensors"] = len(tensors)
    # Half of a surrogate pair, as in the name of a file that is no UTF-8, is no text in JSON either.
    text = json.dumps(header, ensure_ascii=False).encode("utf-8", "replace")
    return [text, pack(tensors)] if tensors else [text]


def send(connection: Connection, written: Sequence[bytes]) -> None:
    """Send messages, at one stroke where they are small: each would wake the other side up."""
    if os.name != "posix" or len(written) == 1 or sum(map(len, written)) > AT_ONCE:
        for message in written:
            connection.send_bytes(message)
        return
    data = memoryview(b"".join(struct.pack("!i", len(message)) + message for message in written))
    while data:
        data = data[os.write(connection.fileno(), data) :]


def pack(tensors: Sequence[Tensor]) -> bytes:
    """Write contiguous tensors in safetensors form, numbered.

    For a few small tensors the library takes four times as long, to find out that they share no memory.
    """
    header, end = {}, 0
    for i, tensor in enumerate(tensors):
        begin, end = end, end + tensor.nbytes
        header[f"{i:06}"] = {
            "dtype": DTYPES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [begin, end],
        }
    text = json.dumps(header).encode("ascii")
    text += b" " * (-len(text) % 8)
    return b"".join([struct.pack("<Q", len(text)), text, *(tensor.numpy().data for tensor in tensors)])


class Inbox:
    """What comes from the grader. Its small messages come many at a time: to read each by itself takes as long."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.stream: io.BufferedReader | None = None
        if os.name == "posix":  # a handle of Windows is no descriptor
            self.stream = io.BufferedReader(io.FileIO(connection.fileno(), closefd=False), AT_HAND)

    def receive(self) -> tuple[dict[str, Any], list[Tensor]]:
        """Receive a question, and the tensors behind it. Raises EOFError or OSError where nobody asks any more."""
        header = json.loads(self.message())
        if not header.get("tensors"):
            return header, []
        named = load_tensors(self.message())
        return header, [named[name] for name in sorted(named)]

    def message(self) -> bytes:
        """Receive one message."""
        if not self.stream:
            return self.connection.recv_bytes()
        length = self.stream.read(4)
        if len(length) < 4:
            raise EOFError
        return self.stream.read(struct.unpack("!i", length)[0])
